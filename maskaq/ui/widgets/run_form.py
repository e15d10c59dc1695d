"""The controls of a run: source, loss terms, back-end.

They are bound to the same URL parameters on every page, so all pages show the same run.
"""

import math
from dataclasses import asdict, dataclass
from typing import TypeAlias

import streamlit as st

from maskaq.config import SCHEMES, Coefficients, RunSpec
from maskaq.config.components import BACKENDS, SOURCES, TERMS
from maskaq.config.presets import spec_of
from maskaq.ui.state import selection, url
from maskaq.ui.widgets import show, spotlight

Place: TypeAlias = st.delta_generator.DeltaGenerator

PRESET = spec_of("maskaq")
FIRST_LAST = ("8", "target")
AVERAGES = ("off", "2.5", "3", "3.5", "4", "5", "6")  # bits per weight, with mixed precision
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
    """How Q is fitted to the images and evaluated.

    eval_images: 0 for all. average_bits: of mixed precision; 0 for equal bits.
    """

    backend: str
    first_last: str
    eval_images: int = 0
    scheme: str = "auto"
    average_bits: float = 0.0


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _amount(text: str) -> float:
    value = url.number(text)
    if not math.isfinite(value) or not 0 <= value <= _LARGEST:
        raise ValueError(text)
    return value


def form(choice: selection.Choice, place: Place) -> RunSpec:
    """All controls of a run in one row: source, back-end, and the others behind a button.

    place: a horizontal container. An invalid run stops the page with an error.
    """
    with place:
        source = _source()
        backend = _backend()
        with spotlight.on("images"):
            more = st.popover("More settings", icon=":material/tune:")
    with more:
        images = _amounts(choice, source)
        weights = terms(choice, source)
        first_last, scheme = _first_last(choice), _scheme(choice)
        average_bits = _average_bits(choice)
        eval_images = _eval_images(choice)
    fit = Fitting(backend, first_last, eval_images, scheme, average_bits)
    return spec(choice, images, fit, weights)


def synthesis(choice: selection.Choice) -> Synthesis:
    """The controls for source, number of images, steps and the initial mask ratio."""
    return _amounts(choice, _source())


def _source() -> str:
    names = list(SOURCES)
    url.declare(source=url.one_of(names, PRESET.synthesis.source))
    with spotlight.on("source"):
        return st.selectbox(
            "Source of the images",
            names,
            names.index(PRESET.synthesis.source),
            key="source",
            bind="query-params",
            help="\n\n".join(f"**{name}**: {info.description}" for name, info in SOURCES.items()),
        )


def _amounts(choice: selection.Choice, source: str) -> Synthesis:
    preset, limits = PRESET.synthesis, selection.LIMITS
    url.declare(
        images=url.whole(*limits["images"], preset.images),
        steps=url.whole(*limits["steps"], preset.steps),
        mask_start=url.stepped(*selection.RATIO, max(preset.mask_ratio)),
    )
    first, second, third = st.columns(3)
    return Synthesis(
        source,
        first.slider(
            "Images",
            *limits["images"],
            preset.images,
            key="images",
            bind="query-params",
            disabled=choice.readonly,
            help="Number of images to which Q is fitted. More images take longer.",
        ),
        second.slider(
            "Steps",
            *limits["steps"],
            preset.steps,
            key="steps",
            bind="query-params",
            disabled=choice.readonly or not SOURCES[source].synthesizes,
            help="Optimisation steps per image. Only for sources that synthesize images.",
        ),
        third.slider(
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
    """A switch and a weight for each term of the loss.

    Terms that the source does not use keep the weight of the preset, which then has no effect.
    """
    defaults = asdict(PRESET.synthesis.coefficients)
    fields = {name: url.Field(_amount, f"0 to {_LARGEST:g}", defaults[name]) for name in OFFERED}
    switches = {f"use_{name}": url.Field(_flag, "true or false", True) for name in OFFERED}
    url.declare(**fields, **switches)
    used = [name for name in OFFERED if name in SOURCES[source].terms]
    weights: dict[str, float] = {}
    st.markdown(
        "**Terms of the loss.** Each step changes the pixels a little to reduce their weighted "
        "sum. A term that is switched off has weight 0 and takes no time."
    )
    _own_terms(source)
    for name in OFFERED:
        value = _term(name, defaults[name], disabled=choice.readonly or name not in used)
        weights[name] = value if name in used else defaults[name]
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


def _term(name: str, default: float, *, disabled: bool) -> float:
    """The controls of a term. Returns its weight, 0 if it is off."""
    title, purpose = TERMS[name].label, TERMS[name].purpose
    left, right = st.columns(2, vertical_alignment="center")
    on = left.toggle(
        title, True, key=f"use_{name}", bind="query-params", disabled=disabled, help=purpose
    )
    weight = right.number_input(
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
    return float(weight) if on else 0.0


def fitting(choice: selection.Choice) -> Fitting:
    """The controls for back-end, first and last layer, and evaluation images."""
    first, second, third = st.columns(3)
    with first:
        backend = _backend()
    with second:
        first_last = _first_last(choice)
    with third:
        return Fitting(backend, first_last, _eval_images(choice))


def _backend() -> str:
    url.declare(backend=url.one_of(BACKENDS, PRESET.fit.backend))
    with spotlight.on("backend"):
        return st.selectbox(
            "Back-end",
            list(BACKENDS),
            list(BACKENDS).index(PRESET.fit.backend),
            key="backend",
            bind="query-params",
            help="How Q is fitted to the images.\n\n"
            + "\n\n".join(f"**{name}**: {info.description}" for name, info in BACKENDS.items()),
        )


def _first_last(choice: selection.Choice) -> str:
    return _menu(
        choice,
        "First and last layer",
        "first_last",
        FIRST_LAST,
        "The patch embedding and the head lose most at few bits. **8**: both have 8 bits. "
        "**target**: both have the bit widths of the sidebar, like all other layers.",
    )


def _scheme(choice: selection.Choice) -> str:
    return _menu(
        choice,
        "Scheme",
        "scheme",
        SCHEMES,
        "**auto**: the grids that the back-end prefers, logarithmic ones among them. "
        "**foldable**: the same, but with a single range after each LayerNorm, as most published "
        "methods have it. **integer**: only what integer arithmetic computes, so that Q can be "
        "exported as a file (page Deploy). Both cost some accuracy at few bits.",
    )


def _average_bits(choice: selection.Choice) -> float:
    name = _menu(
        choice,
        "Mixed precision, bits per weight on average",
        "average_bits",
        AVERAGES,
        "**off**: all layers have the weight bits of the sidebar. Otherwise layers that matter "
        "more to P's predictions get more bits, and the average is at most this number; the "
        "sidebar then sets the bits of the activations.",
    )
    return 0.0 if name == AVERAGES[0] else float(name)


def _menu(
    choice: selection.Choice, label: str, key: str, options: tuple[str, ...], help: str
) -> str:
    """A menu whose first option is the default."""
    url.declare(**{key: url.one_of(options, options[0])})
    return st.selectbox(
        label, options, key=key, bind="query-params", disabled=choice.readonly, help=help
    )


def _eval_images(choice: selection.Choice) -> int:
    low, high = selection.LIMITS["eval_images"]
    url.declare(eval_images=url.stepped(low, high, low, high))
    count = st.slider(
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
