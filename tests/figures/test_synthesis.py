from __future__ import annotations

import numpy as np
import pytest

from maskaq.figures import synthesis


@pytest.fixture
def table():
    p = (np.array([0, 1, 1]), np.array([0.97, 0.5, 0.6], np.float16))
    q = (np.array([0, 0, 1]), np.array([0.6, 0.4, 0.5], np.float16))
    return synthesis.gallery_frame(np.array([0, 1, 0]), p, q, ["bag", "coat"])


def test_the_gallery_tells_what_each_model_sees(table):
    assert table["recognised"].tolist() == [True, True, False]
    assert table["P_certainty"].tolist() == pytest.approx([97, 50, 60], abs=0.1)
    assert synthesis.captions(table)[1] == "coat: P coat 50 %, Q bag 40 %"
    said = synthesis.describe_gallery(table)
    assert said.startswith("P recognises 2 of 3 images")
    assert said.endswith("same class in 2.")
