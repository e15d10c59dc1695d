"""The stored photographs, decoded, against what is stored beside them."""

import numpy as np
import pytest

from maskaq.errors import OptionError
from maskaq.precomputed import photographs, worlds


@pytest.fixture(params=["bridge", "cat"])
def one(request):
    return photographs.photograph(request.param)


def test_only_photographs_are_listed():
    world = worlds.read(photographs.WORLD)
    kinds = {picture["name"]: picture["kind"] for picture in world.about["pictures"]}
    assert photographs.names()
    assert {kinds[name] for name in photographs.names()} == {"photograph"}
    assert world.model == photographs.MODEL


def test_attention_has_the_size_of_the_model_and_adds_up(one):
    assert one.image.shape == (3, 224, 224)
    for query in (None, 0, 100):
        rows = one.rows(query)
        assert rows.shape == (12, 3, 196)
        assert 0.5 < rows.sum(-1).mean() < 1.02  # the rest goes to the class token
    np.testing.assert_allclose(one.rows(None).mean((0, 1)), one.alpha, atol=1e-3)


def test_patches_attend_to_other_places_than_the_class_token(one):
    assert np.abs(one.rows(5) - one.rows(None)).max() > 0.05
    assert np.abs(one.rows(5) - one.rows(6)).max() > 0.05


def test_fewer_bits_are_farther_from_p(one):
    far, near = (np.abs(one.q_rows(bits) - one.rows(None)).mean() for bits in ("W2A4", "W8A8"))
    assert far > 2 * near


def test_the_answers_are_names_with_probabilities():
    said = photographs.photograph("castle").said("W8A8")
    assert said["p"][0] == said["q"][0] == "castle"
    assert 0.5 < said["p"][1] <= 1
    assert set(photographs.photograph("castle").said("W5A5")) == {"p"}


def test_unknown_photographs_are_refused():
    with pytest.raises(OptionError, match="unknown picture 'dog'"):
        photographs.photograph("dog")
