"""The pages of the app, as plain data: the router, the links and the tests read this table."""

from __future__ import annotations

from typing import NamedTuple


class PageSpec(NamedTuple):
    """One page: its file relative to `app.py`, and how the navigation presents it.

    The name of the file is the address of the page, see `maskaq.ui.router`.
    """

    file: str
    section: str
    title: str
    icon: str
    help: str


START = PageSpec(
    file="pages/start.py",
    section="Understand",
    title="Start",
    icon=":material/home:",
    help="What maskaq does, with a stored result",
)
QUANTIZE = PageSpec(
    file="pages/quantize.py",
    section="Try it",
    title="Quantize",
    icon=":material/compress:",
    help="Round a model to a few bits without its training data",
)
PAGES = (START, QUANTIZE)  # the first one is shown at the bare address
