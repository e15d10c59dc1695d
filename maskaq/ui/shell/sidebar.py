"""The controls shared by several pages, in the sidebar of those on which they act."""

from collections.abc import Callable, Collection
from functools import partial

import streamlit as st

from maskaq.config import BITS
from maskaq.models.menu import BUNDLED, SHIPPED, Shape, shape_of, shapes, task_of
from maskaq.precomputed import photographs
from maskaq.ui.state import url
from maskaq.ui.state.selection import (
    DEFAULT,
    MEAN,
    RATIO,
    SCENES,
    mean_or_numbers,
    numbers,
    pictures,
)
from maskaq.ui.state.uploads import UPLOAD, WEIGHTS, own_model, path
from maskaq.ui.widgets import show, spotlight

_TASK = "model_task"  # key of the control


def check(drawn: Collection[str]) -> None:
    """Check the URL parameters of the shared controls before the controls are drawn.

    The others keep their values.

    drawn: keys of the controls of this page.
    """
    shape = shapes().get(_current(), shape_of(BUNDLED))
    bits = url.whole(BITS.start, BITS.stop - 1, 4)
    fields = {
        "model": url.one_of(shapes(), BUNDLED, "a name from the menu Model P"),
        "weight_bits": bits,
        "activation_bits": bits,
        "mask_ratio": url.stepped(*RATIO, DEFAULT.mask_ratio),
        "image": url.one_of(
            [*numbers(SCENES), *photographs.names()],
            "0",
            f"0 to {SCENES - 1}, or the name of a photograph for {photographs.MODEL}",
        ),
        "block": url.one_of(mean_or_numbers(shape.depth), MEAN, f"mean, or 0 to {shape.depth - 1}"),
        "head": url.one_of(mean_or_numbers(shape.heads), MEAN, f"mean, or 0 to {shape.heads - 1}"),
        "seed": url.whole(0, 9999, 0),
    }
    url.declare(**fields)
    url.keep(**{key: field for key, field in fields.items() if key not in drawn})


def controls(drawn: Collection[str]) -> None:
    """Draw these of the shared controls; each is also a parameter of the URL."""
    for key, draw in _CONTROLS.items():
        if key in drawn:
            with spotlight.on(key):
                draw()
    if drawn:
        st.caption(
            "The address of this page contains these settings, so you can share it as a link."
        )


def _model() -> None:
    task = st.session_state[_TASK] = task_of(_current())  # that of the model
    st.selectbox(
        "Task",
        list(dict.fromkeys(one.task for one in SHIPPED.values())),
        key=_TASK,
        format_func=str.capitalize,
        on_change=_first_of_task,
        disabled=bool(own_model()),
        help="What the model answers: a class for the picture, a class for each pixel, or boxes.",
    )
    # Streamlit leaves the first option out of the URL, so that must be the default of the URL.
    others = [name for name in shapes() if task_of(name) == task and name != BUNDLED]
    st.selectbox(
        "Model P",
        [BUNDLED, *others],
        format_func=lambda name: name if task_of(name) == task else f"{name} ({task_of(name)})",
        key="model",
        bind="query-params",
        disabled=bool(own_model()),
        help=f"{', '.join(SHIPPED)} ship with maskaq. All other models are from timm: their "
        "weights are downloaded on request, or read from a file on the server, see *Your own* "
        "below. For segmentation and detection, runs also take models of transformers, named "
        "there.",
    )
    place = st.empty()  # always there: otherwise the expander below would be drawn anew, closed
    if own_model():
        place.caption(f"Replaced by your own: {show.plain(own_model())}")


def _current() -> str:
    """The model, also before its control is drawn."""
    return str(st.session_state.get("model") or st.query_params.get("model", BUNDLED))


def _first_of_task() -> None:
    """Take the first model of the chosen task."""
    state = st.session_state
    state["model"] = next(name for name in shapes() if task_of(name) == state[_TASK])


def _bits(key: str, label: str, meaning: str) -> None:
    st.slider(label, BITS.start, BITS.stop - 1, 4, key=key, bind="query-params", help=meaning)


def _image() -> None:
    state = st.session_state
    options = pictures(state["model"], path(state.get(WEIGHTS)))
    if state.get("image", options[0]) not in options:  # it belongs to the previous model
        state["image"] = options[0]
    st.selectbox(
        "Image",
        options,
        key="image",
        bind="query-params",
        disabled=state.get(UPLOAD) is not None,
        help=f"{len(options)} stored pictures. If you upload a picture below, it is used instead.",
    )


def _part(key: str, label: str, count: Callable[[Shape], int], meaning: str) -> None:
    """A control for one block or head, or the mean over all of them."""
    number = count(shapes().get(st.session_state["model"], shape_of(BUNDLED)))
    options = mean_or_numbers(number)
    value = st.session_state.get(key, MEAN)
    if value not in options:  # the previous model had more of them
        st.session_state[key] = MEAN
        url.refuse(url.Notice(key, str(value), f"{MEAN}, or 0 to {number - 1}", MEAN))
    st.selectbox(label, options, key=key, bind="query-params", help=meaning)


def _mask_ratio() -> None:
    st.slider(
        "Mask ratio",
        *RATIO[:2],
        DEFAULT.mask_ratio,
        RATIO[2],
        key="mask_ratio",
        bind="query-params",
        help="Share of the patches that count as informative.",
    )


def _seed() -> None:
    st.number_input(
        "Seed",
        0,
        9999,
        0,
        key="seed",
        bind="query-params",
        help="Seed of the random numbers. The same seed gives the same result.",
    )


def _heads(shape: Shape) -> int:
    """Heads of the chosen block, or those that all blocks have."""
    block = str(st.session_state.get("block", MEAN))
    chosen = block.isdecimal() and int(block) < shape.depth
    return shape.by_block[int(block)] if chosen else min(shape.by_block)


_CONTROLS: dict[str, Callable[[], None]] = {
    "model": _model,
    "weight_bits": partial(
        _bits, "weight_bits", "Weight bits", "Bits per weight. Before quantization: 32."
    ),
    "activation_bits": partial(
        _bits,
        "activation_bits",
        "Activation bits",
        "Bits per activation, the numbers passed from layer to layer. Before quantization: 32.",
    ),
    "image": _image,
    "block": partial(
        _part, "block", "Block", lambda s: s.depth, "One layer of the model. 0 is the first."
    ),
    "head": partial(_part, "head", "Head", _heads, "One of the attention heads of each block."),
    "mask_ratio": _mask_ratio,
    "seed": _seed,
}
