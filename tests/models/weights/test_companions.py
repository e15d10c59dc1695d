"""The files beside weights: what they decide, and what they make impossible."""

import json
from pathlib import Path

import pytest
from safetensors.torch import save_file

from maskaq.errors import WeightsError
from maskaq.models.weights import fitted, read_weights
from maskaq.models.weights.companions import Companions, beside
from tests.support.weights_files import NAME, model_of

NORM = {"image_mean": [0.1, 0.2, 0.3], "image_std": [1.0, 2.0, 3.0]}
PLAIN = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


def write(folder: Path, **files: object) -> Path:
    """JSON files in a folder, by their stems; returns the path of weights beside them."""
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / f"{name}.json").write_text(text)
    return folder / "model.safetensors"


def test_what_the_files_of_transformers_say(tmp_path: Path) -> None:
    config = {"model_type": "vit", "hidden_act": "gelu", "num_attention_heads": 4, "image_size": 96}
    config["layer_norm_eps"] = 1e-8
    weights = write(tmp_path, config=config, preprocessor_config=NORM)
    assert beside(weights, True) == Companions(96, 4, 1e-8, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0))
    stages = write(tmp_path, config={"num_heads": [3, 6], "image_size": [224, 112]})
    assert beside(stages, True) == Companions(None, 3, None, (0.1, 0.2, 0.3), (1.0, 2.0, 3.0))


def test_without_files_nothing_is_said(tmp_path: Path) -> None:
    for transformers in (True, False):
        assert beside(tmp_path / "w.pt", transformers) == Companions()
    odd = {"image_mean": [0.5], "image_std": ["a", "b", "c"]}
    assert beside(write(tmp_path, config=[1], preprocessor_config=odd), True) == Companions()


def test_another_activation_is_refused(tmp_path: Path) -> None:
    weights = write(tmp_path, config={"hidden_act": "quick_gelu"})
    with pytest.raises(WeightsError, match="has the activation 'quick_gelu'; timm's models have"):
        beside(weights, True)


def test_a_damaged_file_matters_to_transformers_only(tmp_path: Path) -> None:
    weights = write(tmp_path, config="{")
    with pytest.raises(WeightsError, match=r"config\.json is text, or JSON that is damaged"):
        beside(weights, True)
    assert beside(weights, False) == Companions()


def test_another_number_of_heads_is_refused() -> None:
    """The shapes are the same, so nothing else would notice."""
    model = model_of()
    heads = model.blocks[0].attn.num_heads
    Companions(heads=heads).check(model, NAME, Path("x"))
    message = (
        rf"x: its config\.json has {2 * heads} attention heads .*, {NAME} has {heads}; pass an"
    )
    with pytest.raises(WeightsError, match=message):
        Companions(heads=2 * heads).check(model, NAME, Path("x"))


def test_only_what_differs_is_changed() -> None:
    assert Companions().changed(PLAIN) == {}
    assert Companions(mean=(0.5, 0.5, 0.5001), std=(0.5,) * 3).changed(PLAIN) == {}
    assert Companions(std=(0.5, 0.5, 0.6)).changed(PLAIN) == {"std": (0.5, 0.5, 0.6)}


def test_preprocessing_beside_the_weights_is_used_and_said(tmp_path: Path) -> None:
    """timm writes it where it stores a model."""
    save_file(model_of().state_dict(), write(tmp_path))
    plain = fitted(NAME, read_weights(tmp_path))
    assert plain.notes == ()
    own = {"mean": [0.1, 0.2, 0.3], "std": list(plain.data_config["std"])}
    write(tmp_path, config={"architecture": NAME, "pretrained_cfg": own})
    found = fitted(NAME, read_weights(tmp_path))
    assert found.notes == ("mean of the channels from beside the weights",)
    assert found.data_config == {**plain.data_config, "mean": (0.1, 0.2, 0.3)}
