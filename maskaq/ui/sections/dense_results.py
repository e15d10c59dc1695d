"""Results of segmentation and detection: targets on the samples, and where Q differs from P."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from maskaq.config.components import TASKS
from maskaq.figures import overlays
from maskaq.figures.results import per_class
from maskaq.ui.sections import run_results
from maskaq.ui.widgets import show

if TYPE_CHECKING:
    from maskaq.results.store import Stored

_FEW = 6  # samples shown at first
_WHO = ("Truth", "P", "Q")


def samples(run: Stored) -> None:
    """The samples of a run, with what each of them was made to show."""
    evidence = run_results.evidence(run)
    if evidence is None or not run.samples:
        st.info("This run was stored without its images. Run it again to store them.")
        return
    images, targets = run.samples["images"], run.samples["labels"]
    left, right = st.columns(2)
    show_all = left.toggle(f"Show all {len(images)} images", key="gallery_all")
    plain = right.toggle("Without the targets", key="gallery_plain")
    count = len(images) if show_all else min(_FEW, len(images))
    with st.container(horizontal=True, gap="small"):
        for image, target in zip(images[:count], targets[:count], strict=True):
            answer = overlays.of_target(image, target, evidence.classes)
            shown = image if plain else answer.picture
            st.image(
                shown.transpose(1, 2, 0),
                width=160,
                alt=f"A synthetic image made to show {answer.words}.",
            )
    share = run.result.samples["recognised"]
    measure = "pixels" if targets.ndim == 3 else "objects"
    st.caption(
        f"Showing {count} of {len(images)}, with what each was made to show. P sees "
        f"{100 * share:.0f} % of the {measure} that it should see."
    )


def differences(run: Stored) -> None:
    """Which classes lose, and the images on which P and Q differ most."""
    evidence = run_results.evidence(run)
    if evidence is None or evidence.per_class is None:
        st.info("This run was stored without its predictions. Run it again to store them.")
        return
    result = run.result
    table = per_class.frame(evidence.per_class, evidence.classes)
    chart = per_class.changes(table, result.metrics[0], result.evaluated)
    show.verdict(chart.alt)
    show.chart(chart.with_suffix(run_results.slug(result)), key="per_class")
    st.markdown("**Where P and Q differ most**")
    answers = overlays.of_evidence(evidence)[: _FEW // 2]
    for row in answers:
        for place, who, answer in zip(st.columns(3), _WHO, row, strict=True):
            place.image(
                answer.picture.transpose(1, 2, 0),
                caption=who,
                width="stretch",
                alt=f"{who}: {answer.words}.",
            )
    st.caption(
        f"Showing {len(answers)} of the {len(evidence.apart)} images that a run stores. P and Q "
        f"agree on {100 * result.agreement:.1f} % of the {TASKS[result.task].agreement}."
    )
