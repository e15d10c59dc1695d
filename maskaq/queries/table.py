"""Questions that a worker answers in seconds, beside the runs.

Arguments and answers are plain values and arrays, because they travel between processes. This table
names the functions without importing torch, for the pages that ask. The answers share the models in
`maskaq.queries.model_cache`, so they are computed one at a time.
"""

from collections.abc import Callable
from typing import Any

from maskaq.registry import Implementations, Registry

_PLACES: Registry[str] = Registry("quick answer")
_PLACES |= {
    "attention": "maskaq.queries.attention:attention",
    "look": "maskaq.queries.look:look",
    "look_q": "maskaq.queries.look:look_q",
    "similarity": "maskaq.queries.attention:similarity",
    "attribution": "maskaq.queries.attention:attribution",
    "removal": "maskaq.queries.removal:removal",
    "dense_removal": "maskaq.queries.removal:dense_removal",
    "accuracy": "maskaq.queries.accuracy:accuracy",
    "dream": "maskaq.queries.dream:dream",
    "inspect": "maskaq.queries.checks:inspect",
    "cost": "maskaq.queries.checks:cost",
    "export": "maskaq.queries.export:exported",
}
QUICK: Implementations[Callable[..., Any]] = Implementations(_PLACES, place=str)
