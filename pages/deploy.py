"""Deploy: how much smaller and faster files of Q are, and how to run one."""

from maskaq.ui.sections import deploy
from maskaq.ui.shell import router
from maskaq.ui.state import pages
from maskaq.ui.widgets import show, tabs

choice = router.enter()

tabs.header(pages.DEPLOY)
deploy.section(choice)
show.details()
