"""What the playground shows, in one URL parameter: `view=bridge,maskaq,W4A4,block8,mask25,cls`.

The browser writes the parameter while controls move, without asking the server.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any

from maskaq.precomputed import worlds
from maskaq.precomputed.worlds import BITS, SOURCES, World
from maskaq.ui.state.url import Field


@dataclass(frozen=True)
class View:
    """A picture and how it is looked at.

    picture: its name. source, bits: of Q. block: from 0. ratio: of the mask, in percent. patch:
    whose attention is shown; None for the class token.
    """

    picture: str = "bridge"
    source: str = "maskaq"
    bits: str = "W4A4"
    block: int = 8
    ratio: int = 25
    patch: int | None = None

    def __str__(self) -> str:
        patch = "cls" if self.patch is None else f"patch{self.patch}"
        parts = self.picture, self.source, self.bits, f"block{self.block}", f"mask{self.ratio}"
        return ",".join((*parts, patch))


DEFAULT = View()
_TEXT = re.compile(
    r"([a-z0-9-]{1,40}),([a-z]{1,10}),(W\dA\d),block(\d{1,3}),mask(\d{1,3}),(?:cls|patch(\d{1,5}))",
    re.ASCII,
)


def world_of(picture: str) -> World:
    """The world that a picture belongs to.

    Raises:
        ValueError: no world has this picture.
    """
    for world in worlds.worlds():
        if any(one["name"] == picture for one in world.about["pictures"]):
            return world
    raise ValueError(f"not a view: no picture is named {picture!r}")


def parse(text: str) -> View:
    """Read the parameter.

    Raises:
        ValueError: malformed, or a picture, patch or block that does not exist.
    """
    found = _TEXT.fullmatch(text)
    if not found:
        raise ValueError(f"not a view: {text!r}")
    picture, source, bits, block, ratio, patch = found.groups()
    view = View(picture, source, bits, int(block), int(ratio), int(patch) if patch else None)
    return _checked(view)


def from_browser(values: Any) -> View:
    """A view that the browser sent with another picture; what does not fit it is reset.

    Raises:
        ValueError: not a view.
    """
    try:
        view = View(**{name: values[name] for name in asdict(DEFAULT)})
        blocks = world_of(view.picture).about["blocks"]
        return parse(str(View(**asdict(view) | {"block": min(view.block, blocks - 1)})))
    except (KeyError, TypeError) as error:
        raise ValueError("not a view") from error


def _checked(view: View) -> View:
    about = world_of(view.picture).about
    patches = about["grid"][0] * about["grid"][1]
    if (
        view.source not in SOURCES
        or view.bits not in BITS
        or not view.block < about["blocks"]
        or not 5 <= view.ratio <= 100
        or not (view.patch is None or view.patch < patches)
    ):
        raise ValueError(f"not a view: {view}")
    return view


FIELD = Field(parse, "what the page wrote there, such as " + str(DEFAULT), DEFAULT)
