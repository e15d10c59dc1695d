"""The cost of runs on the worker that is asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from maskaq.config.parsing import from_dict
from maskaq.runs.estimate import estimate, total


def cost(specs: Sequence[str]) -> dict[str, Any]:
    """The cost of runs done one after the other on this worker, from a short measurement.

    Args:
        specs: of the runs, as JSON.

    Returns:
        seconds. memory_mb: the least memory needed.

    Raises:
        MaskaqError: what a run would raise at its start.
    """
    runs = [from_dict(json.loads(spec)) for spec in specs]
    result = total(runs, estimate(runs))
    return {"seconds": result.seconds, "memory_mb": result.memory_mb}
