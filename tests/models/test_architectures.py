"""Every name: found, refused with the nearest, or refused with what is supported."""

from __future__ import annotations

import pytest
import timm

from maskaq.errors import ModelError
from maskaq.models.architectures import BUNDLED, build, check_name, model_names, timm_names


def test_listed_names_are_all_good() -> None:
    names = model_names()
    assert next(iter(names)) == "scenes_vit"
    assert {"vit_tiny_patch16_224", "deit_tiny_distilled_patch16_224"} <= set(names)
    assert "vit_small_patch14_dinov2" not in names  # its pretrained weights hold no classifier
    assert names["deit_base_patch16_384"] == "timm, 384x384, 1000 ImageNet classes"
    for name in names:
        check_name(name)
    tagged = [name for name in names if "." in name]
    assert all(timm.get_pretrained_cfg(name).num_classes >= 1000 for name in tagged)


@pytest.mark.parametrize("module", ["vision_transformer", "deit"])
def test_the_list_holds_exactly_what_builds(module: str) -> None:
    """Every fourth one, to be quick."""
    listed = set(timm_names())
    for name in timm.list_models(module=module)[::4]:
        try:
            build(name)
        except ModelError:
            assert name not in listed, name
        else:
            assert name in listed, name


@pytest.mark.parametrize(
    "name",
    ["vit_base_patch16_xp_224", "vit_small_patch16_18x2_224", "vit_dwee_patch16_reg1_gap_256"],
)
def test_other_blocks_are_refused(name: str) -> None:
    assert name not in timm_names()
    with pytest.raises(ModelError, match=rf"attention of {name} is not supported; supported: ViT"):
        build(name)


@pytest.mark.parametrize(
    "name", ["resnet50", "swin_tiny_patch4_window7_224", "vit_relpos_small_patch16_224"]
)
def test_other_architectures_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match=rf"{name} is not supported; supported: scenes_vit; ViT"):
        check_name(name)


@pytest.mark.parametrize(
    "name, near",
    [
        ("scene_vit", "scenes_vit"),
        ("vit_tiny_patch16_24", "vit_tiny_patch16_224"),
        ("diet_tiny_patch16_224", "deit_tiny_patch16_224"),
        ("vit_tiny_patch16_224.augreg", "vit_tiny_patch16_224.augreg_in21k"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ModelError, match=rf"unknown model '{name}'; did you mean .*{near}"):
        check_name(name)


@pytest.mark.parametrize("name", ["", "hf-hub:timm/vit", "../vit", "\0", "ünknown"])
def test_strange_names_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match=r"unknown model .*`python -m maskaq models` lists"):
        check_name(name)


def test_an_architecture_takes_no_memory() -> None:
    model = build("vit_huge_patch14_224", 7)
    assert all(parameter.is_meta for parameter in model.parameters())
    assert model.head.weight.shape == (7, 1280)
    assert build("scenes_vit").head.weight.shape[0] == len(BUNDLED["scenes_vit"].class_names)
