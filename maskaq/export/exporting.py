"""Export the Q of a stored run, checked against it before the file appears."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from maskaq._version import __version__
from maskaq.config.overrides import command_of
from maskaq.errors import RunError
from maskaq.export import onnx_file, session, verify
from maskaq.export.graph import OPSET, exportable
from maskaq.export.targets import FORMATS, TARGETS, detected
from maskaq.files import atomic_write
from maskaq.models.loading import LoadedModel, load_model, with_class_names
from maskaq.quantization.conversion.census import products
from maskaq.quantization.conversion.layers import QuantConv2d, QuantLinear
from maskaq.quantization.quantizers.base import quantizers
from maskaq.quantization.storage import load_q, save_packed
from maskaq.results.store import Stored
from maskaq.runs.context import RunContext

_CHECKED = 2  # images whose codes are compared
Report = Callable[[int, int], None]  # images done, of how many


@dataclass(frozen=True)
class Exported:
    """A written file. size: bytes. codes, answers: what was checked; None for other formats."""

    path: Path
    size: int
    codes: verify.Codes | None = None
    answers: verify.Answers | None = None
    fused: Mapping[str, int] | None = None


def q_of_run(run: Stored, loaded: LoadedModel) -> nn.Module:
    """The Q of a stored run.

    Raises:
        RunError: the run is stored without Q.
    """
    if run.q is None:
        raise RunError(
            f"{run.folder} is stored without its Q; repeat it: {command_of(run.result.spec)} "
            "--out FOLDER"
        )
    return load_q(run.q, loaded.model)


def export_run(
    run: Stored,
    path: Path,
    *,
    format: str = "onnx",
    target: str = "",
    images: int = 0,
    progress: Report = lambda done, total: None,
) -> Exported:
    """Write the Q of a run, or its P with the format `float`.

    Args:
        format: a name in `FORMATS`. target: a name in `TARGETS`; "" for this machine's.
        images: to compare answers on; 0 for all of the run's evaluation images.

    Raises:
        OptionError: unknown format or target.
        ExportError: Q cannot be expressed, or the file does not compute what Q does.
        RunError: the run is stored without Q.
        MaskaqError: P or its images cannot be loaded.
    """
    spec = run.result.spec
    FORMATS[format]
    p = load_model(spec.model, spec.weights or None, global_pool=spec.global_pool)
    if spec.class_names:
        p = with_class_names(p, spec.class_names)
    if format == "float":
        about = {**_about(run, p), "bits": "float32", "opset": OPSET}
        onnx_file.write(p.model, (3, *p.sides), path, about)
    elif format == "packed":
        backend, options = spec.fit.backend, spec.quantization
        q = q_of_run(run, p)
        save_packed(q, path, options=options, backend=backend, model=spec.model)
    else:
        if images and not spec.data:  # scenes are the first of all, and a folder is sampled
            spec = replace(spec, eval_images=images)
        return _write_onnx(
            run, RunContext.of(spec, p), path, target or detected(), images, progress
        )
    return Exported(path, path.stat().st_size)


def _write_onnx(
    run: Stored, context: RunContext, path: Path, target: str, images: int, progress: Report
) -> Exported:
    """Write Q as ONNX, and compare it with Q before the file appears."""
    p, data, q = context.loaded, context.data, q_of_run(run, context.loaded)
    factors = [
        name
        for name, layer in q.named_modules()
        if isinstance(layer, QuantLinear) and layer.factor is not None
    ]
    about = {
        **_about(run, p),
        "bits": run.result.spec.quantization.name,
        "opset": OPSET,
        "target": target,
        "multiply_adds": multiply_adds(q),
        "scaled_channels": factors,
    }
    count = images or len(data.images)
    with tempfile.TemporaryDirectory() as place:
        draft = Path(place) / "draft.onnx"
        made = onnx_file.write(exportable(q, TARGETS[target]), (3, *p.sides), draft, about)
        codes = verify.compare_codes(made, q, p.normalise(data.images[:_CHECKED]))
        chosen = replace(data, images=data.images[:count], labels=data.labels[:count])
        answers = verify.compare_answers(session.opened(draft), q, chosen, p, progress)
        fused = session.fused_nodes(draft, Path(place))
    checked = {"codes": asdict(codes), "answers": asdict(answers), "fused": fused}
    onnx_file.add_metadata(made, {"checked": checked})
    with atomic_write(path) as final:
        onnx.save(made, final)
    return Exported(path, path.stat().st_size, codes, answers, fused)


def _about(run: Stored, loaded: LoadedModel) -> dict[str, Any]:
    """What a program needs to use a file, and where it comes from."""
    config, spec = loaded.data_config, run.result.spec
    return {
        "preprocessing": {
            "size": list(loaded.sides),
            "mean": list(config["mean"]),
            "std": list(config["std"]),
            "interpolation": config.get("interpolation", "bicubic"),
            "crop": config.get("crop_pct", 1.0),
            "layout": "float32 [batch, 3, height, width], RGB in 0..1, minus mean, over std",
        },
        "labels": list(loaded.class_names),
        "run": {
            "command": command_of(spec),
            "created": run.result.created,
            "model": spec.model,
            "weights": spec.weights,
            "global_pool": spec.global_pool,
            "weights_sha256": _digest(loaded.model),
            "maskaq": __version__,
            "torch": torch.__version__,
        },
    }


def _digest(model: nn.Module) -> str:
    """SHA-256 of P's parameters, in the order of their names."""
    sha = hashlib.sha256()
    for _, value in sorted(model.state_dict().items()):
        sha.update(value.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()


def multiply_adds(q: nn.Module) -> dict[str, int]:
    """Multiply-adds of one image by the bits of weight and activation, such as `8x8`, or `float`.

    The products of attention count with the bits of both their activations.
    """
    bits = dict.fromkeys(("float",), 0)
    for row in products(q):
        name = "float" if row.reason else _formats(q.get_submodule(row.name))
        bits[name] = bits.get(name, 0) + row.multiply_adds
    return bits


def _formats(module: Any) -> str:
    if isinstance(module, QuantLinear | QuantConv2d):
        inputs = next(one for _, one in quantizers(module.input_quantizer))
        return f"{module.weight_quantizer.form.bits}x{inputs.form.bits}"
    inside = next(one for _, one in quantizers(module.operands))
    return f"{inside.form.bits}x{inside.form.bits}"
