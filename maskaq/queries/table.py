"""Questions that a worker answers in seconds, beside the runs.

Arguments and answers are plain values and arrays, because they travel between processes. This table
names the functions without importing torch, for the pages that ask. The answers share the models in
`maskaq.queries.model_cache`, so they are computed one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from maskaq.registry import Implementations, Registry


@dataclass(frozen=True)
class QueryInfo:
    """A question. implementation: the function that answers it, as `module:function`."""

    implementation: str


_INFOS: Registry[QueryInfo] = Registry("quick answer")
for _name, _implementation in {
    "attention": "maskaq.queries.attention:attention",
    "similarity": "maskaq.queries.attention:similarity",
    "attribution": "maskaq.queries.attention:attribution",
    "accuracy": "maskaq.queries.accuracy:accuracy",
    "inspect": "maskaq.queries.files:inspect",
    "cost": "maskaq.queries.cost:cost",
}.items():
    _INFOS.add(_name, QueryInfo(_implementation))

QUICK: Implementations[Callable[..., Any]] = Implementations(_INFOS)
