from __future__ import annotations

import torch
from torch import Tensor

from maskaq.augment.mixing import CROSSED, _areas, crossed, varied
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel


def pictures(n: int, size: int = 64) -> Tensor:
    """Smooth colours around the middle grey, uint8."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand((n, 3, 5, 5), generator=generator)
    fine = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")
    return (fine * 120 + 68).to(torch.uint8)


def views(n: int, seed: int = 0) -> Tensor:
    return varied(pictures(n), torch.Generator().manual_seed(seed))


def test_views_are_pictures_of_the_same_kind_and_repeat() -> None:
    found = views(6)
    assert found.dtype == torch.uint8
    assert found.shape == (6, 3, 64, 64)
    assert torch.equal(found, views(6))
    assert not torch.equal(found, views(6, seed=1))
    assert len(varied(pictures(1)[:0], torch.Generator())) == 0


def test_some_have_an_area_of_one_colour_inside_or_around() -> None:
    found = views(200)
    flat = (found[..., 1:] == found[..., :-1]).all(1)[:, :-1] & (
        found[:, :, 1:] == found[:, :, :-1]
    ).all(1)[:, :, :-1]  # [N,S-1,S-1], where three neighbours are equal in all channels
    corner = flat[:, :4, :4].all((1, 2)) & flat[:, -4:, -4:].all((1, 2))
    share = (flat.float().mean((1, 2)) > 0.03).float().mean()
    assert 0.3 < share < 0.65  # pixel noise leaves no flat area of its own
    assert 0.1 < corner.float().mean() < 0.35


def test_contrast_goes_beyond_that_of_the_samples() -> None:
    before, after = pictures(200), views(200)
    assert before.float().std((1, 2, 3)).max() < 45
    spread = after.float().std((1, 2, 3))
    assert spread.quantile(0.9) > 50
    assert ((after == 0) | (after == 255)).float().mean() > 0.03


def test_rectangles_have_the_sides_and_the_share_that_are_asked_for() -> None:
    images = torch.zeros(400, 3, 50, 50)
    found = _areas(images, 0.4, (0.2, 0.7), torch.Generator().manual_seed(0))
    assert found.shape == (400, 1, 50, 50)
    some = found.flatten(1).any(1)
    assert 0.33 < some.float().mean() < 0.47
    rows, columns = found[some, 0].any(2).sum(1), found[some, 0].any(1).sum(1)
    assert torch.equal(rows * columns, found[some].sum((1, 2, 3)))  # whole rectangles
    for sides in (rows, columns):
        assert sides.min() >= 9
        assert sides.max() <= 36
        assert sides.float().std() > 4


def test_activations_reach_further_under_them(scenes_p: LoadedModel) -> None:
    """What they are for: heads of the first block, whose range samples understate."""

    def reach(images: Tensor) -> float:
        with torch.no_grad(), record(scenes_p.model) as maps:
            scenes_p.model(scenes_p.normalise(images))
        reached: Tensor = maps[0].heads.abs().flatten().sort().values
        return float(reached[int(0.999 * len(reached))])

    assert reach(views(64)) > 1.2 * reach(pictures(64))


def test_crossed_images_are_coarse_as_one_and_fine_as_another() -> None:
    coarse = torch.randint(90, 166, (200, 3, 1, 1), generator=torch.Generator().manual_seed(1))
    coarse = coarse.expand(-1, -1, 64, 64).to(torch.uint8)  # all that is coarse: one colour
    checks = (torch.arange(64) // 2 % 2 * 40 + 100).expand(200, 3, 64, 64).to(torch.uint8)
    found = crossed(coarse, checks, torch.Generator().manual_seed(0))
    assert found.dtype == torch.uint8
    assert torch.equal(found, crossed(coarse, checks, torch.Generator().manual_seed(0)))
    striped = found.float().std((1, 2, 3)) != coarse.float().std((1, 2, 3))
    assert (found[~striped] == coarse[~striped]).all()
    assert CROSSED * 0.75 < striped.float().mean() < CROSSED * 1.15
    mean, wanted = found.float().mean((2, 3)), coarse.float().mean((2, 3))
    assert (mean - wanted).abs().max() < 1  # stripes as such add no colour
    swing = found.float().std(3).mean((1, 2))[striped]
    assert 12 < swing.max() < 21  # those of the other image: 20
    assert len(crossed(coarse[:0], checks[:0], torch.Generator())) == 0


def test_an_image_crossed_with_its_mirror_image_alone_is_as_it_was() -> None:
    images = pictures(40)
    even = ((images.float() + images.flip(3).float()) / 2).to(torch.uint8)
    found = crossed(even, even, torch.Generator().manual_seed(0))
    assert (found.int() - even.int()).abs().max() <= 1
