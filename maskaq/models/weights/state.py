"""From a weights file to the state dict of one model, under the names of timm."""

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from maskaq.files import split_key
from maskaq.models.weights import original_names, transformers_names
from maskaq.models.weights.containers import model_state
from maskaq.models.weights.reading import read
from maskaq.models.weights.values import check_types, type_note


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights of one model, on the CPU, in the stored types.

    path: the file, for messages. notes: what was decided while reading, each a short sentence.
    transformers: whether they come from the library transformers.
    """

    state: dict[str, Tensor]
    path: Path
    notes: tuple[str, ...] = ()
    transformers: bool = False


def read_weights(path: str | Path) -> Weights:
    """Read the weights of one model.

    path: a safetensors or PyTorch file, the JSON index of one in several files, or a folder with
    either; after a `#`, which of several models in the file to take, as in `checkpoint.pt#student`.

    Raises:
        WeightsError: the file is missing, damaged, in another format, contains Python objects, or
            has no weights of floats.
    """
    file, chosen = split_key(path)
    content = read(file)
    state, notes = model_state(content.value, content.path, chosen)
    check_types(state, content.path)
    weights = Weights(state, content.path, (*content.notes, *notes, *type_note(state)))
    if transformers_names.is_transformers(state):
        renamed, notes = transformers_names.to_timm(state, content.path)
    else:
        renamed, notes = original_names.to_timm(state)
    transformers = transformers_names.is_transformers(state)
    return replace(
        weights, state=renamed, notes=(*weights.notes, *notes), transformers=transformers
    )
