"""The training that made the bundled model: its curriculum, and that a cut leaves no mark."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from maskaq import checkpoints
from maskaq.data.fashion_mnist import garments
from maskaq.errors import DataError
from maskaq.models import bundled, train

RECIPE = train.Recipe(batch=8, warmup=2)
STEPS = 5


@pytest.fixture(scope="module")
def clothes() -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = garments("test")
    return images[:64], labels[:64]


def test_curriculum_ends() -> None:
    start = train.curriculum(0.0)
    assert start["scale"] == pytest.approx((0.85, 1.0))
    assert start["clutter"] == 0
    for progress in (0.5, 0.75, 1.0):
        full = train.curriculum(progress)
        assert full["scale"] == pytest.approx((0.6, 0.9))  # as `scenes` composes them
        assert full["clutter"] == 1
    assert train.curriculum(0.25)["clutter"] == 0.5


def test_a_batch_is_a_function_of_its_step(clothes: tuple[torch.Tensor, torch.Tensor]) -> None:
    first, again = (train.batch_at(3, RECIPE, 10, *clothes) for _ in range(2))
    assert torch.equal(first.images, again.images)
    other = train.batch_at(4, RECIPE, 10, *clothes)
    assert not torch.equal(first.images, other.images)
    seeded = train.batch_at(3, train.Recipe(batch=8, seed=1), 10, *clothes)
    assert not torch.equal(first.images, seeded.images)


def fitted(
    kind: str, clothes: tuple[torch.Tensor, torch.Tensor], checkpoint: Path, seed: int
) -> nn.Module:
    torch.manual_seed(11)
    guide = train.teacher().eval() if kind == "student" else None
    torch.manual_seed(seed)
    model = bundled.scenes_vit() if kind == "student" else train.teacher()
    train.fit(model, RECIPE, STEPS, clothes, checkpoint, guide)
    return model


@pytest.mark.parametrize("kind", ["teacher", "student"])
def test_a_cut_training_goes_on_bit_for_bit(
    kind: str,
    clothes: tuple[torch.Tensor, torch.Tensor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unbroken = fitted(kind, clothes, tmp_path / "unbroken.pt", seed=0)
    clock = iter(range(0, 10_000, 61))  # a checkpoint after every step
    monkeypatch.setattr(train.time, "monotonic", lambda: next(clock))
    whole = train.batch_at

    def cut(step: int, *rest: object) -> object:
        if step == 3:
            raise KeyboardInterrupt
        return whole(step, *rest)

    monkeypatch.setattr(train, "batch_at", cut)
    with pytest.raises(KeyboardInterrupt):
        fitted(kind, clothes, tmp_path / "cut.pt", seed=0)
    assert checkpoints.read(tmp_path / "cut.pt")["step"] == 3
    monkeypatch.setattr(train, "batch_at", whole)
    resumed = fitted(kind, clothes, tmp_path / "cut.pt", seed=5)  # other weights to begin with
    wanted = unbroken.state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in resumed.state_dict().items())
    assert not resumed.training
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.pt", "unbroken.pt"]


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
