"""What weights tell about their architecture, for models that no test of loading builds."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn

from maskaq.models.weights.architecture import Plan, plan
from tests.support.weights_files import model_of, state_of

SWIN = "swin_tiny_patch4_window7_224"
SMALL: dict[str, Any] = {"embed_dim": 8, "depths": (2, 2, 2, 2), "num_heads": (2, 2, 2, 2)}
PATH = Path("x")


def swin(**options: Any) -> nn.Module:
    with torch.device("meta"):
        return timm.create_model(SWIN, num_classes=3, **SMALL, **options)


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, {}),
        ({"img_size": 96}, {"img_size": 96}),  # its last stages are smaller than a window
        ({"img_size": 160}, {"img_size": 160}),
        ({"img_size": 128, "window_size": 4}, {"img_size": 128, "window_size": 4}),
        ({"img_size": 384, "window_size": 12}, {"img_size": 384, "window_size": 12}),
    ],
)
def test_image_and_window_size_of_a_swin(options: dict[str, Any], expected: dict[str, Any]) -> None:
    model = swin(**options)
    found = plan(model.state_dict(), swin(), SWIN, "", PATH)
    assert found.options == expected
    shapes = {key: value.shape for key, value in model.state_dict().items()}
    built = swin(**found.options).state_dict()
    assert {key: value.shape for key, value in built.items()} == shapes
    assert found.size == expected.get("img_size")
    assert bool(found.notes) == bool(expected)


def test_masks_of_shifted_windows_tell_the_image_size() -> None:
    """Older versions of timm stored them; without them the windows fit many sizes."""
    model = swin(img_size=448)
    state = dict(model.state_dict())
    assert plan(state, swin(), SWIN, "", PATH) == Plan({}, (), None)
    state["layers.0.blocks.1.attn_mask"] = model.layers[0].blocks[1].attn_mask
    assert plan(state, swin(), SWIN, "", PATH) == Plan(
        {"img_size": 448}, ("448 x 448 pixels, from the windows of the weights",), 448
    )


def test_the_size_beside_the_weights_is_taken_where_they_do_not_tell() -> None:
    state = dict(swin(img_size=448).state_dict())
    found = plan(state, swin(), SWIN, "", PATH, size=448)
    assert found.options == {"img_size": 448}
    assert found.notes == ("448 x 448 pixels, from the config.json beside the weights",)
    plain = model_of()  # position embeddings tell
    assert plan(state_of(plain), plain, "x", "", PATH, size=448) == Plan({}, (), None)


def test_a_size_that_is_no_multiple_of_its_patches_is_that_of_the_name() -> None:
    model = model_of(img_size=170)  # ten patches of 16
    assert plan(state_of(model), model, "x", "", PATH) == Plan({}, (), None)


def test_a_name_that_averages_takes_weights_of_a_class_token() -> None:
    averages = model_of(global_pool="avg")
    found = plan(state_of(model_of()), averages, "x", "", PATH)
    assert found.options == {"global_pool": "token", "fc_norm": False}
    assert found.notes == ("pooling of the class token, as the weights have norm and no fc_norm",)
    assert plan(state_of(averages), averages, "x", "", PATH) == Plan({}, (), None)
    assert plan(state_of(averages), averages, "x", "avg", PATH) == Plan({}, (), None)


@pytest.mark.parametrize("size", [96, 224, 384])
def test_relative_positions_tell_the_image_size_of_a_beit(size: int) -> None:
    with torch.device("meta"):
        default = timm.create_model("beit_base_patch16_224", depth=1)
        model = timm.create_model("beit_base_patch16_224", depth=1, img_size=size)
        found = plan(model.state_dict(), default, "x", "", PATH)
        built = timm.create_model("beit_base_patch16_224", depth=1, **found.options)
    assert found.options == ({} if size == 224 else {"img_size": size})
    given, expected = (
        {key: one.shape for key, one in each.state_dict().items()} for each in (built, model)
    )
    assert given == expected


@pytest.mark.parametrize("name", ["beit_base_patch16_224", "eva02_tiny_patch14_224"])
def test_the_options_of_other_families(name: str) -> None:
    with torch.device("meta"):
        default = timm.create_model(name, depth=1)
        model = timm.create_model(name, depth=1, global_pool="token")
        assert default.global_pool == "avg"
        found = plan(model.state_dict(), default, name, "", PATH)
        assert found.options == {"global_pool": "token", "use_fc_norm": False}
        built = timm.create_model(name, depth=1, **found.options)
    assert built.state_dict().keys() == model.state_dict().keys()
