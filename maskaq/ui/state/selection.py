"""The selection shared by all pages, kept in the sidebar and the URL, and its run spec."""

from dataclasses import dataclass, field, replace

import streamlit as st

from maskaq.config import Coefficients, RunSpec
from maskaq.config.presets import spec_of
from maskaq.errors import OptionError
from maskaq.jobs import service
from maskaq.models.menu import BUNDLED, Shape, shape_of
from maskaq.precomputed import photographs
from maskaq.ui.state import uploads
from maskaq.ui.state.uploads import Own

# Smallest and largest value that the app accepts.
LIMITS = {"images": (4, 64), "steps": (10, 300), "eval_images": (100, 5_000)}
RATIO = (0.05, 1.0, 0.05)  # smallest, largest, step of the mask ratio
SCENES = 8  # number of stored scenes
KEYS = (  # keys of the widgets and names of the URL parameters
    "model",
    "weight_bits",
    "activation_bits",
    "mask_ratio",
    "image",
    "block",
    "head",
    "seed",
)
MEAN = "mean"  # in the URL: the mean over all blocks or heads


@dataclass(frozen=True)
class Choice:
    """The shared selection.

    mask_ratio: share of the patches that are informative; the end of a schedule. image: index of
    the stored picture, see `pictures`. block, head: None for the mean over all of them. own: the
    visitor's files. readonly: whether this server shows stored results only.
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
        """The bit widths, such as `W4A4`."""
        return f"W{self.weight_bits}A{self.activation_bits}"

    @property
    def shape(self) -> Shape:
        """Blocks, heads and patches of the model."""
        return shape_of(self.model)


DEFAULT = Choice()


def selection() -> tuple[object, ...]:
    """The shared values, as in the URL."""
    return tuple(st.session_state[key] for key in KEYS)


def current() -> Choice:
    """The shared selection, from the sidebar."""
    state, own = st.session_state, uploads.current()
    return Choice(
        weight_bits=state["weight_bits"],
        activation_bits=state["activation_bits"],
        seed=state["seed"],
        model=own.model or state["model"],
        mask_ratio=round(state["mask_ratio"], 2),
        image=_place(state["image"], pictures(state["model"], own.weights)),
        block=_number(state["block"]),
        head=_number(state["head"]),
        own=own,
        readonly=service.readonly(),
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
    scheme: str = "auto",
    average_bits: float = 0.0,
    refresh: int = 0,
    eval_images: int = 0,
) -> RunSpec:
    """The spec of a run: method `maskaq` with the values of the page.

    Settings without effect on the source or the back-end keep the method's values, so that the
    disabled controls do not affect which stored run is found. mask_start: mask ratio at the start
    of the schedule; the sidebar sets its end. coefficients: None for those of the method. refresh:
    epochs between two refreshes of the images, 0 for never. eval_images: 0 for all.

    Raises:
        OptionError: a value is outside the limits of the app. The sliders enforce the limits too,
            but a client can bypass them.
    """
    limited = {"images": images, "steps": steps}
    if eval_images:
        limited["eval_images"] = eval_images
    for name, value in limited.items():
        low, high = LIMITS[name]
        if not low <= value <= high:
            raise OptionError(
                f"{name} is {value!r}; allowed here: {low} to {high}. "
                "`python -m maskaq run` has no such limits."
            )
    preset = spec_of("maskaq", (choice.weight_bits, choice.activation_bits))
    ends = (mask_start, choice.mask_ratio)
    synthesis = replace(
        preset.synthesis,
        source=source,
        images=images,
        steps=steps,
        coefficients=coefficients or preset.synthesis.coefficients,
        mask_ratio=(max(ends), min(ends)),  # the ratio decreases over the steps
    )
    fit = replace(preset.fit, backend=backend, mask_ratio=choice.mask_ratio, refresh=refresh)
    spec = replace(
        preset,
        model=choice.model,
        weights=choice.own.weights,
        data=choice.own.data,
        class_names=choice.own.class_names,
        skip_unreadable=choice.own.skip_unreadable,
        seed=choice.seed,
        synthesis=synthesis,
        fit=fit,
        quantization=replace(
            preset.quantization, first_last=first_last, scheme=scheme, average_bits=average_bits
        ),
        eval_images=eval_images,
    )
    return spec.canonical(preset)


def set_bits(weight_bits: int, activation_bits: int) -> None:
    """Move the two controls for bit widths; for callbacks."""
    st.session_state["weight_bits"] = weight_bits
    st.session_state["activation_bits"] = activation_bits


def title(spec: RunSpec) -> str:
    """A one-line description of a run, as plain text."""
    synthesis = spec.synthesis
    model = "" if spec.model == BUNDLED else f"{spec.model}, "
    return (
        f"{model}{spec.quantization.label}, {synthesis.images} images from "
        f"{synthesis.source}, back-end {spec.fit.backend}, seed {spec.seed}"
    )


def numbers(count: int) -> list[str]:
    """The indices 0 to `count` - 1, as in the URL."""
    return [str(number) for number in range(count)]


def mean_or_numbers(count: int) -> list[str]:
    """`mean`, then the indices 0 to `count` - 1."""
    return [MEAN, *numbers(count)]


def pictures(model: str, weights: str = "") -> list[str]:
    """The stored pictures of a model, as in the URL: names of photographs, or numbers of scenes."""
    if model == photographs.MODEL and not weights:
        return list(photographs.names())
    return numbers(SCENES)


def _place(name: str, names: list[str]) -> int:
    """The index of a picture; 0 for one of another model, whose control is not on this page."""
    return names.index(name) if name in names else 0


def _number(value: str) -> int | None:
    return None if value == MEAN else int(value)
