"""What several pages let a visitor choose: how a run is made, and which stored runs to look at.

They are bound to the address under the same names on every page, so a run that was asked for on one
page is the one that the next page shows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import streamlit as st

from maskaq.config import Coefficients, RunSpec
from maskaq.config.components import BACKEND_NAMES, DRAWING, OWN_TERMS, SOURCE_NAMES
from maskaq.config.presets import spec_of
from maskaq.errors import MaskaqError
from maskaq.figures.results import compare
from maskaq.results.store import Stored
from maskaq.ui.shell import router
from maskaq.ui.state import selection, stored_runs, url
from maskaq.ui.widgets import show

PRESET = spec_of("maskaq")
FIRST_LAST = ("8", "target")
# Of MaskAQ's objective: field of Coefficients -> name and what it is for.
TERMS: Mapping[str, tuple[str, str]] = {
    "one_hot": ("Class", "P shall see in each image the class that it is made for."),
    "tv": ("Smoothness", "Neighbouring pixels shall be alike."),
    "inter_head": ("Agreement of heads", "The heads of a block shall look at the same places."),
    "entropy": ("Similarity entropy", "Foreground and background shall come apart."),
    "align": ("Alignment with Q", "Q shall look where P looks, inside the mask."),
}
# Terms whose coefficients a source that draws does not look at.
WITHOUT: Mapping[str, tuple[str, ...]] = {
    "mimiq": ("entropy", "align"),
    **{name: tuple(asdict(weights)) for name, weights in OWN_TERMS.items()},
}
_LARGEST = 100.0  # coefficient
_EVERY = max(selection.LIMITS["eval_images"])  # the slider's end stands for all images


@dataclass(frozen=True)
class Drawing:
    """Where the images come from. mask_start: mask ratio at the begin of the drawing."""

    source: str
    images: int
    steps: int
    mask_start: float


@dataclass(frozen=True)
class Fitting:
    """How Q is fitted to the images and tested. eval_images: 0 for all."""

    backend: str
    first_last: str
    eval_images: int = 0


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _amount(text: str) -> float:
    value = url.number(text)
    if not math.isfinite(value) or not 0 <= value <= _LARGEST:
        raise ValueError(text)
    return value


def drawing(choice: selection.Choice) -> Drawing:
    """Source, number of images, steps and where the mask ratio starts."""
    made, limits = PRESET.synthesis, selection.LIMITS
    url.declare(
        source=url.one_of(SOURCE_NAMES, made.source),
        images=url.whole(*limits["images"], made.images),
        steps=url.whole(*limits["steps"], made.steps),
        mask_start=url.stepped(*selection.RATIO, max(made.mask_ratio)),
    )
    first, second, third, fourth = st.columns(4)
    source = first.selectbox(
        "Source of the images",
        list(SOURCE_NAMES),
        list(SOURCE_NAMES).index(made.source),
        key="source",
        bind="query-params",
        help="\n\n".join(f"**{name}**: {line}" for name, line in SOURCE_NAMES.items()),
    )
    return Drawing(
        source,
        second.slider(
            "Images",
            *limits["images"],
            made.images,
            key="images",
            bind="query-params",
            disabled=choice.readonly,
            help="How many images Q is fitted to. More of them take longer.",
        ),
        third.slider(
            "Steps",
            *limits["steps"],
            made.steps,
            key="steps",
            bind="query-params",
            disabled=choice.readonly or source not in DRAWING,
            help="How often every image is improved. Only for sources that draw.",
        ),
        fourth.slider(
            "Mask ratio at the start",
            *selection.RATIO[:2],
            max(made.mask_ratio),
            selection.RATIO[2],
            key="mask_start",
            bind="query-params",
            disabled=choice.readonly or source != "maskaq",
            help="Share of the patches that count as informative in the first step. It shrinks to "
            "the mask ratio in the sidebar. Only for the source maskaq.",
        ),
    )


def terms(choice: selection.Choice, source: str) -> Coefficients:
    """A switch, a weight and the formula for each term of the objective, in an expander.

    Terms that the source does not have keep their usual weight, which then says nothing.
    """
    usual = asdict(PRESET.synthesis.coefficients)
    fields = {name: url.Field(_amount, f"0 to {_LARGEST:g}", usual[name]) for name in TERMS}
    switches = {f"use_{name}": url.Field(_flag, "true or false", True) for name in TERMS}
    url.declare(**fields, **switches)
    missing = WITHOUT.get(source, ()) if source in DRAWING else tuple(TERMS)
    weights: dict[str, float] = {}
    with st.expander("The terms of the drawing, each with its weight", icon=":material/balance:"):
        st.markdown(
            "Every step changes the pixels a little, so that the weighted sum of these terms "
            "falls. A term that is switched off has the weight 0 and costs no time."
        )
        _own_terms(source)
        for name in TERMS:
            absent = name in missing
            value = _term(name, usual[name], disabled=choice.readonly or absent)
            weights[name] = usual[name] if absent else value
        show.formula("synthesis")
    offered = [name for name in TERMS if name not in missing]
    off = [TERMS[name][0] for name in offered if not weights[name]]
    if off:
        st.caption(f"Switched off: {', '.join(off)}.")
    if offered and len(off) == len(offered):
        st.error("Every term is off, so there is nothing to draw for. Switch one on.")
        router.stop()
    return Coefficients(**weights)


def _own_terms(source: str) -> None:
    """The terms of a source that has its own, with their weights."""
    if source not in OWN_TERMS:
        return
    own = {name: weight for name, weight in asdict(OWN_TERMS[source]).items() if weight}
    said = ", ".join(f"{name.replace('_', ' ')} {weight:g}" for name, weight in own.items())
    st.info(f"The source {source} has terms and weights of its own: {said}.")
    for name in own:
        if name not in TERMS:  # those have their formula below
            show.formula(name)


def _term(name: str, usual: float, *, disabled: bool) -> float:
    """The controls of one term beside its formula; its weight, 0 where it is off."""
    title, meaning = TERMS[name]
    left, right = st.columns([2, 5], gap="medium")
    with left:
        on = st.toggle(
            title, True, key=f"use_{name}", bind="query-params", disabled=disabled, help=meaning
        )
        weight = st.number_input(
            f"Weight of: {title}",
            0.0,
            _LARGEST,
            usual,
            step=usual / 2,
            format="%g",
            key=name,
            bind="query-params",
            disabled=disabled or not on,
            label_visibility="collapsed",
        )
    with right:
        show.formula(name)
    return float(weight) if on else 0.0


def fitting(choice: selection.Choice, *, quick: bool = False) -> Fitting:
    """Back-end, bits of the first and the last layer and, if quick, the images to test on."""
    url.declare(
        backend=url.one_of(BACKEND_NAMES, PRESET.fit.backend),
        first_last=url.one_of(FIRST_LAST, FIRST_LAST[0]),
    )
    places = st.columns(3 if quick else 2)
    backend = places[0].selectbox(
        "Back-end",
        list(BACKEND_NAMES),
        list(BACKEND_NAMES).index(PRESET.fit.backend),
        key="backend",
        bind="query-params",
        help="How Q is fitted to the images.\n\n"
        + "\n\n".join(f"**{name}**: {line}" for name, line in BACKEND_NAMES.items()),
    )
    first_last = places[1].selectbox(
        "First and last layer",
        FIRST_LAST,
        key="first_last",
        bind="query-params",
        disabled=choice.readonly,
        help="Patch embedding and head suffer most from few bits. **8**: both keep 8 bits. "
        "**target**: they get the bits of the sidebar like all others.",
    )
    return Fitting(backend, first_last, _tested_on(choice, places[2]) if quick else 0)


def _tested_on(choice: selection.Choice, place: st.delta_generator.DeltaGenerator) -> int:
    low, high = selection.LIMITS["eval_images"]
    url.declare(eval_images=url.stepped(low, high, low, high))
    count = place.slider(
        "Images to test on",
        low,
        high,
        high,
        low,
        key="eval_images",
        bind="query-params",
        disabled=choice.readonly,
        help=f"Fewer are faster, and their intervals wider. {_EVERY:,} takes all there are.",
    )
    return 0 if count == _EVERY else count


def spec(
    choice: selection.Choice, made: Drawing, fit: Fitting, weights: Coefficients | None = None
) -> RunSpec:
    """The run that the controls mean; where they allow none, the page ends with the reason."""
    try:
        return selection.build(choice, **asdict(made), **asdict(fit), coefficients=weights)
    except MaskaqError as error:
        st.error(str(error), icon=":material/error:")
        router.stop()


def runs(stored: Sequence[Stored], *, key: str, default: Sequence[Stored]) -> list[Stored]:
    """Let the visitor choose among stored runs, which are listed with their accuracy."""
    labels = [
        f"{name}: Q {run.result.q.top1:.1%}, same answer {run.result.agreement:.1%}"
        for name, run in zip(compare.names([run.result for run in stored]), stored, strict=True)
    ]
    by_label = dict(zip(labels, stored, strict=True))
    chosen = st.multiselect(
        "Runs",
        labels,
        [label for run in default for label, known in by_label.items() if known is run],
        key=key,
        persist_state="session",
        placeholder="Choose one or more runs",
        help="Stored examples, your own runs of this browser tab, and runs that the command line "
        "has put into the folder of this server. Top-1 accuracy of Q and its agreement with P.",
    )
    return [by_label[label] for label in chosen]


def at(bits: str, stored: Sequence[Stored]) -> list[Stored]:
    """The shipped runs at these bits, in the order of the sources' menu."""
    order = list(SOURCE_NAMES)
    found = [
        run
        for run in stored
        if stored_runs.shipped(run) and run.result.spec.quantization.name == bits
    ]
    return sorted(found, key=lambda run: order.index(run.result.spec.synthesis.source))


def by_source(run: Stored, stored: Sequence[Stored]) -> list[Stored]:
    """This run, and for every other source one that fits Q to the same bits in the same way."""
    mine = run.result.spec
    found: dict[str, Stored] = {}
    for other in [*stored, run]:
        theirs = other.result.spec
        made = replace(theirs.synthesis, source=mine.synthesis.source)
        alike = replace(theirs, synthesis=mine.synthesis, method=mine.method) == mine
        if not alike:
            continue
        known = found.get(theirs.synthesis.source)
        if known is None or made == mine.synthesis or other is run:
            found[theirs.synthesis.source] = other
    return [found[name] for name in SOURCE_NAMES if name in found]
