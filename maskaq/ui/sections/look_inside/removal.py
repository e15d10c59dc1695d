"""The test Deletion: remove patches of one picture by hand, and curves over many scenes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from maskaq.figures.maps import answers, deletion, regions
from maskaq.jobs import service
from maskaq.precomputed import photographs, worlds
from maskaq.regions.numpy_masks import mask_of, patch_count
from maskaq.ui.sections.look_inside import (
    attention_maps,
    claim_verdicts,
    dense_removal,
    picture,
    questions,
    tables,
)
from maskaq.ui.widgets import query, show

if TYPE_CHECKING:
    from maskaq.ui.sections.look_inside.attention_maps import Maps
    from maskaq.ui.state.selection import Choice

_AWAY = "_away"  # in the session: the subject, and its removed patches
_FILL = "mean colour"
_PATIENCE = 0.4  # seconds to wait for an answer, which a warm worker needs less than
_WARM = "_removal_warm"  # in the session: the workers have been started


def by_hand(choice: Choice) -> None:
    """Remove patches of one picture, and see the answers move."""
    picture.declare(choice)
    left, right = st.columns([4, 7], gap="medium")
    with right:
        maps = attention_maps.of(choice, None)
    if maps is None:
        with left:
            picture.waiting(choice)
        return
    off = service.readonly()
    if not off and not st.session_state.get(_WARM):
        st.session_state[_WARM] = True
        service.warm()  # the first click is answered sooner
    if questions.is_dense(choice) and maps.live:  # P is loaded, so this answer is quick
        query.request(_query(choice), questions.subject(choice))
    away = _away(choice)
    mask = mask_of(maps.alpha, choice.mask_ratio)
    with right:
        answer = _answer(choice, away)
    with left:
        _picture(choice, maps, mask, away, answer)
        _buttons(choice, maps, mask, off=off)
        picture.warn(choice)
    with right:
        if off:
            st.info(f"Removing patches is switched off: {service.READONLY}")
        elif not away:
            show.verdict("Click patches to remove them. Which ones does the answer depend on?")
        if answer is None and not away and not maps.live:
            answer = _stored(choice)
        if answer is not None and questions.is_dense(choice):
            dense_removal.answers(choice, maps, answer, len(away))
        elif answer is not None:
            _moved(choice, answer, len(away))


def _moved(choice: Choice, answer: dict[str, Any], count: int) -> None:
    """The answers before and after, in words and as a figure."""
    pairs = {"P": answer["p"]} | ({} if answer["q"] is None else {f"Q {choice.bits}": answer["q"]})
    table = answers.frame(answer["classes"], pairs)
    if count:
        show.verdict(claim_verdicts.moved(table, count))
    show.chart(
        answers.answers(table, "Answers, whole picture and now"),
        key="answers",
        note="One picture, so without an interval. Removed patches get the picture's mean colour."
        + ("" if answer["q"] is None else " The ranges of Q are fitted to stored images just now."),
    )


def _answer(choice: Choice, away: tuple[int, ...]) -> dict[str, Any] | None:
    """From a worker, see `maskaq.queries.removal`; None until patches have been removed."""
    subject = questions.subject(choice)
    if service.readonly() or not (away or query.requested(_query(choice), subject)):
        return None
    question = questions.question(choice) | {"away": away, "fill": _FILL}
    question["class_names"] = choice.own.class_names
    found: dict[str, Any] | None = query.answer(
        _query(choice), subject, question, patience=_PATIENCE
    )
    return found


def _query(choice: Choice) -> str:
    """The name of the query that answers, see `maskaq.queries.removal`."""
    return "dense_removal" if questions.is_dense(choice) else "removal"


def _stored(choice: Choice) -> dict[str, Any]:
    """P's answer for a whole stored picture, as `_answer`."""
    if questions.is_photograph(choice):
        world, name = worlds.read(photographs.WORLD), photographs.names()[choice.image]
    else:
        world, name = worlds.read("scenes"), f"scene{choice.image}"
    view = world.picture(name)
    classes = [world.about["classes"][number] for number in view["classes"]]
    return {"classes": classes, "p": np.stack([view["probabilities"]] * 2), "q": None}


