import numpy as np
import pytest

from maskaq.errors import OptionError
from maskaq.quantization import level_list
from maskaq.quantization import numpy_reference as reference


def cases():
    for kind in reference.DISTRIBUTIONS:
        for rule in reference.RULES:
            if rule != "log2" or kind == "softmax":
                yield kind, rule


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("kind, rule", [*cases()])
def test_a_grid_as_a_list_rounds_in_the_same_way(kind, rule, symmetric, bits):
    values = reference.sample(kind, 2048, seed=bits)
    grid = reference.grid(values, bits, symmetric, rule)
    want = reference.apply(values, grid)
    levels = level_list.of_grid(grid)
    got = level_list.apply(values, levels)
    assert levels.bits == bits
    assert (got.codes != want.codes).sum() <= 4  # values halfway between two levels
    assert abs(int(got.clipped.sum()) - int(want.clipped.sum())) <= 1  # at the very edge
    np.testing.assert_allclose(got.rounded, want.rounded, atol=np.diff(levels.levels).max())
    np.testing.assert_allclose(got.sqnr_db, want.sqnr_db, atol=0.01)
    parts = got.rounding_error + got.clipping_error
    assert parts == pytest.approx(want.rounding_error + want.clipping_error, rel=0.01)


def test_minmax_clips_nothing():
    values = reference.sample("weights", 4096, seed=0)
    grid = reference.grid(values, 4, False, "minmax")
    assert not level_list.apply(values, level_list.of_grid(grid)).clipped.any()


def test_levels_by_hand_are_used_as_they_are():
    values = np.array([-9, 0.4, 0.6, 3], np.float32)
    like = level_list.of_grid(reference.grid(values, 2, True, "minmax"))
    moved = level_list.by_hand([-1, 0, 1, 2], [-1.5, -0.5, 0.5, 1.5, 2.5], like)
    result = level_list.apply(values, moved)
    assert moved.rule == level_list.BY_HAND
    assert result.rounded.tolist() == [-1, 0, 1, 2]
    assert result.codes.tolist() == [-2, -1, 0, 1]
    assert result.clipped.tolist() == [True, False, False, True]
    assert result.clipping_error == pytest.approx((64 + 1) / 4)
    assert result.rounding_error == pytest.approx((0.16 + 0.16) / 4)


@pytest.mark.parametrize(
    "levels, edges",
    [
        ([0, 1, 2], [0, 1, 2, 3]),
        ([0, 1, 2, 3], [0, 1, 2, 3]),
        ([0, 2, 1, 3], [0, 1, 2, 3, 4]),
        ([0, 1, 2, 3], [0, 2, 1, 3, 4]),
        ([0, 1, 2, float("nan")], [0, 1, 2, 3, 4]),
        ([0, 1, 2, 1e30], [0, 1, 2, 3, 4]),
    ],
)
def test_other_levels_by_hand_are_refused(levels, edges):
    values = np.ones(4, np.float32)
    like = level_list.of_grid(reference.grid(values, 2, True, "minmax"))
    with pytest.raises(OptionError, match="allowed: 4 ascending ones"):
        level_list.by_hand(levels, edges, like)
