"""Weights of transformers in timm's models: both give the same answers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from timm.models.deit import VisionTransformerDistilled
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from maskaq.errors import WeightsError
from maskaq.models.loading import load_model
from maskaq.models.weights import read_weights
from maskaq.models.weights.fitting import load_weights, widened
from maskaq.models.weights.heads import renamed
from maskaq.models.weights.transformers_names import to_timm

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

SIZE, PATCH, WIDTH, CLASSES = 32, 8, 24, 5
COMMON = dict(
    hidden_size=WIDTH,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=2 * WIDTH,
    mlp_ratio=2,
    image_size=SIZE,
    patch_size=PATCH,
    num_labels=CLASSES,
    layer_norm_eps=1e-6,
)
STAGES = dict(embed_dim=12, depths=[2, 2], num_heads=[2, 2], window_size=4, mlp_ratio=2.0)
VIT: dict[str, Any] = dict(
    img_size=SIZE,
    patch_size=PATCH,
    embed_dim=WIDTH,
    depth=2,
    num_heads=3,
    mlp_ratio=2,
    num_classes=CLASSES,
)
# Model of transformers, its configuration, and the same architecture in timm.
PAIRS: dict[str, tuple[str, dict[str, Any], type[nn.Module], dict[str, Any]]] = {
    "ViT": ("ViT", COMMON, VisionTransformer, VIT),
    "ViT without biases": (
        "ViT",
        {**COMMON, "qkv_bias": False},
        VisionTransformer,
        {**VIT, "qkv_bias": False},
    ),
    "DeiT": ("DeiT", COMMON, VisionTransformer, {**VIT, "reg_tokens": 1}),
    "DeiT with teacher": ("DeiT", COMMON, VisionTransformerDistilled, VIT),
    "DINOv2": ("Dinov2", COMMON, VisionTransformer, {**VIT, "init_values": 1.0}),
    "DINOv2 with registers": (
        "Dinov2WithRegisters",
        {**COMMON, "num_register_tokens": 4},
        VisionTransformer,
        {**VIT, "init_values": 1.0, "reg_tokens": 4, "no_embed_class": True},
    ),
    "Swin": (
        "Swin",
        dict(image_size=SIZE, patch_size=4, num_labels=CLASSES, **STAGES),
        SwinTransformer,
        dict(img_size=SIZE, patch_size=4, num_classes=CLASSES, **STAGES),
    ),
}
IMAGES = torch.linspace(-1, 1, 2 * 3 * SIZE * SIZE).view(2, 3, SIZE, SIZE)


def original(name: str) -> nn.Module:
    """A random model of transformers whose answers depend on every weight."""
    family, settings, _, _ = PAIRS[name]
    ending = "WithTeacher" if "teacher" in name else ""
    torch.manual_seed(0)
    kind = getattr(transformers, f"{family}ForImageClassification{ending}")
    model = kind(getattr(transformers, f"{family}Config")(**settings)).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.requires_grad_(False)


def answers(name: str, state: dict[str, Tensor], path: Path = Path("x")) -> Tensor:
    """Logits of timm's architecture with these weights of timm's names."""
    _, _, kind, settings = PAIRS[name]
    with torch.device("meta"):
        model = kind(**settings)
    target = "head.fc" if kind is SwinTransformer else "head"
    fitting, _ = renamed(state, target, path)
    widened(model, fitting, transformers=True)
    load_weights(model, fitting, path)
    with torch.no_grad():
        return model.eval()(IMAGES)


@pytest.mark.parametrize("name", PAIRS)
def test_answers_agree(name: str, tmp_path: Path) -> None:
    """From the folder that transformers writes, and from the state dict of its model."""
    model = original(name)
    expected = model(IMAGES).logits
    assert expected.std() > 0.1
    model.save_pretrained(tmp_path)
    weights = read_weights(tmp_path)
    assert weights.transformers
    assert "turned the names of transformers into those of timm" in weights.notes
    torch.testing.assert_close(answers(name, weights.state), expected, rtol=1e-5, atol=1e-5)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "own.pt")
    weights = read_weights(tmp_path / "own.pt")
    torch.testing.assert_close(answers(name, weights.state), expected, rtol=1e-5, atol=1e-5)


def test_a_bare_model_has_the_same_names_without_its_head() -> None:
    model = original("ViT")
    whole, _ = to_timm(dict(model.state_dict()), "x")
    bare, notes = to_timm(dict(model.vit.state_dict()), "x")
    assert set(whole) - set(bare) == {"head.weight", "head.bias"}
    assert notes == ("turned the names of transformers into those of timm",)


def test_what_no_classifier_uses_is_left_out_and_said() -> None:
    state = dict(original("DINOv2").state_dict())
    state["dinov2.pooler.dense.weight"] = torch.zeros(1)
    names, notes = to_timm(state, "x")
    assert not any("pooler" in key or "mask" in key for key in names)
    assert "left out embeddings.mask_token, pooler.dense.weight, which no classifier uses" in notes


def test_a_missing_key_is_named() -> None:
    state = dict(original("ViT").state_dict())
    lost = next(key for key in state if key.endswith("k_proj.weight"))
    del state[lost]
    with pytest.raises(WeightsError, match=r"x has blocks\.0\.attn\.query\.weight, but lacks blo"):
        to_timm(state, "x")


def test_the_distillation_token_becomes_a_register() -> None:
    state, _ = to_timm(dict(original("DeiT").state_dict()), "x")
    assert {"reg_token", "head.weight"} <= set(state)
    assert not any("dist" in key for key in state)
    state, notes = to_timm(dict(original("DeiT with teacher").state_dict()), "x")
    assert {"dist_token", "head.weight", "head_dist.weight"} <= set(state)
    assert len(notes) == 1


@pytest.mark.parametrize("saved", ["folder", "state"])
def test_a_model_with_small_values_agrees_too(tmp_path: Path, saved: str) -> None:
    """Where the variance is small, what the LayerNorms add to it shows in the answers."""
    torch.manual_seed(0)
    config = dict(COMMON, hidden_size=192, num_hidden_layers=12, intermediate_size=768)
    config |= dict(image_size=32, patch_size=16, layer_norm_eps=1e-12)
    model = transformers.ViTForImageClassification(transformers.ViTConfig(**config)).eval()
    nn.init.normal_(model.classifier.weight, std=1.0)
    if saved == "folder":
        model.save_pretrained(tmp_path)
    else:
        torch.save(model.state_dict(), tmp_path / "model.pt")
    loaded = load_model("vit_tiny_patch16_224", tmp_path)
    with torch.no_grad():
        expected, given = model(IMAGES).logits, loaded.model(IMAGES)
    torch.testing.assert_close(given, expected, rtol=1e-5, atol=1e-5)
    assert loaded.notes[-1] == "32 x 32 pixels, from the position embeddings of the weights"


def test_a_swin_is_loaded_by_its_name(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = transformers.SwinForImageClassification(transformers.SwinConfig(num_labels=3)).eval()
    nn.init.normal_(model.classifier.weight, std=1.0)
    model.save_pretrained(tmp_path)
    loaded = load_model("swin_tiny_patch4_window7_224", tmp_path)
    images = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        expected, given = model(images).logits, loaded.model(images)
    torch.testing.assert_close(given, expected, rtol=1e-5, atol=1e-5)
    assert loaded.class_names == ("class 0", "class 1", "class 2")
