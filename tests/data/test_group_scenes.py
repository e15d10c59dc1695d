import pytest
import torch

from maskaq.data.group_scenes import ABSENT, BACKGROUND, MOST, group_scenes
from maskaq.errors import DataError, OptionError


@pytest.mark.parametrize("split", ["evaluation", "calibration"])
def test_a_scene_is_the_same_alone_and_in_a_batch(split: str) -> None:
    together = group_scenes(split, range(40, 70))
    for index in (40, 55, 69):
        alone = group_scenes(split, [index])
        for one, many in zip(alone, together, strict=True):
            assert torch.equal(one[0], many[index - 40])


def test_scenes_have_one_to_four_garments_of_all_classes() -> None:
    labels = group_scenes("evaluation", range(300)).labels
    counts = (labels != ABSENT).sum(1).bincount(minlength=MOST + 1)
    assert counts[0] == 0
    assert (counts[1:] > 30).all()
    assert labels[labels != ABSENT].unique().tolist() == list(range(10))


def test_the_class_map_agrees_with_labels_and_boxes() -> None:
    found = group_scenes("calibration", range(60), seed=3)
    assert found.images.dtype == torch.uint8
    for classes, labels, boxes in zip(found.classes, found.labels, found.boxes, strict=True):
        present = labels != ABSENT
        assert set(classes.unique().tolist()) == {*labels[present].tolist(), BACKGROUND}
        assert (boxes[~present] == 0).all()
        inside = torch.zeros(64, 64, dtype=torch.bool)
        for label, box in zip(labels[present], boxes[present].int(), strict=True):
            left, top, right, bottom = box.tolist()
            window = classes[top:bottom, left:right] == label
            assert window[0].any()
            assert window[-1].any()
            assert window[:, 0].any()
            assert window[:, -1].any()
            inside[top:bottom, left:right] = True
        assert (classes[~inside] == BACKGROUND).all()


def test_garments_overlap_but_can_be_seen() -> None:
    found = group_scenes("evaluation", range(100))
    shared, least = 0, 64 * 64
    for classes, labels, boxes in zip(found.classes, found.labels, found.boxes, strict=True):
        for label, (left, top, right, bottom) in zip(labels, boxes.int().tolist(), strict=True):
            if label == ABSENT:
                continue
            window = classes[top:bottom, left:right]
            shared += bool(((window != label) & (window != BACKGROUND)).any())
            least = min(least, int((window == label).sum()))
    assert shared > 30
    assert least > 20  # pixels


def test_splits_and_seeds_differ() -> None:
    one = group_scenes("evaluation", range(8)).images
    assert not one.equal(group_scenes("calibration", range(8)).images)
    assert not one.equal(group_scenes("evaluation", range(8), seed=1).images)


def test_unknown_splits_and_indices_are_refused() -> None:
    with pytest.raises(OptionError, match="evaluation"):
        group_scenes("evaluatoin", [0])
    with pytest.raises(DataError, match="allowed: 0 to 4999"):
        group_scenes("evaluation", [5000])
