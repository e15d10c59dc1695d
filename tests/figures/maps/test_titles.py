"""Titles of all figures of this folder fit a phone."""

import numpy as np
import pytest

from maskaq.figures.maps import (
    answers,
    attention,
    attributions,
    deletion,
    information,
    patches,
    region_quality,
    regions,
    similarity,
)
from maskaq.intervals import student
from maskaq.precomputed import showcase
from maskaq.regions.numpy_masks import overlap
from tests.figures.conftest import GRID
from tests.support import claims_tables

LONGEST = 45  # characters of a line at 390 pixels
IMAGE = np.zeros((3, 8, 8), np.uint8)
MASK = np.arange(16) < 3
ROW = np.linspace(0, 0.1, 16, dtype=np.float32)
VALUES = np.linspace(0.5, 0.9, 2016)
Q = "W4A4"


def charts():
    table = claims_tables
    means = {name: tuple(student([0.1, 0.2, 0.4])[:3]) for name in ("precision", "recall", "IoU")}
    here = overlap(MASK, MASK)
    ratios = [
        {"mask": mask, "ratio": 0.1, "measure": "IoU", "value": 1, "low": 0, "high": 2, "n": 1000}
        for mask in ("informative", "random")
    ]
    distances = attention.inside_outside_frame([(ROW, ROW / 2, MASK)] * 1000)
    head = f"Attention of patch 195 in P and in Q {Q}<br>mean over blocks, mean over heads"
    where = "P: attention of patch 195, mean over blocks"
    yield attention.heads(np.tile(ROW, (12, 1)), GRID, MASK, 3, where)
    yield attention.difference(ROW, ROW, GRID, MASK, head)
    yield attention.difference(ROW, ROW, GRID, MASK)
    yield attention.inside_outside(distances)
    yield regions.overlay(IMAGE, MASK, GRID)
    yield regions.overlap(regions.overlap_frame(here, means, means, 1000))
    yield regions.ratios(attention.pd.DataFrame(ratios), 0.1)
    for name in ("Synthetic 7", "Your image"):
        yield similarity.matrix(np.eye(196), name)
        yield similarity.row_map(IMAGE, ROW, GRID, 15, name)
        yield similarity.histogram(VALUES, (0.7, 0.1), None, name)
    yield similarity.entropy_by_block(showcase.entropies())
    yield patches.picture(IMAGE, GRID, 3, "Scene: Ankle boot", 300)
    yield answers.answers(answers.frame(["a"], {"P": [[1], [1]]}), "Answers, whole picture and now")
    for fill in ("mean colour", "noise"):
        rows = deletion.frame(table.deletion(), "blur", "accuracy", Q)
        yield deletion.curves(rows, "accuracy", fill, Q)
        yield information.bounds(information.frame(table.information(), "blur", Q), fill, Q)
    yield deletion.areas(deletion.areas_frame(table.deletion()))
    rows = region_quality.frame(table.regions(), "scenes", "foreground", 0.1)
    yield region_quality.quality(rows, "Informative patches and the object, 100%")
    for measure in region_quality.LABELS:
        rows = region_quality.blocks_frame(table.regions(), Q, measure, 0.1)
        yield region_quality.blocks(rows, Q, measure)
    for measure in attributions.MEASURES:
        rows = attributions.frame(table.attributions(), measure)
        yield attributions.heatmap(rows, measure)
    yield attributions.patch_maps(["one"], {"P": ROW[None]}, GRID)


@pytest.mark.parametrize("chart", list(charts()), ids=lambda chart: chart.name)
def test_a_line_of_the_title_is_short(chart):
    lines = chart.figure.layout.title.text.split("<br>")
    assert len(lines) <= 2
    assert max(map(len, lines)) <= LONGEST, lines
