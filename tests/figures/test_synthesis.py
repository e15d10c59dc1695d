import numpy as np
import pandas as pd
import pytest

from maskaq.config import Coefficients
from maskaq.figures import synthesis


@pytest.fixture
def table():
    p = (np.array([0, 1, 1]), np.array([0.97, 0.5, 0.6], np.float16))
    q = (np.array([0, 0, 1]), np.array([0.6, 0.4, 0.5], np.float16))
    return synthesis.gallery_frame(np.array([0, 1, 0]), p, q, ["bag", "coat"])


def test_the_gallery_has_the_predictions_of_both_models(table):
    assert table["recognised"].tolist() == [True, True, False]
    assert table["P_certainty"].tolist() == pytest.approx([97, 50, 60], abs=0.1)
    assert synthesis.captions(table)[1] == "coat: P coat 50 %, Q bag 40 %"
    assert synthesis.describe_gallery(table) == (
        "P recognises the intended class in 2 of 3 images; P and Q predict the same class for 2."
    )


@pytest.fixture
def parts():
    """Two terms, one of which is measured every second step."""
    curves = pd.DataFrame(
        {
            "stage": ["synthesis"] * 3 + ["fit"],
            "step": [1, 2, 3, 1],
            "one_hot": [3.0, 2.0, 1.0, np.nan],
            "align": [9.0, np.nan, 8.0, np.nan],
            "tv": [100.0, 80.0, 60.0, np.nan],
        }
    )
    return synthesis.loss_frame(curves, Coefficients(one_hot=1.0, align=0.1, entropy=1.0))


def test_the_parts_add_up_to_the_loss_in_every_step(parts, sound):
    assert set(parts["term"]) == {"one_hot", "align"}
    together = parts.groupby("step")["part"].sum()
    assert together.tolist() == pytest.approx([3.9, 2.9, 1.8])
    figure = sound(synthesis.loss(parts, 2))
    assert [line.name for line in figure.data] == ["Class", "Alignment with Q", "together"]
    assert list(figure.data[-1].y) == pytest.approx([3.9, 2.9, 1.8])
    assert {shape.x0 for shape in figure.layout.shapes} == {2}


def test_the_loss_is_described_at_the_chosen_step(parts):
    assert synthesis.describe_loss(parts, 2) == (
        "After step 2 the loss is 2.90; it began at 3.90. Its largest part is Class with 2.00."
    )
    assert synthesis.describe_loss(parts, 9) == "No term was measured."


def test_without_terms_there_are_no_parts():
    empty = synthesis.loss_frame(pd.DataFrame({"stage": [], "step": []}), Coefficients(one_hot=1))
    assert empty.empty


def test_patches_outside_the_mask_are_darkened():
    images = np.full((2, 3, 8, 8), 200, np.uint8)
    masks = np.zeros((2, 16), bool)
    masks[0, 5] = masks[1, :] = True
    dark = synthesis.dimmed(images, masks, (4, 4))
    assert (dark[0] == 200).sum() == 3 * 4
    assert (dark[0, :, 2:4, 2:4] == 200).all()
    assert (dark[1] == 200).all()
    assert dark[0, 0, 0, 0] == 50
