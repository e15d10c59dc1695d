"""Start: the whole story on one page, from stored results and without loading torch."""

from dataclasses import replace

import streamlit as st

from maskaq.data.sheet import sheet
from maskaq.figures import pictures
from maskaq.figures.maps import regions
from maskaq.figures.results import accuracy, by_bits
from maskaq.precomputed import showcase
from maskaq.regions.numpy_masks import mask_of, overlap
from maskaq.ui.sections import attention_maps
from maskaq.ui.shell import router
from maskaq.ui.state import pages, stored_runs, url
from maskaq.ui.widgets import show

TILES = 16  # images of each source
SOURCES = {
    "noise": "**Noise.** Images made without the model.",
    "maskaq": "**MaskAQ.** What the classes look like to the model.",
}

choice = router.enter()

st.title("Quantize without data")
st.markdown(
    """
A Vision Transformer is a neural network that cuts an image into patches and recognises what the
image shows. Its numbers usually have 32 bits each. **Quantization** rounds them to a few bits, so
that the model can be smaller and faster. To round well, one must know which numbers occur inside
the model, and that normally takes images from its training data.

Often the training data is private or lost. **MaskAQ** works without it. Here is how, in four steps.
"""
)
if not attention_maps.is_stored(choice):
    st.info("This page shows a stored example. The other pages show your own model or image.")

st.header("1. A model looks at an image")
scene = showcase.scene(choice.image)
alpha = attention_maps.alpha(choice.image)
mask = mask_of(alpha, choice.mask_ratio)
hits = overlap(mask, scene.patches)
left, right = st.columns(2, gap="large")
with left:
    show.chart(
        pictures.picture(
            scene.image,
            f"A scene, 64 x 64 pixels: {scene.name}",
            alt=f"A {scene.name} in front of a cluttered background.",
            name=f"scene-{choice.image}",
        ),
        key="scene",
        note="A garment in front of clutter. The full-precision model **P** has to name the "
        "garment. *Image* in the sidebar selects another scene.",
    )
with right:
    region = regions.overlay(
        scene.image,
        mask,
        attention_maps.GRID,
        scene.patches,
        alpha,
        title="Where P looks",
        outline_foreground=False,
    )
    show.chart(
        region.with_suffix(str(choice.image)),
        key="looks",
        note=f"The {hits.chosen} patches that P attends to most: the **informative region**. "
        f"{hits.hits} of them are on the garment, although P was never told where it is.",
    )

st.header("2. The model makes its own images")
st.markdown(
    "Without data, the model can make its own images: start from random colours and change them "
    "step by step until P recognises a class. MaskAQ gives priority to the informative region."
)
runs = [stored_runs.closest(choice, source) for source in SOURCES]
by_source = {run.result.spec.synthesis.source: run for run in runs if run is not None}
for place, (source, description) in zip(st.columns(2, gap="large"), SOURCES.items(), strict=True):
    if source not in by_source or not by_source[source].samples:
        continue
    share, images = by_source[source].result.recognised, by_source[source].samples["images"][:TILES]
    place.image(
        sheet(images), width="stretch", alt=f"{len(images)} images from the source {source}."
    )
    place.caption(f"{description} Showing {len(images)} of {share.n} images.")
    place.caption(
        f"P recognises the intended class in {share.value:.0%} (95 % interval {share.low:.0%} to "
        f"{share.high:.0%}, n = {share.n})."
    )

st.header("3. The numbers are rounded")
if not by_source:
    st.info("This copy of maskaq has no stored result. Start a run on the page Quantize.")
    url.stop()
bits = next(iter(by_source.values())).result.spec.quantization.name
st.markdown(
    f"The quantized model **Q** is P with {bits[1]}-bit weights and {bits[3]}-bit activations "
    f"(`{bits}`). Its rounding is fitted to the images above, once to the noise and once to the "
    "images of MaskAQ."
)
if bits != choice.bits:
    st.info(f"No result for {choice.bits} ships with maskaq, so this section shows {bits}.")
result = next(iter(by_source.values())).result
places = st.columns(1 + len(by_source))
with places[0]:
    show.number("P, full precision", *result.top1_p, "Share of images that P classifies correctly.")
for place, (source, run) in zip(places[1:], by_source.items(), strict=True):
    with place:
        drop = 100 * (run.result.fp.top1 - run.result.q.top1)
        show.number(f"Q from {source}", *run.result.top1_q, f"{drop:.1f} points below P.")
chart = accuracy.sources([run.result for run in by_source.values()])
show.chart(
    replace(chart, name=f"accuracy-{bits}"),
    key="accuracy",
    note="The error bars are 95 % intervals: other test images would give a slightly different "
    "number, most likely within them.",
)
presets = [
    run.result for run in stored_runs.presets() if run.result.spec.synthesis.source in SOURCES
]
show.chart(
    by_bits.lines(presets),
    key="by_bits",
    note="For this model almost any images will do at 8 bits; at 3 bits they must contain "
    "something that the model recognises.",
)
st.caption(show.where_from(next(iter(by_source.values()))))
show.simulated()
with st.expander("How the interval is computed"):
    show.formula("wilson")

st.header("4. Where to go next")
for place, section in zip(
    st.columns(3, gap="large"), (pages.UNDERSTAND, pages.TRY, pages.JUDGE), strict=True
):
    place.subheader(section)
    for page in pages.PAGES[1:]:
        if page.section == section:
            place.page_link(page.file, label=page.title, icon=page.icon)
            place.caption(page.help)
