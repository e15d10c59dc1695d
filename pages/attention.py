"""Attention and informative regions: where the model attends, and which patches are informative."""

import numpy as np
import streamlit as st

from maskaq.figures import pictures
from maskaq.figures.maps import attention, regions
from maskaq.regions.numpy_masks import mask_of, overlap
from maskaq.ui.sections import attention_maps
from maskaq.ui.shell import router
from maskaq.ui.state import url
from maskaq.ui.widgets import show

CLS, PATCH = "CLS", "patch"

choice = router.enter()
count = choice.shape.patches

st.title("Attention and informative regions")
st.markdown(
    f"""
The model cuts an image into {count} **patches**. In every block, each patch collects information
from the other patches; its **attention** says how much from which patch. The same holds for the
class token **CLS**, an extra token from which the model reads its prediction. The patches that CLS
attends to most are called **informative**. MaskAQ gives them priority.
"""
)
show.demo()
url.declare(query=url.one_of((CLS, PATCH), CLS), patch=url.whole(0, count - 1, count // 2))
if st.session_state.get("patch", 0) >= count:  # another model has more patches
    st.session_state["patch"] = count // 2
left, right = st.columns(2, gap="large", vertical_alignment="bottom")
query_kind = left.segmented_control(
    "Query",
    [CLS, PATCH],
    default=CLS,
    required=True,
    key="query",
    bind="query-params",
    help="Show the attention of the class token or of one patch.",
)
number = right.number_input(
    "Patch",
    0,
    count - 1,
    count // 2,
    key="patch",
    bind="query-params",
    disabled=query_kind != PATCH,
    help="Counted from 0, row by row from the top left. A cross marks the patch in the maps.",
)
query = int(number) if query_kind == PATCH else None
who = "CLS" if query is None else f"patch {query}"
where = "mean over blocks" if choice.block is None else f"block {choice.block}"

maps = attention_maps.of(choice, query)
if maps is None:
    url.stop()
st.caption(maps.origin)
mask, scene = mask_of(maps.alpha, choice.mask_ratio), maps.scene

st.header("Attention of each head")
title = f"Attention of {who}, {where}"
show.chart(
    attention.heads(maps.heads(choice.block), maps.grid, mask, choice.head, title, query),
    key="heads",
    note="Brighter means more attention. *Block* and *Head* are in the sidebar. Heads with the "
    "same number in different blocks are unrelated.",
)
show.formula("attention")

st.header("The informative region")
left, right = st.columns(2, gap="large")
truth = scene.patches if scene is not None else None
with left:
    show.chart(
        regions.overlay(
            maps.image, mask, maps.grid, truth, maps.alpha, "The patches CLS attends to most"
        ),
        key="region",
        note=f"The {mask.sum()} of {mask.size} patches to which CLS attends most, on average over "
        "blocks and heads. *Mask ratio* in the sidebar sets their number.",
    )
with right:
    if scene is not None:
        foreground = np.where(scene.foreground, scene.image, 128).astype(np.uint8)  # [3,S,S]
        show.chart(
            pictures.picture(
                foreground,
                f"The true foreground: {scene.name}",
                alt=f"The {scene.name} alone, which covers {scene.patches.sum()} patches.",
                name="foreground",
            ),
            key="truth",
            note="The foreground is known because the scenes are composed by a program. The model "
            "never sees it.",
        )
    show.formula("informative region")

if scene is not None:
    st.header("Does it find the object?")
    table = attention_maps.overlap_table(overlap(mask, scene.patches), choice.mask_ratio)
    show.chart(
        regions.overlap(table),
        key="overlap",
        note="Precision: share of the mask that is on the object. Recall: share of the object that "
        "is in the mask. Random masks show what chance alone would give.",
    )
    show.formula("overlap")
    show.chart(
        regions.ratios(attention_maps.overlaps(), choice.mask_ratio),
        key="ratios",
        note="A small mask cannot cover the object; a large one covers more than the object.",
    )

st.header("What changes in Q")
pair = maps.pair(choice.block, choice.head)
if pair is None:
    st.info("Q needs calibration images. The page Synthesis makes them for this model.")
    url.stop()
title = f"Attention of {who}: {where}, {maps.head(choice.head)}"
mean_only = " For patch queries of Q only the mean over heads is stored."
show.chart(
    attention.difference(*pair, maps.grid, mask, title).with_suffix(maps.bits),
    key="difference",
    note=f"P is the full-precision model; Q is the quantized model, here {maps.bits}. In the third "
    "map purple means that P attends more, orange that Q does."
    + ("" if maps.by_head else mean_only),
)
distances = attention_maps.distances(maps, choice, query)
show.chart(
    attention.inside_outside(distances).with_suffix(maps.bits),
    key="distance",
    note=f"Attention of {who}, {where}. MaskAQ trains Q to follow P inside the mask.",
)
show.formula("align")
