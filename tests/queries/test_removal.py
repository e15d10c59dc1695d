"""Answers for a picture without some patches, against the model itself."""

import time

import numpy as np
import pytest
import torch

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.errors import MaskaqError, OptionError
from maskaq.models.loading import LoadedModel
from maskaq.queries import model_cache
from maskaq.queries.removal import removal

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
