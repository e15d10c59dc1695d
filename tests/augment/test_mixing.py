import torch
from torch import Tensor

from maskaq.augment.mixing import COMBINED, _areas, combine_frequencies, vary
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel


def pictures(n: int, size: int = 64) -> Tensor:
    """Smooth colours around medium grey, uint8."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand((n, 3, 5, 5), generator=generator)
    fine = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")
    return (fine * 120 + 68).to(torch.uint8)


def views(n: int, seed: int = 0) -> Tensor:
    return vary(pictures(n), torch.Generator().manual_seed(seed))


def test_views_have_the_same_shape_and_repeat_with_the_seed() -> None:
    result = views(6)
    assert result.dtype == torch.uint8
    assert result.shape == (6, 3, 64, 64)
    assert torch.equal(result, views(6))
    assert not torch.equal(result, views(6, seed=1))
    assert len(vary(pictures(1)[:0], torch.Generator())) == 0


def test_some_have_an_area_of_uniform_colour_inside_or_around() -> None:
    result = views(200)
    flat = (result[..., 1:] == result[..., :-1]).all(1)[:, :-1] & (
        result[:, :, 1:] == result[:, :, :-1]
    ).all(1)[:, :, :-1]  # [N,S-1,S-1], where three neighbours are equal in all channels
    corner = flat[:, :4, :4].all((1, 2)) & flat[:, -4:, -4:].all((1, 2))
    share = (flat.float().mean((1, 2)) > 0.03).float().mean()
    assert 0.3 < share < 0.65  # with pixel noise nothing else is flat
    assert 0.1 < corner.float().mean() < 0.35


def test_contrast_exceeds_that_of_the_samples() -> None:
    before, after = pictures(200), views(200)
    assert before.float().std((1, 2, 3)).max() < 45
    spread = after.float().std((1, 2, 3))
    assert spread.quantile(0.9) > 50
    assert ((after == 0) | (after == 255)).float().mean() > 0.03


def test_rectangles_have_the_requested_sides_and_share() -> None:
    images = torch.zeros(400, 3, 50, 50)
    result = _areas(images, 0.4, (0.2, 0.7), torch.Generator().manual_seed(0))
    assert result.shape == (400, 1, 50, 50)
    some = result.flatten(1).any(1)
    assert 0.33 < some.float().mean() < 0.47
    rows, columns = result[some, 0].any(2).sum(1), result[some, 0].any(1).sum(1)
    assert torch.equal(rows * columns, result[some].sum((1, 2, 3)))  # whole rectangles
    for sides in (rows, columns):
        assert sides.min() >= 9
        assert sides.max() <= 36
        assert sides.float().std() > 4


def test_views_increase_the_range_of_activations(scenes_p: LoadedModel) -> None:
    """The purpose of the views: samples underestimate the range of the heads of the first block."""

    def reach(images: Tensor) -> float:
        with torch.no_grad(), record(scenes_p.model) as maps:
            scenes_p.model(scenes_p.normalise(images))
        reached: Tensor = maps[0].heads.abs().flatten().sort().values
        return float(reached[int(0.999 * len(reached))])

    assert reach(views(64)) > 1.2 * reach(pictures(64))


def test_combined_images_have_the_layout_of_one_and_the_texture_of_another() -> None:
    coarse = torch.randint(90, 166, (200, 3, 1, 1), generator=torch.Generator().manual_seed(1))
    coarse = coarse.expand(-1, -1, 64, 64).to(torch.uint8)  # coarse structure: a uniform colour
    stripes = (torch.arange(64) // 2 % 2 * 40 + 100).expand(200, 3, 64, 64).to(torch.uint8)
    result = combine_frequencies(coarse, stripes, torch.Generator().manual_seed(0))
    assert result.dtype == torch.uint8
    assert torch.equal(
        result, combine_frequencies(coarse, stripes, torch.Generator().manual_seed(0))
    )
    striped = result.float().std((1, 2, 3)) != coarse.float().std((1, 2, 3))
    assert (result[~striped] == coarse[~striped]).all()
    assert COMBINED * 0.75 < striped.float().mean() < COMBINED * 1.15
    mean, target = result.float().mean((2, 3)), coarse.float().mean((2, 3))
    assert (mean - target).abs().max() < 1  # the stripes do not change the mean colour
    swing = result.float().std(3).mean((1, 2))[striped]
    assert 12 < swing.max() < 21  # that of the stripes is 20
    assert len(combine_frequencies(coarse[:0], stripes[:0], torch.Generator())) == 0


def test_a_symmetric_image_combined_with_itself_is_unchanged() -> None:
    images = pictures(40)
    even = ((images.float() + images.flip(3).float()) / 2).to(torch.uint8)
    result = combine_frequencies(even, even, torch.Generator().manual_seed(0))
    assert (result.int() - even.int()).abs().max() <= 1
