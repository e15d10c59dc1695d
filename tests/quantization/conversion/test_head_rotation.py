from __future__ import annotations

import copy

import pytest
import timm
import torch

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends.reconstruct import RECONSTRUCT
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.head_rotation import rotate_heads, rotation


@pytest.mark.parametrize("channels", [1, 8, 12, 64])
def test_a_rotation_keeps_lengths_and_is_the_same_each_time(channels: int) -> None:
    turn = rotation(channels)
    torch.testing.assert_close(turn @ turn.T, torch.eye(channels), rtol=1e-5, atol=1e-6)
    assert torch.equal(turn, rotation(channels))


def test_every_channel_is_mixed_evenly_where_there_is_a_hadamard_matrix() -> None:
    torch.testing.assert_close(rotation(32).abs(), torch.full((32, 32), 32**-0.5))


def test_p_computes_the_same_with_its_heads_turned(scenes_p: LoadedModel) -> None:
    turned = copy.deepcopy(scenes_p.model)
    rotate_heads(turned)
    inputs = scenes_p.normalise(scenes("calibration", range(8)).images)
    with record(scenes_p.model) as before, record(turned) as after:
        wanted, found = scenes_p.model(inputs), turned(inputs)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    for p, q in zip(before, after, strict=True):
        torch.testing.assert_close(p.probs, q.probs, rtol=1e-4, atol=1e-5)
        turn = rotation(p.heads.shape[-1])
        torch.testing.assert_close(p.heads @ turn.T, q.heads, rtol=1e-3, atol=1e-4)
        assert (p.heads - q.heads).abs().max() > 0.1  # it does turn something


@pytest.mark.parametrize(
    "changes",
    [{"qk_norm": True}, {"scale_attn_norm": True}, {"qkv_bias": False}, {"embed_dim": 24}],
    ids=lambda changes: next(iter(changes)),
)
@torch.no_grad()
def test_models_of_other_shapes_compute_the_same_as_well(changes: dict[str, object]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        size = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}
        model = timm.models.VisionTransformer(**(size | {"num_classes": 5} | changes)).eval()
        for norm in (m for m in model.modules() if isinstance(m, torch.nn.LayerNorm)):
            torch.nn.init.normal_(norm.weight)  # a norm of ones goes through a rotation
        images = torch.randn(3, 3, 32, 32)
    wanted, before = model(images), copy.deepcopy(model.state_dict())
    rotate_heads(model)
    assert any(not torch.equal(before[name], value) for name, value in model.state_dict().items())
    torch.testing.assert_close(model(images), wanted, rtol=1e-4, atol=1e-5)


def test_p_itself_is_left_alone(scenes_p: LoadedModel) -> None:
    before = {name: value.clone() for name, value in scenes_p.model.state_dict().items()}
    q = convert(scenes_p.model, QuantOptions(4, 4), RECONSTRUCT)
    for name, value in scenes_p.model.state_dict().items():
        assert torch.equal(value, before[name])
    name = "blocks.0.attn.qkv.weight"
    assert not torch.equal(q.state_dict()[name], before[name])
