"""Make an ONNX file smaller without changing a bit of what it computes.

Beside a million weights in bytes, names, notes of the exporter and repetitive constants take a
fifth of the file.
"""

from __future__ import annotations

import json
from collections.abc import Collection

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_LEAST = 512  # values of a constant that is worth a palette
_COLOURS = 256  # values that a byte tells apart
_LAYERS = "layers"  # metadata: names of layers, by the numbers that stand for them


def compact(made: onnx.ModelProto, layers: Collection[str]) -> None:
    """Remove notes and unused constants, shorten names, and store repetitive constants in bytes.

    Args:
        layers: names of modules, with which names of constants begin. A number takes their place.
    """
    _remove_notes(made.graph)
    _remove_unused(made.graph)
    _use_palettes(made.graph)
    numbered = _shorten_names(made.graph, layers)
    made.metadata_props.add(key=_LAYERS, value=json.dumps(numbered))


def constants(made: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """The constants of a file by their full names, such as `blocks.0.attn.qkv.weight.codes`."""
    long = full_names(made)
    return {long[one.name]: one for one in made.graph.initializer}


def full_names(made: onnx.ModelProto) -> dict[str, str]:
    """Full names of the constants by those in the file."""
    stored = {one.key: one.value for one in made.metadata_props}
    layers = json.loads(stored.get(_LAYERS, "[]"))
    found = {}
    for one in made.graph.initializer:
        number, dot, rest = one.name.partition(".")
        numbered = dot and number.isdigit()
        found[one.name] = f"{layers[int(number)]}.{rest}" if numbered else one.name
    return found


def _remove_notes(graph: onnx.GraphProto) -> None:
    """Remove what only helps to find the Python code of a node."""
    del graph.value_info[:]
    del graph.metadata_props[:]
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = node.name = ""


def _remove_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [one for one in graph.initializer if one.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _use_palettes(graph: onnx.GraphProto) -> None:
    """Store float constants of few values, such as masks of windows, as bytes into a table.

    A runtime computes them once, when it loads the file.
    """
    nodes = []
    for one in list(graph.initializer):
        if one.data_type != TensorProto.FLOAT or np.prod(one.dims) < _LEAST:
            continue
        # As integers, because 0.0 and -0.0 are equal.
        bits, places = np.unique(
            numpy_helper.to_array(one).view(np.int32), return_inverse=True
        )  # [C], [...]
        if len(bits) > _COLOURS:
            continue
        table, index = f"{one.name}.table", f"{one.name}.index"
        codes = places.reshape(tuple(one.dims)).astype(np.uint8)
        graph.initializer.append(numpy_helper.from_array(bits.view(np.float32), table))
        graph.initializer.append(numpy_helper.from_array(codes, index))
        nodes.append(helper.make_node("Cast", [index], [f"{index}.long"], to=TensorProto.INT64))
        nodes.append(helper.make_node("Gather", [table, f"{index}.long"], [one.name]))
        graph.initializer.remove(one)
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])


def _shorten_names(graph: onnx.GraphProto, layers: Collection[str]) -> list[str]:
    """Number what passes between nodes, and the layers of constants; returns the layers."""
    results = {one.name for one in graph.output}
    made = [name for node in graph.node for name in node.output if name not in results]
    short = {name: f"v{number}" for number, name in enumerate(made)}
    numbers: dict[str, int] = {}
    for one in graph.initializer:
        parts = one.name.split(".")
        starts = (".".join(parts[:end]) for end in range(len(parts) - 1, 0, -1))
        layer = next((start for start in starts if start in layers), None)
        if layer is not None:
            number = numbers.setdefault(layer, len(numbers))
            short[one.name] = f"{number}{one.name.removeprefix(layer)}"
            one.name = short[one.name]
    for node in graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = short.get(name, name)
    return list(numbers)
