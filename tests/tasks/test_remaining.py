"""What is compared where patches remain, against cases computed by hand."""

import pytest
import torch
from torch import Tensor

from maskaq.data.scene_sets import scene_set
from maskaq.errors import OptionError
from maskaq.models.loading import load_model
from maskaq.tasks.average_precision import Detections
from maskaq.tasks.detection import ABSENT
from maskaq.tasks.remaining import REMAINING, remaining_share

MODELS = {"segmentation": "scenes_vit_seg", "detection": "scenes_vit_det"}
PIXELS, OBJECTS = REMAINING["segmentation"], REMAINING["detection"]
GROUND = 2  # of three classes
LEFT = torch.tensor([[[True, False], [True, False]]])  # of 2 x 2 patches, [1,2,2]


def class_map(*rows: list[int]) -> Tensor:
    return torch.tensor([rows])  # [1,4,4]


WHOLE = class_map([0, 0, 1, 1], [0, 2, 1, 1], [2, 2, 2, 2], [2, 2, 2, 2])
NOW = class_map([0, 1, 0, 0], [2, 2, 0, 0], [2, 2, 0, 0], [2, 0, 0, 0])


def test_pixels_of_removed_patches_do_not_count() -> None:
    kept = PIXELS.kept(WHOLE, NOW, LEFT, 3)
    # On the left: three pixels of class 0, one of which stays, and five of the ground, four stay.
    assert kept.tolist() == [[[1, 0, 4], [3, 0, 5]]]
    sums = kept.flatten(1).double().sum(0)
    measures = PIXELS.measures
    assert measures["pixels"].value(sums).item() == pytest.approx(5 / 8)
    assert measures["pixels"].parts(sums) == 8
    assert measures["object pixels"].value(sums).item() == pytest.approx(1 / 3)
    assert measures["object pixels"].parts(sums) == 3


def test_miou_is_that_of_the_remaining_pixels() -> None:
    truth = class_map([0, 0, 0, 0], [0, 0, 0, 0], [2, 2, 0, 0], [255, 2, 0, 0])
    sums = PIXELS.right(truth, NOW, LEFT, 3).double().sum(0)
    # Class 0: one of four true pixels and one false one; class 1: a false one; ground: two of
    # three and two false ones. One pixel has no truth.
    expected = (1 / 5 + 0 + 2 / 5) / 3
    assert PIXELS.measures["mIoU"].value(sums).item() == pytest.approx(expected)
    assert PIXELS.measures["mIoU"].parts(sums) == 7


def test_logits_of_fewer_pixels_are_enlarged() -> None:
    logits = torch.tensor([[[[5.0, 0.0]], [[0.0, 5.0]]]])  # [1,2,1,2]
    assert PIXELS.answers(logits, (2, 4)).tolist() == [[[0, 0, 1, 1]] * 2]


def objects(*rows: tuple[int, list[float]]) -> list[Detections]:
    """The objects of one image, from (class, box)."""
    boxes = torch.tensor([box for _, box in rows]).view(-1, 4)
    classes = torch.tensor([number for number, _ in rows], dtype=torch.long)
    return [Detections(boxes, torch.ones(len(rows)), classes)]


def test_objects_on_removed_patches_do_not_count() -> None:
    inside, outside = [0.0, 0.0, 0.4, 0.4], [0.6, 0.0, 1.0, 0.4]
    mostly, hardly = [0.1, 0.5, 0.7, 1.0], [0.4, 0.0, 0.9, 0.5]
    whole = objects((0, inside), (1, outside), (1, mostly), (0, hardly), (2, inside))
    # Class 0 again nearly where it was; class 1 too far away; class 2 with another class.
    now = objects((0, [0.0, 0.0, 0.4, 0.5]), (1, [0.5, 0.5, 1.0, 1.0]), (1, inside))
    kept = OBJECTS.kept(whole, now, LEFT, 3)
    assert kept.tolist() == [[[1, 0, 0], [1, 1, 1]]]
    sums = kept.flatten(1).double().sum(0)
    assert OBJECTS.measures["objects"].value(sums).item() == pytest.approx(1 / 3)
    assert OBJECTS.measures["objects"].parts(sums) == 3


def test_recall_is_about_true_objects_that_remain() -> None:
    truth = torch.full((1, 3, 5), float(ABSENT))
    truth[0, 0] = torch.tensor([0, 0.0, 0.0, 0.4, 0.4])
    truth[0, 1] = torch.tensor([0, 0.6, 0.0, 1.0, 0.4])
    sums = OBJECTS.right(truth, objects((0, [0.0, 0.0, 0.4, 0.4])), LEFT, 3).double().sum(0)
    recall = OBJECTS.measures["recall"]
    assert (recall.value(sums), recall.parts(sums)) == (1, 1)
    none = OBJECTS.right(truth, objects(), LEFT, 3).double().sum(0)
    assert recall.value(none) == 0


def test_half_of_a_box_is_mostly_there() -> None:
    boxes = torch.tensor([[0.25, 0.2, 0.75, 0.3], [0.3, 0.2, 0.75, 0.3], [-0.5, 0.0, 0.5, 1.0]])
    shares = remaining_share(boxes, LEFT[0])
    assert shares.tolist() == pytest.approx([0.5, 0.2 / 0.45, 1.0])


@pytest.mark.parametrize("task", MODELS)
def test_nothing_removed_keeps_everything_and_all_removed_leaves_nothing(task: str) -> None:
    loaded, one = load_model(MODELS[task]), REMAINING[task]
    images, _ = scene_set(task, "evaluation", range(6))
    with torch.no_grad():
        answers = one.answers(loaded.model(loaded.normalise(images)), loaded.sides)
    classes = len(loaded.class_names)
    everything = torch.ones(6, *loaded.grid, dtype=torch.bool)
    kept = one.kept(answers, answers, everything, classes)
    assert (kept[:, 0] == kept[:, 1]).all()
    assert kept.sum() > 0
    measure = next(iter(one.measures.values()))
    assert measure.value(kept.flatten(1).double().sum(0)) == 1
    nothing = one.kept(answers, answers, ~everything, classes)
    assert not nothing.any()
    assert measure.value(nothing.flatten(1).double().sum(0)).isnan()


def test_other_tasks_have_no_parts() -> None:
    with pytest.raises(OptionError, match="unknown dense task 'classification'"):
        REMAINING["classification"]