def _picture(
    choice: Choice,
    maps: Maps,
    mask: NDArray[np.bool_],
    away: tuple[int, ...],
    answer: dict[str, Any] | None,
) -> None:
    """The picture as the models see it now; a click removes a patch or puts it back."""
    image = maps.image if answer is None else answer["image"]
    if answer is None and away:
        image = _without(maps.image, away, maps.grid)
    chart = regions.overlay(
        image, mask, maps.grid, title=maps.name, alpha=maps.alpha, dim=False, height=picture.HEIGHT
    )
    show.chart(chart, key="removal", pick=None if service.readonly() else partial(_toggle, choice))


def _without(
    image: NDArray[np.uint8], away: tuple[int, ...], grid: tuple[int, int]
) -> NDArray[np.uint8]:
    """The image [3,S,S] with patches in its mean colour, until a worker has answered."""
    gone = np.zeros(grid[0] * grid[1], bool)
    gone[list(away)] = True
    side = image.shape[1] // grid[0]
    plane = gone.reshape(grid).repeat(side, 0).repeat(side, 1)  # [S,S]
    mean = image.mean((1, 2), keepdims=True).round().astype(np.uint8)  # [3,1,1]
    return np.where(plane, mean, image)


def _buttons(choice: Choice, maps: Maps, mask: NDArray[np.bool_], *, off: bool) -> None:
    informative = tuple(np.flatnonzero(mask).tolist())
    count = patch_count(mask.size, choice.mask_ratio)
    rest = min(count, mask.size - count)
    others = tuple(np.argsort(maps.alpha, kind="stable")[:rest].tolist())
    for label, key, patches in (
        ("Remove the informative ones", "informative", informative),
        ("Remove as many others" if rest == count else "Remove all others", "others", others),
        ("Restore", "restore", ()),
    ):
        st.button(
            label,
            key=f"remove_{key}",
            on_click=_set,
            args=(choice, patches),
            disabled=off,
            width="stretch",
        )


def _away(choice: Choice) -> tuple[int, ...]:
    """The removed patches of this picture, ascending."""
    subject, patches = st.session_state.get(_AWAY, (None, ()))
    return patches if subject == questions.subject(choice) else ()


def _set(choice: Choice, patches: tuple[int, ...]) -> None:
    subject = questions.subject(choice)
    st.session_state[_AWAY] = (subject, tuple(sorted(patches)))
    query.request(_query(choice), subject)


def _toggle(choice: Choice, value: Any) -> None:
    """Remove a clicked patch, or put it back."""
    if isinstance(value, int) and 0 <= value < choice.shape.patches:
        _set(choice, tuple(set(_away(choice)) ^ {value}))


def over_scenes(choice: Choice) -> None:
    """The predictions while patches are removed, informative ones first or last."""
    if questions.is_dense(choice):
        dense_removal.over_scenes(choice)
        return
    if not tables.fits(choice):
        return
    table = tables.read("deletion")
    one, two = st.columns(2)
    with one:
        fill = tables.fill(table, "What replaces them")
    with two:
        measure = tables.measure(deletion.MEASURES, "What is measured", key="claim_curve")
    show.verdict(claim_verdicts.removal(table, fill, choice.mask_ratio))
    models = tables.models(choice, "deletion")
    for place, model in zip(st.columns(2, gap="medium"), models, strict=False):
        rows = deletion.frame(table, fill, measure, model)
        with place:
            show.chart(deletion.curves(rows, measure, fill, model), key=f"deletion_{model}")
    areas = deletion.areas_frame(table[table["model"].isin(models)])
    show.chart(
        deletion.areas(areas),
        key="areas",
        note=tables.NOTE + "The fill matters, because each one is unusual for the model.",
    )
