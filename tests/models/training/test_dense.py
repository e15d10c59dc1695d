"""Training of the bundled dense models: what patches should propose, and that it resumes."""

import json
from pathlib import Path

import pytest
import torch

from maskaq import checkpoints
from maskaq.data.fashion_mnist import garments
from maskaq.data.group_scenes import ABSENT, BACKGROUND, GroupScenes
from maskaq.errors import OptionError
from maskaq.models import bundled, train
from maskaq.models.training import dense

RECIPE = dense.DenseRecipe(
    steps=3, restart_steps=2, refine_steps=2, batch=4, warmup=2, precision="float32"
)
Garments = tuple[torch.Tensor, torch.Tensor]


@pytest.fixture(scope="module")
def garment_images() -> Garments:
    images, labels = garments("test")
    return images[:64], labels[:64]


def scene(boxes: list[list[float]], labels: list[int]) -> GroupScenes:
    """One scene of 64 pixels with these boxes."""
    absent = 4 - len(boxes)
    return GroupScenes(
        torch.zeros(1, 3, 64, 64, dtype=torch.uint8),
        torch.zeros(1, 64, 64, dtype=torch.long),
        torch.tensor([labels + [ABSENT] * absent]),
        torch.tensor([boxes + [[0.0, 0, 0, 0]] * absent]),
    )


def test_patches_near_the_centre_of_a_box_propose_it() -> None:
    classes, boxes = dense.assigned(scene([[0, 0, 32, 32]], [3]), 64)
    grid = classes.view(8, 8)
    assert (grid[:4, :4] == 3).sum() == 16  # centres at 4, 12, 20 and 28 are within 12 of 16
    assert (grid == BACKGROUND).sum() == 48
    assert boxes[0, 0].tolist() == [0, 0, 0.5, 0.5]


def test_of_two_boxes_a_patch_proposes_the_nearer_one() -> None:
    classes, _ = dense.assigned(scene([[0, 0, 40, 40], [16, 16, 64, 64]], [1, 7]), 64)
    grid = classes.view(8, 8)
    assert grid[2, 2] == 1  # its centre is the first one's
    assert grid[4, 4] == 7
    assert (grid == BACKGROUND).any()


def test_a_large_box_is_not_proposed_from_its_border() -> None:
    classes, _ = dense.assigned(scene([[0, 0, 64, 64]], [5]), 64)
    grid = classes.view(8, 8)
    assert (grid[0] == BACKGROUND).all()
    assert (grid[3:5, 3:5] == 5).all()


def test_the_losses_vanish_for_the_right_answer(garment_images: Garments) -> None:
    batch = dense.batch_at(0, RECIPE, garment_images)
    logits = 30.0 * torch.nn.functional.one_hot(batch.classes, 11).movedim(-1, 1)
    assert dense.pixel_losses(logits, batch)["pixels"] < 1e-4
    classes, boxes = dense.assigned(batch, 64)
    proposals = torch.cat([30.0 * torch.nn.functional.one_hot(classes, 11), boxes], -1)
    losses = dense.proposal_losses(proposals, batch)
    assert all(loss < 1e-4 for loss in losses.values())
    wrong = proposals.roll(1, 1)
    assert all(loss > 0.01 for loss in dense.proposal_losses(wrong, batch).values())


def test_the_loss_of_regions_is_what_the_mean_iou_lacks(garment_images: Garments) -> None:
    batch = dense.batch_at(0, RECIPE, garment_images)
    found = batch.classes.roll(5, -1)  # certain, and wrong at every border
    logits = 30.0 * torch.nn.functional.one_hot(found, 11).movedim(-1, 1)
    overlaps = [
        ((found == one) & (batch.classes == one)).sum()
        / ((found == one) | (batch.classes == one)).sum()
        for one in batch.classes.unique()
    ]
    assert len(overlaps) < 11  # a class without a true pixel does not count
    losses = dense.region_losses(logits, batch)
    torch.testing.assert_close(losses["regions"], 1 - torch.stack(overlaps).mean())
    assert losses["pixels"] == dense.pixel_losses(logits, batch)["pixels"]


def test_an_absent_class_that_p_rules_out_has_a_gradient(garment_images: Garments) -> None:
    batch = dense.batch_at(0, RECIPE, garment_images)
    logits = 300.0 * torch.nn.functional.one_hot(batch.classes, 11).movedim(-1, 1).float()
    assert len(batch.classes.unique()) < 11
    logits.requires_grad_(True)
    dense.region_losses(logits, batch)["regions"].backward()
    assert logits.grad.isfinite().all()


def test_segmentation_is_refined_for_its_regions_and_for_longer(
    garment_images: Garments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = []

    def regions(logits, batch):
        used.append("regions")
        return dense.region_losses(logits, batch)

    head = dense.HEADS["segmentation"]._replace(own_losses=regions)
    monkeypatch.setattr(dense, "HEADS", {**dense.HEADS, "segmentation": head})
    fitted("scenes_vit_seg", garment_images, tmp_path, monkeypatch)
    assert len(used) == RECIPE.refine_steps  # not in the first stage
    recipe = train.TRAININGS["segmentation"].recipe()
    assert recipe.refine_steps > dense.DenseRecipe().refine_steps
    assert recipe.steps == dense.DenseRecipe().steps  # so that the first stage is shared


def fitted(model: str, garment_images: Garments, work: Path, monkeypatch) -> torch.nn.Module:
    work.mkdir(exist_ok=True)
    monkeypatch.setattr(dense, "evaluate", lambda model, task: {})
    return dense.train(bundled.MODELS[model], RECIPE, garment_images, work)[0]


def test_both_models_share_the_first_stage_and_resume(
    garment_images: Garments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fitted("scenes_vit_seg", garment_images, tmp_path / "a", monkeypatch)
    for name, steps in (("dense", RECIPE.steps), ("dense_again", RECIPE.restart_steps)):
        assert checkpoints.read(tmp_path / "a" / f"{name}.pt")["step"] == steps
    again = fitted("scenes_vit_seg", garment_images, tmp_path / "a", monkeypatch)
    second = fitted("scenes_vit_det", garment_images, tmp_path / "a", monkeypatch)
    alone = fitted("scenes_vit_det", garment_images, tmp_path / "b", monkeypatch)
    for one, other in ((first, again), (second, alone)):
        expected = other.state_dict()
        assert all(torch.equal(value, expected[name]) for name, value in one.state_dict().items())
    start = bundled.scenes_vit_seg().state_dict()["head.weight"]
    assert not torch.equal(first.state_dict()["head.weight"], start)
    assert not first.training


@pytest.mark.parametrize("name", ["scenes_vit_seg", "scenes_vit_det"])
def test_the_card_says_how_good_the_model_is(name: str) -> None:
    card = json.loads(bundled.MODELS[name].card.read_text())
    metrics = {"scenes_vit_seg": ("mIoU", "pixel accuracy"), "scenes_vit_det": ("AP", "AP50")}
    for metric in metrics[name]:
        assert card[metric]["n"] == 5000
        assert card[metric]["low"] < card[metric]["value"] < card[metric]["high"]
    assert f"--task {bundled.MODELS[name].task}" in card["command"]


def test_a_model_of_another_task_is_refused() -> None:
    with pytest.raises(OptionError, match="scenes_vit_det is not for segmentation; allowed: scen"):
        train.main(["--task", "segmentation", "--model", "scenes_vit_det"])


def test_an_option_of_another_task_is_refused() -> None:
    with pytest.raises(OptionError, match="--guide is an option of classification, not detection"):
        train.main(["--task", "detection", "--guide", "cnn"])
