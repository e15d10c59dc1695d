"""The classification head under the name of timm, from the many that finetuning gives it."""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from maskaq.errors import WeightsError

State = dict[str, Tensor]
_ROOT = re.compile(r"(head|heads|classifier|fc|cls_head|mlp_head|linear|linear_head)\.")


def target_of(expected: Mapping[str, object]) -> str:
    """The name of the head in a model with these keys: `head.fc` in Swin, else `head`."""
    return "head.fc" if "head.fc.weight" in expected else "head"


def renamed(state: State, target: str, path: Path) -> tuple[State, tuple[str, ...]]:
    """The state with its head named `target`, and a note if the head had another name.

    Raises:
        WeightsError: the head has several linear layers, or others.
    """
    inside = sorted(key for key in state if _ROOT.match(key))
    layers = sorted({key.rpartition(".")[0] for key in inside})
    if not inside or layers == [target]:
        return state, ()
    other = [key for key in inside if key.rpartition(".")[2] not in ("weight", "bias")]
    flat = [name for name in layers if name + ".weight" not in state]
    flat += [name for name in layers if name not in flat and state[name + ".weight"].ndim != 2]
    if other or flat or len(layers) > 1:
        raise WeightsError(
            f"{path} has a head of several layers ({', '.join(layers)}), where timm's models have "
            f"one linear layer ({target}); train a linear head, or remove the other layers."
        )
    names = {key: target + key.removeprefix(layers[0]) for key in inside}
    note = f"took `{layers[0]}` as the classification head"
    return {names.get(key, key): value for key, value in state.items()}, (note,)


def head_classes(state: Mapping[str, Tensor], target: str = "head") -> int | None:
    """Number of classes of the stored head; None without a head."""
    head = state.get(f"{target}.weight")
    return None if head is None or head.ndim != 2 else len(head)
