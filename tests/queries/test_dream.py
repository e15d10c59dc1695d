"""Pictures for a painting, made by the model that ships."""

import numpy as np
import pytest
import torch

from maskaq.errors import DataError, OptionError
from maskaq.files import sha256
from maskaq.models.architectures import BUNDLED
from maskaq.models.loading import load_model
from maskaq.precomputed import dream as stored
from maskaq.queries import dream as queries

MODEL = "scenes_vit_seg"


def painted() -> np.ndarray:
    """A pair of trousers on the left half: uint8 [16,16]."""
    painting = np.full((16, 16), 10, np.uint8)
    painting[2:14, 2:7] = 1
    return painting


@pytest.fixture(scope="module")
def found():
    return queries.dream(MODEL, "", painted(), seed=3)


def test_p_comes_to_see_what_was_painted(found) -> None:
    garment = found["target"] != 10
    hits = (found["maps"] == found["target"])[:, :, garment].mean(-1)  # [F,2]
    assert (hits[0] < 0.2).all()
    assert (hits[-1] > 0.6).all()


def test_the_maps_are_those_of_p_for_these_pictures(found) -> None:
    loaded = load_model(MODEL)
    images = torch.from_numpy(found["images"][-1])
    with torch.inference_mode():
        maps = loaded.model(loaded.normalise(images)).argmax(1)
    assert (maps.numpy() == found["maps"][-1]).mean() > 0.999


def test_the_stages_are_in_order_and_end_with_the_last_step(found) -> None:
    steps = found["steps"].tolist()
    assert steps == sorted(set(steps))
    assert steps[-1] == queries.STEPS
    assert found["images"].shape == (len(steps), queries.IMAGES, 3, 64, 64)
    assert found["maps"].shape == (len(steps), queries.IMAGES, 64, 64)
    assert not np.array_equal(found["images"][-1, 0], found["images"][-1, 1])


def test_each_cell_is_enlarged_to_four_by_four_pixels(found) -> None:
    np.testing.assert_array_equal(found["target"], painted().repeat(4, 0).repeat(4, 1))


@pytest.mark.parametrize(
    "model, task", [("scenes_vit", "classification"), ("scenes_vit_det", "detection")]
)
def test_other_tasks_are_refused(model: str, task: str) -> None:
    with pytest.raises(OptionError, match=f"{model} is a model for {task}; .*scenes_vit_seg"):
        queries.dream(model, "", painted())


@pytest.mark.parametrize(
    "painting, problem",
    [
        (np.zeros(16, np.uint8), r"shape \[16\]; allowed: two sides"),
        (np.zeros((0, 4), np.uint8), r"shape \[0, 4\]; allowed: two sides"),
        (np.zeros((4, 600), np.uint8), r"shape \[4, 600\]; allowed: two sides of 1 to 512"),
        (np.full((4, 4), 11, np.uint8), "class 11; scenes_vit_seg has classes 0 to 10"),
    ],
)
def test_hostile_paintings_are_refused(painting: np.ndarray, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        queries.dream(MODEL, "", painting)


def test_the_stored_dream_is_of_the_model_that_ships() -> None:
    about, arrays = stored.read()
    again = queries.dream(about["model"], "", arrays["painting"], about["seed"])
    assert about["weights"] == sha256(BUNDLED[about["model"]].checkpoint)
    np.testing.assert_array_equal(arrays["target"], again["target"])
    np.testing.assert_array_equal(arrays["steps"], again["steps"])
    # Other processors round differently, and the differences grow with the steps.
    first = arrays["images"][0].astype(int) - again["images"][0]
    assert np.abs(first).mean() < 3
