"""Write P or Q as ONNX, with everything in its metadata that a program needs to use it."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import nn

from maskaq.errors import ExportError
from maskaq.export.compact import compact
from maskaq.export.graph import OPSET
from maskaq.files import atomic_write

INPUT, OUTPUT = "images", "logits"
FORMAT = "maskaq-onnx-1"
_MOST = 256  # images in a batch
_IR = 10  # version of the file format that belongs to the opset


def write(
    model: nn.Module, size: tuple[int, ...], path: Path, metadata: Mapping[str, Any]
) -> onnx.ModelProto:
    """Export a module, [B,3,H,W] -> [B,classes], with a free batch size, atomically.

    Args:
        size: of an input, (3, H, W).
        metadata: stored as JSON text, by name.

    Raises:
        ExportError: torch cannot export it.
    """
    made = _exported(model, size)
    made.ir_version = _IR
    _merge_scales(made.graph)
    compact(made, {name for name, _ in model.named_modules() if name})
    add_metadata(made, {"format": FORMAT, **metadata})
    onnx.checker.check_model(made)
    with atomic_write(path) as draft:
        onnx.save(made, draft)
    return made


def add_metadata(made: onnx.ModelProto, metadata: Mapping[str, Any]) -> None:
    """Add entries as JSON text, by name."""
    for name, value in metadata.items():
        made.metadata_props.add(key=f"maskaq.{name}", value=json.dumps(value))


def _exported(model: nn.Module, size: tuple[int, ...]) -> onnx.ModelProto:
    device = next(model.parameters()).device
    images = torch.zeros(2, *size, device=device)  # [2,3,H,W]
    batch = torch.export.Dim("batch", min=1, max=_MOST)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter's own deprecations
            program = torch.onnx.export(
                model,
                (images,),
                dynamo=True,
                opset_version=OPSET,
                dynamic_shapes=({0: batch},),
                input_names=[INPUT],
                output_names=[OUTPUT],
                verbose=False,
            )
    except Exception as error:  # the exporter raises whatever the model made it run into
        raise ExportError(
            f"torch cannot export this {type(model).__name__} to ONNX: "
            f"{type(error).__name__}: {error}"
        ) from error
    assert program is not None
    return program.model_proto


def _merge_scales(graph: onnx.GraphProto) -> None:
    """Multiply step sizes by the constants that follow them, which would prevent fused kernels.

    Attention scales its queries by 1 / sqrt(d) after they were rounded: s code c = (s c) code.
    """
    constants = {one.name: one for one in graph.initializer}
    makers = {output: node for node in graph.node for output in node.output}
    readers: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            readers[name] = readers.get(name, 0) + 1
    merged: dict[str, str] = {}
    for node in [node for node in graph.node if node.op_type == "Mul"]:
        parts = [(a, b) for a, b in (node.input, reversed(node.input)) if b in constants]
        source = makers.get(parts[0][0]) if parts else None
        if source is None or source.op_type != "DequantizeLinear" or readers[parts[0][0]] != 1:
            continue
        factor = numpy_helper.to_array(constants[parts[0][1]])
        scale = numpy_helper.to_array(constants[source.input[1]])
        if factor.size != 1 or scale.size != 1:
            continue
        product = (scale * factor.reshape(())).astype(scale.dtype)
        name = f"{source.input[1]}_scaled_{node.output[0]}"
        graph.initializer.append(numpy_helper.from_array(product, name))
        source.input[1] = name
        merged[node.output[0]] = parts[0][0]
        graph.node.remove(node)
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = merged.get(name, name)
