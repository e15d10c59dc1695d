"""The images of a run during synthesis: step by step with a slider, and as an animation."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from maskaq.config.components import SOURCES, TERMS, coefficients_of
from maskaq.errors import RunError
from maskaq.figures import pictures, synthesis
from maskaq.results import artifacts, manifest
from maskaq.ui.sections import run_results
from maskaq.ui.widgets import show, spotlight

if TYPE_CHECKING:
    from pathlib import Path

    from maskaq.config import SynthesisOptions
    from maskaq.results.store import Stored

STEP = "scrub"  # key of the slider
_WIDTH = 520  # minimum width of a frame in pixels
_KINDS: tuple[Literal["webp", "gif"], ...] = ("webp", "gif")
_FRAME_MS = 300

Frame = NDArray[np.uint8]


def film(run: Stored) -> None:
    """The stored frames with a slider, the metrics, and the downloads."""
    spec = run.result.spec
    if not SOURCES[spec.synthesis.source].synthesizes:
        others = ", ".join(name for name, info in SOURCES.items() if info.synthesizes)
        st.info(
            f"The source {spec.synthesis.source} does not make its images step by step, so there "
            f"are no steps to show. Choose {others}."
        )
        return
    evidence = run_results.evidence(run)
    try:
        frames = _frames(run.folder, (run.folder / manifest.NAME).stat().st_mtime_ns)
    except (RunError, OSError) as error:
        st.error(str(error), icon=":material/error:")
        return
    if evidence is None or not frames or len(evidence.steps) != len(frames):
        st.info("This run was stored without frames. Run it again to see its steps.")
        run_results.metrics(run)
        return
    show.verdict(run_results.recognised_in(run.result))
    _scrub(run, frames, list(evidence.steps))


def _scrub(run: Stored, frames: tuple[Frame, ...], steps: list[int]) -> None:
    """Slider, frame and loss."""
    if st.session_state.get(STEP) not in steps:  # another run has other steps
        st.session_state[STEP] = steps[-1]
    step = steps[-1]
    left, right = st.columns([2, 3], gap="large")
    with left:
        if len(steps) > 1:
            with spotlight.on(STEP):
                step = st.select_slider(
                    "Step of the synthesis",
                    steps,
                    key=STEP,
                    help="A run stores about ten of its steps.",
                )
        st.image(
            frames[steps.index(step)],
            width="stretch",
            alt=f"The images after step {step}.",
            caption=f"After step {step} of {run.result.spec.synthesis.steps}{_ratio(run, step)}.",
        )
        _save(run, frames)
    options = run.result.spec.synthesis
    table = synthesis.loss_frame(run.curves, coefficients_of(options))
    if table.empty:
        return
    with right:
        show.chart(
            synthesis.loss(table, step).with_suffix(run_results.slug(run.result)),
            key="terms",
            note=_explained(set(table["term"]), options),
        )


def _explained(terms: set[str], options: SynthesisOptions) -> str:
    """How to read the curves of these terms."""
    notes = []
    if "entropy" in terms:
        notes.append(
            f"*{TERMS['entropy'].label}* is a negative entropy in nats: lower means that patches "
            "differ more."
        )
    if "align" in terms:
        every = options.savings.align_every
        rhythm = f", measured every {every} steps" if every > 1 else ""
        notes.append(
            f"*{TERMS['align'].label}* is how far Q is from P per patch of the mask{rhythm}. It "
            "can rise although it is minimised: the mask shrinks to patches with more attention, "
            "where P and Q differ more."
        )
    return " ".join(notes)


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
                help=f"An animation of {len(frames)} frames. WebP is smaller; GIF opens "
                "everywhere.",
            )


@lru_cache(maxsize=8)
def _frames(folder: Path, changed: int) -> tuple[Frame, ...]:
    """The frames of a run, uint8 [H,W,3] each, enlarged without smoothing.

    changed: the modification time of the run, so that a new run of that name is read again.
    """
    frames = []
    for sheet in artifacts.film(folder):
        pixels: Frame = np.asarray(sheet)
        factor = max(1, -(-_WIDTH // pixels.shape[1]))
        large: Frame = pixels.repeat(factor, 0).repeat(factor, 1)
        large.setflags(write=False)
        frames.append(large)
    return tuple(frames)
