"""The controls of a run: source, loss terms, back-end.

They are bound to the same URL parameters on every page, so all pages show the same run.
"""

import math
from dataclasses import asdict, dataclass

import streamlit as st

from maskaq.config import Coefficients, RunSpec
from maskaq.config.components import BACKENDS, SOURCES, TERMS
from maskaq.config.presets import spec_of
from maskaq.ui.state import selection, url
from maskaq.ui.widgets import show

PRESET = spec_of("maskaq")
FIRST_LAST = ("8", "target")
# The terms of MaskAQ's loss. Other sources have fixed terms.
OFFERED = tuple(name for name in TERMS if getattr(PRESET.synthesis.coefficients, name))
_LARGEST = 100.0  # largest coefficient allowed
_ALL = max(selection.LIMITS["eval_images"])  # the maximum of the slider stands for all images


@dataclass(frozen=True)
class Synthesis:
    """Where the images come from. mask_start: mask ratio at the start of the synthesis."""

    source: str
    images: int
    steps: int
    mask_start: float


@dataclass(frozen=True)
class Fitting:
    """How Q is fitted to the images and evaluated. eval_images: 0 for all."""

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


def synthesis(choice: selection.Choice) -> Synthesis:
    """The controls for source, number of images, steps and the initial mask ratio."""
    preset, limits = PRESET.synthesis, selection.LIMITS
    names = list(SOURCES)
    url.declare(
        source=url.one_of(names, preset.source),
        images=url.whole(*limits["images"], preset.images),
        steps=url.whole(*limits["steps"], preset.steps),
        mask_start=url.stepped(*selection.RATIO, max(preset.mask_ratio)),
    )
    first, second, third, fourth = st.columns(4)
    source = first.selectbox(
        "Source of the images",
        names,
        names.index(preset.source),
        key="source",
        bind="query-params",
        help="\n\n".join(f"**{name}**: {info.description}" for name, info in SOURCES.items()),
    )
    return Synthesis(
        source,
        second.slider(
            "Images",
            *limits["images"],
            preset.images,
            key="images",
            bind="query-params",
            disabled=choice.readonly,
            help="Number of images to which Q is fitted. More images take longer.",
        ),
        third.slider(
            "Steps",
            *limits["steps"],
            preset.steps,
            key="steps",
            bind="query-params",
            disabled=choice.readonly or not SOURCES[source].synthesizes,
            help="Optimisation steps per image. Only for sources that synthesize images.",
        ),
        fourth.slider(
            "Mask ratio at the start",
            *selection.RATIO[:2],
            max(preset.mask_ratio),
            selection.RATIO[2],
            key="mask_start",
            bind="query-params",
            disabled=choice.readonly or "mask_ratio" not in SOURCES[source].settings,
            help="Share of the patches that count as informative in the first step. It shrinks to "
            "the mask ratio in the sidebar. Only for the source maskaq.",
        ),
    )


def terms(choice: selection.Choice, source: str) -> Coefficients:
    """A switch, a weight and the formula for each term of the loss, in an expander.

    Terms that the source does not use keep the weight of the preset, which then has no effect.
    """
    defaults = asdict(PRESET.synthesis.coefficients)
    fields = {name: url.Field(_amount, f"0 to {_LARGEST:g}", defaults[name]) for name in OFFERED}
    switches = {f"use_{name}": url.Field(_flag, "true or false", True) for name in OFFERED}
    url.declare(**fields, **switches)
    used = [name for name in OFFERED if name in SOURCES[source].terms]
    weights: dict[str, float] = {}
    with st.expander("The terms of the loss and their weights", icon=":material/balance:"):
        st.markdown(
            "Each step changes the pixels a little to reduce the weighted sum of these terms. "
            "A term that is switched off has weight 0 and takes no time."
        )
        _own_terms(source)
        for name in OFFERED:
            value = _term(name, defaults[name], disabled=choice.readonly or name not in used)
            weights[name] = value if name in used else defaults[name]
        show.formula("synthesis")
    off = [TERMS[name].label for name in used if not weights[name]]
    if off:
        st.caption(f"Switched off: {', '.join(off)}.")
    if used and len(off) == len(used):
        st.error("All terms are off, so there is no loss to reduce. Switch on at least one.")
        url.stop()
    return Coefficients(**weights)


def _own_terms(source: str) -> None:
    """The fixed terms of a source, with their weights."""
    fixed = SOURCES[source].own_terms
    if fixed is None:
        return
    weights = {name: weight for name, weight in asdict(fixed).items() if weight}
    listed = ", ".join(f"{TERMS[name].label} {weight:g}" for name, weight in weights.items())
    st.info(f"The source {source} has fixed terms and weights: {listed}.")
    for name in weights:
        if name not in OFFERED:  # the others are shown below
            show.formula(name)


def _term(name: str, default: float, *, disabled: bool) -> float:
    """The controls of a term, next to its formula. Returns its weight, 0 if it is off."""
    title, purpose = TERMS[name].label, TERMS[name].purpose
    left, right = st.columns([2, 5], gap="medium")
    with left:
        on = st.toggle(
            title, True, key=f"use_{name}", bind="query-params", disabled=disabled, help=purpose
        )
        weight = st.number_input(
            f"Weight of: {title}",
            0.0,
            _LARGEST,
            default,
            step=default / 2,
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
    """The controls for back-end, first and last layer and, if `quick`, the evaluation images."""
    url.declare(
        backend=url.one_of(BACKENDS, PRESET.fit.backend),
        first_last=url.one_of(FIRST_LAST, FIRST_LAST[0]),
    )
    places = st.columns(3 if quick else 2)
    backend = places[0].selectbox(
        "Back-end",
        list(BACKENDS),
        list(BACKENDS).index(PRESET.fit.backend),
        key="backend",
        bind="query-params",
        help="How Q is fitted to the images.\n\n"
        + "\n\n".join(f"**{name}**: {info.description}" for name, info in BACKENDS.items()),
    )
    first_last = places[1].selectbox(
        "First and last layer",
        FIRST_LAST,
        key="first_last",
        bind="query-params",
        disabled=choice.readonly,
        help="The patch embedding and the head lose most at few bits. **8**: both have 8 bits. "
        "**target**: both have the bit widths of the sidebar, like all other layers.",
    )
    return Fitting(backend, first_last, _eval_images(choice, places[2]) if quick else 0)


def _eval_images(choice: selection.Choice, place: st.delta_generator.DeltaGenerator) -> int:
    low, high = selection.LIMITS["eval_images"]
    url.declare(eval_images=url.stepped(low, high, low, high))
    count = place.slider(
        "Evaluation images",
        low,
        high,
        high,
        low,
        key="eval_images",
        bind="query-params",
        disabled=choice.readonly,
        help=f"Fewer images are faster but give wider intervals. {_ALL:,} stands for all images.",
    )
    return 0 if count == _ALL else count


def spec(
    choice: selection.Choice, images: Synthesis, fit: Fitting, weights: Coefficients | None = None
) -> RunSpec:
    """The spec of the run set up by the controls. An invalid one stops the page with an error."""
    settings = asdict(images) | asdict(fit) | {"coefficients": weights}
    built = show.attempt(lambda: selection.build(choice, **settings))
    if built is None:
        url.stop()
    return built
