"""A model from a name and weights: loaded unchanged, built as they need it, or refused."""

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import Tensor

from maskaq.errors import OptionError, WeightsError
from maskaq.models.architectures import build
from maskaq.models.weights import Weights, fitted, head_classes, load_weights, matching_models
from tests.support.weights_files import CLASSES, model_of, state_of
from tests.support.weights_files import NAME as SMALLEST

NAME = "deit_tiny_distilled_patch16_224"
STATE = {"a": torch.arange(6.0).view(2, 3), "b.bias": torch.zeros(2)}


def zero_weights(name: str, classes: int | None = None) -> dict[str, Tensor]:
    """A state dict of zeros with the shapes of a model."""
    return {
        key: torch.zeros(value.shape) for key, value in build(name, classes).state_dict().items()
    }


def test_weights_are_loaded_unchanged_in_float32() -> None:
    torch.manual_seed(0)
    state = {
        key: torch.randn_like(value).half() for key, value in zero_weights("scenes_vit").items()
    }
    model = build("scenes_vit")
    load_weights(model, state, "x")
    for key, value in model.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, state[key].float())
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 10)


def test_the_number_of_classes_is_that_of_the_head() -> None:
    assert head_classes(zero_weights(NAME, 37)) == 37
    assert head_classes({"head.weight": torch.zeros(3)}) is None
    assert head_classes(STATE) is None


@pytest.mark.parametrize("name", [NAME, "vit_small_patch32_384", "scenes_vit"])
def test_weights_are_recognised(name: str) -> None:
    assert name in matching_models(zero_weights(name))


def test_recognition_ignores_the_number_of_classes() -> None:
    assert matching_models(zero_weights(NAME, 3)) == [NAME]
    assert matching_models(STATE) == []


def refusal(name: str, state: dict[str, Tensor]) -> str:
    with pytest.raises(WeightsError) as caught:
        load_weights(build(name, head_classes(state)), state, "own.pth")
    return str(caught.value)


def test_missing_and_unexpected_keys_are_listed() -> None:
    state = zero_weights(NAME)
    state["extra.weight"] = state.pop("norm.bias")
    message = refusal(NAME, state)
    assert message.startswith(
        "own.pth does not fit. Missing keys: norm.bias. Unexpected keys: extra."
    )
    assert "Mismatched shapes" not in message
    assert "a Vision Transformer with width 192, depth 12 and patch size 16" in message


def test_weights_of_another_model_are_refused_with_its_name() -> None:
    message = refusal("vit_tiny_patch16_224", zero_weights(NAME))
    assert "Unexpected keys: dist_token, head_dist.weight, head_dist.bias." in message
    assert "Mismatched shapes: pos_embed is [1, 198, 192], needs [1, 197, 192]." in message
    assert f"look like {NAME}: pass --model {NAME}." in message
    message = refusal("deit_small_patch16_224", zero_weights("scenes_vit"))
    assert "Missing keys: blocks.6.norm1.weight," in message
    assert " and 68 more. Mismatched shapes:" in message  # six blocks of twelve keys, four named
    assert "pass --model scenes_vit." in message


def test_weights_of_another_kind_of_model_are_refused() -> None:
    assert "not a checkpoint of a timm Vision Transformer" in refusal("scenes_vit", STATE)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_weights_are_refused(value: float) -> None:
    state = zero_weights("scenes_vit")
    state["blocks.2.mlp.fc1.bias"][7] = value
    with pytest.raises(WeightsError, match=r"NaN or infinite weights in blocks\.2\.mlp\.fc1\.bias"):
        load_weights(build("scenes_vit"), state, "own.pth")


def answers(name: str, state: dict[str, Tensor], images: Tensor, **how: Any) -> Tensor:
    found = fitted(name, Weights(state, Path("own.pth")), **how)
    with torch.no_grad():
        return found.model.eval()(images)


def notes(name: str, state: dict[str, Tensor], **how: Any) -> tuple[str, ...]:
    return fitted(name, Weights(state, Path("own.pth")), **how).notes


