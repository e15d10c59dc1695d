"""Learn: guided lessons, and a sandbox for rounding numbers."""

from maskaq.ui.sandbox import tab as sandbox
from maskaq.ui.shell import lesson_list, router
from maskaq.ui.state import pages
from maskaq.ui.widgets import tabs

router.enter()

if tabs.header(pages.LEARN) == "Sandbox":
    sandbox.draw()
else:
    lesson_list.draw()
