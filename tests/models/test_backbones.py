"""The adapter on every family: structure, units, windows, maps against explicit forward passes."""

import pytest
import timm
import torch

from maskaq.errors import ModelError
from maskaq.models.architectures import build
from maskaq.models.attention import attention_modules
from maskaq.models.backbone import units_of
from maskaq.models.structure import structure_of


def test_models_whose_attention_is_not_found_in_every_block_are_refused() -> None:
    """The last blocks of ConViT attend as those of a ViT do, the first ones differ."""
    convit = timm.create_model("convit_tiny", embed_dim=12, num_heads=3, img_size=32)
    assert len(structure_of(convit).attention) == 2
    for refused in (lambda: attention_modules(convit), lambda: build("convit_tiny")):
        with pytest.raises(ModelError, match=r"supported: .*ViT, DeiT, .*Swin, SwinV2"):
            refused()


@pytest.mark.parametrize("name", ["crossvit_tiny_240", "twins_pcpvt_small", "coat_lite_tiny"])
def test_blocks_in_containers_are_no_chain(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name)
    assert structure_of(model).units == ()
    with pytest.raises(ModelError, match=r"do not form a chain, .* such as tails"):
        units_of(model)
