"""Training of the bundled model: its curriculum, and that it resumes without a difference."""

from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from maskaq import checkpoints
from maskaq.data.fashion_mnist import garments
from maskaq.errors import DataError
from maskaq.models import bundled, train
from maskaq.models.training import classification, loop

RECIPE = classification.Recipe(batch=8, warmup=2, precision="float32")
STEPS = 5
Garments = tuple[torch.Tensor, torch.Tensor]


@pytest.fixture(scope="module")
def garment_images() -> Garments:
    images, labels = garments("test")
    return images[:64], labels[:64]


def test_the_curriculum_reaches_full_difficulty_half_way() -> None:
    start = classification.curriculum(0.0)
    assert start["scale"] == pytest.approx((0.85, 1.0))
    assert start["clutter"] == 0
    for progress in (0.5, 0.75, 1.0):
        full = classification.curriculum(progress)
        assert full["scale"] == pytest.approx((0.6, 0.9))  # the defaults of `compose`
        assert full["clutter"] == 1
    assert classification.curriculum(0.25)["clutter"] == 0.5


def test_a_batch_is_a_function_of_its_step(garment_images: Garments) -> None:
    first, again = (classification.batch_at(3, RECIPE, 10, *garment_images) for _ in range(2))
    assert torch.equal(first.images, again.images)
    other = classification.batch_at(4, RECIPE, 10, *garment_images)
    assert not torch.equal(first.images, other.images)
    seeded = classification.batch_at(3, classification.Recipe(batch=8, seed=1), 10, *garment_images)
    assert not torch.equal(first.images, seeded.images)


def fitted(kind: str, garment_images: Garments, checkpoint: Path, seed: int) -> nn.Module:
    torch.manual_seed(11)
    guide = classification.teacher().eval() if kind == "student" else None
    torch.manual_seed(seed)
    model = bundled.scenes_vit() if kind == "student" else classification.teacher()
    classification.classify(model, RECIPE, STEPS, garment_images, checkpoint, guide)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["teacher", "student"])
def test_an_interrupted_training_resumes_bit_for_bit(
    kind: str,
    garment_images: Garments,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uninterrupted = fitted(kind, garment_images, tmp_path / "whole.pt", seed=0)
    clock = iter(range(0, 10_000, 61))  # a checkpoint after every step
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(clock))
    batch_at, path = classification.batch_at, tmp_path / "interrupted.pt"

    def interrupt(step: int, *rest: object) -> object:
        if step == 3:
            raise KeyboardInterrupt
        return batch_at(step, *rest)

    monkeypatch.setattr(classification, "batch_at", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fitted(kind, garment_images, path, seed=0)
    assert checkpoints.read(path)["step"] == 3
    monkeypatch.setattr(classification, "batch_at", batch_at)
    resumed = fitted(kind, garment_images, path, seed=5)  # other initial weights
    expected = uninterrupted.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in resumed.state_dict().items())
    assert not resumed.training
    assert sorted(path.name for path in tmp_path.iterdir()) == ["interrupted.pt", "whole.pt"]


def test_missing_training_garments_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timm.layers, "set_fused_attn", lambda enable: None)
    folder = tmp_path / "nothing"
    arguments = ["--fashion-mnist", str(folder), "--work", str(tmp_path / "work")]
    with pytest.raises(
        DataError, match=r"nothing/train-images\S+ does not exist.*dataset-fashion-m"
    ):
        train.main(arguments)
