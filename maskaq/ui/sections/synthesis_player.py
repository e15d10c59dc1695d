"""How the images of a run came about: step by step with a slider, and as a file that plays."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from maskaq.config.components import DRAWING, SOURCE_NAMES, coefficients_of
from maskaq.errors import RunError
from maskaq.figures import pictures, synthesis
from maskaq.figures.results import curves
from maskaq.results import artifacts, manifest
from maskaq.ui.sections import run_results
from maskaq.ui.widgets import show

if TYPE_CHECKING:
    from pathlib import Path

    from maskaq.results.store import Stored

STEP = "scrub"  # key of the slider
_WIDTH = 520  # pixels of a frame, at least
_KINDS: tuple[Literal["webp", "gif"], ...] = ("webp", "gif")
_FRAME_MS = 300

Frame = NDArray[np.uint8]


def film(run: Stored) -> None:
    """The stored frames with a slider, the curves beside them, and the downloads."""
    spec = run.result.spec
    if spec.synthesis.source not in DRAWING:
        others = ", ".join(name for name in SOURCE_NAMES if name in DRAWING)
        st.info(
            f"Images from the source {spec.synthesis.source} are not drawn step by step, so there "
            f"is nothing to go back through. Choose {others}."
        )
        return
    seen = run_results.evidence(run)
    try:
        frames = _frames(run.folder, (run.folder / manifest.NAME).stat().st_mtime_ns)
    except (RunError, OSError) as error:
        st.error(str(error), icon=":material/error:")
        return
    if seen is None or not frames or len(seen.steps) != len(frames):
        st.info("This run was stored without frames. Run it again to go back through its steps.")
        run_results.course(run)
        return
    st.fragment(_scrub)(run, frames, list(seen.steps))
    _save(run, frames)


def _scrub(run: Stored, frames: tuple[Frame, ...], steps: list[int]) -> None:
    """Slider, frame and curves; a fragment, so that the rest of the page stays as it is."""
    if st.session_state.get(STEP) not in steps:  # another run had other steps
        st.session_state[STEP] = steps[-1]
    step = steps[-1]
    if len(steps) > 1:
        step = st.select_slider(
            "Step of the drawing", steps, key=STEP, help="Stored are about ten steps of a run."
        )
    measured = run.curves[run.curves["stage"] == "synthesis"]
    left, right = st.columns(2, gap="large")
    left.image(
        frames[steps.index(step)],
        width="stretch",
        alt=f"The images as they were after step {step}.",
        caption=f"After step {step} of {run.result.spec.synthesis.steps}{_ratio(run, step)}.",
    )
    names = [metric for _, metric in curves.quantities(measured)]
    if not names:
        return
    with right:
        _parts(run, step)
    show.figure(
        curves.terms(measured, names, step),
        measured.dropna(axis=1, how="all"),
        alt=curves.describe(measured),
        key="terms",
        name=f"terms-{run_results.slug(run.result)}",
        note="*entropy* is the similarity entropy of Eq. 10 with its sign turned, because every "
        "term is made small. *loss* is the weighted sum of all terms.",
    )


def _parts(run: Stored, step: int) -> None:
    """Each term at one step, its weight, and what it adds to the loss."""
    weights = coefficients_of(run.result.spec.synthesis)
    table = synthesis.terms_frame(run.curves, weights, step)
    st.markdown(f"**What the loss is made of after step {step}**")
    st.dataframe(
        table,
        hide_index=True,
        width="stretch",
        key="parts",
        alt=f"Terms of the loss after step {step}; together {table['adds'].sum():.3g}.",
        column_config={
            "term": "Term",
            "value": st.column_config.NumberColumn("Value", format="%.3g"),
            "weight": st.column_config.NumberColumn("Weight", format="%g"),
            "adds": st.column_config.NumberColumn(
                "Adds to the loss", format="%.3f", help="Value times weight"
            ),
        },
    )
    st.caption(f"Together {table['adds'].sum():.3f}.")


def _ratio(run: Stored, step: int) -> str:
    rows = run.curves[(run.curves["stage"] == "synthesis") & (run.curves["step"] <= step)]
    if "mask_ratio" not in rows or rows["mask_ratio"].dropna().empty:
        return ""
    return f", mask ratio {rows['mask_ratio'].dropna().iloc[-1]:.2f}"


def _save(run: Stored, frames: tuple[Frame, ...]) -> None:
    with st.container(horizontal=True):
        for kind in _KINDS:
            st.download_button(
                f"Save as {kind.upper() if kind == 'gif' else 'WebP'}",
                lambda kind=kind: pictures.animation(frames, kind, _FRAME_MS),  # type: ignore[misc]
                file_name=f"maskaq-evolution-{run_results.slug(run.result)}.{kind}",
                mime=f"image/{kind}",
                icon=":material/download:",
                key=f"film_{kind}",
                on_click="ignore",
            )
    st.caption(f"An animation of {len(frames)} frames. WebP is smaller, GIF opens everywhere.")


@lru_cache(maxsize=8)
def _frames(folder: Path, changed: int) -> tuple[Frame, ...]:
    """The frames of a run, uint8 [H,W,3] each, with pixels as sharp squares."""
    found = []
    for sheet in artifacts.film(folder):
        pixels: Frame = np.asarray(sheet)
        factor = max(1, -(-_WIDTH // pixels.shape[1]))
        large: Frame = pixels.repeat(factor, 0).repeat(factor, 1)
        large.setflags(write=False)
        found.append(large)
    return tuple(found)
