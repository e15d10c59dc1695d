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


def test_the_terms_add_up_to_the_loss():
    curves = pd.DataFrame(
        {
            "stage": ["synthesis", "synthesis", "fit"],
            "step": [1, 2, 1],
            "one_hot": [3.0, 2.0, np.nan],
            "tv": [100.0, 80.0, np.nan],
            "align": [9.0, 9.0, np.nan],
        }
    )
    weights = Coefficients(one_hot=1.0, tv=0.01, entropy=1.0)
    first = synthesis.terms_frame(curves, weights, 1)
    assert list(first["term"]) == ["one_hot", "tv"]
    assert list(first["adds"]) == [3.0, 1.0]
    assert synthesis.terms_frame(curves, weights, 2)["adds"].sum() == pytest.approx(2.8)
    assert synthesis.terms_frame(curves, weights, 0).empty


def test_patches_outside_the_mask_are_darkened():
    images = np.full((2, 3, 8, 8), 200, np.uint8)
    masks = np.zeros((2, 16), bool)
    masks[0, 5] = masks[1, :] = True
    dark = synthesis.dimmed(images, masks, (4, 4))
    assert (dark[0] == 200).sum() == 3 * 4
    assert (dark[0, :, 2:4, 2:4] == 200).all()
    assert (dark[1] == 200).all()
    assert dark[0, 0, 0, 0] == 50
