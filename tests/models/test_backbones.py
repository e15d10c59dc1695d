"""The adapter on every family: structure, units, windows, maps against explicit forward passes."""

import pytest
import timm
import torch

from maskaq.errors import ModelError
from maskaq.models.backbone import units_of
from maskaq.models.structure import structure_of


@pytest.mark.parametrize("name", ["crossvit_tiny_240", "twins_pcpvt_small", "coat_lite_tiny"])
def test_blocks_in_containers_are_no_chain(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name)
    assert structure_of(model).units == ()
    with pytest.raises(ModelError, match=r"do not form a chain, .* such as tails"):
        units_of(model)
