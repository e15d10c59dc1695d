"""Quantize: choose how, run it with live progress, and compare Q with P."""

import streamlit as st

from maskaq.errors import MaskaqError
from maskaq.methods import spec_of
from maskaq.names import BACKEND_NAMES, DRAWING, SOURCE_NAMES
from maskaq.ui import address, controls, live, results, router, show

choice = router.enter()

st.title("Quantize")
st.markdown(
    "Two choices decide how Q is made. The **source** says where the pictures come from that the "
    "rounding is fitted to. The **back-end** says how it is fitted to them. The number of bits is "
    "in the sidebar."
)

show.demo()
preset = spec_of("maskaq")
made = preset.synthesis
address.declare(
    source=address.one_of(SOURCE_NAMES, made.source),
    backend=address.one_of(BACKEND_NAMES, preset.fit.backend),
    mask_start=address.stepped(*controls.RATIO, max(made.mask_ratio)),
    images=address.whole(*controls.LIMITS["images"], made.images),
    steps=address.whole(*controls.LIMITS["steps"], made.steps),
)

left, middle, right = st.columns(3)
source = left.selectbox(
    "Source of the pictures",
    list(SOURCE_NAMES),
    list(SOURCE_NAMES).index(made.source),
    key="source",
    bind="query-params",
    help="\n\n".join(f"{name}: {line}" for name, line in SOURCE_NAMES.items()),
)
backend = middle.selectbox(
    "Back-end",
    list(BACKEND_NAMES),
    list(BACKEND_NAMES).index(preset.fit.backend),
    key="backend",
    bind="query-params",
    help="\n\n".join(f"{name}: {line}" for name, line in BACKEND_NAMES.items()),
)
mask_start = right.slider(
    "Mask ratio at the begin",
    *controls.RATIO[:2],
    max(made.mask_ratio),
    controls.RATIO[2],
    key="mask_start",
    bind="query-params",
    disabled=source != "maskaq",
    help="Used by the source maskaq. It narrows down to the ratio in the sidebar.",
)
images = left.slider(
    "Number of pictures",
    *controls.LIMITS["images"],
    made.images,
    key="images",
    bind="query-params",
)
steps = middle.slider(
    "Steps of drawing",
    *controls.LIMITS["steps"],
    made.steps,
    key="steps",
    bind="query-params",
    disabled=source not in DRAWING,
    help="Used by the sources that draw: how often every picture is improved.",
)

try:
    spec = controls.build(
        choice,
        source=source,
        backend=backend,
        images=images,
        steps=steps,
        mask_start=mask_start,
    )
except MaskaqError as error:
    st.error(str(error))
    router.stop()

shown = live.panel(spec)
if shown is None:
    if not live.busy():
        st.info(f"Not computed yet: {controls.title(spec)}. Press Run.")
    router.stop()

st.header("Q against P")
numbers, drawings = st.columns([3, 2], gap="large")
with numbers:
    results.headline(shown)
with drawings:
    results.images(shown)
results.details(shown)
