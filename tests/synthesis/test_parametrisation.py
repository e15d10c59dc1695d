from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from maskaq.errors import OptionError
from maskaq.models.loading import LoadedModel
from maskaq.synthesis.parametrisation import PARAMETRISATIONS, Natural, levels, to_uint8


def initial(loaded: LoadedModel, name: str = "natural", count: int = 4, seed: int = 0) -> Natural:
    generator = torch.Generator().manual_seed(seed)
    return PARAMETRISATIONS[name](loaded, count, generator)  # type: ignore[return-value]


def sized(loaded: LoadedModel, size: int) -> LoadedModel:
    return replace(loaded, data_config={**loaded.data_config, "input_size": (3, size, size)})


def loop_natural(planes: list[Tensor], size: int) -> Tensor:
    """The formula for one image at a time, without the model's normalisation."""
    gains = [1, 1, 0.8, 0.5, 0.3, 0.15]
    shown = []
    for image in range(len(planes[0])):
        z = torch.zeros(3, size, size)
        for gain, plane in zip(gains, planes, strict=False):
            z += (
                gain
                * functional.interpolate(plane[image : image + 1], (size, size), mode="bilinear")[0]
            )
        for i in range(3):
            z[i] -= 0.7 * z[i].mean()
        z /= z[0].std()
        red = z[0] + 0.35 * z[1] - 0.2 * z[2]
        green = z[0] + 0.4 * z[2]
        blue = z[0] - 0.35 * z[1] - 0.2 * z[2]
        shown.append(torch.stack([red, green, blue]).mul(1.1).sigmoid())
    return torch.stack(shown)


@pytest.mark.parametrize("size", [64, 224])
def test_natural_equals_its_formula(scenes_p: LoadedModel, size: int) -> None:
    loaded = sized(scenes_p, size)
    natural = initial(loaded, count=2)
    expected = loop_natural([p.detach() for p in natural.parameters()], size)
    pixels = natural.images() * loaded.std + loaded.mean
    torch.testing.assert_close(pixels.detach(), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [32, 64, 96, 224, 225, 384])
def test_natural_pixels_have_the_contrast_of_photographs(scenes_p: LoadedModel, size: int) -> None:
    loaded = sized(scenes_p, size)
    shown = initial(loaded, count=8).images() * loaded.std + loaded.mean
    assert shown.shape == (8, 3, size, size)
    assert 0 < shown.min() < shown.max() < 1
    assert shown.std().item() == pytest.approx(0.23, abs=0.02)


def test_levels_double_up_to_the_image() -> None:
    for size in (16, 32, 64, 100, 224, 384):
        sides = levels(size)
        assert len(sides) >= 5
        assert sides[-1] == size
        assert all(abs(2 * a - b) <= 1 for a, b in pairwise(sides))


def test_contrast_does_not_depend_on_the_scale_of_the_parameters(scenes_p: LoadedModel) -> None:
    natural = initial(scenes_p)
    before = natural.images().detach()
    with torch.no_grad():
        for level in natural.parameters():
            level.mul_(50)
    torch.testing.assert_close(natural.images().detach(), before, atol=1e-4, rtol=0)


def test_pixels_stay_in_the_valid_range(scenes_p: LoadedModel) -> None:
    pixels = initial(scenes_p, "pixels")
    shown = pixels.images() * scenes_p.std + scenes_p.mean
    assert shown.min() == 0
    assert shown.max() == 1
    inside = (shown > 0) & (shown < 1)
    assert 0.5 < inside.float().mean() < 0.75  # 68 % of N(0,1) lies within 1, the limit
    with torch.no_grad():
        pixels.parameters()[0].add_(100)
    pixels.clamp()
    assert to_uint8(pixels.images(), scenes_p).unique().tolist() == [255]


@pytest.mark.parametrize("name", sorted(PARAMETRISATIONS))
def test_resumed_images_are_the_same(scenes_p: LoadedModel, name: str) -> None:
    first = initial(scenes_p, name)
    images = to_uint8(first.images(), scenes_p)
    place = torch.device("cpu")
    again = PARAMETRISATIONS[name].resume(scenes_p, images, first.state(), place)
    difference = to_uint8(again.images(), scenes_p).int() - images.int()
    assert difference.abs().max() <= (1 if name == "natural" else 0)
    assert all(p.is_leaf and p.requires_grad for p in again.parameters())
    with torch.no_grad():
        again.parameters()[-1].zero_()
    assert first.parameters()[-1].abs().sum() > 0


def test_natural_cannot_resume_from_images_alone(scenes_p: LoadedModel) -> None:
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    with pytest.raises(OptionError, match=r"no level0, .*level4.*'pixels'"):
        Natural.resume(scenes_p, images, {}, torch.device("cpu"))


def test_to_uint8_inverts_the_models_normalisation(scenes_p: LoadedModel) -> None:
    images = torch.arange(256, dtype=torch.uint8).repeat(48).view(1, 3, 64, 64)
    assert torch.equal(to_uint8(scenes_p.normalise(images), scenes_p), images)
    wild = torch.tensor([-9.0, 9.0]).repeat(3 * 64 * 32).view(1, 3, 64, 64)
    assert to_uint8(wild, scenes_p).flatten()[:2].tolist() == [0, 255]
