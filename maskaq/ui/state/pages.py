"""The pages of the app, as plain data: the router, the links and the tests read this table."""

from __future__ import annotations

from typing import NamedTuple


class PageSpec(NamedTuple):
    """One page: its file relative to `app.py`, and how the navigation presents it.

    The name of the file is the address of the page, see `maskaq.ui.shell.router`.
    """

    file: str
    section: str
    title: str
    icon: str
    help: str


UNDERSTAND, TRY, JUDGE = "Understand", "Try it", "Judge"

START = PageSpec(
    "pages/start.py",
    UNDERSTAND,
    "Start",
    ":material/home:",
    "The whole story on one page, with a stored result",
)
LESSONS = PageSpec(
    "pages/lessons.py",
    UNDERSTAND,
    "Lessons",
    ":material/school:",
    "Four guided lessons over these pages, ten minutes each",
)
SANDBOX = PageSpec(
    "pages/sandbox.py",
    UNDERSTAND,
    "Quantizer sandbox",
    ":material/stairs:",
    "What rounding to a few bits does to numbers, without any model",
)
ATTENTION = PageSpec(
    "pages/attention.py",
    UNDERSTAND,
    "Attention",
    ":material/visibility:",
    "Where the model looks, and which patches count as informative",
)
SIMILARITY = PageSpec(
    "pages/similarity.py",
    UNDERSTAND,
    "Similarity",
    ":material/grid_on:",
    "How alike the patches of an image are, and how that is measured",
)
SYNTHESIS = PageSpec(
    "pages/synthesis.py",
    TRY,
    "Synthesis",
    ":material/brush:",
    "Let the model draw the images that replace its training data",
)
QUANTIZE = PageSpec(
    "pages/quantize.py",
    TRY,
    "Quantize",
    ":material/compress:",
    "Round a model to a few bits without its training data",
)
ABLATION = PageSpec(
    "pages/ablation.py",
    TRY,
    "Ablation",
    ":material/tune:",
    "Change two settings at a time and see which one matters",
)
CLAIMS = PageSpec(
    "pages/claims.py",
    UNDERSTAND,
    "Claims",
    ":material/gavel:",
    "What MaskAQ rests on, tested where the truth is known",
)
COMPARE = PageSpec(
    "pages/compare.py",
    JUDGE,
    "Compare",
    ":material/balance:",
    "Runs side by side, and what the papers published",
)
REPORT = PageSpec(
    "pages/report.py",
    JUDGE,
    "Report",
    ":material/description:",
    "Take a run with you: one file that opens without a network",
)
PAGES = (  # the first one is shown at the bare address
    START,
    LESSONS,
    SANDBOX,
    ATTENTION,
    SIMILARITY,
    CLAIMS,
    SYNTHESIS,
    QUANTIZE,
    ABLATION,
    COMPARE,
    REPORT,
)
