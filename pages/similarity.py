"""Patch similarity and entropy: how similar the patches of an image are, and how it is measured."""

import streamlit as st

from maskaq.data.sheet import sheet
from maskaq.figures.maps import similarity
from maskaq.models.menu import BUNDLED, shape_of
from maskaq.precomputed import showcase
from maskaq.precomputed.showcase import Similarity
from maskaq.ui.sections import attention_maps
from maskaq.ui.shell import router
from maskaq.ui.state import stored_runs, url
from maskaq.ui.widgets import show

KINDS = {
    "noise": ("Noise", "Every pixel is random"),
    "scene": ("Scene", "Scene {} of the evaluation set"),
    "synthetic": ("Synthetic", "Image {} synthesized by MaskAQ"),
}

choice = router.enter()
depth = shape_of(BUNDLED).depth
block = depth - 1 if choice.block is None else min(choice.block, depth - 1)

st.title("Patch similarity and entropy")
st.markdown(
    """
Two patches are **similar** if they attend to the same places. In an image with an object and a
background, patches of the object attend to other places than patches of the background, so the
similarities vary widely. **Entropy** measures this spread in one number, without knowing what is in
the image. MaskAQ synthesizes images with a high entropy. All numbers here are those of **P**, the
full-precision model.
"""
)
show.demo()
url.declare(kind=url.one_of(KINDS, "scene"))


def charts(name: str, pairs: Similarity, key: str) -> None:
    """Matrix and histogram of one image, side by side."""
    left, right = st.columns(2, gap="large")
    with left:
        show.chart(
            similarity.matrix(pairs.matrix, name).with_suffix(key),
            key=f"matrix_{key}",
            note="Brighter: the two patches attend to more similar places.",
        )
    with right:
        gauss, kde = (pairs.mean, pairs.std), (pairs.kde_x, pairs.kde_y)
        show.chart(
            similarity.histogram(pairs.values, gauss, kde, name).with_suffix(key),
            key=f"spread_{key}",
            note="MaskAQ uses the Gaussian, which has the same mean and variance.",
        )


def entropy(name: str, pairs: Similarity) -> None:
    """The entropy of one image as a number."""
    show.number(
        name,
        pairs.gaussian,
        n=pairs.values.size,
        unit="nats",
        digits=2,
        help="Differential entropy of a Gaussian of equal variance, over n pairs of patches. "
        f"Kernel density estimate: {pairs.kernel:.2f} nats.",
    )


if not attention_maps.is_stored(choice):
    st.header("Your image")
    if (answer := attention_maps.similarity(choice)) is not None:
        image, blocks = answer
        number = len(blocks) - 1 if choice.block is None else choice.block
        one, two = st.columns([1, 3], gap="large", vertical_alignment="center")
        one.image(sheet(image[None]), width="stretch", alt="The image as the model sees it.")
        with two:
            entropy(f"Entropy in block {number}", blocks[number])
        st.caption("Computed on this machine just now.")
        charts("Your image", blocks[number], "own")

st.header(f"Three images in block {block}")
if choice.block is None:
    st.caption("The last block. *Block* and *Image* in the sidebar select others.")
stored = {kind: showcase.similarity(kind, block, choice.image) for kind in KINDS}
for place, (kind, (name, caption)) in zip(st.columns(3, gap="large"), KINDS.items(), strict=True):
    with place:
        picture = sheet(showcase.picture(kind, choice.image)[None]).resize((256, 256), 0)
        st.image(picture, width="stretch", alt=f"{name}, as the model sees it.")
        st.caption(caption.format(choice.image))
        entropy(f"Entropy: {name.lower()}", stored[kind])
kind = st.segmented_control(
    "Which of the three",
    list(KINDS),
    default="scene",
    required=True,
    key="kind",
    bind="query-params",
)
charts(KINDS[kind][0], stored[kind], kind)
st.caption(f"Stored example, shipped with maskaq. Made with `{showcase.COMMAND}`.")
one, two = st.columns(2, gap="large")
with one:
    show.formula("patch similarity")
with two:
    show.formula("similarity entropy")
show.formula("differential entropy")
show.formula("kernel density")

st.header("Block by block")
table = showcase.entropies()
show.chart(
    similarity.entropy_by_block(table),
    key="blocks",
    note=f"Means over images, {table['pairs'].max():,} pairs of patches in each, with 95 % "
    "intervals. Filled: a Gaussian of equal variance. Open: the kernel density estimate, which "
    "assumes no distribution. Where the two differ, the distribution is not Gaussian.",
)

st.header("During synthesis")
run = stored_runs.closest(choice)
if run is None or similarity.entropy_frame(run.curves).empty:
    st.info("No stored run has measured the entropy. Start one on the page Synthesis.")
    url.stop()
st.caption(show.where_from(run))
show.chart(
    similarity.entropy_over_steps(run.curves),
    key="steps",
    note=f"Mean over {run.result.samples['count']:g} images and all blocks, source "
    f"{run.result.spec.synthesis.source}, {run.result.spec.quantization.name}.",
)
show.formula("entropy")
