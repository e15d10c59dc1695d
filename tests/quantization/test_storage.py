from pathlib import Path

import pytest
import timm
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from maskaq.config import FitOptions, QuantOptions, Reconstruction
from maskaq.data.scenes import scenes
from maskaq.errors import RunError, WeightsError
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import BACKENDS, FitTask
from maskaq.quantization.backends.ranges_only import MSE, calibrated_q
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.storage import load_q, save_packed, save_q

W4A4 = QuantOptions(4, 4)


@pytest.fixture(scope="module")
def images(scenes_p: LoadedModel) -> Tensor:
    return scenes_p.normalise(scenes("evaluation", range(4)).images)


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_a_stored_q_gives_the_same_logits_bit_for_bit(
    scenes_p: LoadedModel, images: Tensor, tmp_path: Path, backend: str
) -> None:
    """Fitted to noise, which changes every part of Q."""
    noise = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    samples = (noise * 60 + 128).clamp(0, 255).to(torch.uint8)
    short = Reconstruction(steps=2, views=1)
    options = FitOptions(backend=backend, epochs=1, batch=6, reconstruction=short)
    q = convert(scenes_p.model, W4A4, BACKENDS[backend].scheme)
    task = FitTask(scenes_p.model, q, samples, scenes_p.normalise, scenes_p.prefix, options, 0)
    list(BACKENDS[backend].fit(task))
    expected = q(images)
    save_q(q, tmp_path / "q.safetensors", options=W4A4, backend=backend, model="scenes_vit")
    loaded = load_q(tmp_path / "q.safetensors", scenes_p.model)
    assert torch.equal(loaded(images), expected)
    assert list(loaded.state_dict()) == list(q.state_dict())
    assert [path.name for path in tmp_path.iterdir()] == ["q.safetensors"]
    packed = tmp_path / "packed.safetensors"
    save_packed(q, packed, options=W4A4, backend=backend, model="scenes_vit")
    assert torch.equal(load_q(packed, scenes_p.model)(images), expected)


@pytest.mark.parametrize("bits", range(2, 9))
def test_packed_weights_take_their_bits(scenes_p: LoadedModel, images, tmp_path, bits) -> None:
    options = QuantOptions(bits, 8, first_last="target", scheme="integer")
    q = calibrated_q(scenes_p.model, options, MSE, images)
    path = tmp_path / "packed.safetensors"
    save_packed(q, path, options=options, backend="mse", model="scenes_vit")
    loaded = load_q(path, scenes_p.model)
    assert torch.equal(loaded(images), q(images))
    layers = [one for one in q.modules() if hasattr(one, "weight_quantizer")]
    weights = sum(one.weight.numel() for one in layers)
    rest = sum(value.numel() for value in q.state_dict().values()) - weights
    assert path.stat().st_size < weights * bits / 8 + 4 * rest + 60_000  # and the header


def test_damaged_codes_are_refused(scenes_p: LoadedModel, images: Tensor, tmp_path: Path) -> None:
    path = tmp_path / "packed.safetensors"
    q = calibrated_q(scenes_p.model, W4A4, MSE, images)
    save_packed(q, path, options=W4A4, backend="mse", model="scenes_vit")
    with safe_open(path, "pt") as file:
        header, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    state["head.weight.codes"] = state["head.weight.codes"][:-1]
    save_file(state, path, header)
    with pytest.raises(RunError, match=r"damaged codes of head\.weight"):
        load_q(path, scenes_p.model)


def test_a_file_that_is_not_a_stored_q_raises(scenes_p: LoadedModel, tmp_path: Path) -> None:
    path = tmp_path / "q.safetensors"
    path.write_bytes(b"\x07\0\0\0\0\0\0\0rubbish")
    with pytest.raises(RunError, match="cannot be read"):
        load_q(path, scenes_p.model)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(RunError, match="expected 'maskaq-q-1'"):
        load_q(path, scenes_p.model)


def test_q_of_another_model_raises(scenes_p: LoadedModel, images: Tensor, tmp_path: Path) -> None:
    path = tmp_path / "q.safetensors"
    q = calibrated_q(scenes_p.model, W4A4, MSE, images)
    save_q(q, path, options=W4A4, backend="mse", model="scenes_vit")
    other = timm.create_model("vit_tiny_patch16_224", depth=1, num_classes=3, img_size=32)
    with pytest.raises(WeightsError, match="made from model 'scenes_vit' and does not fit"):
        load_q(path, other)
