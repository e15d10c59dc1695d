"""The component in the browser, from the files in `assets/`, and the bytes that it gets.

The bytes are a safetensors file with one JSON document in its metadata, as in the playground.
"""

import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from maskaq.quantization.level_list import LevelList
from maskaq.ui.widgets import browser

_ASSETS = Path(__file__).with_name("assets")


class Shown(NamedTuple):
    """What the component shows.

    settings: names the settings behind it; levels by hand belong to them. values: float32 [n].
    random: whether the values are a sample. levels: of the chosen rule. hand: those of the visitor.
    symmetric: whether the range is the same on both sides of 0. rules: SQNR in dB by rule.
    """

    settings: str
    values: NDArray[np.float32]
    random: bool
    levels: LevelList
    hand: LevelList | None
    symmetric: bool
    rules: dict[str, float]


def mount(shown: Shown, *, key: str, on_levels: Callable[[], None]) -> Any:
    """Show the component. on_levels: called when the browser sends `levels`."""
    return browser.mount(
        "sandbox", _ASSETS, key=key, data=message(shown), on_levels_change=on_levels
    )


def message(shown: Shown) -> bytes:
    """The bytes for the browser. It redraws when their stamp changes."""
    levels, hand = shown.levels, shown.hand
    arrays: dict[str, NDArray[Any]] = {
        "values": shown.values,
        "levels": levels.levels.astype(np.float32),
        "edges": levels.edges.astype(np.float32),
        "codes": levels.codes.astype(np.int32),
    }
    if hand is not None:
        arrays |= {
            "hand_levels": hand.levels.astype(np.float32),
            "hand_edges": hand.edges.astype(np.float32),
        }
    document = {
        "settings": shown.settings,
        "stamp": zlib.crc32(save(arrays)),
        "random": shown.random,
        "rule": levels.rule,
        "bits": levels.bits,
        "symmetric": shown.symmetric,
        # JSON has no infinity; no finite SQNR of numbers in float32 comes near.
        "rules": [{"name": name, "sqnr": min(sqnr, 999)} for name, sqnr in shown.rules.items()],
    }
    return save(arrays, {"json": json.dumps(document)})
