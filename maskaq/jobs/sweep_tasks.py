"""What a sweep has workers do: draw one batch of samples, or do one run with batches drawn before.

Called by Dask. Only plain values go in and out: JSON, and the bytes of safetensors files. One
portion at a time is worked on in a process, however many threads Dask has there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from maskaq.checkpoints import InMemory
from maskaq.config import RunSpec
from maskaq.config.parsing import from_dict
from maskaq.errors import SynthesisError
from maskaq.jobs.file_transfer import Parcel, resolved
from maskaq.jobs.worker import apart, in_words

__all__ = ["draw_batch", "run_cell"]

_WORKING = threading.Lock()
Ended = dict[str, Any]


def draw_batch(spec: str, first: int, parcels: Mapping[str, Parcel] | None = None) -> Ended:
    """Draw the batch that begins at image `first` of the run with this spec (JSON).

    Args:
        parcels: files that its paths stand for, where the worker does not have them.

    Returns:
        `{"state": bytes}`, or the error in words.
    """
    return _alone(lambda: _draw(resolved(from_dict(json.loads(spec)), parcels or {}), first))


def run_cell(
    spec: str, parts: Mapping[str, Ended], parcels: Mapping[str, Parcel] | None = None
) -> Ended:
    """Do the run with this spec (JSON); batches of its samples that are among `parts` are not
    drawn again, and the result is the same to the last bit.

    Args:
        parts: what `draw_batch` returned, by the name of the batch.
        parcels: as `draw_batch`.

    Returns:
        `{"files": ...}` as `store.files` makes them, or an error in words, which may be that of a
        part: then it has `part`.
    """
    for name, part in parts.items():
        if "state" not in part:
            return part | {"part": name}
    return _alone(lambda: _run(from_dict(json.loads(spec)), parts, parcels or {}))


def _alone(do: Callable[[], Ended]) -> Ended:
    try:
        with _WORKING:
            return apart(do)
    except Exception as error:
        return in_words(error)


def _draw(spec: RunSpec, first: int) -> Ended:
    from maskaq.runs.cache import ground_of
    from maskaq.runs.runner import draw

    kept = InMemory()
    with suppress(SynthesisError):  # no image is left of this batch; of others there may be
        for _ in draw(spec, ground_of(spec), checkpoints=kept, only=first):
            pass
    return {"state": kept.files[f"batch{first}"]}


def _run(asked: RunSpec, parts: Mapping[str, Ended], parcels: Mapping[str, Parcel]) -> Ended:
    from maskaq.results import store
    from maskaq.runs import runner
    from maskaq.runs.cache import ground_of

    known = InMemory({name: part["state"] for name, part in parts.items()})
    spec = resolved(asked, parcels)
    *_, finished = runner.run(spec, ground=ground_of(spec), checkpoints=known)
    assert isinstance(finished, runner.Finished), "a run ends with its result"
    result = replace(finished.result, spec=asked)  # with the paths of who asked
    return {"files": store.files(replace(finished, result=result))}
