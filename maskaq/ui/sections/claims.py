"""MaskAQ's two claims on trial, a section each: stored tables, and pictures of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from maskaq.data.sheet import sheet
from maskaq.errors import RunError
from maskaq.figures.maps import attributions, deletion, information, region_quality
from maskaq.precomputed import claims
from maskaq.ui.sections import attention_maps
from maskaq.ui.shell import router
from maskaq.ui.widgets import query, show

if TYPE_CHECKING:
    from maskaq.ui.state.selection import Choice

_STORED = f"Stored results of the bundled model, made with `{claims.COMMAND}`. "


def model_of(choice: Choice) -> str:
    """The stored Q that is nearest to the bits of the sidebar; said where it is another one."""
    found = attention_maps.nearest(choice.weight_bits, choice.activation_bits)
    if found != choice.bits:
        st.info(f"No Q at {choice.bits} is stored here. Shown is {found}.")
    return found


def _table(name: str) -> pd.DataFrame:
    try:
        return claims.read(name)
    except RunError as error:
        st.error(str(error), icon=":material/error:")
        router.stop()


def regions(choice: Choice) -> None:
    """Does attention find the object? Against chance and against a guess at the middle."""
    table = _table("regions")
    ratios = sorted(table["ratio"].dropna().unique())
    ratio = min(ratios, key=lambda one: abs(one - choice.mask_ratio))
    st.markdown(
        "If the informative patches carry the meaning of a picture, they should lie on the object. "
        "In scenes the object is known to the pixel. *Random map* is chance; the *centre prior* "
        "has not seen the picture and points to the middle, where objects mostly are."
    )
    rows = region_quality.frame(table, "scenes", "foreground", ratio)
    show.figure(
        region_quality.quality(rows, f"Informative patches and the object, mask ratio {ratio:.0%}"),
        rows,
        alt=region_quality.describe(rows),
        key="quality",
        name="region-truth",
        note=_STORED + "*Mask ratio* is in the sidebar. Whiskers are 95 % intervals over scenes.",
    )
    show.formula("overlap")
    show.formula("pointing game")
    st.subheader("In which block, in which head")
    one, two = st.columns(2)
    model = one.selectbox("Model", claims.MODELS, key="claim_model")
    measure = two.selectbox(
        "Measure",
        list(region_quality.WORDS),
        list(region_quality.WORDS).index("share"),
        format_func=lambda name: region_quality.WORDS[name],
        key="claim_measure",
    )
    near = min((0.1, 0.3, 0.5), key=lambda few: abs(few - choice.mask_ratio))
    if measure in ("precision", "recall", "iou"):
        st.caption(f"Single blocks and heads are stored at 10, 30 and 50 %. Shown: {near:.0%}.")
    rows = region_quality.blocks_frame(table, model, measure, near)
    show.figure(
        region_quality.blocks(rows, model, measure),
        rows,
        alt=region_quality.describe_blocks(rows),
        key="blocks",
        name=f"region-truth-{model}-{measure}",
        note="Attention of the class token. The mean over all of them makes the informative mask.",
    )
    st.subheader("In synthetic images")
    st.markdown(
        "Nobody knows what is the object of an image that the model dreamt up. In its place "
        "stands what **P's own answer** hangs on: the patches whose loss costs its class most "
        "(occlusion). The same measure on scenes tells how good a stand-in that is."
    )
    for images in ("synthetic", "scenes"):
        rows = region_quality.frame(table, images, "occlusion", ratio)
        show.figure(
            region_quality.quality(rows, f"{images.capitalize()} against P's occlusion"),
            rows,
            alt=f"{images.capitalize()}: {region_quality.describe(rows)}",
            key=f"standin_{images}",
            name=f"region-truth-{images}-occlusion",
        )


def deleted(choice: Choice) -> None:
    """Take patches away, informative ones first or last."""
    table = _table("deletion")
    st.markdown(
        "If the meaning sits in the informative patches, the answer must go as soon as **they** "
        "are taken away, and stay while **others** are. Read from right to left, the curve of the "
        "least informative patches is *insertion*: what few informative patches alone achieve."
    )
    one, two = st.columns(2)
    with one:
        fill = _filling(table, "What takes their place")
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
            show.figure(
                deletion.curves(rows, measure, fill, model),
                rows,
                alt=f"{model}: {deletion.describe(rows, measure)}",
                key=f"deletion_{model}",
                name=f"deletion-{model}",
                note=_STORED if model == "P" else "The bits are in the sidebar.",
            )
    rows = deletion.areas_frame(table)
    show.figure(
        deletion.areas(rows),
        rows,
        alt=deletion.describe_areas(rows),
        key="areas",
        name="deletion-areas",
        note="What is put in the place of a patch matters: each is unusual in a way of its own.",
    )
    show.formula("deletion")


def _filling(table: pd.DataFrame, label: str) -> str:
    """One of the fillings in a table, which two of the tests ask for."""
    fills = list(dict.fromkeys(table["fill"]))
    chosen: str = st.segmented_control(
        label, fills, default=fills[0], required=True, key="claim_fill", wrap=True
    )
    return chosen


def informed(choice: Choice) -> None:
    """The second claim as a number."""
    table = _table("information")
    st.markdown(
        "MaskAQ's second claim: the informative patches carry **most of the mutual information** "
        "with Q's answer. Here is how much some patches tell about the answer to the whole "
        "picture, **at least**: a better reader of the altered pictures than the model itself "
        "would find more. So compare the lines with each other, not with the truth."
    )
    fill = _filling(table, "What takes the place of the other patches")
    model = model_of(choice)
    rows = information.frame(table, fill, model)
    show.figure(
        information.bounds(rows, fill, model),
        rows,
        alt=information.describe(rows),
        key="information",
        name=f"information-{model}",
        note=_STORED + "A bound below 0 says that the guess fitted on other scenes was worse than "
        "knowing nothing but how often each answer comes. Bits are in the sidebar.",
    )
    show.formula("information")


def attributed(choice: Choice) -> None:
    """Attention beside gradients and occlusion, in P and in Q."""
    st.markdown(
        "Attention is one of many ways to say which patches matter. Beside it: gradients and "
        "occlusion (by the library **captum**), and rollout, which follows attention through the "
        "blocks. Where they disagree, *informative* depends on who is asked."
    )
    found = _pictured(choice)
    if found is not None:
        grid, by_model = found
        methods = claims.METHODS[: len(by_model["P"])]  # while others are still computed
        rows = attributions.maps_frame(methods, by_model)
        show.figure(
            attributions.pictured(methods, by_model, grid),
            rows,
            alt=attributions.describe_maps(rows),
            key="attributions",
            name="attributions",
            note="Bright in one-sided maps, orange in two-sided ones: speaks for the answer; "
            "purple speaks against it. Attention, rollout and saliency have no sign.",
        )
    table = _table("attributions")
    measure = st.selectbox(
        "Measure",
        list(attributions.MEASURES),
        format_func=lambda name: attributions.MEASURES[name],
        key="claim_agreement",
    )
    rows = attributions.frame(table, measure)
    show.figure(
        attributions.compared(rows, measure),
        rows,
        alt=attributions.describe(rows, measure),
        key="agreement",
        name=f"attributions-{measure}",
        note=_STORED + "Explained is always the class that P names.",
    )
    gap = attributions.frame(table, "completeness gap").set_index("model")
    st.caption(
        "Integrated Gradients should sum to the difference of two logits. It misses that by "
        + ", ".join(f"{row.value:.1%} in {model}" for model, row in gap.iterrows())
        + f" of it (mean over {int(gap['n'].max())} scenes): gradients of Q pass its rounding as "
        "if it were not there."
    )
    show.formula("integrated gradients")
    show.formula("rollout")


def _pictured(choice: Choice) -> tuple[tuple[int, int], dict[str, NDArray[np.floating]]] | None:
    """The maps of the chosen picture: stored, or asked of a worker one method after the other."""
    if attention_maps.known(choice):
        q = model_of(choice)
        try:
            found = {name: claims.maps(choice.image, name) for name in ("P", q)}
        except RunError as error:
            st.error(str(error), icon=":material/error:")
            return None
        st.caption(_STORED)
        return attention_maps.GRID, found
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
    st.image(sheet(answers[0]["image"][None]), width=160, alt="The picture as the model sees it.")
    made = {"P": np.stack([answer["p"] for answer in answers])}
    if answers[0]["q"] is not None:
        made[f"Q {choice.bits}"] = np.stack([answer["q"] for answer in answers])
    return choice.shape.grid, made


SECTIONS: Mapping[str, Callable[[Choice], None]] = MappingProxyType(
    {
        "Regions": regions,
        "Deletion": deleted,
        "Information": informed,
        "Attributions": attributed,
    }
)
HEADERS = {
    "Regions": "Claim 1: meaning sits in few patches, and attention finds them",
    "Deletion": "Claim 1, tested by taking patches away",
    "Information": "Claim 2: these patches carry most of the information",
    "Attributions": "Would other ways to look find the same patches?",
}
