"""Look inside: what the model attends to in one picture, and whether it matters."""

from maskaq.ui.sections.look_inside import attention, proof, similarity
from maskaq.ui.shell import router
from maskaq.ui.state import pages
from maskaq.ui.widgets import tabs

TABS = {"Attention": attention.tab, "Similarity": similarity.tab, "Proof": proof.tab}

choice = router.enter()

TABS[tabs.header(pages.LOOK_INSIDE)](choice)
