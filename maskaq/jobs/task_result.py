"""How a task of Dask ended, as plain values: what it made, or what went wrong in words.

`worker` turns its own errors into text; what is left are those of Dask.
"""

from __future__ import annotations

import contextlib
import logging
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Any

from maskaq import errors
from maskaq.errors import RunError
from maskaq.jobs import worker
from maskaq.jobs.records import Record
from maskaq.results import paths, store

if TYPE_CHECKING:
    from distributed import Future as DaskFuture

    Task = DaskFuture[Any]

LOST = "the worker processes ended before this was done; start it again."
KILLED = (
    "the process that did this was ended by the system several times, most likely for want of "
    "memory; take fewer or smaller images."
)
_LOG = logging.getLogger(__name__)
_PATIENCE = 10  # seconds for a result to arrive


def kept(task: Task, record: Record) -> tuple[str, dict[str, Any]]:
    """State of a run that has ended by itself, with its folder or error; its files are stored."""
    ended = outcome(task)
    if ended["ended"] != "finished":
        return ended["ended"], {"error": say(ended)}
    folder = paths.folder_of(record.spec)
    try:
        store.write(ended["files"], folder)
    except RunError as error:
        return "failed", {"error": str(error)}
    return "finished", {"folder": folder}


def outcome(task: Task) -> dict[str, Any]:
    """What a task returned; an error in words also where Dask itself failed."""
    from distributed import KilledWorker

    try:
        if task.status not in ("cancelled", "lost"):
            returned: dict[str, Any] = task.result(timeout=_PATIENCE)
            return returned
    except KilledWorker:
        return {"ended": "failed"} | worker.in_words(RunError(KILLED))
    except TimeoutError:  # it was there and is gone: the worker died at the last moment
        pass
    except Exception as error:
        return {"ended": "failed"} | worker.in_words(error)
    return {"ended": "lost"} | worker.in_words(RunError(LOST))


def settle(future: Future[Any], task: Task) -> None:
    """Give an answer, or the error in its place, to who waits for it."""
    ended = outcome(task)
    task.release()
    with contextlib.suppress(InvalidStateError):  # taken back in the meantime
        if "value" in ended:
            future.set_result(ended["value"])
        else:
            known = getattr(errors, ended["kind"], RunError) if ended["foreseen"] else RunError
            future.set_exception(known(say(ended)))


def say(ended: dict[str, Any]) -> str:
    """An error for the page; what nobody foresaw goes to the log as well."""
    if ended["foreseen"]:
        return str(ended["message"])
    _LOG.error("%s", ended["traceback"])
    return (
        "it stopped for a reason that maskaq did not foresee "
        f"({ended['kind']}: {ended['message']})."
    )
