"""Start: the whole story in one scroll, with stored results, before torch is imported."""

import streamlit as st

from maskaq.data.sheet import sheet
from maskaq.figures import pictures
from maskaq.figures.maps import regions
from maskaq.figures.results import accuracy, by_bits
from maskaq.precomputed import showcase
from maskaq.regions.numpy_masks import mask_of, overlap
from maskaq.ui.sections import attention_maps
from maskaq.ui.shell import router
from maskaq.ui.state import pages, stored_runs
from maskaq.ui.widgets import show

TILES = 16  # images of each source
DREAMS = {
    "noise": "**Noise.** What one can make without asking the model.",
    "maskaq": "**MaskAQ.** What the model takes its classes to look like.",
}

choice = router.enter()

st.title("Quantize without data")
st.markdown(
    """
A Vision Transformer is a neural network that cuts a picture into patches and recognises what is
in it. Its numbers usually have 32 bits each. **Quantization** rounds them to a few bits, so that
the model can be smaller and faster. To round well, one has to see which numbers occur, and for
that one normally needs the pictures that the model was trained on.

Often nobody may use them any more: they are private, or lost. **MaskAQ** does without. Here is
how, in four steps.
"""
)
if not attention_maps.known(choice):
    st.info("This page is about the stored example. Your own is shown on the other pages.")

st.header("1. A model looks at a picture")
scene = showcase.scene(choice.image)
alpha = attention_maps.alpha(choice.image)
mask = mask_of(alpha, choice.mask_ratio)
hits = overlap(mask, scene.patches)
left, right = st.columns(2, gap="large")
with left:
    show.figure(
        pictures.picture(scene.image, f"A scene, 64 x 64 pixels: {scene.name}"),
        pictures.frame(scene.image),
        alt=f"A {scene.name} in front of a cluttered background.",
        key="scene",
        name=f"scene-{choice.image}",
        note="A garment in front of clutter. The model **P** shall name the garment. *Image* in "
        "the sidebar chooses another scene.",
    )
with right:
    table = regions.frame(mask, attention_maps.GRID, scene.patches, alpha)
    show.figure(
        regions.overlay(scene.image, mask, attention_maps.GRID, title="Where P looks"),
        table,
        alt=regions.describe(table),
        key="looks",
        name=f"region-{choice.image}",
        note=f"The {hits.chosen} patches that P attends to most: the **informative region**. "
        f"{hits.hits} of them lie on the garment, though nobody told P where it is.",
    )

st.header("2. The model dreams")
st.markdown(
    "Without data, let the model draw: begin with random colours, and change them step by step "
    "until P recognises a class. MaskAQ looks after the informative region above all."
)
runs = [stored_runs.closest(choice, source) for source in DREAMS]
made = {run.result.spec.synthesis.source: run for run in runs if run is not None}
for place, (source, words) in zip(st.columns(2, gap="large"), DREAMS.items(), strict=True):
    if source not in made or not made[source].samples:
        continue
    seen, images = made[source].result.recognised, made[source].samples["images"][:TILES]
    place.image(
        sheet(images), width="stretch", alt=f"{len(images)} images from the source {source}."
    )
    place.caption(f"{words} Showing {len(images)} of {seen.n} images.")
    place.caption(
        f"P sees the intended class in {seen.value:.0%} (95 % interval {seen.low:.0%} to "
        f"{seen.high:.0%}, n = {seen.n})."
    )

st.header("3. The numbers are rounded")
if not made:
    st.info("This copy of maskaq ships no stored result. The page Quantize makes one.")
    router.stop()
bits = next(iter(made.values())).result.spec.quantization.name
st.markdown(
    f"**Q** is P with {bits[1]}-bit weights and {bits[3]}-bit activations (`{bits}`). Its rounding "
    "is fitted to one of the two sets of images above, once to the noise and once to the dreams."
)
if bits != choice.bits:
    st.info(f"No result for {choice.bits} ships with maskaq, so this is {bits}.")
result = next(iter(made.values())).result
places = st.columns(1 + len(made))
with places[0]:
    show.number("P, full precision", *result.top1_p, "Share of pictures that P names rightly.")
for place, (source, run) in zip(places[1:], made.items(), strict=True):
    with place:
        lost = 100 * (run.result.fp.top1 - run.result.q.top1)
        show.number(f"Q from {source}", *run.result.top1_q, f"{lost:.1f} points below P.")
results = [run.result for run in made.values()]
table = accuracy.sources_frame(results)
show.figure(
    accuracy.sources(results),
    table,
    alt=accuracy.describe_sources(table),
    key="accuracy",
    name=f"accuracy-{bits}",
    note="The whiskers are 95 % intervals: other test pictures would give a slightly different "
    "number, most likely inside them.",
)
stories = [
    run.result for run in stored_runs.presets() if run.result.spec.synthesis.source in DREAMS
]
table = by_bits.frame(stories)
show.figure(
    by_bits.by_bits(table),
    table,
    alt=by_bits.describe(table),
    key="by_bits",
    name="accuracy-by-bits",
    note="For this model almost any image will do at 8 bits; at 3 it takes images in which it sees "
    "something.",
)
st.caption(show.where_from(next(iter(made.values()))))
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
