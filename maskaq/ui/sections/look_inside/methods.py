"""The test Attributions: attention compared with gradients and occlusion, in P and in Q."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from maskaq.data.sheet import sheet
from maskaq.figures.maps import attributions
from maskaq.precomputed import claims
from maskaq.ui.sections.look_inside import (
    attention_maps,
    claim_verdicts,
    picture,
    questions,
    tables,
)
from maskaq.ui.widgets import query, show

if TYPE_CHECKING:
    from maskaq.ui.state.selection import Choice

Maps = dict[str, NDArray[np.floating]]


def test(choice: Choice) -> None:
    """Draw the test."""
    stored = questions.is_scene(choice)
    left, right = st.columns([1, 3], vertical_alignment="bottom")
    with left:
        patch = picture.patch_control(choice)
    with right:
        measure = tables.measure(attributions.MEASURES, "Measure", key="claim_agreement")
    picture.warn(choice)
    models = tables.models(choice, "methods") if stored else ("P", choice.bits)
    table = None
    if questions.is_bundled(choice):
        table = tables.read("attributions")
        table = table[table["model"].isin(models)]
        rows = attributions.frame(table, measure)
        show.verdict(claim_verdicts.agreement(rows, measure))
    answer = _patch_maps(choice, models)
    if answer is not None:
        grid, by_model = answer
        done = claims.METHODS[: len(by_model["P"])]  # others may still be in progress
        show.chart(
            attributions.patch_maps(done, by_model, grid, patch),
            key="attributions",
            note="Bright or orange patches support P's answer, purple ones oppose it.",
            pick=picture.choose,
        )
    if table is None:
        tables.fits(choice)
        return
    show.chart(attributions.heatmap(rows, measure), key="agreement", note=tables.NOTE + _gap(table))


def _gap(table: pd.DataFrame) -> str:
    """How exact Integrated Gradients is, in a sentence."""
    gap = attributions.frame(table, "completeness gap").set_index("model")
    errors = ", ".join(f"{row.value:.1%} in {model}" for model, row in gap.iterrows())
    return (
        "The values of Integrated Gradients should sum to the difference of two logits; relative "
        f"error {errors} (n = {int(gap['n'].max())})."
    )


def _patch_maps(choice: Choice, models: tuple[str, ...]) -> tuple[tuple[int, int], Maps] | None:
    """Grid and maps [M,N] by model of the chosen image: stored, or computed method by method."""
    if questions.is_scene(choice):
        maps = show.attempt(lambda: {name: claims.maps(choice.image, name) for name in models})
        return None if maps is None else (attention_maps.GRID, maps)
    question = questions.question(choice)
    subject = questions.subject(choice)
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
