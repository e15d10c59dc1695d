"""How large a model's weights are at given bit widths: computed, not the size of a file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from maskaq.files import reading
from maskaq.models import menu

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskaq.quantization.tensor_row import TensorRow
    from maskaq.results.store import Stored

_FLOAT = 32  # bits
_WEIGHTS = Path(menu.__file__).with_name("checkpoints")


@dataclass(frozen=True)
class Size:
    """Bytes. full: P's parameters. packed: Q's, each at its bit width. scales: step sizes and zero
    points of Q's weights, which come on top.
    """

    full: int
    packed: int
    scales: int

    @property
    def times(self) -> float:
        """How many times smaller Q's weights are than P's, without step sizes and zero points."""
        return self.full / self.packed


def packed(counts: Mapping[str, int], tensors: Sequence[TensorRow]) -> int:
    """Bytes of Q's parameters if the weights are packed at their bit widths; the rest has 32 bits.

    Args:
        counts: number of values of each parameter, by name. tensors: the report of a run.
    """
    rows = {row.tensor: row.bits for row in tensors if row.role == "weight"}
    return round(sum(count * rows.get(name, _FLOAT) for name, count in counts.items()) / 8)


def of_run(run: Stored) -> Size | None:
    """The size of a run's Q; None if the shapes of its weights are not known without its model.

    Raises:
        RunError: the file that contains the shapes is damaged.
    """
    result = run.result
    weights = [row for row in result.tensors if row.role == "weight" and row.quantized]
    names = {row.tensor for row in result.tensors if row.role in ("weight", "parameter")}
    shapes = {name: shape for name, shape in _shapes(run).items() if name in names}
    if not shapes or names - set(shapes):
        return None
    counts = {name: math.prod(shape) for name, shape in shapes.items()}
    ranges = sum(shapes[r.tensor][0] if r.granularity == "channel" else 1 for r in weights)
    return Size(
        full=round(sum(counts.values()) * _FLOAT / 8),
        packed=packed(counts, result.tensors),
        scales=round(2 * ranges * _FLOAT / 8),  # a step size and a zero point each
    )


def _shapes(run: Stored) -> dict[str, tuple[int, ...]]:
    """Shapes of the parameters by name, from the header of a file; empty without one."""
    if run.q is not None:
        path = run.q
    elif run.result.spec.model in menu.SHIPPED and not run.result.spec.weights:
        path = _WEIGHTS / f"{run.result.spec.model}.safetensors"
    else:
        return {}
    with reading(path, "repeat the run", SafetensorError), safe_open(path, "np") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
