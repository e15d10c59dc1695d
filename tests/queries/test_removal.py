"""Answers for a picture without some patches, against the model itself."""

import time

import numpy as np
import pytest
import torch

from maskaq.config import QuantOptions
from maskaq.data.scene_sets import scene_set
from maskaq.data.scenes import scenes
from maskaq.errors import MaskaqError, OptionError
from maskaq.models.loading import LoadedModel, load_model
from maskaq.queries import model_cache
from maskaq.queries.removal import dense_removal, removal

IMAGE = scenes("evaluation", [3]).images[0]
PICTURE = np.ascontiguousarray(IMAGE.permute(1, 2, 0).numpy())  # [S,S,3]
SAMPLES = scenes("calibration", range(8)).images.numpy()


def test_the_answers_are_those_of_p_for_both_pictures(scenes_p: LoadedModel) -> None:
    answer = removal("scenes_vit", "", PICTURE, (0, 9))
    now = torch.from_numpy(answer["image"])
    inputs = scenes_p.normalise(torch.stack([IMAGE, now]))
    with torch.no_grad():
        expected = scenes_p.model(inputs).softmax(-1)
    columns = [scenes_p.class_names.index(name) for name in answer["classes"]]
    np.testing.assert_allclose(answer["p"], expected[:, columns], atol=1e-5)
    assert answer["q"] is None
    best = [scenes_p.class_names[int(number)] for number in expected.argmax(-1)]
    assert set(best) <= set(answer["classes"])


def test_exactly_these_patches_get_the_mean_colour() -> None:
    image = removal("scenes_vit", "", PICTURE, (0, 9))["image"]
    mean = IMAGE.float().mean((1, 2)).round().numpy()
    changed = (image != IMAGE.numpy()).any(0)
    np.testing.assert_array_equal(image[:, :8, :8], np.broadcast_to(mean[:, None, None], (3, 8, 8)))
    np.testing.assert_array_equal(image[:, 8:16, 8:16], image[:, :8, :8])
    changed[:8, :8] = changed[8:16, 8:16] = False
    assert not changed.any()


def test_without_removed_patches_both_answers_are_equal() -> None:
    answer = removal("scenes_vit", "", PICTURE)
    np.testing.assert_array_equal(answer["image"], IMAGE.numpy())
    np.testing.assert_allclose(answer["p"][0], answer["p"][1], atol=1e-6)


def test_q_answers_at_the_chosen_bits(scenes_p: LoadedModel) -> None:
    away = tuple(range(24, 40))
    answer = removal("scenes_vit", "", PICTURE, away, "noise", 3, 4, SAMPLES)
    q = model_cache.fitted("scenes_vit", "", SAMPLES, QuantOptions(3, 4))
    inputs = scenes_p.normalise(torch.stack([IMAGE, torch.from_numpy(answer["image"])]))
    with torch.no_grad():
        expected = q(inputs).softmax(-1)
    columns = [scenes_p.class_names.index(name) for name in answer["classes"]]
    np.testing.assert_allclose(answer["q"], expected[:, columns], atol=1e-4)
    assert np.abs(answer["q"] - answer["p"]).max() > 1e-3


def test_a_warm_answer_takes_less_than_half_a_second() -> None:
    removal("scenes_vit", "", PICTURE, (1,), samples=SAMPLES)
    seconds = []
    for patch in range(5):
        start = time.perf_counter()
        removal("scenes_vit", "", PICTURE, (patch,), samples=SAMPLES)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.5


@pytest.mark.parametrize("away", [(64,), (3, -1)])
def test_patches_outside_the_grid_are_refused(away: tuple[int, ...]) -> None:
    with pytest.raises(OptionError, match="patches 0 to 63"):
        removal("scenes_vit", "", PICTURE, away)


def test_an_unknown_fill_is_refused() -> None:
    with pytest.raises(MaskaqError, match="fill"):
        removal("scenes_vit", "", PICTURE, (1,), "glitter")


# Dense tasks.

DENSE = {"segmentation": "scenes_vit_seg", "detection": "scenes_vit_det"}


def crowd(task: str, number: int = 4) -> tuple[torch.Tensor, np.ndarray]:
    """A scene of several objects [3,S,S], and as a picture [S,S,3]."""
    image = scene_set(task, "evaluation", [number])[0][0]
    return image, np.ascontiguousarray(image.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("task", DENSE)
def test_a_whole_picture_keeps_everything(task: str) -> None:
    image, picture = crowd(task)
    answer = dense_removal(DENSE[task], "", picture)
    np.testing.assert_array_equal(answer["image"], image.numpy())
    np.testing.assert_array_equal(answer["p"]["shown"][0], answer["p"]["shown"][1])
    same, all_of_them = answer["p"]["kept"]
    np.testing.assert_array_equal(same, all_of_them)
    assert same.sum() > 0
    assert answer["q"] is None


def test_the_class_maps_are_those_of_p_and_removed_pixels_do_not_count() -> None:
    image, picture = crowd("segmentation")
    away = tuple(range(16, 48))
    answer = dense_removal("scenes_vit_seg", "", picture, away, "blur")
    loaded = load_model("scenes_vit_seg")
    inputs = loaded.normalise(torch.stack([image, torch.from_numpy(answer["image"])]))
    with torch.no_grad():
        maps = loaded.model(inputs).argmax(1).numpy()  # [2,S,S]
    np.testing.assert_array_equal(answer["p"]["shown"], maps)
    remaining = np.r_[0:16, 48:64]  # rows of pixels
    whole, now = maps[:, remaining]
    same, all_of_them = answer["p"]["kept"]
    assert all_of_them.sum() == whole.size
    np.testing.assert_array_equal(all_of_them, np.bincount(whole.ravel(), minlength=11))
    assert same.sum() == (whole == now).sum()


def test_objects_that_are_gone_are_not_lost() -> None:
    _, picture = crowd("detection")
    everything = dense_removal("scenes_vit_det", "", picture, tuple(range(64)))
    assert not everything["p"]["kept"].any()
    boxes = everything["p"]["shown"][0]
    assert (boxes[:, 0] >= 0).any()
    assert (boxes[boxes[:, 0] >= 0, 1] >= 0.5).all()


@pytest.mark.parametrize("task", DENSE)
def test_q_answers_for_dense_tasks_too(task: str) -> None:
    _, picture = crowd(task)
    samples = scene_set(task, "calibration", range(8))[0].numpy()
    answer = dense_removal(DENSE[task], "", picture, (0, 1), samples=samples)
    assert len(answer["q"]["shown"]) == 2
    assert answer["q"]["kept"].shape == answer["p"]["kept"].shape


def test_a_classifier_has_no_dense_answer() -> None:
    with pytest.raises(OptionError, match="unknown dense task 'classification'"):
        dense_removal("scenes_vit", "", PICTURE)
