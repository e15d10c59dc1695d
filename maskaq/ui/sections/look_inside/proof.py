"""The tab Proof: MaskAQ's two claims, tested where the truth is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from maskaq.figures.maps import information, region_quality
from maskaq.ui.sections.look_inside import claim_verdicts, methods, picture, removal, tables
from maskaq.ui.widgets import offer, show, spotlight, tabs

if TYPE_CHECKING:
    from maskaq.ui.state.selection import Choice

_BLOCKS = (0.1, 0.3, 0.5)  # mask ratios for which single blocks and heads are stored
Views = Mapping[str, Callable[["Choice"], None]]


def tab(choice: Choice) -> None:
    """Draw the tab."""
    with st.container(horizontal=True, gap="large"):
        test = tabs.one_of(TESTS, "Test", key="test", wrap=True)
        question, views, formulas = TESTS[test]
        view = next(iter(views))
        if len(views) > 1:
            view = tabs.one_of(views, "Part of the test", key=f"part_{test.lower()}", wrap=True)
    st.markdown(question)
    views[view](choice)
    st.caption(
        "**P** is the full-precision model, **Q** the quantized one. The foreground of scenes is "
        "known, so both claims can be tested there."
    )
    show.details(*formulas)


def regions(choice: Choice) -> None:
    """Whether attention finds the object, compared with chance and with the image centre."""
    if not tables.fits(choice):
        return
    table = tables.read("regions")
    left, right = st.columns([4, 7], gap="medium")
    with left:
        _scene(choice)
    with right:
        rows = _of(table, "scenes", "foreground", choice)
        show.verdict(claim_verdicts.regions(rows, choice.mask_ratio))
        models = tables.models(choice, "regions")
        rows = _of(table, "scenes", "foreground", choice, models)
        title = f"Informative patches and the object, {choice.mask_ratio:.0%}"
        show.chart(
            region_quality.quality(rows, title),
            key="quality",
            note=tables.NOTE + "The *centre prior* ignores the image and picks its centre.",
        )


def by_head(choice: Choice) -> None:
    """The same for single blocks and heads."""
    if not tables.fits(choice):
        return
    table = tables.read("regions")
    one, two = st.columns(2)
    with one, spotlight.on("claim_model"):
        name = st.segmented_control(
            "Model", ["P", "Q"], default="P", required=True, key="claim_model"
        )
    with two:
        start = list(region_quality.LABELS).index("share")
        measure = tables.measure(region_quality.LABELS, "Measure", key="claim_measure", start=start)
    models = ("P",) if name == "P" else tables.models(choice, "heads")
    if name == "Q" and len(models) == 1:
        return
    masked = measure in ("precision", "recall", "iou")
    if masked and not np.isclose(_BLOCKS, choice.mask_ratio).any():
        _offer_ratios(choice, _BLOCKS, "heads")
        return
    rows = region_quality.blocks_frame(table, models[-1], measure, choice.mask_ratio)
    show.verdict(claim_verdicts.heads(rows))
    show.chart(
        region_quality.blocks(rows, models[-1], measure),
        key="blocks",
        note=tables.NOTE + "Attention of the class token.",
    )


def synthetic(choice: Choice) -> None:
    """Synthetic images, where the object is unknown, against what P's answer depends on."""
    if not tables.fits(choice):
        return
    table = tables.read("regions")
    show.verdict(claim_verdicts.stand_in(_of(table, "synthetic", "occlusion", choice)))
    models = tables.models(choice, "synthetic")
    for place, images in zip(st.columns(2, gap="medium"), ("synthetic", "scenes"), strict=True):
        rows = _of(table, images, "occlusion", choice, models)
        subject = images.capitalize()
        chart = region_quality.quality(rows, f"{subject} against P's occlusion")
        chart = replace(chart, alt=f"{subject}: {chart.alt}").with_suffix(f"{images}-occlusion")
        with place:
            show.chart(chart, key=f"standin_{images}")
    st.caption(
        "The object in a synthetic image is unknown. So the maps are compared with the patches "
        "whose removal lowers the score of P's answer most (occlusion). *Scenes* shows how good "
        "this substitute is."
    )


def _of(
    table: pd.DataFrame, images: str, truth: str, choice: Choice, models: tuple[str, ...] = ("P",)
) -> pd.DataFrame:
    """Rows for `region_quality` of these models and the baselines, at the chosen mask ratio."""
    chosen = table[table["model"].isin([*models, "none"])]
    return region_quality.frame(chosen, images, truth, choice.mask_ratio)


def informed(choice: Choice) -> None:
    """The second claim, as a lower bound of mutual information."""
    if not tables.fits(choice):
        return
    table = tables.read("information")
    left, right = st.columns([4, 7], gap="medium")
    with left:
        _scene(choice)
        fill = tables.fill(table, "What replaces the other patches")
    with right:
        model = tables.models(choice, "information")[-1]
        rows = information.frame(table, fill, model)
        verdict = claim_verdicts.information(rows, model, choice.mask_ratio)
        if verdict is None:
            _offer_ratios(choice, sorted(table["ratio"].unique()), "information")
        else:
            show.verdict(verdict)
        show.chart(
            information.bounds(rows, fill, model, choice.mask_ratio),
            key="information",
            note=claim_verdicts.patch_for_patch(rows, choice.mask_ratio)
            + "These are **lower bounds**: a better reader than the model itself would find more, "
            "so compare the lines with each other. Click a point to set the mask ratio.",
            pick=_set_ratio,
        )


def _scene(choice: Choice) -> None:
    """The scene beside a test of many scenes."""
    picture.of_proof(choice)


def _offer_ratios(choice: Choice, ratios: tuple[float, ...] | list[float], key: str) -> None:
    offer.settings(
        f"Nothing is stored for a mask ratio of {choice.mask_ratio:.0%}.",
        {f"{ratio:.0%}": {"mask_ratio": float(ratio)} for ratio in ratios},
        key,
    )


def _set_ratio(value: Any) -> None:
    """Take over the mask ratio of a clicked point."""
    if isinstance(value, float) and np.isclose(_BLOCKS, value).any():
        st.session_state["mask_ratio"] = round(value, 2)


TESTS: Mapping[str, tuple[str, Views, tuple[str, ...]]] = {
    "Regions": (
        "**Claim one:** a few informative patches carry the meaning, so they should lie on the "
        "object.",
        {"In scenes": regions, "By block and head": by_head, "In synthetic images": synthetic},
        ("overlap", "pointing game"),
    ),
    "Deletion": (
        "**Claim one:** the answer must change as soon as the informative patches are gone, but "
        "not before.",
        {"By hand": removal.by_hand, "In many scenes": removal.over_scenes},
        ("deletion",),
    ),
    "Information": (
        "**Claim two:** the informative patches carry *most* of the mutual information with Q's "
        "answer.",
        {"": informed},
        ("information",),
    ),
    "Attributions": (
        "**Do other methods find the same patches?** Gradients, occlusion and rollout, which "
        "follows attention through the blocks.",
        {"": methods.test},
        ("integrated gradients", "rollout"),
    ),
}
