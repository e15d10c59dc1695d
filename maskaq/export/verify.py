"""Compare an exported file with Q: code by code, then by its answers.

Logits cannot tell whether a file is right: with 1e-4 of noise on its input, Q itself changes some
of its answers, because values close to the middle between two levels round the other way. So each
rounding of the file is given to Q's quantizer with the same input, and the codes have to be equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from maskaq.config import components
from maskaq.errors import ExportError, some
from maskaq.evaluation.accuracy import batch_size_for
from maskaq.export.compact import constants, full_names
from maskaq.export.graph import NIBBLE
from maskaq.export.session import ExportedModel, outputs_of
from maskaq.intervals import Interval
from maskaq.models.loading import LoadedModel
from maskaq.quantization.quantizers.base import Quantizer
from maskaq.quantization.storage import weight_codes
from maskaq.results.comparison import Scored, between
from maskaq.runs.context import Data
from maskaq.tasks import TASKS
from maskaq.tasks.base import Evaluation

NOISE = 1e-4  # standard deviation, of inputs with standard deviation 1
_TIE = 1e-3  # distance from the middle between two levels, in steps
_BYTE = 256


@dataclass(frozen=True)
class Codes:
    """Codes of a file beside Q's. weights, activations: how many were compared, all of them equal
    except for `ties`: activations in the middle between two levels, up to float error.
    """

    weights: int
    activations: int
    ties: int


@dataclass(frozen=True)
class Answers:
    """Answers of a file on labelled images, beside Q's.

    top1: main metric of the file. metric: its name. q: of Q. difference: of the two on the same
    images. agreement: as in `tasks.base.Evaluation`, in classification the share of the images with
    the same predicted class. floor: the same for Q and Q under 1e-4 of input noise, which no
    correct file has to exceed.
    """

    top1: Interval
    q: Interval
    difference: Interval
    agreement: Interval
    floor: Interval
    metric: str = "top-1"


def compare_codes(made: onnx.ModelProto, q: nn.Module, images: Tensor) -> Codes:
    """Compare every weight, and every rounding of normalised images [B,3,H,W].

    Raises:
        ExportError: a code differs by more than float rounding explains.
    """
    weights = _compare_weights(made, q)
    roundings = [node for node in made.graph.node if node.op_type == "QuantizeLinear"]
    names = [name for node in roundings for name in (node.input[0], node.output[0])]
    values = outputs_of(made, [*dict.fromkeys(names)], images)
    stored = {one.name: one for one in made.graph.initializer}
    long = full_names(made)
    activations = ties = 0
    for node in roundings:
        place = long[node.input[1]].removesuffix(".scale")
        zero = numpy_helper.to_array(stored[node.input[2]])
        x = torch.from_numpy(values[node.input[0]])
        codes = torch.from_numpy(values[node.output[0]].astype("float32")) - float(zero)
        scale = float(numpy_helper.to_array(stored[node.input[1]]))
        mine = (_quantizer_of(q, place).quantize(x) / scale).round()
        different = mine != codes
        fraction = (x / scale - (x / scale).floor() - 0.5).abs()
        if bool((different & (fraction > _TIE)).any()):
            raise ExportError(f"the file rounds {place} in another way than Q; please report this.")
        activations += codes.numel()
        ties += int(different.sum())
    return Codes(weights, activations, ties)


def _quantizer_of(q: nn.Module, place: str) -> Quantizer:
    layer, inside, _ = place.rpartition(".input")
    module: Any = q.get_submodule(layer).input_quantizer if inside else q.get_submodule(place)
    return module  # type: ignore[no-any-return]


def _compare_weights(made: onnx.ModelProto, q: nn.Module) -> int:
    stored = {name: numpy_helper.to_array(one) for name, one in constants(made).items()}
    count, wrong = 0, []
    for name, layer in q.named_modules():
        if not hasattr(layer, "weight_quantizer"):
            continue
        own: Any = layer
        codes = weight_codes(layer)  # [C_out,...]
        plain, packed = stored.get(f"{name}.weight.codes"), stored.get(f"{name}.codes")
        if packed is not None:
            low, high = packed & 15, packed >> NIBBLE  # [C_out,n,block/2] each
            both = torch.stack([torch.from_numpy(low), torch.from_numpy(high)], -1)
            found = both.flatten(1)[:, : codes.shape[1]].float() - 2 ** (NIBBLE - 1)
        elif plain is not None:
            shift = _BYTE // 2 if plain.dtype == "uint8" else 0
            found = torch.from_numpy(plain.astype("float32")) - shift
            found = found.T if isinstance(own, nn.Linear) else found  # [C_out,...]
        else:
            wrong.append(name)
            continue
        count += codes.numel()
        if not torch.equal(found, codes.cpu()):
            wrong.append(name)
    if wrong:
        raise ExportError(f"the file has other weights than Q: {some(wrong)}; please report this.")
    return count


@torch.no_grad()
def compare_answers(
    file: ExportedModel,
    q: nn.Module,
    data: Data,
    loaded: LoadedModel,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Answers:
    """Answers of the file, of Q, and of Q under noise, on the same images.

    Args:
        data: the images and their truth. loaded: P, for its task and its preprocessing.
        progress: called after each batch with the number of images so far, and of all.
    """
    task, classes = TASKS[loaded.task], len(loaded.class_names)
    judge, floor = task.judge(classes), task.judge(classes)
    generator = torch.Generator().manual_seed(0)
    size, done = batch_size_for(q), 0
    for batch, truth in zip(data.images.split(size), data.labels.split(size), strict=True):
        inputs = loaded.normalise(batch)
        noise = torch.randn(inputs.shape, generator=generator).to(inputs) * NOISE
        own = q(inputs).cpu()  # [B,..]
        judge.add(torch.stack([own, file.outputs(inputs)]), truth)
        floor.add(torch.stack([own, q(inputs + noise).cpu()]), truth)
        done += len(batch)
        progress(done, len(data.images))
    found = judge.evaluation()
    return Answers(
        found.top1[1],
        found.top1[0],
        _difference(found, task.caption(data.labels, classes)),
        found.agreement,
        floor.evaluation().agreement,
        components.TASKS[loaded.task].metrics[0],
    )


def _difference(found: Evaluation, captions: Tensor) -> Interval:
    """The main metric of the second model minus that of the first, on the same images.

    captions: of the truth, int64 [N], in classification the labels.
    """
    right = (found.answers == captions).numpy()  # [2,N]
    draws = (None, None) if found.draws is None else found.draws.numpy()  # [2,R]
    q, file = (Scored(found.top1[i].value, right[i], draws[i]) for i in range(2))
    return between(q, file)
