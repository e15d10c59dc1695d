"""The selection all pages share, kept in the sidebar and in the address, and the spec it means."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import streamlit as st

from maskaq.config import BITS, Coefficients, RunSpec
from maskaq.config.components import DISTILLING, DRAWING, LEARNING, OWN_TERMS
from maskaq.config.presets import spec_of
from maskaq.errors import OptionError
from maskaq.models.menu import BUNDLED, Shape, shape_of, shapes
from maskaq.ui.state import stored_runs, url
from maskaq.ui.state import uploads as own
from maskaq.ui.state.uploads import Own

# What the page lets a visitor ask of the server, smallest and largest.
LIMITS = {"images": (4, 64), "steps": (10, 300), "eval_images": (100, 5_000)}
RATIO = (0.05, 1.0, 0.05)  # smallest, largest, step of the mask ratio
SCENES = 8  # stored scenes to look at
KEYS = (  # of the widgets, and so the names in the address
    "model",
    "weight_bits",
    "activation_bits",
    "mask_ratio",
    "image",
    "block",
    "head",
    "seed",
)
MEAN = "mean"  # in the address: over all blocks, over all heads


@dataclass(frozen=True)
class Choice:
    """The shared selection.

    mask_ratio: share of the patches that count as informative; of a schedule, its end. image:
    number of the stored scene. block, head: None for the mean over all of them. own: what the
    visitor brought. readonly: this server computes nothing.
    """

    weight_bits: int = 4
    activation_bits: int = 4
    seed: int = 0
    model: str = BUNDLED
    mask_ratio: float = 0.1
    image: int = 0
    block: int | None = None
    head: int | None = None
    own: Own = field(default_factory=Own)
    readonly: bool = False

    @property
    def bits(self) -> str:
        """`W4A4` and the like."""
        return f"W{self.weight_bits}A{self.activation_bits}"

    @property
    def shape(self) -> Shape:
        """Blocks, heads and patches of the model."""
        return shape_of(self.model)

    @property
    def bundled(self) -> bool:
        """Whether this is about the model and the pictures that stored results are about."""
        return self.model == BUNDLED and not self.own.weights and not self.own.data


DEFAULT = Choice()


def check() -> None:
    """Check what the address says of the shared controls, before they are drawn."""
    model = st.session_state.get("model") or st.query_params.get("model", BUNDLED)
    shape = shapes().get(model, shape_of(BUNDLED))
    bits = url.whole(BITS.start, BITS.stop - 1, 4)
    url.declare(
        model=url.one_of(shapes(), BUNDLED, "a name from the menu Model P"),
        weight_bits=bits,
        activation_bits=bits,
        mask_ratio=url.stepped(*RATIO, DEFAULT.mask_ratio),
        image=url.one_of(_numbers(SCENES), "0", f"0 to {SCENES - 1}"),
        block=url.one_of(_or_mean(shape.depth), MEAN, f"mean, or 0 to {shape.depth - 1}"),
        head=url.one_of(_or_mean(shape.heads), MEAN, f"mean, or 0 to {shape.heads - 1}"),
        seed=url.whole(0, 9999, 0),
    )


def sidebar() -> None:
    """Draw the shared controls; each is also a parameter of the address."""
    model = st.selectbox(
        "Model P",
        list(shapes()),
        key="model",
        bind="query-params",
        help=f"{BUNDLED} ships with maskaq. All others are names of timm and need a file with "
        "weights on this computer, see *Your own* below.",
    )
    st.subheader("Number format of Q")
    for key, label, meaning in (
        ("weight_bits", "Weight bits", "Bits for each stored weight. 32 before quantization."),
        (
            "activation_bits",
            "Activation bits",
            "Bits for each number that flows through the network.",
        ),
    ):
        st.slider(label, BITS.start, BITS.stop - 1, 4, key=key, bind="query-params", help=meaning)
    st.caption("W4A4 means 4-bit weights and 4-bit activations.")
    _looked_at(shapes().get(model, shape_of(BUNDLED)))
    st.number_input(
        "Seed",
        0,
        9999,
        0,
        key="seed",
        bind="query-params",
        help="Start of the random numbers. The same seed gives the same result.",
    )
    st.caption("The address above holds these settings, so you can share it.")


def _looked_at(shape: Shape) -> None:
    """What to look at: scene, block, head and the size of the mask."""
    st.subheader("What to look at")
    st.selectbox(
        "Image",
        _numbers(SCENES),
        key="image",
        bind="query-params",
        disabled=st.session_state.get(own.UPLOAD) is not None,
        help=f"{SCENES} stored scenes. A picture of your own, see below, takes their place.",
    )
    block, head = st.columns(2)
    for place, key, label, count, meaning in (
        (block, "block", "Block", shape.depth, "One layer of the model, 0 is the first."),
        (head, "head", "Head", shape.heads, "Each block looks with several heads."),
    ):
        options = _or_mean(count)
        value = st.session_state.get(key, MEAN)
        if value not in options:  # another model had more of them
            st.session_state[key] = MEAN
            url.refuse(url.Notice(key, str(value), f"{MEAN}, or 0 to {count - 1}", MEAN))
        place.selectbox(label, options, key=key, bind="query-params", help=meaning)
    st.slider(
        "Mask ratio",
        *RATIO[:2],
        DEFAULT.mask_ratio,
        RATIO[2],
        key="mask_ratio",
        bind="query-params",
        help="Share of the patches that count as informative.",
    )


def selection() -> tuple[object, ...]:
    """The shared values alone: what a link holds."""
    return tuple(st.session_state[key] for key in KEYS)


def current() -> Choice:
    """The shared selection, as the sidebar has it."""
    state = st.session_state
    return Choice(
        weight_bits=state["weight_bits"],
        activation_bits=state["activation_bits"],
        seed=state["seed"],
        model=state["model"],
        mask_ratio=round(state["mask_ratio"], 2),
        image=int(state["image"]),
        block=_number(state["block"]),
        head=_number(state["head"]),
        own=own.current(),
        readonly=stored_runs.readonly(),
    )


def build(
    choice: Choice,
    *,
    source: str,
    backend: str,
    images: int,
    steps: int,
    mask_start: float = 0.5,
    coefficients: Coefficients | None = None,
    first_last: str = "8",
    refresh: int = 0,
    eval_images: int = 0,
) -> RunSpec:
    """The run that a visitor asks for: method `maskaq` with the page's values in it.

    What does not matter to the source or the back-end stays as the method has it, so that a run is
    found again whatever its idle controls say. mask_start: ratio at the begin of the schedule, of
    which the sidebar holds the end. coefficients: None for those of the method. refresh: epochs
    between two refreshes of the images, 0 for never. eval_images: 0 takes all there are.

    Raises:
        OptionError: a value is outside what the page offers. Sliders hold it back in the browser,
            which anyone can go around.
    """
    asked = {"images": images, "steps": steps}
    if eval_images:
        asked["eval_images"] = eval_images
    for name, value in asked.items():
        low, high = LIMITS[name]
        if not low <= value <= high:
            raise OptionError(
                f"{name} is {value!r}; allowed here: {low} to {high}. "
                "`python -m maskaq run` takes more."
            )
    start = spec_of("maskaq", (choice.weight_bits, choice.activation_bits))
    synthesis = replace(start.synthesis, source=source, images=images)
    if source in DRAWING:
        synthesis = replace(synthesis, steps=steps)
    if source in DRAWING and source not in OWN_TERMS:
        synthesis = replace(synthesis, coefficients=coefficients or synthesis.coefficients)
    if source == "maskaq":  # the share shrinks as the run goes on
        ends = (mask_start, choice.mask_ratio)
        synthesis = replace(synthesis, mask_ratio=(max(ends), min(ends)))
    fit = replace(start.fit, backend=backend)
    if backend in LEARNING:
        fit = replace(fit, mask_ratio=choice.mask_ratio)
    if backend in DISTILLING:
        fit = replace(fit, refresh=refresh)
    return replace(
        start,
        model=choice.model,
        weights=choice.own.weights,
        data=choice.own.data,
        seed=choice.seed,
        synthesis=synthesis,
        fit=fit,
        quantization=replace(start.quantization, first_last=first_last),
        eval_images=eval_images,
    )


def title(spec: RunSpec) -> str:
    """One line that names a run."""
    made = spec.synthesis
    model = "" if spec.model == BUNDLED else f"{spec.model}, "
    return (
        f"{model}{spec.quantization.name}, {made.images} images from {made.source}, "
        f"back-end {spec.fit.backend}, seed {spec.seed}"
    )


def _numbers(count: int) -> list[str]:
    return [str(number) for number in range(count)]


def _or_mean(count: int) -> list[str]:
    return [MEAN, *_numbers(count)]


def _number(value: str) -> int | None:
    return None if value == MEAN else int(value)
