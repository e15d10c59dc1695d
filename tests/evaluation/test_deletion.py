import pytest
import torch
from torch import Tensor, nn

from maskaq.data.scenes import scenes
from maskaq.errors import OptionError
from maskaq.evaluation.deletion import FILLS, ORDERS, Curves, curves, ranking, replace_patches
from maskaq.events import Event
from maskaq.models.loading import LoadedModel

GRID = (2, 2)
SIDE = 4  # pixels of a patch


class PatchWatcher(nn.Module):
    """Predicts class 1 while one patch is brighter than 0.5."""

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.patch = patch

    def forward(self, x: Tensor) -> Tensor:
        means = nn.functional.avg_pool2d(x, SIDE).mean(1).flatten(1)  # [B,4]
        seen = 100 * (means[:, self.patch] - 0.5)  # [B]
        return torch.stack([torch.zeros_like(seen), seen], 1)


def bright_patch(patch: int, count: int = 3) -> Tensor:
    images = torch.zeros(count, 3, 2 * SIDE, 2 * SIDE)
    row, column = divmod(patch, 2)
    images[:, :, row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = 1
    return images


def run(*args, **options) -> Curves:
    events = list(curves(*args, **options))
    assert all(isinstance(event, Event) for event in events[:-1])
    found = events[-1]
    assert isinstance(found, Curves)
    return found


QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)


def ranks(*order: int) -> Tensor:
    return torch.tensor(order).argsort().expand(3, 4)  # [n,N]


def test_removing_the_decisive_patch_removes_the_answer() -> None:
    images, labels = bright_patch(2), torch.ones(3, dtype=torch.long)
    args = (PatchWatcher(2), PatchWatcher(3)), images, labels
    early = run(*args, ranks(2, 0, 1, 3), GRID, shares=QUARTERS)
    late = run(*args, ranks(0, 1, 3, 2), GRID, shares=QUARTERS)
    assert early.hits[0].T.tolist() == [[True, False, False, False, False]] * 3
    assert late.hits[0].T.tolist() == [[True, True, True, True, False]] * 3
    assert not early.hits[1].any()  # this Q depends on a patch that is always dark
    assert early.same[1].T.tolist() == [[False, True, True, True, True]] * 3
    # Trapezoids of [1, 0, 0, 0, 0] and [1, 1, 1, 1, 0].
    assert early.area(early.hits)[0].tolist() == [0.125] * 3
    assert late.area(late.hits)[0].tolist() == [0.875] * 3


def test_divergences_match_the_formula() -> None:
    images, labels = bright_patch(2), torch.ones(3, dtype=torch.long)
    p, q = PatchWatcher(2), PatchWatcher(3)
    found = run((p, q), images, labels, ranks(2, 0, 1, 3), GRID, shares=QUARTERS)
    whole = [model(images[:1]).double().softmax(-1)[0] for model in (p, q)]
    grey = images[:1].mean((2, 3), keepdim=True)
    away = torch.tensor([[False, False, True, False]])
    shown = replace_patches(images[:1], grey.expand_as(images[:1]), away, GRID)
    now = [model(shown).double().softmax(-1)[0] for model in (p, q)]

    def kl(first: Tensor, second: Tensor) -> float:
        first, second = first.clamp(min=1e-12), second.clamp(min=1e-12)
        return float((first * (first / second).log2()).sum())

    assert float(found.divergence[1, 1, 0]) == pytest.approx(kl(now[0], now[1]), abs=1e-9)
    for model in (0, 1):
        expected = kl(whole[model], now[model])
        assert float(found.moved[model, 1, 0]) == pytest.approx(expected, abs=1e-9)
    assert not found.moved[:, 0].any()


def test_shares_are_rounded_to_whole_patches() -> None:
    images, labels = bright_patch(2), torch.ones(3, dtype=torch.long)
    model = PatchWatcher(2)
    found = run([model], images, labels, ranks(2, 0, 1, 3), GRID, shares=(0, 0.3, 1))
    assert found.shares.tolist() == [0.0, 0.25, 1.0]


@pytest.mark.parametrize("shares", [(0.5,), (0.5, 0.1), (0, 0), (-0.1, 1), (0, 1.1)])
def test_invalid_shares_are_refused(shares) -> None:
    with pytest.raises(OptionError, match="two or more from 0 to 1"):
        run(
            [PatchWatcher(0)],
            bright_patch(0),
            torch.zeros(3),
            ranks(0, 1, 2, 3),
            GRID,
            shares=shares,
        )


def test_an_unknown_fill_suggests_the_nearest_name() -> None:
    model = PatchWatcher(0)
    with pytest.raises(OptionError, match="did you mean 'blur'"):
        next(
            curves(
                [model],
                bright_patch(0),
                torch.zeros(3),
                ranks(0, 1, 2, 3),
                GRID,
                fill="blurr",
            )
        )


@pytest.mark.parametrize("fill", list(FILLS))
def test_fills_keep_the_mean_and_hide_the_image(fill: str) -> None:
    images = scenes("evaluation", range(8)).images.float() / 255
    filled = FILLS[fill](images, 8, torch.Generator().manual_seed(0))
    assert filled.shape == images.shape
    torch.testing.assert_close(filled.mean((2, 3)), images.mean((2, 3)), atol=0.06, rtol=0)
    low = nn.functional.avg_pool2d(images - filled, 2)
    assert (low.abs().mean((1, 2, 3)) > 0.02).all()  # coarse structure is gone, not just noise
    again = FILLS[fill](images, 8, torch.Generator().manual_seed(0))
    torch.testing.assert_close(again, filled)


def test_blur_is_a_gaussian_with_the_patch_side_as_standard_deviation() -> None:
    point = torch.zeros(1, 3, 41, 41)
    point[..., 20, 20] = 1
    spread = FILLS["blur"](point, 3, torch.Generator())[0, 0]
    axis = torch.arange(41) - 20.0
    assert float(spread.sum()) == pytest.approx(1, abs=1e-4)
    assert float((spread.sum(0) * axis.square()).sum()) == pytest.approx(9, rel=0.08)


def test_orders_are_permutations() -> None:
    alpha = torch.rand(5, 9, generator=torch.Generator().manual_seed(3))
    for order in ORDERS:
        found = ranking(alpha, order, torch.Generator().manual_seed(0))
        assert (found.sort(-1).values == torch.arange(9)).all()
    assert (ranking(alpha, "informative", torch.Generator()).argmin(-1) == alpha.argmax(-1)).all()
    assert (ranking(alpha, "other", torch.Generator()).argmin(-1) == alpha.argmin(-1)).all()
    with pytest.raises(OptionError, match="informative, other, random"):
        ranking(alpha, "best", torch.Generator())


def test_a_real_model_keeps_its_answers_on_whole_images(scenes_p: LoadedModel) -> None:
    batch = scenes("evaluation", range(60))
    inputs = scenes_p.normalise(batch.images)
    alpha = torch.rand(60, 64, generator=torch.Generator().manual_seed(0))
    order = ranking(alpha, "random", torch.Generator().manual_seed(0))
    model = scenes_p.model
    found = run([model, model], inputs, batch.labels, order, scenes_p.grid, shares=(0, 0.5, 1))
    with torch.no_grad():
        right = model(inputs).argmax(-1) == batch.labels
    assert (found.hits[:, 0] == right).all()
    assert found.same.all()
    assert not found.divergence.any()
    assert found.hits[0, 2].float().mean() < 0.4  # a flat colour carries no information
