"""Deletion curves of the bundled models for segmentation and detection, on a few scenes."""

from functools import cache

import pytest
import torch
from torch import Tensor

from maskaq.data.scene_sets import scene_set
from maskaq.errors import OptionError
from maskaq.evaluation.deletion import FILLS, ranking, replace_patches
from maskaq.evaluation.dense_deletion import DenseCurves, dense_curves
from maskaq.events import Event
from maskaq.intervals import Interval
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel, load_model
from maskaq.regions.mask import patch_attention
from maskaq.tasks.remaining import REMAINING

MODELS = {"segmentation": "scenes_vit_seg", "detection": "scenes_vit_det"}
OF_OBJECTS = {"segmentation": "object pixels", "detection": "objects"}
SHARES = (0.0, 0.25, 0.75)
SCENES = 10

Case = tuple[LoadedModel, Tensor, Tensor, Tensor]


@pytest.fixture(scope="module", params=MODELS)
def case(request) -> Case:
    """P, scenes with their truth, and P's attention weights."""
    loaded = load_model(MODELS[request.param])
    images, truth = scene_set(request.param, "evaluation", range(SCENES))
    with torch.no_grad(), record(loaded.model) as maps:
        loaded.model(loaded.normalise(images))
    return loaded, images, truth, patch_attention(maps, loaded.prefix)


@cache
def run(case: Case, order: str, fill: str = "mean colour") -> DenseCurves:
    loaded, *data = case
    events = list(dense_curves(loaded, loaded.model, *data, order, fill=fill, shares=SHARES))
    assert all(isinstance(event, Event) for event in events[:-1])
    found = events[-1]
    assert isinstance(found, DenseCurves)
    return found


def main_measure(loaded: LoadedModel) -> str:
    return next(iter(REMAINING[loaded.task].measures))


def test_with_nothing_removed_everything_is_kept(case: Case) -> None:
    found = run(case, "random")
    value = found.at_shares(main_measure(case[0]))[0]
    assert value == Interval(1, 1, 1, SCENES)
    assert found.shares.tolist() == [0, 0.25, 0.75]


def test_the_counts_are_those_of_the_images_without_the_patches(case: Case) -> None:
    loaded, images, _, alpha = case
    found = run(case, "informative", fill="blur")
    inputs = loaded.normalise(images)
    away = ranking(alpha, "informative", torch.Generator()) < 16  # [n,N]
    filled = FILLS["blur"](inputs, 8, torch.Generator())
    one = REMAINING[loaded.task]
    with torch.no_grad():
        whole, now = (
            one.answers(loaded.model(x), loaded.sides)
            for x in (inputs, replace_patches(inputs, filled, away, loaded.grid))
        )
    kept = one.kept(whole, now, ~away.view(-1, *loaded.grid), len(loaded.class_names))
    # Sums of floats depend on the size of the batch, so a close call may end differently.
    difference = (found.counts["kept", "remaining"][1] - kept.flatten(1)).abs().sum()
    assert difference <= 0.001 * kept.sum()
    sums = kept.flatten(1).double().sum(0)
    expected = float(one.measures[main_measure(loaded)].value(sums))
    assert found.at_shares(main_measure(loaded))[1].value == pytest.approx(expected, abs=0.01)


def test_the_same_patches_are_compared_whichever_go_first(case: Case) -> None:
    measure = OF_OBJECTS[case[0].task]
    first, last = (run(case, order) for order in ("informative", "other"))
    assert first.parts(measure, "same") == last.parts(measure, "same")
    assert first.parts(measure) != last.parts(measure)
    assert first.parts(measure, "same")[2] == 0  # three quarters from both ends
    assert torch.tensor(first.at_shares(measure, "same")[2].value).isnan()


def test_the_answer_changes_sooner_without_the_informative_patches(case: Case) -> None:
    measure = OF_OBJECTS[case[0].task]
    first, last = (run(case, order).at_shares(measure)[1] for order in ("informative", "other"))
    assert first.value < last.value - 0.2


def test_intervals_are_those_of_a_bootstrap_over_images(case: Case) -> None:
    for measure in REMAINING[case[0].task].measures:
        for one in run(case, "random").at_shares(measure):
            assert one.n == SCENES
            assert torch.tensor(one.value).isnan() or one.low <= one.value <= one.high


def test_unknown_names_and_invalid_shares_are_refused(case: Case) -> None:
    with pytest.raises(OptionError, match="did you mean 'blur'"):
        run(case, "random", fill="blurr")
    with pytest.raises(OptionError, match="order is 'first'"):
        run(case, "first")
    loaded, *data = case
    with pytest.raises(OptionError, match="two or more from 0 to 1"):
        next(dense_curves(loaded, loaded.model, *data, "random", shares=(0.5,)))
