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
def test_a_rotation_is_orthogonal_and_reproducible(channels: int) -> None:
    matrix = rotation(channels)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(channels), rtol=1e-5, atol=1e-6)
    assert torch.equal(matrix, rotation(channels))


def test_a_hadamard_matrix_mixes_all_channels_evenly() -> None:
    torch.testing.assert_close(rotation(32).abs(), torch.full((32, 32), 32**-0.5))


def test_p_computes_the_same_with_rotated_heads(scenes_p: LoadedModel) -> None:
    rotated = copy.deepcopy(scenes_p.model)
    rotate_heads(rotated)
    inputs = scenes_p.normalise(scenes("calibration", range(8)).images)
    with record(scenes_p.model) as before, record(rotated) as after:
        expected, logits = scenes_p.model(inputs), rotated(inputs)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)
    for p, q in zip(before, after, strict=True):
        torch.testing.assert_close(p.probs, q.probs, rtol=1e-4, atol=1e-5)
        matrix = rotation(p.heads.shape[-1])
        torch.testing.assert_close(p.heads @ matrix.T, q.heads, rtol=1e-3, atol=1e-4)
        assert (p.heads - q.heads).abs().max() > 0.1  # the rotation is not the identity


@pytest.mark.parametrize(
    "changes",
    [{"qk_norm": True}, {"scale_attn_norm": True}, {"qkv_bias": False}, {"embed_dim": 24}],
    ids=lambda changes: next(iter(changes)),
)
@torch.no_grad()
def test_other_architectures_compute_the_same(changes: dict[str, object]) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        size = {"img_size": 32, "patch_size": 8, "embed_dim": 16, "depth": 2, "num_heads": 2}
        model = timm.models.VisionTransformer(**(size | {"num_classes": 5} | changes)).eval()
        for norm in (m for m in model.modules() if isinstance(m, torch.nn.LayerNorm)):
            torch.nn.init.normal_(norm.weight)  # weights of 1 commute with a rotation
        images = torch.randn(3, 3, 32, 32)
    expected, before = model(images), copy.deepcopy(model.state_dict())
    rotate_heads(model)
    assert any(not torch.equal(before[name], value) for name, value in model.state_dict().items())
    torch.testing.assert_close(model(images), expected, rtol=1e-4, atol=1e-5)


def test_converting_does_not_change_p(scenes_p: LoadedModel) -> None:
    before = {name: value.clone() for name, value in scenes_p.model.state_dict().items()}
    q = convert(scenes_p.model, QuantOptions(4, 4), RECONSTRUCT)
    for name, value in scenes_p.model.state_dict().items():
        assert torch.equal(value, before[name])
    name = "blocks.0.attn.qkv.weight"
    assert not torch.equal(q.state_dict()[name], before[name])
