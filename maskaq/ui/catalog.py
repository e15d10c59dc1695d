"""The pages of the app, as plain data: the router, the links and the tests read this table.

A page's `url_path` must differ from its file's stem. Streamlit starts in a mode in which an
address that equals a stem runs that file alone, without `app.py` and its sidebar.
"""

from __future__ import annotations

from typing import NamedTuple


class PageSpec(NamedTuple):
    """One page: file relative to `app.py`, address, and how the navigation presents it."""

    file: str
    url_path: str
    section: str
    title: str
    icon: str
    help: str


START = PageSpec(
    file="pages/start.py",
    url_path="welcome",
    section="Understand",
    title="Start",
    icon=":material/home:",
    help="What maskaq does, with a stored result",
)
QUANTIZE = PageSpec(
    file="pages/quantize.py",
    url_path="quantize-a-model",
    section="Try it",
    title="Quantize",
    icon=":material/compress:",
    help="Make a small model out of a large one, without its training data",
)
PAGES = (START, QUANTIZE)  # the first one is shown at the bare address
