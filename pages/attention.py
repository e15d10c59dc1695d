"""Attention and informative regions: where the model looks, and which patches are informative."""

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
The model cuts a picture into {count} **patches**. In every block each patch collects from the
others what it needs; how much from which, is its **attention**. So does the class token **CLS**, an
extra token that ends as the answer. The patches that it attends to most are called
**informative**. MaskAQ looks after them first.
"""
)
show.demo()
url.declare(query=url.one_of((CLS, PATCH), CLS), patch=url.whole(0, count - 1, count // 2))
if st.session_state.get("patch", 0) >= count:  # another model had more of them
    st.session_state["patch"] = count // 2
left, right = st.columns(2, gap="large", vertical_alignment="bottom")
asks = left.segmented_control(
    "Who looks",
    [CLS, PATCH],
    default=CLS,
    required=True,
    key="query",
    bind="query-params",
    help="Whose attention is shown: that of the class token, or of one patch.",
)
number = right.number_input(
    "Patch",
    0,
    count - 1,
    count // 2,
    key="patch",
    bind="query-params",
    disabled=asks != PATCH,
    help="Counted row by row from the upper left, from 0. A cross marks it in the maps.",
)
query = int(number) if asks == PATCH else None
who = "CLS" if query is None else f"patch {query}"
where = "mean over blocks" if choice.block is None else f"block {choice.block}"

seen = attention_maps.of(choice, query)
if seen is None:
    router.stop()
st.caption(seen.origin)
mask, scene = mask_of(seen.alpha, choice.mask_ratio), seen.scene

st.header("Where the heads look")
rows = seen.heads(choice.block)
table = attention.frame(rows, seen.grid, mask)
show.figure(
    attention.heads(rows, seen.grid, mask, choice.head, f"What {who} attends to, {where}", query),
    table,
    alt=attention.describe(table),
    key="heads",
    name="heads",
    note="Brighter means more attention. *Block* and *Head* are in the sidebar. Heads of the same "
    "number in two blocks have nothing to do with each other.",
)
show.formula("attention")

st.header("The informative region")
marked, true = st.columns(2, gap="large")
truth = scene.patches if scene is not None else None
table = regions.frame(mask, seen.grid, truth, seen.alpha)
with marked:
    show.figure(
        regions.overlay(seen.image, mask, seen.grid, truth, "What CLS attends to most"),
        table,
        alt=regions.describe(table),
        key="region",
        name="region",
        note=f"The {mask.sum()} of {mask.size} patches to which CLS attends most, on average over "
        "blocks and heads. *Mask ratio* in the sidebar sets how many.",
    )
with true:
    if scene is not None:
        only = np.where(scene.foreground, scene.image, 128).astype(np.uint8)
        show.figure(
            pictures.picture(only, f"The true foreground: {scene.name}"),
            pictures.frame(only),
            alt=f"The {scene.name} alone, which covers {scene.patches.sum()} patches.",
            key="truth",
            name="foreground",
            note="Known, because a program put the scenes together. The model is never told.",
        )
    show.formula("informative region")

if scene is not None:
    st.header("Does it find the object?")
    table = attention_maps.overlap_table(overlap(mask, scene.patches), choice.mask_ratio)
    show.figure(
        regions.overlap(table),
        table,
        alt=regions.describe_overlap(table),
        key="overlap",
        name="overlap",
        note="Precision: share of the mask that lies on the object. Recall: share of the object "
        "that is in the mask. Random masks show what chance alone would give.",
    )
    show.formula("overlap")
    table = attention_maps.overlaps()
    show.figure(
        regions.ratios(table, choice.mask_ratio),
        table,
        alt=regions.describe_ratios(table),
        key="ratios",
        name="overlap-by-ratio",
        note="A small mask cannot cover the object; a large one covers more than the object.",
    )

st.header("What changes in Q")
pair = seen.pair(choice.block, choice.head)
if pair is None:
    st.info("Q needs images to be fitted to. The page Synthesis makes them for this model.")
    router.stop()
table = attention.difference_frame(*pair, seen.grid, mask)
title = f"What {who} attends to: {where}, {seen.head(choice.head)}"
show.figure(
    attention.difference(*pair, seen.grid, mask, title),
    table,
    alt=attention.describe_difference(table),
    key="difference",
    name=f"difference-{seen.bits}",
    note=f"P has full precision, Q is {seen.bits}. In the third map purple says that P attends "
    "more, orange that Q does."
    + ("" if seen.by_head else " Of what patches attend to, Q's mean over heads alone is stored."),
)
table = attention_maps.distances(seen, choice, query)
show.figure(
    attention.inside_outside(table),
    table,
    alt=attention.describe_inside_outside(table),
    key="distance",
    name=f"inside-outside-{seen.bits}",
    note=f"Of {who}, {where}. MaskAQ asks Q to follow P inside the mask.",
)
show.formula("align")
