"""Tests of MaskAQ's two claims, one section per test, from stored tables or own images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from maskaq.data.sheet import sheet
from maskaq.figures.maps import attributions, deletion, information, region_quality
from maskaq.precomputed import claims, showcase
from maskaq.ui.sections import attention_maps
from maskaq.ui.state import url
from maskaq.ui.widgets import query, show

if TYPE_CHECKING:
    from maskaq.ui.state.selection import Choice

_STORED = f"Stored results of the bundled model, made with `{claims.COMMAND}`. "


def model_of(choice: Choice) -> str:
    """The stored Q nearest to the bit widths in the sidebar, with a note if it is another one."""
    nearest = attention_maps.nearest(choice.weight_bits, choice.activation_bits)
    if nearest != choice.bits:
        st.info(f"No Q at {choice.bits} is stored here. This page shows {nearest}.")
    return nearest


def _table(name: str) -> pd.DataFrame:
    table = show.attempt(claims.read, name)
    if table is None:
        url.stop()
    return table


def regions(choice: Choice) -> None:
    """Whether attention finds the object, compared with chance and with the image centre."""
    table = _table("regions")
    ratios = sorted(table["ratio"].dropna().unique())
    ratio = min(ratios, key=lambda one: abs(one - choice.mask_ratio))
    st.markdown(
        "If the informative patches carry the meaning of an image, they should lie on the object. "
        "In scenes the object is known to the pixel. *Random map* is chance. The *centre prior* "
        "ignores the image and picks its centre, where most objects are."
    )
    rows = region_quality.frame(table, "scenes", "foreground", ratio)
    show.chart(
        region_quality.quality(rows, f"Informative patches and the object, mask ratio {ratio:.0%}"),
        key="quality",
        note=_STORED + "*Mask ratio* is in the sidebar. Error bars: 95 % intervals over scenes.",
    )
    show.formula("overlap")
    show.formula("pointing game")
    st.subheader("By block and head")
    one, two = st.columns(2)
    model = one.selectbox("Model", showcase.MODELS, key="claim_model")
    measure = two.selectbox(
        "Measure",
        list(region_quality.LABELS),
        list(region_quality.LABELS).index("share"),
        format_func=lambda name: region_quality.LABELS[name],
        key="claim_measure",
    )
    near = min((0.1, 0.3, 0.5), key=lambda one: abs(one - choice.mask_ratio))
    if measure in ("precision", "recall", "iou"):
        st.caption(
            f"Blocks and heads are stored for mask ratios of 10, 30 and 50 %. Shown: {near:.0%}."
        )
    rows = region_quality.blocks_frame(table, model, measure, near)
    show.chart(
        region_quality.blocks(rows, model, measure),
        key="blocks",
        note="Attention of the class token. Its mean over blocks and heads gives the informative "
        "mask.",
    )
    st.subheader("In synthetic images")
    st.markdown(
        "The object in a synthetic image is unknown. The maps are therefore compared with what "
        "**P's prediction** depends on: the patches whose removal lowers the score of the "
        "predicted class most (occlusion). The chart for scenes shows how good this substitute is."
    )
    for images in ("synthetic", "scenes"):
        rows = region_quality.frame(table, images, "occlusion", ratio)
        subject = images.capitalize()
        chart = region_quality.quality(rows, f"{subject} against P's occlusion")
        chart = replace(chart, alt=f"{subject}: {chart.alt}").with_suffix(f"{images}-occlusion")
        show.chart(chart, key=f"standin_{images}")


def removal(choice: Choice) -> None:
    """The predictions while patches are removed, informative ones first or last."""
    table = _table("deletion")
    st.markdown(
        "If the informative patches carry the meaning, the prediction must change as soon as "
        "**they** are removed, but not while **others** are removed. From right to left, the "
        "curve of the least informative patches is *insertion*: it shows what a few informative "
        "patches achieve alone."
    )
    one, two = st.columns(2)
    with one:
        fill = _fill(table, "What replaces them")
    measure = two.selectbox(
        "What is measured",
        list(deletion.MEASURES),
        format_func=lambda name: deletion.MEASURES[name],
        key="claim_curve",
    )
    q = model_of(choice)
    for place, model in zip(st.columns(2, gap="large"), ("P", q), strict=True):
        rows = deletion.frame(table, fill, measure, model)
        with place:
            show.chart(
                deletion.curves(rows, measure, fill, model),
                key=f"deletion_{model}",
                note=_STORED if model == "P" else "The bit widths are in the sidebar.",
            )
    show.chart(
        deletion.areas(deletion.areas_frame(table)),
        key="areas",
        note="The fill matters, because each one is unusual for the model in its own way.",
    )
    show.formula("deletion")


def _fill(table: pd.DataFrame, label: str) -> str:
    """A control for one of the fills in a table."""
    fills = list(dict.fromkeys(table["fill"]))
    chosen: str = st.segmented_control(
        label, fills, default=fills[0], required=True, key="claim_fill", wrap=True
    )
    return chosen


def informed(choice: Choice) -> None:
    """The second claim, as a lower bound of mutual information."""
    table = _table("information")
    st.markdown(
        "MaskAQ's second claim: the informative patches carry **most of the mutual information** "
        "with Q's prediction. The chart shows a **lower bound** of what some patches tell about "
        "the prediction on the whole image. The true value can be higher, because the model "
        "itself reads the altered images and a better reader would find more. Compare the lines "
        "with each other, not with the true value."
    )
    fill = _fill(table, "What replaces the other patches")
    model = model_of(choice)
    rows = information.frame(table, fill, model)
    show.chart(
        information.bounds(rows, fill, model),
        key="information",
        note=_STORED + "A bound below 0 means that a predictor fitted on other scenes was worse "
        "than knowing only how often each class is predicted. The bit widths are in the sidebar.",
    )
    show.formula("information")


def attributed(choice: Choice) -> None:
    """Attention compared with gradients and occlusion, in P and in Q."""
    st.markdown(
        "Attention is one of many methods that say which patches matter. Others are gradients and "
        "occlusion (computed by the library **captum**), and rollout, which follows attention "
        "through the blocks. Where they disagree, *informative* depends on the method."
    )
    answer = _patch_maps(choice)
    if answer is not None:
        grid, by_model = answer
        methods = claims.METHODS[: len(by_model["P"])]  # others may still be in progress
        show.chart(
            attributions.patch_maps(methods, by_model, grid),
            key="attributions",
            note="Patches that support the prediction are bright in maps without a sign and orange "
            "in maps with a sign; purple patches oppose it. Attention, rollout and saliency have "
            "no sign.",
        )
    table = _table("attributions")
    measure = st.selectbox(
        "Measure",
        list(attributions.MEASURES),
        format_func=lambda name: attributions.MEASURES[name],
        key="claim_agreement",
    )
    show.chart(
        attributions.heatmap(attributions.frame(table, measure), measure),
        key="agreement",
        note=_STORED + "All methods explain the class that P predicts.",
    )
    gap = attributions.frame(table, "completeness gap").set_index("model")
    st.caption(
        "The values of Integrated Gradients should sum to the difference of two logits. Their "
        "relative error is "
        + ", ".join(f"{row.value:.1%} in {model}" for model, row in gap.iterrows())
        + f" (mean over {int(gap['n'].max())} scenes). Gradients pass through the rounding of Q "
        "unchanged (straight-through estimator)."
    )
    show.formula("integrated gradients")
    show.formula("rollout")


def _patch_maps(choice: Choice) -> tuple[tuple[int, int], dict[str, NDArray[np.floating]]] | None:
    """Grid and maps [M,N] by model of the chosen image: stored, or computed method by method."""
    if attention_maps.is_stored(choice):
        q = model_of(choice)
        maps = show.attempt(lambda: {name: claims.maps(choice.image, name) for name in ("P", q)})
        if maps is None:
            return None
        st.caption(_STORED)
        return attention_maps.GRID, maps
    question = attention_maps.question(choice)
    subject = attention_maps.subject(choice)
    answers = []
    for method in claims.METHODS:
        answer = query.answer("attribution", subject, question | {"method": method})
        if answer is None:
            break
        answers.append(answer)
    if not answers:
        return None
    if len(answers) < len(claims.METHODS):
        count = len(claims.METHODS)
        st.progress(len(answers) / count, f"{len(answers)} of {count} methods are done.")
    st.image(sheet(answers[0]["image"][None]), width=160, alt="The image as the model sees it.")
    maps = {"P": np.stack([answer["p"] for answer in answers])}  # [M,N]
    if answers[0]["q"] is not None:
        maps[f"Q {choice.bits}"] = np.stack([answer["q"] for answer in answers])  # [M,N]
    return choice.shape.grid, maps


SECTIONS: Mapping[str, Callable[[Choice], None]] = {
    "Regions": regions,
    "Deletion": removal,
    "Information": informed,
    "Attributions": attributed,
}
HEADERS = {
    "Regions": "Claim 1: a few patches carry the meaning, and attention finds them",
    "Deletion": "Claim 1, tested by removing patches",
    "Information": "Claim 2: these patches carry most of the information",
    "Attributions": "Do other methods find the same patches?",
}
