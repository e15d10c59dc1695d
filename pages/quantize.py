"""Quantize: choose how, run it with live progress, and compare Q with P."""

import streamlit as st

from maskaq.errors import MaskaqError
from maskaq.methods import spec_of
from maskaq.ui import controls, library, live, results, router

choice = router.enter()
slot = live.slot()

st.title("Quantize")
st.markdown(
    "Two choices decide how Q is made. The **source** says where the pictures come from that the "
    "rounding is fitted to. The **back-end** says how it is fitted to them. The number of bits is "
    "in the sidebar."
)

with st.spinner("Loading PyTorch. This happens once after each start.", show_time=True):
    from maskaq.quantization.backends import BACKENDS
    from maskaq.synthesis.sources import SOURCES

preset = spec_of("maskaq")
made = preset.synthesis

left, middle, right = st.columns(3)
source = left.selectbox(
    "Source of the pictures",
    list(SOURCES),
    list(SOURCES).index(made.source),
    key="source",
    bind="query-params",
    help="\n\n".join(f"{name}: {made_by.__doc__}" for name, made_by in SOURCES.items()),
)
backend = middle.selectbox(
    "Back-end",
    list(BACKENDS),
    list(BACKENDS).index(preset.fit.backend),
    key="backend",
    bind="query-params",
    help="\n\n".join(f"{name}: {backend.description}" for name, backend in BACKENDS.items()),
)
mask_ratio = right.slider(
    "Informative share of the patches",
    0.05,
    1.0,
    tuple(sorted(made.mask_ratio)),
    0.05,
    key="mask_ratio",
    bind="query-params",
    disabled=source != "maskaq",
    help="Used by the source maskaq. It begins with the larger share and narrows down to the "
    "smaller one.",
)
images = left.slider(
    "Number of pictures",
    *controls.LIMITS["images"],
    made.images,
    4,
    key="images",
    bind="query-params",
)
steps = middle.slider(
    "Steps of drawing",
    *controls.LIMITS["steps"],
    made.steps,
    10,
    key="steps",
    bind="query-params",
    disabled=source in ("noise", "real"),
    help="Used by the sources that draw: how often every picture is improved.",
)

try:
    spec = controls.build(
        choice,
        source=source,
        backend=backend,
        images=images,
        steps=steps,
        mask_ratio=mask_ratio,
    )
except MaskaqError as error:
    st.error(str(error))
    st.stop()

slot.join(spec)
seconds = library.seconds_for(spec, library.examples())
if seconds is not None:
    st.caption(f"A run like this takes about {seconds:.0f} s, judged by the stored example.")
run_button, cancel_button, _ = st.columns([1, 1, 4])
if run_button.button("Run", type="primary", disabled=slot.running, width="stretch"):
    slot.run(spec)
    st.rerun()
cancel_button.button("Cancel", on_click=slot.cancel, disabled=not slot.running, width="stretch")

if slot.job is not None:
    live.watch(slot.job)
shown = library.find(spec)
if shown is None and slot.job is not None and slot.job.result is not None:
    shown = slot.job.result
    st.warning("You changed the settings since. Below is the latest run, not these settings.")
if shown is None:
    if not slot.running:
        st.info(f"Not computed yet: {controls.title(spec)}. Press Run.")
    st.stop()

st.header("Q against P")
numbers, drawings = st.columns([3, 2], gap="large")
with numbers:
    results.headline(shown)
with drawings:
    results.images(shown)
results.details(shown)
