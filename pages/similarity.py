"""Patch similarity and entropy: how alike the patches of an image are, and how that is measured."""

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
    "noise": ("Noise", "Every pixel drawn at random"),
    "scene": ("Scene", "Scene {} of the evaluation set"),
    "synthetic": ("Synthetic", "Image {} drawn by MaskAQ"),
}

choice = router.enter()
depth = shape_of(BUNDLED).depth
block = depth - 1 if choice.block is None else min(choice.block, depth - 1)

st.title("Patch similarity and entropy")
st.markdown(
    """
Two patches are **similar** if they attend to the same places. Where a picture has an object and a
background, patches of the one attend to other places than patches of the other: similarities are
spread out. **Entropy** measures that spread in one number, without knowing what is in the picture.
MaskAQ draws images whose entropy is high.
"""
)
show.demo()
url.declare(kind=url.one_of(KINDS, "scene"))


def draw(name: str, found: Similarity, key: str) -> None:
    """Matrix and histogram of one picture, side by side."""
    left, right = st.columns(2, gap="large")
    with left:
        table = similarity.frame(found.matrix)
        show.figure(
            similarity.matrix(found.matrix, f"{name}: pairs of patches"),
            table,
            alt=f"{name}: {similarity.describe(table)}",
            key=f"matrix_{key}",
            name=f"similarity-{key}",
            note="Brighter: the two patches attend to more alike places.",
        )
    with right:
        shape = (found.mean, found.std), (found.kde_x, found.kde_y)
        table = similarity.histogram_frame(found.values, *shape)
        show.figure(
            similarity.histogram(found.values, *shape, f"{name}: the spread"),
            table,
            alt=f"{name}: {similarity.describe_histogram(table)}",
            key=f"spread_{key}",
            name=f"spread-{key}",
            note="The Gaussian, of equal mean and variance, is what MaskAQ reckons with.",
        )


def entropy(name: str, found: Similarity) -> None:
    """Its entropy as a number."""
    show.number(
        name,
        found.gaussian,
        n=found.values.size,
        unit="nats",
        digits=2,
        help="Differential entropy of a Gaussian of equal variance, over n pairs of patches. "
        f"By kernel density: {found.kernel:.2f} nats.",
    )


if not attention_maps.known(choice):
    st.header("Yours")
    if (answer := attention_maps.similarity(choice)) is not None:
        image, blocks = answer
        number = len(blocks) - 1 if choice.block is None else choice.block
        one, two = st.columns([1, 3], gap="large", vertical_alignment="center")
        one.image(sheet(image[None]), width="stretch", alt="The picture as the model sees it.")
        with two:
            entropy(f"Entropy in block {number}", blocks[number])
        st.caption("Computed on this machine just now.")
        draw("Yours", blocks[number], "own")

st.header(f"Three pictures in block {block}")
if choice.block is None:
    st.caption("The last block. *Block* in the sidebar chooses another, *Image* other pictures.")
stored = {kind: showcase.similarity(kind, block, choice.image) for kind in KINDS}
for place, (kind, (name, words)) in zip(st.columns(3, gap="large"), KINDS.items(), strict=True):
    with place:
        picture = sheet(showcase.picture(kind, choice.image)[None]).resize((256, 256), 0)
        st.image(picture, width="stretch", alt=f"{name}, as the model sees it.")
        st.caption(words.format(choice.image))
        entropy(f"Entropy: {name.lower()}", stored[kind])
kind = st.segmented_control(
    "Which of the three",
    list(KINDS),
    default="scene",
    required=True,
    key="kind",
    bind="query-params",
)
draw(KINDS[kind][0], stored[kind], kind)
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
show.figure(
    similarity.entropy_by_block(table),
    table,
    alt=similarity.describe_entropy(table),
    key="blocks",
    name="entropy-by-block",
    note=f"Means over images, {table['pairs'].max():,} pairs of patches in each, with 95 % "
    "intervals. Filled: a Gaussian of equal variance. Open: the kernel density, which assumes "
    "nothing. Where they lie apart, the similarities are not spread like a Gaussian.",
)

st.header("While the images are drawn")
run = stored_runs.closest(choice)
if run is None or (table := similarity.entropy_frame(run.curves)).empty:
    st.info("No stored run has measured the entropy. The page Synthesis makes one.")
    router.stop()
st.caption(show.where_from(run))
show.figure(
    similarity.entropy_over_steps(run.curves),
    table,
    alt=similarity.describe_entropy_over_steps(table),
    key="steps",
    name="entropy-over-steps",
    note=f"Mean over {run.result.samples['count']:g} images and all blocks, source "
    f"{run.result.spec.synthesis.source}, {run.result.spec.quantization.name}.",
)
show.formula("entropy")
