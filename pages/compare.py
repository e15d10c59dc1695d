"""Compare: runs side by side, a grid of settings, and the complete tables, ours and published."""

from maskaq.ui.sections import ablation_grid, accuracy_table, comparison, published_table
from maskaq.ui.shell import router
from maskaq.ui.state import pages
from maskaq.ui.widgets import show, tabs

SECTIONS = {
    "Runs": comparison.section,
    "Grid": ablation_grid.section,
    "Measured": accuracy_table.section,
    "Published": published_table.section,
}

choice = router.enter()

SECTIONS[tabs.header(pages.COMPARE)](choice)
show.details()
