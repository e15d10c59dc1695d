import pytest
import torch
from torch import Tensor

from maskaq.tasks.average_precision import Detections, RankedDetections, matches
from maskaq.tasks.base import Cut
from maskaq.tasks.detection import ABSENT, TASK, coco_metric, detections

CLASSES = 3


def random_case(images: int, seed: int) -> tuple[list[Detections], list[Detections]]:
    """Detections near some objects and elsewhere, and the objects, in boxes of a unit image."""
    generator = torch.Generator().manual_seed(seed)

    def boxes(count: int) -> Tensor:
        low = torch.rand(count, 2, generator=generator) * 0.6
        return torch.cat([low, low + 0.1 + 0.3 * torch.rand(count, 2, generator=generator)], 1)

    found, objects = [], []
    for _ in range(images):
        count = int(torch.randint(0, 5, (1,), generator=generator))
        truth = Detections(
            boxes(count), torch.ones(count), torch.randint(CLASSES, (count,), generator=generator)
        )
        noise = 0.04 * torch.randn(count, 4, generator=generator)
        others = int(torch.randint(0, 4, (1,), generator=generator))
        all_boxes = torch.cat([truth.boxes + noise, boxes(others)])
        all_boxes[:, 2:] = torch.maximum(all_boxes[:, 2:], all_boxes[:, :2] + 0.01)
        classes = torch.randint(CLASSES, (others,), generator=generator)
        scores = torch.rand(len(all_boxes), generator=generator)
        found.append(Detections(all_boxes, scores, torch.cat([truth.classes, classes])))
        objects.append(truth)
    return found, objects


def coco(found: list[Detections], objects: list[Detections]) -> dict[str, Tensor]:
    metric = coco_metric()
    metric.class_metrics = True
    as_dicts = [
        [{"boxes": one.boxes, "scores": one.scores, "labels": one.classes} for one in side]
        for side in (found, objects)
    ]
    metric.update(*as_dicts)
    values: dict[str, Tensor] = metric.compute()
    return values


@pytest.mark.parametrize("seed", range(4))
def test_average_precision_equals_coco(seed: int) -> None:
    found, objects = random_case(40, seed)
    ranked = RankedDetections(CLASSES)
    ranked.add(found[:15], objects[:15])
    ranked.add(found[15:], objects[15:])
    value = ranked.average_precision(torch.ones(1, 40, dtype=torch.double))[0]  # [10,K]
    expected = coco(found, objects)
    assert value.nanmean().item() == pytest.approx(expected["map"].item(), abs=1e-5)
    assert value[0].nanmean().item() == pytest.approx(expected["map_50"].item(), abs=1e-5)
    assert value.mean(0).tolist() == pytest.approx(expected["map_per_class"].tolist(), abs=1e-5)


def test_a_weight_of_two_is_the_image_twice() -> None:
    found, objects = random_case(12, seed=9)
    ranked, doubled = RankedDetections(CLASSES), RankedDetections(CLASSES)
    ranked.add(found, objects)
    doubled.add([*found, found[3]], [*objects, objects[3]])
    weights = torch.ones(2, 12, dtype=torch.double)
    weights[1, 3] = 2
    expected = doubled.average_precision(torch.ones(1, 13, dtype=torch.double))[0]
    torch.testing.assert_close(ranked.average_precision(weights)[1], expected, equal_nan=True)


def test_one_object_is_found_once() -> None:
    truth = Detections(torch.tensor([[0.0, 0, 0.5, 0.5]]), torch.ones(1), torch.tensor([1]))
    twice = Detections(
        truth.boxes.repeat(3, 1), torch.tensor([0.3, 0.9, 0.8]), torch.tensor([1, 1, 0])
    )
    assert matches(twice, truth)[0].tolist() == [False, True, False]


def proposals(*rows: tuple[int, float, list[float]]) -> Tensor:
    """Proposals [N,K+5] of a class with a logit and a box, from (class, logit, box)."""
    out = torch.zeros(len(rows), CLASSES + 5)
    for row, (number, logit, box) in zip(out, rows, strict=True):
        row[number] = logit
        row[-4:] = torch.tensor(box)
    return out


