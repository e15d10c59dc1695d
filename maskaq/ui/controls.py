"""The selection all pages share, kept in the sidebar and in the address, and the spec it means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st

from maskaq.config import BITS, RunSpec
from maskaq.errors import OptionError
from maskaq.methods import spec_of

if TYPE_CHECKING:
    from collections.abc import Sequence

# What the page lets a visitor ask of the server, smallest and largest.
LIMITS = {"images": (4, 64), "steps": (10, 300)}


@dataclass(frozen=True)
class Choice:
    """The shared selection: bits of weights and activations, and the seed."""

    weight_bits: int
    activation_bits: int
    seed: int

    @property
    def bits(self) -> str:
        """`W4A4` and the like."""
        return f"W{self.weight_bits}A{self.activation_bits}"


def sidebar() -> None:
    """Draw the shared controls; each is also a parameter of the address."""
    with st.sidebar:
        st.subheader("Number format of Q")
        st.slider(
            "Weight bits",
            BITS.start,
            BITS.stop - 1,
            4,
            key="weight_bits",
            bind="query-params",
            help="Bits for each stored weight. 32 before quantization.",
        )
        st.slider(
            "Activation bits",
            BITS.start,
            BITS.stop - 1,
            4,
            key="activation_bits",
            bind="query-params",
            help="Bits for each number that flows through the network.",
        )
        st.number_input(
            "Seed",
            0,
            9999,
            0,
            key="seed",
            bind="query-params",
            help="Start of the random numbers. The same seed gives the same result.",
        )
        st.caption(
            "W4A4 means 4-bit weights and 4-bit activations. The address above holds your "
            "settings, so you can share it."
        )


def current() -> Choice:
    """The shared selection, as the sidebar has it."""
    state = st.session_state
    return Choice(state["weight_bits"], state["activation_bits"], state["seed"])


def build(
    choice: Choice,
    *,
    source: str,
    backend: str,
    images: int,
    steps: int,
    mask_ratio: Sequence[float],
) -> RunSpec:
    """The run that a visitor asks for: method `maskaq` with the page's values in it.

    Raises:
        OptionError: a value is outside what the page offers. Sliders hold it back in the browser,
            which anyone can go around.
    """
    for name, value in (("images", images), ("steps", steps)):
        low, high = LIMITS[name]
        if not low <= value <= high:
            raise OptionError(
                f"{name} is {value!r}; allowed here: {low} to {high}. "
                "`python -m maskaq run` takes more."
            )
    start = spec_of("maskaq", (choice.weight_bits, choice.activation_bits))
    synthesis = replace(
        start.synthesis,
        source=source,
        images=images,
        steps=steps,
        mask_ratio=(max(mask_ratio), min(mask_ratio)),  # the share shrinks as the run goes on
    )
    fit = replace(start.fit, backend=backend)
    return replace(start, seed=choice.seed, synthesis=synthesis, fit=fit)


def title(spec: RunSpec) -> str:
    """One line that names a run."""
    made = spec.synthesis
    return (
        f"{spec.quantization.name}, {made.images} images from {made.source}, "
        f"back-end {spec.fit.backend}, seed {spec.seed}"
    )
