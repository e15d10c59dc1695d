"""The controls shared by all pages, in the sidebar."""

import streamlit as st

from maskaq.config import BITS
from maskaq.models.menu import BUNDLED, Shape, shape_of, shapes
from maskaq.ui.state import url
from maskaq.ui.state.selection import DEFAULT, MEAN, RATIO, SCENES, mean_or_numbers, numbers
from maskaq.ui.state.uploads import UPLOAD


def check() -> None:
    """Check the URL parameters of the shared controls before the controls are drawn."""
    model = st.session_state.get("model") or st.query_params.get("model", BUNDLED)
    shape = shapes().get(model, shape_of(BUNDLED))
    bits = url.whole(BITS.start, BITS.stop - 1, 4)
    url.declare(
        model=url.one_of(shapes(), BUNDLED, "a name from the menu Model P"),
        weight_bits=bits,
        activation_bits=bits,
        mask_ratio=url.stepped(*RATIO, DEFAULT.mask_ratio),
        image=url.one_of(numbers(SCENES), "0", f"0 to {SCENES - 1}"),
        block=url.one_of(mean_or_numbers(shape.depth), MEAN, f"mean, or 0 to {shape.depth - 1}"),
        head=url.one_of(mean_or_numbers(shape.heads), MEAN, f"mean, or 0 to {shape.heads - 1}"),
        seed=url.whole(0, 9999, 0),
    )


def controls() -> None:
    """Draw the shared controls; each is also a parameter of the URL."""
    model = st.selectbox(
        "Model P",
        list(shapes()),
        key="model",
        bind="query-params",
        help=f"{BUNDLED} ships with maskaq. All other models are from timm: their weights are "
        "downloaded on request, or read from a file on the server, see *Your own* below.",
    )
    st.subheader("Number format of Q")
    for key, label, meaning in (
        ("weight_bits", "Weight bits", "Bits per weight. Before quantization: 32."),
        (
            "activation_bits",
            "Activation bits",
            "Bits per activation, the numbers passed from layer to layer. Before quantization: 32.",
        ),
    ):
        st.slider(label, BITS.start, BITS.stop - 1, 4, key=key, bind="query-params", help=meaning)
    st.caption("W4A4 means 4-bit weights and 4-bit activations.")
    _subject(shapes().get(model, shape_of(BUNDLED)))
    st.number_input(
        "Seed",
        0,
        9999,
        0,
        key="seed",
        bind="query-params",
        help="Seed of the random numbers. The same seed gives the same result.",
    )
    st.caption("The address of this page contains these settings, so you can share it as a link.")


def _subject(shape: Shape) -> None:
    """The controls for image, block, head and mask ratio."""
    st.subheader("What to look at")
    st.selectbox(
        "Image",
        numbers(SCENES),
        key="image",
        bind="query-params",
        disabled=st.session_state.get(UPLOAD) is not None,
        help=f"{SCENES} stored scenes. If you upload a picture below, it is used instead.",
    )
    block, head = st.columns(2)
    for place, key, label, count, meaning in (
        (block, "block", "Block", shape.depth, "One layer of the model. 0 is the first."),
        (head, "head", "Head", shape.heads, "One of the attention heads of each block."),
    ):
        options = mean_or_numbers(count)
        value = st.session_state.get(key, MEAN)
        if value not in options:  # the previous model had more blocks or heads
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