def pictures(size: int, channels: int = 3) -> Tensor:
    """Two random pictures [2,channels,size,size]."""
    return torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    "options, size, note",
    [
        ({}, 160, ()),
        ({"img_size": 96}, 96, ("96 x 96 pixels, from the position embeddings of the weights",)),
        (
            {"img_size": 208},
            208,
            ("208 x 208 pixels, from the position embeddings of the weights",),
        ),
        (
            {"global_pool": "avg"},
            160,
            ("average pooling over the patches, as the weights have fc_norm",),
        ),
        ({"global_pool": "avg", "class_token": False}, 160, ("average pooling, as the weights",)),
        ({"global_pool": "map"}, 160, ("attention pooling, as the weights have attn_pool",)),
        ({"reg_tokens": 2}, 160, ("register tokens: 2, as in the weights",)),
        ({"reg_tokens": 2, "img_size": 96}, 96, ("register tokens: 2", "96 x 96 pixels, from")),
    ],
)
def test_the_model_is_built_as_its_weights_need_it(
    options: dict[str, Any], size: int, note: tuple[str, ...]
) -> None:
    model = model_of(**options)
    state, images = state_of(model), pictures(size)
    torch.testing.assert_close(answers(SMALLEST, state, images), model(images))
    said = notes(SMALLEST, state)
    assert len(said) == len(note)
    assert all(one.startswith(other) for one, other in zip(said, note, strict=True))


def test_pooling_can_be_asked_for() -> None:
    model = model_of(global_pool="avg", fc_norm=False)  # the same names as with the class token
    state, images = state_of(model), pictures(160)
    assert not torch.allclose(answers(SMALLEST, state, images), model(images))
    torch.testing.assert_close(answers(SMALLEST, state, images, global_pool="avg"), model(images))
    assert notes(SMALLEST, state, global_pool="avg") == ()
    model = model_of(global_pool="token", fc_norm=True)
    state = state_of(model)
    torch.testing.assert_close(answers(SMALLEST, state, images, global_pool="token"), model(images))


def test_a_pooling_that_does_not_suit_is_refused() -> None:
    state = state_of(model_of(global_pool="map"))
    with pytest.raises(OptionError, match="global_pool is 'avg', but test_vit pools by attention"):
        fitted(SMALLEST, Weights(state, Path("x")), "avg")
    state = state_of(model_of(global_pool="avg", class_token=False))
    with pytest.raises(
        OptionError, match="the weights of test_vit have no class token; allowed: a"
    ):
        fitted(SMALLEST, Weights(state, Path("x")), "token")
    with pytest.raises(OptionError, match="that of scenes_vit is fixed; leave it out"):
        fitted("scenes_vit", Weights(zero_weights("scenes_vit"), Path("x")), "avg")
    with pytest.raises(WeightsError, match=f"x needs {NAME} with global_pool=avg.*not build"):
        fitted(NAME, Weights(zero_weights(NAME), Path("x")), "avg")


def test_images_that_are_not_square_are_refused() -> None:
    state = state_of(model_of(img_size=(96, 160)))
    with pytest.raises(WeightsError, match=r"of 60 patches, which do not form a square"):
        fitted(SMALLEST, Weights(state, Path("x")))


def test_another_patch_size_is_refused_with_the_models_that_fit() -> None:
    state = zero_weights("vit_small_patch32_224")
    with pytest.raises(WeightsError) as caught:
        fitted("vit_small_patch16_224", Weights(state, Path("x")))
    assert str(caught.value).startswith(
        "x has patches of 32 x 32 pixels, vit_small_patch16_224 of 16 x 16. The weights look like "
        "vit_small_patch32_224"
    )


@pytest.mark.slow
def test_the_given_name_is_not_recommended() -> None:
    state = state_of(model_of())
    del state["blocks.0.norm1.bias"]
    with pytest.raises(WeightsError, match=r"Missing keys: blocks\.0\.norm1\.bias") as caught:
        fitted(SMALLEST, Weights(state, Path("x")))
    assert f"--model {SMALLEST}" not in str(caught.value)
    assert f"Width, depth and patch size are those of {SMALLEST}: pass" in str(caught.value)