def test_the_more_certain_of_two_overlapping_detections_stays() -> None:
    box, near, far = [0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.66, 0.5], [0.6, 0.6, 0.9, 0.9]
    found = detections(proposals((0, 5.0, box), (0, 9.0, near), (1, 9.0, box), (3, 20.0, far)))
    sure = found.at(found.scores > 0.5)
    assert sorted(sure.classes.tolist()) == [0, 1]  # the last one says "no object"
    assert sure.boxes[sure.classes == 0][0].tolist() == pytest.approx(near)


def test_boxes_of_a_class_that_overlap_much_vote_on_where_it_is() -> None:
    box, near, other = [0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.54, 0.5], [0.1, 0.1, 0.52, 0.5]
    rows = proposals((0, 3.0, box), (0, 3.0, near), (1, 3.0, other), (2, 3.0, [0.9] * 4))
    scores = rows[:2, :-4].softmax(-1)[:, 0]
    found = detections(rows)
    sure = found.at(found.scores > 0.5)
    by_class = {int(one): box for one, box in zip(sure.classes, sure.boxes, strict=True)}
    assert by_class[0].tolist() == pytest.approx([0.1, 0.1, 0.52, 0.5])  # equally certain
    assert by_class[1].tolist() == pytest.approx(other)  # those of class 0 have no vote
    assert by_class[2].tolist() == pytest.approx([0.9] * 4)  # no area, but still a box
    rows[0, 0] += 1.0
    ahead, behind = rows[:2, :-4].softmax(-1)[:, 0].tolist()
    assert ahead > scores[0]
    first = detections(rows)
    voted = first.boxes[(first.classes == 0) & (first.scores > 0.5)][0, 2].item()
    assert voted == pytest.approx((0.5 * ahead + 0.54 * behind) / (ahead + behind))


def test_every_number_of_an_evaluation_by_hand() -> None:
    box, other = [0.1, 0.1, 0.5, 0.5], [0.5, 0.5, 0.9, 0.9]
    truth = torch.full((2, 2, 5), float(ABSENT))
    truth[0] = torch.tensor([[0, *box], [1, *other]])
    truth[1, 0] = torch.tensor([0, *box])
    right = proposals((0, 30.0, box), (1, 30.0, other))
    half = proposals((0, 30.0, box), (3, 30.0, other))
    p = torch.stack([right, proposals((0, 30.0, box), (3, 30.0, other))])
    q = torch.stack([half, proposals((0, 30.0, box), (3, 30.0, other))])
    judge = TASK.judge(CLASSES)
    judge.add(torch.stack([p, q]), truth)
    found = judge.evaluation()
    assert found.top1[0].value == found.top5[0].value == pytest.approx(1)
    assert found.top1[1].value == pytest.approx(0.5)  # Q misses the only object of class 1
    assert found.agreement.value == pytest.approx(2 / 3)
    assert found.apart.tolist() == [1, 0]
    assert found.per_class is not None
    assert found.per_class[1, :2].tolist() == pytest.approx([1, 0])
    shown = TASK.shown(truth, torch.stack([p, q]))["boxes"]
    assert shown.shape == (3, 2, 2, 6)
    assert shown[:, 0, :, 0].sort(1).values.tolist() == [[0, 1], [0, 1], [-1, 0]]
    assert TASK.caption(truth, CLASSES).tolist() == [0, 0]


