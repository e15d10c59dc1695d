"""The pages of the app, as plain data for the router, the links and the tests."""

from typing import NamedTuple


class PageSpec(NamedTuple):
    """One page: its file relative to `app.py`, and how the navigation presents it.

    The file name is also the URL path of the page, see `maskaq.ui.shell.router`.
    """

    file: str
    section: str
    title: str
    icon: str
    help: str


UNDERSTAND, TRY, JUDGE = "Understand", "Try it", "Judge"

PLAYGROUND = PageSpec(
    "pages/playground.py",
    UNDERSTAND,
    "Playground",
    ":material/touch_app:",
    "Touch a picture, shrink the model, and see what it still recognises",
)
LESSONS = PageSpec(
    "pages/lessons.py",
    UNDERSTAND,
    "Lessons",
    ":material/school:",
    "Four guided tours of these pages, ten minutes each",
)
SANDBOX = PageSpec(
    "pages/sandbox.py",
    UNDERSTAND,
    "Quantizer sandbox",
    ":material/stairs:",
    "What rounding to a few bits does to numbers",
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
    "How similar the patches of an image are, and how that is measured",
)
SYNTHESIS = PageSpec(
    "pages/synthesis.py",
    TRY,
    "Synthesis",
    ":material/brush:",
    "Let the model make the images that replace its training data",
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
    "Vary two settings and see which one matters",
)
CLAIMS = PageSpec(
    "pages/claims.py",
    UNDERSTAND,
    "Claims",
    ":material/gavel:",
    "The claims behind MaskAQ, tested where the truth is known",
)
COMPARE = PageSpec(
    "pages/compare.py",
    JUDGE,
    "Compare",
    ":material/balance:",
    "Compare runs with each other and with published results",
)
REPORT = PageSpec(
    "pages/report.py",
    JUDGE,
    "Report",
    ":material/description:",
    "Download a run as one file that opens offline",
)
PAGES = (  # the first one is shown for a URL without a path
    PLAYGROUND,
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
