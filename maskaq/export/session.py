"""Open an exported file in onnxruntime, and refuse what is broken, foreign or newer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from google.protobuf.message import DecodeError
from torch import Tensor

from maskaq.errors import ExportError
from maskaq.export.onnx_file import FORMAT, INPUT

# Operators that onnxruntime makes by fusing a product with the rounding of its operands.
FUSED = ("MatMulIntegerToFloat", "QLinearMatMul", "QLinearConv", "QGemm", "MatMulNBits")
_QUIET = 3  # log level: errors only
_BATCH = 50  # images


@dataclass(frozen=True, eq=False)
class ExportedModel:
    """An exported file: its metadata, and a session that runs it.

    metadata: by name, as `onnx_file.write` got it.
    """

    path: Path
    metadata: Mapping[str, Any]
    session: onnxruntime.InferenceSession

    def outputs(self, inputs: Tensor) -> Tensor:
        """Outputs [N,..] for normalised images [N,3,H,W], batch by batch: logits [N,K] of a
        classifier."""
        parts = [part.cpu().float().numpy() for part in inputs.split(_BATCH)]
        outs = [self.session.run(None, {INPUT: part})[0] for part in parts]
        return torch.from_numpy(np.concatenate(outs))  # [N,..]


def opened(path: Path, *, threads: int = 0, provider: str = "CPU") -> ExportedModel:
    """Open a file that `maskaq export` wrote.

    Args:
        threads: of each operator; 0 for one per processor.
        provider: of onnxruntime, such as `CPU` or `CUDA`.

    Raises:
        ExportError: the file is broken, of another program, or of a newer maskaq.
    """
    metadata = read_metadata(path)
    try:
        return ExportedModel(path, metadata, _session(str(path), threads, provider))
    except Exception as error:  # onnxruntime's own classes have no common base
        raise ExportError(
            f"onnxruntime {onnxruntime.__version__} cannot run {path}: {error}. Export the run "
            "again, or update onnxruntime."
        ) from error


def read_metadata(path: Path) -> dict[str, Any]:
    """The metadata of a file that `maskaq export` wrote, by name.

    Raises:
        ExportError: as `opened`.
    """
    remedy = "write it with `python -m maskaq export RUN --format onnx --out FILE`."
    try:
        made = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError, ValueError) as error:
        raise ExportError(f"{path} is no ONNX file ({error}); {remedy}") from error
    found = {one.key: one.value for one in made.metadata_props}
    if "maskaq.format" not in found:
        made_by = made.producer_name or "another program"
        raise ExportError(f"{path} was made by {made_by}, not by maskaq; {remedy}")
    try:
        metadata = {
            name.removeprefix("maskaq."): json.loads(text)
            for name, text in found.items()
            if name.startswith("maskaq.")
        }
    except ValueError as error:
        raise ExportError(f"{path} has damaged metadata ({error}); {remedy}") from error
    if metadata.pop("format") != FORMAT:
        raise ExportError(
            f"{path} has format {found['maskaq.format']}; this maskaq reads {FORMAT!r}: update it."
        )
    return metadata


def _session(
    source: str | bytes, threads: int, provider: str, optimised: Path | None = None
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _QUIET
    # Between two passes its threads wait in a loop, and would slow down what runs meanwhile.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if optimised is not None:
        options.optimized_model_filepath = str(optimised)
    return onnxruntime.InferenceSession(source, options, providers=[f"{provider}ExecutionProvider"])


def fused_nodes(path: Path, folder: Path) -> dict[str, int]:
    """How many fused integer operators onnxruntime runs on this machine, by name.

    Args:
        folder: for a temporary file.
    """
    optimised = folder / "optimised.onnx"
    _session(str(path), 1, "CPU", optimised)
    count = Counter(node.op_type for node in onnx.load(optimised).graph.node)
    optimised.unlink()
    return {name: count[name] for name in FUSED if count[name]}


def outputs_of(
    made: onnx.ModelProto, names: list[str], images: Tensor
) -> dict[str, np.ndarray[Any, Any]]:
    """Values inside a model for normalised images [B,3,H,W], without any optimisation."""
    probe = onnx.ModelProto()
    probe.CopyFrom(made)
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _QUIET
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    values = session.run(names, {INPUT: images.cpu().float().numpy()})
    return dict(zip(names, values, strict=True))
