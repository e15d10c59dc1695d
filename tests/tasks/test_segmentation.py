import pytest
import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_jaccard_index

from maskaq.tasks.base import Cut
from maskaq.tasks.segmentation import TASK, VOID, confusion, iou_of

CLASSES = 4


def case(seed: int = 0, images: int = 6) -> tuple[Tensor, Tensor]:
    """Logits of P and Q [2,B,K,8,8], of which P's are often right, and the truth [B,8,8]."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(CLASSES, (images, 8, 8), generator=generator)
    logits = torch.randn(2, images, CLASSES, 8, 8, generator=generator)
    logits += torch.nn.functional.one_hot(truth, CLASSES).movedim(-1, 1) * torch.tensor(
        [2.0, 1.0]
    ).view(2, 1, 1, 1, 1)
    return logits, truth


def plain_miou(predicted: Tensor, truth: Tensor) -> float:
    """Mean of |A and B| / |A or B| over the classes, counted pixel by pixel."""
    shares = []
    for number in range(CLASSES):
        both = either = 0
        for one, other in zip(predicted.flatten().tolist(), truth.flatten().tolist(), strict=True):
            if other != VOID:
                both += one == number and other == number
                either += one == number or other == number
        if either:
            shares.append(both / either)
    return sum(shares) / len(shares)


@pytest.mark.parametrize("void", [False, True])
def test_miou_and_pixel_accuracy_equal_their_definitions(void: bool) -> None:
    logits, truth = case()
    if void:
        truth[:, :3] = VOID
    judge = TASK.judge(CLASSES)
    for part in (slice(0, 4), slice(4, 6)):
        judge.add(logits[:, part], truth[part])
    found = judge.evaluation()
    for model in range(2):
        predicted = logits[model].argmax(1)
        assert found.top1[model].value == pytest.approx(plain_miou(predicted, truth))
        known = truth != VOID
        right = (predicted == truth)[known].float().mean().item()
        assert found.top5[model].value == pytest.approx(right)
    same = (logits[0].argmax(1) == logits[1].argmax(1)).float()
    assert found.agreement.value == pytest.approx(same.mean().item())
    assert found.apart.tolist() == pytest.approx((1 - same.mean((1, 2))).tolist())


def test_the_resamples_average_to_the_value_and_pair_p_with_q() -> None:
    logits, truth = case(images=200)
    judge = TASK.judge(CLASSES)
    judge.add(logits, truth)
    found = judge.evaluation()
    assert found.draws is not None
    for model in range(2):
        value, low, high, n = found.top1[model]
        assert low < value < high
        assert n == 200
        assert found.draws[model].mean().item() == pytest.approx(value, abs=0.002)
    # Both models see the same resamples, so their difference varies less than each of them.
    judge = TASK.judge(CLASSES)
    judge.add(logits[:1].expand(2, -1, -1, -1, -1), truth)
    draws = judge.evaluation().draws
    assert draws is not None
    assert torch.equal(draws[0], draws[1])


def test_iou_of_each_class_equals_torchmetrics() -> None:
    logits, truth = case(images=3)
    predicted = logits[0].argmax(1)
    expected = multiclass_jaccard_index(predicted, truth, CLASSES, average="none")
    torch.testing.assert_close(
        iou_of(confusion(predicted, truth, CLASSES).sum(0)), expected, check_dtype=False
    )


def test_a_class_that_is_nowhere_does_not_count() -> None:
    truth = torch.zeros(1, 2, 2, dtype=torch.long)
    shares = iou_of(confusion(truth, truth, 3)[0])
    assert shares[0] == 1
    assert shares[1:].isnan().all()


def test_smaller_logits_are_compared_at_the_resolution_of_the_truth() -> None:
    truth = torch.zeros(1, 8, 8, dtype=torch.long)
    truth[:, :, 4:] = 1
    logits = torch.zeros(1, 2, 4, 4)
    logits[:, 0, :, :2] = logits[:, 1, :, 2:] = 5.0
    assert TASK.reached(logits, truth).item() > 0.99
    assert TASK.target_loss(logits, truth).item() < 0.2
    assert TASK.target_loss(-logits, truth).item() > 4


def test_a_small_region_counts_as_much_as_a_large_one() -> None:
    truth = torch.zeros(1, 8, 8, dtype=torch.long)
    truth[0, 0, 0] = 1  # a single pixel
    only_ground = torch.zeros(1, 2, 8, 8)
    only_ground[:, 0] = 3.0
    assert TASK.reached(only_ground, truth).item() == pytest.approx(0.5)


def test_void_pixels_change_no_loss() -> None:
    logits, truth = case(images=2)
    truth[:, 0] = VOID
    before = TASK.target_loss(logits[0], truth)
    changed = logits[0].clone()
    changed[:, :, 0] += 7.0 * torch.arange(CLASSES).view(1, -1, 1)
    torch.testing.assert_close(TASK.target_loss(changed, truth), before)


def test_a_view_moves_the_target_as_it_moves_the_image() -> None:
    targets = torch.arange(64).view(1, 8, 8)
    ones = torch.ones(1)
    corner, size = (ones * 2, ones * 4), (ones * 4, ones * 4)
    kept = torch.zeros(1, dtype=torch.bool)
    assert torch.equal(TASK.target_in_view(targets, None), targets)
    quarter = TASK.target_in_view(targets, Cut(*corner, *size, kept, (8, 8)))
    assert torch.equal(quarter[0, ::2, ::2], targets[0, 2:6, 4:8])
    mirrored = TASK.target_in_view(targets, Cut(*corner, *size, ~kept, (8, 8)))
    assert torch.equal(mirrored, quarter.flip(2))
    shifted = TASK.target_in_view(
        targets, Cut(-3 * ones, 0 * ones, 8 * ones, 8 * ones, kept, (8, 8))
    )
    assert torch.equal(shifted, targets.roll(3, 1))


def test_divergence_is_zero_only_for_equal_outputs() -> None:
    p, q = case()[0]
    assert TASK.divergence(p, p).item() == pytest.approx(0, abs=1e-6)
    value = TASK.divergence(p, q, 2.0).item()
    probabilities = (p / 2).softmax(1)
    by_hand = probabilities * ((p / 2).log_softmax(1) - (q / 2).log_softmax(1))
    assert value == pytest.approx(4 * by_hand.sum(1).mean().item(), rel=1e-5)


def test_the_likelihood_has_no_gradient_on_average() -> None:
    logits = case()[0][0][:1].clone().requires_grad_()
    generator = torch.Generator().manual_seed(0)
    grads = [torch.autograd.grad(TASK.likelihood(logits, generator), logits)[0] for _ in range(400)]
    stacked = torch.stack(grads)
    assert stacked.mean(0).abs().mean() < stacked.std(0).mean() / 10
    assert stacked.std(0).mean() > 0


def test_the_summary_is_the_largest_class_that_is_not_the_background() -> None:
    logits = torch.zeros(2, 3, 4, 4)
    logits[0, 2] = 4.0  # background everywhere
    logits[1, 2] = 4.0
    logits[1, 1, :2] = 9.0  # half of the image
    classes, certainty = TASK.summary(logits, logits)
    assert classes.tolist() == [2, 1]
    assert (certainty > 0.9).all()
    truth = torch.full((1, 4, 4), 2)
    truth[0, 0] = 0
    assert TASK.caption(truth, 3).tolist() == [0]


def test_targets_have_regions_of_several_classes_and_do_not_depend_on_their_number() -> None:
    targets = TASK.sample_targets(40, 11, (32, 48), seed=5)
    assert targets.shape == (40, 32, 48)
    assert targets.unique().tolist() == list(range(11))
    numbers = torch.tensor([len(one.unique()) for one in targets])
    assert numbers.min() >= 1
    assert numbers.max() == 5  # four objects and the ground
    assert (targets[:, 0, 0] == 10).float().mean() > 0.4
    assert torch.equal(TASK.sample_targets(7, 11, (32, 48), seed=5), targets[:7])
    assert not torch.equal(TASK.sample_targets(40, 11, (32, 48), seed=6), targets)
