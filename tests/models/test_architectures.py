"""Model names: accepted, refused with the nearest name, or refused with what is supported."""

import pytest
import timm

from maskaq.errors import ModelError
from maskaq.models.architectures import BUNDLED, build, check_name, pretrained, timm_names
from maskaq.models.menu import Pretrained


def test_pretrained_names_load_a_classifier() -> None:
    found = {name: one for name in timm_names() if (one := pretrained(name))}
    assert {"vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224"} <= set(found)
    assert "vit_small_patch14_dinov2" not in found  # its pretrained weights have no classifier
    assert found["deit_base_patch16_384"] == Pretrained(
        "deit_base_patch16_384",
        384,
        1000,
        "timm/deit_base_patch16_384.fb_in1k",
        "model.safetensors",
    )
    for one in found.values():
        check_name(one.name)
    tagged = [one.name for one in found.values() if "." in one.name]
    assert all(timm.get_pretrained_cfg(name).num_classes >= 1000 for name in tagged)


@pytest.mark.parametrize(
    "module", ["deit", "swin_transformer", pytest.param("eva", marks=pytest.mark.slow)]
)
def test_the_listed_names_are_exactly_those_that_build(module: str) -> None:
    """Checks every sixth name, to be quick."""
    listed = set(timm_names())
    for name in timm.list_models(module=module)[::6]:
        try:
            build(name)
        except ModelError:
            assert name not in listed, name
        else:
            assert name in listed, name


@pytest.mark.parametrize(
    "name", ["resnet18", "cait_xxs24_224", "pvt_v2_b0", "xcit_nano_12_p16_224"]
)
def test_models_without_attention_between_patches_are_refused_by_name(name: str) -> None:
    assert name not in timm_names()
    check_name(name)  # a name of timm
    with pytest.raises(
        ModelError,
        match=rf"{name} is not supported; supported: scenes_vit, scenes_swin, .*Swin, Swin",
    ):
        build(name)


@pytest.mark.parametrize(
    "name, near",
    [
        ("scene_vit", "scenes_vit"),
        ("vit_tiny_patch16_24", "vit_tiny_patch16_224"),
        ("diet_tiny_patch16_224", "deit_tiny_patch16_224"),
        ("vit_tiny_patch16_224.augreg", "vit_tiny_patch16_224.augreg_in21k"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ModelError, match=rf"unknown model '{name}'; did you mean .*{near}"):
        check_name(name)


@pytest.mark.parametrize("name", ["", "hf-hub:timm/vit", "../vit", "\0", "ünknown"])
def test_malformed_names_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"unknown model .*`python -m maskaq models` lists"):
        check_name(name)


def test_an_architecture_allocates_no_memory() -> None:
    model = build("vit_huge_patch14_224", 7)
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model.head.weight.shape == (7, 1280)
    assert build("scenes_vit").head.weight.shape[0] == len(BUNDLED["scenes_vit"].class_names)