def test_a_distilled_model_and_a_plain_one_are_told_apart() -> None:
    with pytest.raises(WeightsError, match=rf"Unexpected keys: dist_token.*pass --model {NAME}\."):
        fitted("deit_tiny_patch16_224", Weights(zero_weights(NAME), Path("x")))


def test_another_image_size_does_not_hide_which_model_it_is() -> None:
    state = zero_weights("vit_small_patch32_224")
    state["pos_embed"] = torch.zeros(1, 1 + 3 * 3, 384)  # 96 pixels
    assert matching_models(state)[0] == "vit_small_patch32_224"


def test_weights_of_a_swin_are_described() -> None:
    how: dict[str, Any] = {"depths": (2, 2, 1, 2), "embed_dim": 48, "num_heads": (1, 1, 1, 1)}
    with torch.device("meta"):
        model = timm.create_model("swin_tiny_patch4_window7_224", **how)
    state = {key: torch.zeros(value.shape) for key, value in model.state_dict().items()}
    with pytest.raises(WeightsError, match=r"patches of 4 x 4 pixels, .* of 16 x 16\.") as caught:
        fitted("test_vit", Weights(state, Path("x")))
    message = "a Swin Transformer with width 48, stages of 2, 2, 1, 2 blocks and patch size 4: pass"
    assert message in str(caught.value)


def test_weights_without_a_head_output_features() -> None:
    model = model_of()
    state = {key: one for key, one in state_of(model).items() if not key.startswith("head")}
    found = fitted(SMALLEST, Weights(state, Path("x")))
    assert found.notes == ("the weights have no classification head (head.weight)",)
    images = pictures(160)
    model.reset_classifier(0)
    torch.testing.assert_close(found.model.eval()(images), model(images))


@pytest.mark.parametrize("size", [160, 96])
def test_weights_for_grey_pictures_read_colour_as_grey(size: int) -> None:
    model = model_of(in_chans=1, img_size=size)
    images = pictures(size)
    luma = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    grey = (images * luma).sum(1, keepdim=True)  # [2,1,size,size]
    found = fitted(SMALLEST, Weights(state_of(model), Path("x")))
    torch.testing.assert_close(found.model.eval()(images), model(grey), rtol=1e-4, atol=1e-4)
    assert len({*found.data_config["mean"]}) == len({*found.data_config["std"]}) == 1
    assert found.notes[-1] == "one input channel: pictures are turned to grey"


@pytest.mark.parametrize("channels", [2, 4, 13])
def test_other_numbers_of_channels_are_refused(channels: int) -> None:
    state = state_of(model_of(in_chans=channels))
    with pytest.raises(WeightsError, match=rf"pictures of {channels} channels; allowed: 3 .* or 1"):
        fitted(SMALLEST, Weights(state, Path("x")))


def test_buffers_of_older_versions_are_left_out() -> None:
    state = state_of(model_of()) | {"blocks.0.attn.relative_position_index": torch.zeros(4).long()}
    assert fitted(SMALLEST, Weights(state, Path("x"))).model.num_classes == CLASSES


def test_weights_too_large_for_float32_are_refused() -> None:
    state = {key: value.double() for key, value in state_of(model_of()).items()}
    state["head.bias"][1] = 1e300
    with pytest.raises(WeightsError, match=r"weights too large for float32 in head\.bias"):
        fitted(SMALLEST, Weights(state, Path("x")))


def test_buffers_that_are_not_stored_are_computed() -> None:
    """The windows of a Swin need indices and masks, which its files do not have."""
    how: dict[str, Any] = {"img_size": 64, "window_size": 2, "depths": (2, 2), "num_heads": (2, 2)}
    torch.manual_seed(0)
    model = timm.create_model("swin_tiny_patch4_window7_224", embed_dim=8, **how).eval()
    with torch.device("meta"):
        copy = timm.create_model("swin_tiny_patch4_window7_224", embed_dim=8, **how).eval()
    load_weights(copy, model.state_dict(), "x")
    images = pictures(64)
    assert torch.equal(copy(images), model(images))
