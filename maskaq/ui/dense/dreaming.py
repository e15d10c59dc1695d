"""Pictures that the model for segmentation sees as the visitor painted them."""

import json
import zlib
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from safetensors.numpy import save

from maskaq.figures.style import PALETTE
from maskaq.jobs import service
from maskaq.precomputed import dream
from maskaq.precomputed.dense import MODELS
from maskaq.ui.dense.component import ASSETS
from maskaq.ui.widgets import browser, query

KEY = "dream"  # of the component
_LATEST = "_dream_latest"  # in the session: the painting that the visitor sent last
_COUNT = "_dream_count"  # in the session: how many paintings were sent
_SHOWN = "_dream_shown"  # in the session: a painting, and the pictures for it
_EXPECTED = 8  # seconds
_NAME = "dream"  # of the query

Painting = NDArray[np.uint8]


def section() -> None:
    """Draw the component, and below it the progress of a new dream."""
    state = st.session_state
    place = st.container()
    latest: Painting | None = state.get(_LATEST)
    if latest is not None and not _same(latest, state.get(_SHOWN) or dream.read().arrays):
        answer = query.answer(
            _NAME, _subject(latest), _question(latest), label="Dream it", expected=_EXPECTED
        )
        if answer is not None:
            state[_SHOWN] = {"painting": latest, **answer}
    with place:
        browser.mount(
            "dream",
            ASSETS,
            key=KEY,
            data=message(state.get(_SHOWN), latest),
            on_painting_change=_receive,
            on_warm_change=service.warm,
        )


def message(shown: dict[str, NDArray[Any]] | None, latest: Painting | None = None) -> bytes:
    """The bytes for the browser.

    Args:
        shown: a painting and the pictures for it, see `maskaq.precomputed.dream`; None for the
            stored ones.
        latest: the painting that the visitor sent last.
    """
    stored = dream.read()
    arrays = dict(stored.arrays if shown is None else shown)
    steps = arrays.pop("steps").tolist()
    begun = arrays["painting"] if latest is None else latest
    document = {
        "classes": stored.about["classes"],
        "palette": PALETTE,
        "steps": steps,
        "stamp": zlib.crc32(arrays["images"].tobytes()),
        "waiting": latest is not None
        and not _same(latest, arrays)
        and query.requested(_NAME, _subject(latest)),
        "sent": st.session_state.get(_COUNT, 0),  # so that the browser always gets an answer
        "off": service.READONLY if service.readonly() else "",
        "note": note(stored=shown is None),
    }
    return save({**arrays, "latest": begun}, {"json": json.dumps(document)})


def note(*, stored: bool) -> str:
    """What the pictures are, and where they come from."""
    about = dream.read().about
    made = (
        f"Computed beforehand on {about['created'][:10]} with {dream.COMMAND}."
        if stored
        else "Computed just now."
    )
    off = f" Dreaming is switched off: {service.READONLY}" if service.readonly() else ""
    return (
        f"Noise is changed step by step, so that {about['model']} in full precision segments it as "
        f"painted. No photograph is used. Seed {about['seed']}; one painting, so no interval. "
        f"{made}{off}"
    )


def painting_of(sent: Any) -> Painting | None:
    """The painting that the browser sent; None if our script did not send it."""
    stored = dream.read()
    expected, classes = stored.arrays["painting"].shape, len(stored.about["classes"])
    cells = sent.get("cells") if isinstance(sent, dict) else None
    if not isinstance(cells, list) or len(cells) != np.prod(expected):
        return None
    if not all(isinstance(cell, int) and 0 <= cell < classes for cell in cells):
        return None
    return np.array(cells, np.uint8).reshape(expected)


def _receive() -> None:
    latest = painting_of(getattr(st.session_state.get(KEY), "painting", None))
    if latest is not None and not service.readonly():
        st.session_state[_LATEST] = latest
        st.session_state[_COUNT] = st.session_state.get(_COUNT, 0) + 1
        query.request(_NAME, _subject(latest))


def _question(painting: Painting) -> dict[str, Any]:
    seed = dream.read().about["seed"]
    return {"model": MODELS["segmentation"], "weights": "", "painting": painting, "seed": seed}


def _subject(painting: Painting) -> tuple[object, ...]:
    return (painting.tobytes(),)


def _same(painting: Painting, shown: dict[str, NDArray[Any]] | None) -> bool:
    return shown is not None and np.array_equal(painting, shown["painting"])
