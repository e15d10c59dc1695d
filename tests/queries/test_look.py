"""What the first page shows of a picture, against the model itself."""

import zlib

import numpy as np
import pytest
import torch

from maskaq.data.scenes import scenes
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel
from maskaq.queries import look as module
from maskaq.queries.look import encoded, look, look_at, look_q

IMAGES = scenes("evaluation", range(2)).images


def test_the_view_of_p_is_what_the_model_computes(scenes_p: LoadedModel) -> None:
    inputs = scenes_p.normalise(IMAGES)
    with torch.no_grad(), record(scenes_p.model) as maps:
        probabilities = scenes_p.model(inputs).softmax(-1)
    for number, view in enumerate(look_at(scenes_p, scenes_p.model, IMAGES)):
        best = probabilities[number].sort(descending=True)
        assert view["classes"].tolist() == best.indices[:5].tolist()
        assert np.allclose(view["probabilities"], best.values[:5])
        probs = torch.stack([one.probs[number] for one in maps])  # [L,H,T,T]
        full = np.frombuffer(zlib.decompress(view["full"].tobytes()), np.uint8)
        decoded = (full.reshape(probs.shape) / 255) ** 2
        assert np.abs(decoded - probs.numpy()).max() < 0.004
        assert np.allclose(view["alpha"], probs[:, :, 0, 1:].mean((0, 1)), atol=1e-6)


def test_small_probabilities_stay_apart() -> None:
    levels = encoded(torch.tensor([0.0005, 0.001, 0.002]))
    assert len(set(levels.tolist())) == 3


def test_a_picture_of_any_size_is_answered(scenes_p: LoadedModel) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (50, 90, 3), dtype=np.uint8)
    view = look("scenes_vit", "", picture)
    assert view["image"].shape == (3, 64, 64)
    assert view["names"] == scenes_p.class_names


def test_q_differs_from_p_more_with_fewer_bits() -> None:
    picture = np.ascontiguousarray(IMAGES[0].permute(1, 2, 0).numpy())  # [S,S,3]
    samples = scenes("calibration", range(8)).images.numpy()
    p = look("scenes_vit", "", picture)
    far, near = (look_q("scenes_vit", "", picture, samples, bits, bits) for bits in (2, 8))

    def distance(q: dict[str, np.ndarray]) -> float:
        return float(np.abs(q["cls"].astype(float) - p["cls"]).mean())

    assert distance(far) > 2 * distance(near)
    assert near["classes"][0] == p["classes"][0]
    assert set(near) == {"classes", "probabilities", "cls"}


def test_too_much_attention_is_left_out(
    scenes_p: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LARGEST", 1000)
    (view,) = look_at(scenes_p, scenes_p.model, IMAGES[:1])
    assert "full" not in view
    assert "cls" in view
