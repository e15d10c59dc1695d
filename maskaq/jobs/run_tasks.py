"""What a worker computes for a run: one batch of its samples, or the run itself.

Only plain values go in and out: JSON, and the bytes of files.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from maskaq.checkpoints import InMemory
from maskaq.config import RunSpec
from maskaq.config.parsing import from_dict
from maskaq.errors import SynthesisError
from maskaq.events import Event
from maskaq.jobs.file_transfer import Parcel, resolved

RUN = "maskaq.jobs.run_tasks:run_files"
Files = dict[str, bytes]
Batches = Mapping[str, Mapping[str, Any]]
Parcels = Mapping[str, Parcel]


def run_files(spec: RunSpec, batches: Batches, parcels: Parcels) -> Iterator[Event | Files]:
    """Do a run: its events, and last the files it is stored as (`store.files`).

    Args:
        batches: what `synthesize_batch` returned, by the name of the batch. They are not
            synthesized again, and the result is the same to the last bit.
        parcels: files that replace the paths of the spec, where the worker does not have them.
    """
    from maskaq.results import store
    from maskaq.results.result import Finished
    from maskaq.runs import runner
    from maskaq.runs.cache import cached_samples, context_of

    local = resolved(spec, parcels)
    states = InMemory({name: batch["state"] for name, batch in batches.items()})
    checkpoints = states if batches else cached_samples(local)
    for item in runner.run(local, context=context_of(local), checkpoints=checkpoints):
        if isinstance(item, Finished):
            result = replace(item.result, spec=spec)  # with the paths of its owner
            yield store.files(replace(item, result=result))
        else:
            yield item


def synthesize_batch(spec: str, first: int, parcels: Parcels) -> dict[str, Any]:
    """Synthesize the batch of a run's samples that starts at image `first`.

    Args:
        spec: of the run, as JSON. parcels: as `run_files`.

    Returns:
        `{"state": bytes}`.
    """
    from maskaq.runs.cache import context_of
    from maskaq.runs.runner import synthesize

    local = resolved(from_dict(json.loads(spec)), parcels)
    kept = InMemory()
    with suppress(SynthesisError):  # all images of this batch failed; other batches may have some
        for _ in synthesize(local, context_of(local), checkpoints=kept, only=first):
            pass
    return {"state": kept.files[f"batch{first}"]}
