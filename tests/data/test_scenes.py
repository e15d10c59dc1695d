"""Scenes: independent of their batch, with a foreground that covers the garment."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from maskaq.data.fashion_mnist import garments
from maskaq.data.scenes import SIZE, SPLITS, compose, keys, scenes
from maskaq.errors import DataError, OptionError


@pytest.mark.parametrize("split", SPLITS)
def test_a_scene_is_the_same_alone_and_in_a_batch(split: str) -> None:
    positions = [0, 7, 4999, 7]
    together = scenes(split, positions, seed=3)
    assert torch.equal(together.images[1], together.images[3])
    for row, index in enumerate(positions):
        alone = scenes(split, [index], seed=3)
        for part, whole in zip(alone, together, strict=True):
            assert torch.equal(part[0], whole[row])


def test_shapes_and_types() -> None:
    batch = scenes("evaluation", range(4))
    assert (batch.images.shape, batch.images.dtype) == ((4, 3, SIZE, SIZE), torch.uint8)
    assert (batch.foreground.shape, batch.foreground.dtype) == ((4, SIZE, SIZE), torch.bool)
    assert torch.equal(batch.labels, garments("test")[1][:4])


def test_splits_share_no_garment() -> None:
    evaluation, calibration = (set(SPLITS[name]) for name in ("evaluation", "calibration"))
    assert not evaluation & calibration
    assert evaluation | calibration == set(range(10_000))
    labels = garments("test")[1]
    assert torch.equal(scenes("evaluation", [0, 4999]).labels, labels[[0, 4999]])
    assert torch.equal(scenes("calibration", [0, 4999]).labels, labels[[5000, 9999]])


def test_seed_and_index_change_the_background() -> None:
    first, other = scenes("evaluation", [5], 0), scenes("evaluation", [5], 1)
    assert torch.equal(first.labels, other.labels)
    assert not torch.equal(first.foreground, other.foreground)
    pair = scenes("evaluation", [5, 6]).images.float()
    assert (pair[0] - pair[1]).abs().mean() > 10


def split_mix(x: int) -> int:
    """The output function of SplitMix64 in Python integers."""
    mask = 2**64 - 1
    x = (x + 0x9E3779B97F4A7C15) & mask
    x = ((x ^ x >> 30) * 0xBF58476D1CE4E5B9) & mask
    x = ((x ^ x >> 27) * 0x94D049BB133111EB) & mask
    return x ^ x >> 31


@settings(deadline=None)
@given(
    split=st.sampled_from([*SPLITS, "train"]),
    indices=st.lists(st.integers(0, 10**7), min_size=1, max_size=4),
    seed=st.integers(0, 2**31 - 1),
)
def test_keys_are_the_hash_of_split_index_and_seed(
    split: str, indices: list[int], seed: int
) -> None:
    stream = sum(byte << 8 * position for position, byte in enumerate(split.encode()[:7]))
    start = (stream ^ seed * 0x9E3779B97F4A7C15) % 2**64
    expected = [split_mix((split_mix(start) + index) % 2**64) for index in indices]
    assert keys(split, np.array(indices), seed).tolist() == expected


def test_keys_differ_between_splits_seeds_and_indices() -> None:
    indices = np.arange(2000)
    found = [keys(split, indices, seed) for split in (*SPLITS, "train") for seed in range(3)]
    assert len(np.unique(np.concatenate(found))) == 9 * 2000


def test_foreground_covers_less_than_half_the_patches() -> None:
    foreground = scenes("evaluation", range(500)).foreground
    patches = F.avg_pool2d(foreground[:, None].float(), 8)  # [B,1,8,8]
    touched = (patches > 0).float().mean()  # even if a corner of the garment counts
    assert 0.1 < touched < 0.5
    assert 0.1 < foreground.float().mean() < 0.4


def test_foreground_covers_the_garment() -> None:
    images, labels = garments("test")
    random = keys("evaluation", np.arange(100), 0)
    with_garment = compose(images[:100], labels[:100], random)
    without = compose(torch.zeros_like(images[:100]), labels[:100], random)
    assert not without.foreground.any()
    changed = (with_garment.images != without.images).any(1)  # [B,64,64]
    assert (changed & with_garment.foreground).sum() / with_garment.foreground.sum() > 0.999
    near = F.max_pool2d(with_garment.foreground[:, None].float(), 3, 1, 1)[:, 0] > 0  # + 1 pixel
    assert (changed & ~near).float().mean() < 0.001


def test_scale_bounds_the_garment_and_clutter_can_be_off() -> None:
    images, labels = garments("test")
    random = keys("evaluation", np.arange(50), 0)
    for low, high in ((0.3, 0.4), (0.8, 0.9)):
        rows = compose(images[:50], labels[:50], random, scale=(low, high)).foreground.any(2)
        height = rows.float().sum(1)  # [B]
        assert height.max() <= high * SIZE + 2
    blank = compose(torch.zeros_like(images[:50]), labels[:50], random, clutter=0.0).images
    assert torch.equal(blank, blank[:, :, :1, :1].expand_as(blank))
    full = compose(torch.zeros_like(images[:50]), labels[:50], random).images
    assert full.float().std((2, 3)).min() > 5


def test_unknown_splits_and_indices_are_refused() -> None:
    with pytest.raises(OptionError, match="unknown split 'evaluate'; did you mean 'evaluation'"):
        scenes("evaluate", [0])
    for index in (-1, 5000):
        with pytest.raises(DataError, match=rf"scene {index} is outside calibration; .*0 to 4999"):
            scenes("calibration", [0, index])
