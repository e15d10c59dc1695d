"""The terms of a Swin Transformer against plain loops over images, windows, heads and tokens."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from maskaq.config import QuantOptions
from maskaq.models.attention import Maps, record
from maskaq.models.backbone import tokens_of
from maskaq.quantization.backends.ranges_only import MSE, calibrated_q
from maskaq.regions.mask import informative_mask, patch_attention
from maskaq.synthesis.terms.objectives import OBJECTIVES, StepState
from tests.support.families import family, images_of

IMAGES = 2
NAMES = ["swin", "swin, padded", "swin 32x48", "swinv2"]


@pytest.fixture(scope="module", params=NAMES)
def state(request: pytest.FixtureRequest) -> StepState:
    """P and Q on two images, with half of the patches in the mask."""
    p = family(request.param)
    images = images_of(p, IMAGES)
    recorded = []
    for model in (p, calibrated_q(p, QuantOptions(4, 4), MSE, images)):
        with record(model) as maps:
            model(images)
        recorded.append([*maps])
    mask = informative_mask(patch_attention(recorded[0], 0), 0.5)
    return StepState(
        images=images,
        labels=torch.zeros(IMAGES, dtype=torch.int64),
        prefix=0,
        reading="paper",
        generator=torch.Generator().manual_seed(0),
        maps_p=recorded[0],
        maps_q=recorded[1],
        mask=mask,
        grid=tokens_of(p).grid,
    )


def places(block: Maps) -> Iterator[tuple[int, int, int]]:
    """For each patch of the image: its number, its window and its place in it."""
    own = block.windows
    (rows, columns), (height, width), (down, across) = own.grid, own.size, own.shift
    in_a_row = math.ceil(columns / width)
    for row in range(rows):
        for column in range(columns):
            i, j = (row - down) % rows, (column - across) % columns
            window = i // height * in_a_row + j // width
            yield row * columns + column, window, i % height * width + j % width


def count(block: Maps) -> int:
    return len(block.probs) // IMAGES


def over_stages(maps: list[Maps], value: Callable[[Maps, int], float]) -> list[float]:
    """Per image the mean over the blocks of a stage, then over the stages."""
    totals = []
    for image in range(IMAGES):
        stages: dict[int, list[float]] = {}
        for block in maps:
            stages.setdefault(block.windows.stage, []).append(value(block, image))
        totals.append(float(np.mean([np.mean(own) for own in stages.values()])))
    return totals


def to_grid(values: np.ndarray, grid: tuple[int, int], other: tuple[int, int]) -> np.ndarray:
    """Each cell of the finer grid `other` gets the value of the cell that it begins in."""
    out = np.zeros(other[0] * other[1])
    for row in range(other[0]):
        for column in range(other[1]):
            i, j = row * grid[0] // other[0], column * grid[1] // other[1]
            out[row * other[1] + column] = values[i * grid[1] + j]
    return out


def close(found: Tensor, expected: list[float] | np.ndarray) -> None:
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-4, atol=1e-5)


def test_a_patch_weighs_what_the_queries_of_its_window_give_it(state: StepState) -> None:
    maps, finest = state.maps_p, state.maps_p[0].windows.grid
    found = patch_attention(maps, 0)
    for image in range(IMAGES):
        stages: dict[int, list[np.ndarray]] = {}
        for block in maps:
            grid, windows = block.windows.grid, count(block)
            weights = np.zeros(grid[0] * grid[1])
            for patch, window, place in places(block):
                columns = block.probs[image * windows + window, :, :, place].numpy()  # [H,T]
                weights[patch] = np.mean([row.mean() for row in columns]) / windows
            fine = to_grid(weights, grid, finest) * len(weights) / (finest[0] * finest[1])
            stages.setdefault(block.windows.stage, []).append(fine)
        expected = np.mean([np.mean(own, axis=0) for own in stages.values()], axis=0)
        close(found[image], expected)
    padded = [any(map(int.__mod__, own.windows.grid, own.windows.size)) for own in maps]
    if not any(padded):
        close(found.sum(1), [1.0] * IMAGES)


def scaled(row: np.ndarray) -> np.ndarray:
    return (row - row.min()) / max(row.max() - row.min(), 1e-8)


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """SSIM of two maps scaled to 0..1, with one window over the whole map."""
    a, b = scaled(a), scaled(b)
    covariance = ((a - a.mean()) * (b - b.mean())).mean()
    light = (2 * a.mean() * b.mean() + 1e-4) / (a.mean() ** 2 + b.mean() ** 2 + 1e-4)
    return float(light * (2 * covariance + 9e-4) / (a.var() + b.var() + 9e-4))


def test_heads_are_compared_within_each_window(state: StepState) -> None:
    def value(block: Maps, image: int) -> float:
        differences = []
        for window in range(count(block)):
            heads = block.probs[image * count(block) + window].double().numpy()  # [H,T,T]
            for query in range(heads.shape[1]):
                pairs = [1 - ssim(a[query], b[query]) for a in heads for b in heads]
                differences.append(np.mean(pairs))
        return float(np.mean(differences))

    close(OBJECTIVES["inter_head"](state), over_stages(state.maps_p, value))


def test_the_entropy_is_that_of_the_rows_of_each_window(state: StepState) -> None:
    def value(block: Maps, image: int) -> float:
        entropies = []
        for window in range(count(block)):
            rows = block.probs[image * count(block) + window].double().mean(0).numpy()  # [T,T]
            unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
            pairs = [a @ b for i, a in enumerate(unit) for j, b in enumerate(unit) if i != j]
            entropies.append(0.5 * math.log(2 * math.pi * math.e * (np.var(pairs) + 1e-8)))
        return -float(np.mean(entropies))

    close(OBJECTIVES["entropy"](state), over_stages(state.maps_p, value))


def test_alignment_compares_the_columns_of_the_masked_patches(state: StepState) -> None:
    pairs = {id(p.probs): q for p, q in zip(state.maps_p, state.maps_q, strict=True)}

    def value(block: Maps, image: int) -> float:
        p, q, grid = block.probs, pairs[id(block.probs)].probs, block.windows.grid
        mask, finest = state.mask[image].float().numpy(), state.grid
        total, inside = 0.0, 0.0
        for patch, window, place in places(block):
            number = image * count(block) + window
            rows = (p[number] - q[number]).mean(0)[:, place].abs().sum()  # of all its queries
            share = coarse_share(mask, finest, grid, patch)
            total, inside = total + float(rows) * share, inside + share
        return total / max(inside, 1e-6)

    blocks = len(state.maps_p)
    close(OBJECTIVES["align"](state), np.array(over_stages(state.maps_p, value)) * blocks)


def coarse_share(
    mask: np.ndarray, finest: tuple[int, int], grid: tuple[int, int], patch: int
) -> float:
    """Share of a patch that is in the mask of the finest grid."""
    row, column = divmod(patch, grid[1])
    (height, width), (rows, columns) = finest, grid
    inside = [
        mask[i * width + j]
        for i in range(row * height // rows, math.ceil((row + 1) * height / rows))
        for j in range(column * width // columns, math.ceil((column + 1) * width / columns))
    ]
    return float(np.mean(inside))


def test_patch_entropy_compares_all_patches_of_the_image(state: StepState) -> None:
    """Also of different windows; the density has a bandwidth of 0.01 at ten points."""
    expected = []
    for image in range(IMAGES):
        total = 0.0
        for block in state.maps_p:
            features = np.zeros((math.prod(block.windows.grid), block.heads.shape[-1]))
            for patch, window, place in places(block):
                heads = block.heads[image * count(block) + window, :, place]  # [H,d]
                features[patch] = heads.double().mean(0).numpy()
            unit = features / np.linalg.norm(features, axis=1, keepdims=True)
            values = (unit @ unit.T).ravel()
            points = np.linspace(values.min(), values.max(), 10)
            bells = [np.exp(-(((x - values) / 0.01) ** 2) / 2).mean() for x in points]
            density = np.array(bells) / (0.01 * math.sqrt(2 * math.pi)) + 1e-4
            total -= np.trapezoid(-density * np.log(density), points)
        expected.append(total)
    np.testing.assert_allclose(OBJECTIVES["patch_entropy"](state).numpy(), expected, rtol=1e-3)