def test_the_loss_falls_when_proposals_come_closer_to_their_objects() -> None:
    target = torch.tensor([[[1, 0.1, 0.1, 0.5, 0.5], [ABSENT, 0, 0, 0, 0]]])
    near = proposals((1, 8.0, [0.1, 0.1, 0.5, 0.5]), (3, 8.0, [0.6, 0.6, 0.9, 0.9]))[None]
    moved = proposals((1, 8.0, [0.2, 0.1, 0.6, 0.5]), (3, 8.0, [0.6, 0.6, 0.9, 0.9]))[None]
    wrong = proposals((0, 8.0, [0.1, 0.1, 0.5, 0.5]), (3, 8.0, [0.6, 0.6, 0.9, 0.9]))[None]
    extra = proposals((1, 8.0, [0.1, 0.1, 0.5, 0.5]), (2, 8.0, [0.6, 0.6, 0.9, 0.9]))[None]
    losses = [TASK.target_loss(one, target).item() for one in (near, moved, wrong, extra)]
    assert losses[0] < 0.01
    assert all(loss > losses[0] + 0.1 for loss in losses[1:])
    assert TASK.reached(near, target).item() == 1
    assert TASK.reached(wrong, target).item() == 0
    nothing = torch.full((1, 1, 5), float(ABSENT))
    assert TASK.target_loss(near, nothing).item() > 2
    assert TASK.reached(near, nothing).item() == 1


def test_gradients_reach_boxes_and_logits() -> None:
    target = torch.tensor([[[1, 0.1, 0.1, 0.5, 0.5]]])
    out = torch.rand(1, 5, CLASSES + 5).requires_grad_()
    (gradient,) = torch.autograd.grad(TASK.target_loss(out, target).sum(), out)
    assert gradient[..., :-4].abs().sum() > 0
    assert gradient[..., -4:].abs().sum() > 0


def test_a_view_moves_boxes_and_drops_what_is_hardly_visible() -> None:
    targets = torch.tensor([[[2, 0.25, 0.5, 0.5, 0.75], [0, 0.8, 0.0, 1.0, 0.2]]])
    ones = torch.ones(1)
    kept = torch.zeros(1, dtype=torch.bool)
    assert torch.equal(TASK.target_in_view(targets, None), targets)
    # The left half and the lower half of an image of 20 x 40 pixels.
    cut = Cut(10 * ones, 0 * ones, 10 * ones, 20 * ones, kept, (20, 40))
    seen = TASK.target_in_view(targets, cut)
    assert seen[0, 0].tolist() == pytest.approx([2, 0.5, 0.0, 1.0, 0.5])
    assert seen[0, 1, 0] == ABSENT
    mirrored = TASK.target_in_view(targets, cut._replace(flipped=~kept))
    assert mirrored[0, 0].tolist() == pytest.approx([2, 0.0, 0.0, 0.5, 0.5])


def test_divergence_counts_classes_everywhere_and_boxes_where_p_sees_something() -> None:
    p = proposals((1, 8.0, [0.1, 0.1, 0.5, 0.5]), (3, 8.0, [0.6, 0.6, 0.9, 0.9]))[None]
    assert TASK.divergence(p, p).item() == pytest.approx(0, abs=1e-6)
    box, empty, classes = p.clone(), p.clone(), p.clone()
    box[0, 0, -1] += 0.1
    empty[0, 1, -1] += 0.1
    classes[0, 1, 0] += 8
    assert TASK.divergence(p, box).item() > 100 * TASK.divergence(p, empty).item()
    assert TASK.divergence(p, classes).item() > 0.1


def test_targets_are_boxes_inside_the_image_and_do_not_depend_on_their_number() -> None:
    targets = TASK.sample_targets(30, CLASSES, (64, 64), seed=1)
    assert targets.shape == (30, 4, 5)
    present = targets[..., 0] != ABSENT
    assert present.sum(1).unique().tolist() == [1, 2, 3, 4]
    boxes = targets[present][:, 1:]
    assert boxes.min() >= 0.08 - 1e-6
    assert boxes.max() <= 0.92 + 1e-6
    assert (boxes[:, 2:] - boxes[:, :2] >= 0.25 - 1e-6).all()
    assert torch.equal(TASK.sample_targets(9, CLASSES, (64, 64), seed=1), targets[:9])


def test_the_summary_is_the_most_certain_object() -> None:
    both = torch.stack([proposals((1, 8.0, [0, 0, 1, 1.0]), (2, 9.0, [0, 0, 1, 1.0]))])
    classes, certainty = TASK.summary(both, both)
    assert classes.tolist() == [2]
    assert certainty.item() > 0.99
