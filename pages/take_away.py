"""Take away: one page that sums up a run or compares several, and its files."""

from maskaq.ui.sections import take_away
from maskaq.ui.shell import router
from maskaq.ui.state import pages
from maskaq.ui.widgets import run_picker, show, tabs

choice = router.enter()

tabs.header(pages.TAKE_AWAY)
runs = run_picker.pick(choice, key="report", of_one_source=True)
take_away.section(choice, runs)
show.details()
