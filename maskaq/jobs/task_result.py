"""The result of a Dask task as plain values: what it returned, or an error as text."""

from __future__ import annotations

import contextlib
import logging
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Any

from maskaq import errors
from maskaq.errors import RunError
from maskaq.jobs import worker

if TYPE_CHECKING:
    from distributed import Future as DaskFuture

    Task = DaskFuture[Any]

LOST = "the worker processes ended before this was done; start it again."
KILLED = (
    "the process that computed this was killed by the system several times, most likely because "
    "memory ran out; use fewer or smaller images."
)
_LOG = logging.getLogger(__name__)
_PATIENCE = 10  # seconds for a result to arrive


def outcome(task: Task) -> dict[str, Any]:
    """What a task returned; for an error of Dask itself, that error as text."""
    from distributed import KilledWorker

    try:
        if task.status not in ("cancelled", "lost"):
            returned: dict[str, Any] = task.result(timeout=_PATIENCE)
            return returned
    except KilledWorker:
        return worker.as_text(RunError(KILLED))
    except TimeoutError:  # the worker died with the result
        pass
    except Exception as error:
        return worker.as_text(error)
    return worker.as_text(RunError(LOST)) | {"ended": "lost"}


def settle(future: Future[Any], task: Task) -> None:
    """Resolve the caller's future with the answer or the error of a task."""
    ended = outcome(task)
    task.release()
    with contextlib.suppress(InvalidStateError):  # it was cancelled
        if "value" in ended:
            future.set_result(ended["value"])
        else:
            known = getattr(errors, ended["kind"], RunError) if ended["foreseen"] else RunError
            future.set_exception(known(message_of(ended)))


def message_of(ended: dict[str, Any]) -> str:
    """The message of an error for users; an unforeseen one is also logged."""
    if ended["foreseen"]:
        return str(ended["message"])
    _LOG.error("%s", ended["traceback"])
    return (
        "it stopped for a reason that maskaq did not foresee "
        f"({ended['kind']}: {ended['message']})."
    )
