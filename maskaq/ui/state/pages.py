"""The pages of the app, as plain data for the router, the links and the tests."""

from collections.abc import Mapping
from typing import NamedTuple

_BITS = ("weight_bits", "activation_bits")
_SUBJECT = ("model", *_BITS, "image", "block", "head", "mask_ratio")
_RUN = ("model", *_BITS, "mask_ratio", "seed")


class PageSpec(NamedTuple):
    """One page: its file relative to `app.py`, and how the navigation presents it.

    The file name is also the URL path of the page, see `maskaq.ui.shell.router`.

    tabs: names of its tabs, each with the shared controls that act on it; a page without tabs has
    one, named "". own: whether the visitor's own files act on the page.
    """

    file: str
    title: str
    icon: str
    help: str
    tabs: Mapping[str, tuple[str, ...]]
    own: bool = True

    @property
    def runs(self) -> bool:
        """Whether runs are set up here, with their seed."""
        return any("seed" in controls for controls in self.tabs.values())

    @property
    def parameter(self) -> str:
        """The URL parameter that names the tab."""
        return self.file.removeprefix("pages/").removesuffix(".py").partition("_")[0]


PLAYGROUND = PageSpec(
    "pages/playground.py",
    "Playground",
    ":material/touch_app:",
    "Touch a picture, shrink the model, and see what it still recognises",
    {"": ()},
)
LEARN = PageSpec(
    "pages/learn.py",
    "Learn",
    ":material/school:",
    "Four guided lessons, and a sandbox for rounding numbers",
    {"Lessons": (), "Sandbox": ()},
    own=False,
)
LOOK_INSIDE = PageSpec(
    "pages/look_inside.py",
    "Look inside",
    ":material/visibility:",
    "What the model attends to in one picture, and whether it matters",
    {
        "Attention": _SUBJECT,
        "Similarity": ("model", *_BITS, "image", "block", "mask_ratio"),
        "Proof": ("model", *_BITS, "image", "mask_ratio"),
    },
)
MAKE_ONE = PageSpec(
    "pages/make_one.py",
    "Make one",
    ":material/compress:",
    "Make images, fit a small model to them, and see how good it is",
    {"Draw": _RUN, "Fit": _RUN, "Result": _RUN},
)
COMPARE = PageSpec(
    "pages/compare.py",
    "Compare",
    ":material/balance:",
    "Your runs, a grid of settings, and what the papers published",
    {"Runs": _BITS, "Grid": _RUN, "Measured": _BITS, "Published": _BITS},
)
TAKE_AWAY = PageSpec(
    "pages/take_away.py",
    "Take away",
    ":material/description:",
    "One page that sums up a run, and its files",
    {"": _BITS},
    own=False,
)
DEPLOY = PageSpec(
    "pages/deploy.py",
    "Deploy",
    ":material/deployed_code:",
    "How much smaller and faster a file of the quantized model is, and how to run it",
    {"": ("model",)},
    own=False,
)
# The first has no path in the address.
PAGES = (PLAYGROUND, LEARN, LOOK_INSIDE, MAKE_ONE, COMPARE, DEPLOY, TAKE_AWAY)

# Earlier addresses, with the page and the tab that they lead to now.
MOVED = {
    "start": (PLAYGROUND, ""),
    "lessons": (LEARN, "Lessons"),
    "sandbox": (LEARN, "Sandbox"),
    "attention": (LOOK_INSIDE, "Attention"),
    "similarity": (LOOK_INSIDE, "Similarity"),
    "claims": (LOOK_INSIDE, "Proof"),
    "synthesis": (MAKE_ONE, "Draw"),
    "quantize": (MAKE_ONE, "Result"),
    "ablation": (COMPARE, "Grid"),
    "report": (TAKE_AWAY, ""),
}
