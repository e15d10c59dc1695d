from itertools import pairwise

import numpy as np
import pytest
import torch

from maskaq.errors import OptionError
from maskaq.regions import numpy_masks
from maskaq.regions.mask import informative_mask


@pytest.mark.parametrize("ratio", [0.001, 0.05, 0.1, 0.29, 0.5, 1.0])
@pytest.mark.parametrize("patches", [1, 49, 64, 196])
def test_the_mask_equals_that_of_the_torch_code(patches, ratio):
    alpha = np.random.default_rng(0).random((5, patches), np.float32)
    mask = numpy_masks.mask_of(alpha, ratio)
    assert mask.dtype == bool
    assert (mask == informative_mask(torch.from_numpy(alpha), ratio).numpy()).all()
    assert (mask.sum(1) == numpy_masks.patch_count(patches, ratio)).all()


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.5])
def test_ties_choose_the_first_patches_and_as_many_of_each_value_as_the_torch_code(ratio):
    # Which of several equal patches torch chooses is undefined, but not how many.
    alpha = np.random.default_rng(0).integers(0, 4, (20, 64)).astype(np.float32)
    mask = numpy_masks.mask_of(alpha, ratio)
    other = informative_mask(torch.from_numpy(alpha), ratio).numpy()
    for row, chosen, chosen_by_torch in zip(alpha, mask, other, strict=True):
        assert sorted(row[chosen]) == sorted(row[chosen_by_torch])
        tied = chosen[row == row[chosen].min()]
        assert (tied == (np.arange(tied.size) < tied.sum())).all()


def test_a_larger_ratio_only_adds_patches():
    alpha = np.random.default_rng(1).integers(0, 9, 64).astype(np.float32)
    masks = [numpy_masks.mask_of(alpha, ratio) for ratio in np.arange(0.05, 1.01, 0.05).clip(0, 1)]
    for small, large in pairwise(masks):
        assert (large | ~small).all()


@pytest.mark.parametrize("n, ratio", [(0, 0.5), (64, 0), (64, -0.1), (64, 1.01), (64, np.nan)])
def test_invalid_ratios_are_refused(n, ratio):
    with pytest.raises(OptionError, match="above 0 and up to 1"):
        numpy_masks.patch_count(n, ratio)


def test_overlap_counts_patches():
    mask = np.array([True, True, True, False, False, False])
    truth = np.array([False, True, True, True, True, False])
    result = numpy_masks.overlap(mask, truth)
    assert result[:3] == pytest.approx((2 / 3, 2 / 4, 2 / 5))
    assert (result.hits, result.chosen, result.true, result.either) == (2, 3, 4, 5)


def test_overlap_of_nothing_is_zero():
    nothing = np.zeros(4, bool)
    assert numpy_masks.overlap(nothing, nothing)[:3] == (0, 0, 0)
    assert numpy_masks.overlap(nothing, ~nothing)[:3] == (0, 0, 0)


def test_a_patch_with_half_of_its_pixels_is_foreground():
    foreground = np.zeros((4, 6), bool)
    foreground[0, :3] = True  # patch 0: 3 of 6 pixels
    foreground[2:, 4:] = True  # patch 3: 4 of 6
    foreground[0, 3:5] = True  # patch 1: 2 of 6
    result = numpy_masks.foreground_patches(foreground, (2, 2))
    assert result.tolist() == [True, False, False, True]
    both = numpy_masks.foreground_patches(np.stack([foreground, ~foreground]), (2, 2))
    assert both.tolist() == [[True, False, False, True], [True, True, True, False]]


def test_a_grid_that_does_not_divide_the_image_is_refused():
    with pytest.raises(OptionError, match="3 x 3 patches"):
        numpy_masks.foreground_patches(np.zeros((64, 64), bool), (3, 3))


def test_difference_inside_and_outside_the_mask():
    p = np.array([[0.5, 0.25, 0.25], [1, 0, 0]], np.float32)
    q = np.array([[0.25, 0.25, 0.5], [1, 0, 0]], np.float32)
    mask = np.array([[True, False, False], [True, True, True]])
    inside, outside = numpy_masks.inside_outside(p, q, mask)
    assert inside.tolist() == [0.25, 0]
    assert outside[0] == 0.125
    assert np.isnan(outside[1])
