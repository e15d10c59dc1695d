"""Classification heads under the names that finetuning gives them."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from maskaq.errors import WeightsError
from maskaq.models.weights.heads import head_classes, renamed, target_of

PATH = Path("w.pt")
BODY = {"norm.weight": torch.ones(4), "blocks.0.attn.qkv.weight": torch.ones(12, 4)}
HEAD = {"weight": torch.ones(3, 4), "bias": torch.arange(3.0)}


def with_head(*names: str) -> dict[str, Tensor]:
    return BODY | {f"{name}.{key}": value for name in names for key, value in HEAD.items()}


@pytest.mark.parametrize("target", ["head", "head.fc"])
@pytest.mark.parametrize(
    "name",
    ["head", "head.0", "head.1", "head.fc", "classifier", "classifier.1", "fc", "heads.head"],
)
def test_one_linear_layer_is_the_head_whatever_its_name(name: str, target: str) -> None:
    state, notes = renamed(with_head(name), target, PATH)
    assert set(state) == {*BODY, f"{target}.weight", f"{target}.bias"}
    assert torch.equal(state[f"{target}.bias"], HEAD["bias"])
    assert head_classes(state, target) == 3
    assert notes == (() if name == target else (f"took `{name}` as the classification head",))


def test_a_head_without_bias_is_renamed_too() -> None:
    assert "head.weight" in renamed({"fc.weight": HEAD["weight"]}, "head", PATH)[0]


@pytest.mark.parametrize(
    "state, layers",
    [
        (with_head("head.0", "head.2"), r"head\.0, head\.2"),
        (with_head("head", "classifier"), "classifier, head"),
        (with_head("head.1") | {"head.0.weight": torch.ones(4)}, r"head\.0, head\.1"),
        (with_head("head.1") | {"head.0.running_mean": torch.ones(4)}, r"head\.0, head\.1"),
        ({"head.last_layer.weight_g": torch.ones(4, 1)}, r"head\.last_layer"),
    ],
)
def test_a_head_of_several_layers_is_refused_by_name(state: dict[str, Tensor], layers: str) -> None:
    with pytest.raises(WeightsError, match=rf"w\.pt has a head of several layers \({layers}\), "):
        renamed(BODY | state, "head", PATH)


def test_weights_without_a_head_stay_as_they_are() -> None:
    assert renamed(dict(BODY), "head", PATH) == (BODY, ())
    assert head_classes(BODY) is None
    both = with_head("head", "head_dist")  # of a distilled DeiT
    assert renamed(both, "head", PATH) == (both, ())


def test_the_head_of_a_swin_is_named_fc() -> None:
    assert target_of({"head.fc.weight": 0}) == "head.fc"
    assert target_of({"head.weight": 0}) == target_of({}) == "head"
