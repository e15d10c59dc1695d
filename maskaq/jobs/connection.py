"""Connections to Dask: worker processes of our own, or an existing scheduler.

MASKAQ_WORKERS    number of own worker processes, by default 1; each does one run at a time
MASKAQ_SCHEDULER  address of an existing scheduler to use instead, such as tcp://10.0.0.1:8786
MASKAQ_INSECURE   1 allows a scheduler on another machine without TLS
MASKAQ_NICENESS   by how much own workers lower their priority, 0 to 19, by default 10
MASKAQ_READONLY   1 disables all of this

`LocalCluster` cannot be started from a Streamlit script, because its workers would run the script
again; `SubprocessCluster` starts separate programs.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskaq.errors import OptionError, RunError
from maskaq.jobs import dask_preload

if TYPE_CHECKING:
    from dask.typing import Key
    from distributed import Client
    from distributed.deploy.spec import SpecCluster
    from distributed.security import Security

INSECURE = "MASKAQ_INSECURE"
_VARIABLES = "MASKAQ_WORKERS", "MASKAQ_SCHEDULER"
_MEMORY = 0.7  # share of the machine's memory that all workers may take
_PATIENCE = "10s"  # for a scheduler to answer
_LARGEST = "200MB"  # of a question, without a warning: 256 images and a picture
# The scheduler keeps this many events per topic for late listeners and never frees them; the
# default is 1000. A paused worker would hold up the queue, so only the hard memory limit stays.
_SETTINGS = {
    "DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "100",
    "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False",
    # The scheduler writes to a pipe that is not read, and would block once it is full.
    "DASK_LOGGING__DISTRIBUTED": "error",
    # Dask's profiler is not used, and its thread wakes up a hundred times a second. Whenever it
    # takes one core of two, torch's threads on the other core wait as well.
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms",
    # Dask returns free memory to the system at once, so that every tensor costs page faults: a
    # million for 400 scenes, which doubles the processor time. (glibc; in bytes)
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_ARENA_MAX": "1",  # one for all threads: only this one follows the first setting
}


@dataclass(frozen=True)
class Settings:
    """Where runs are computed.

    scheduler: an address, or "" for `workers` processes of our own. threads: of each of these; 0
    takes OMP_NUM_THREADS if that is set, else divides the processors among them.
    """

    workers: int = 1
    scheduler: str = ""
    threads: int = 0

    @classmethod
    def read(cls) -> Settings:
        """The settings of the environment.

        Raises:
            OptionError: one of them is invalid.
        """
        workers, scheduler = _VARIABLES
        niceness = os.environ.get(dask_preload.NICENESS, dask_preload.DEFAULT_NICENESS)
        if not niceness.isdecimal() or int(niceness) > 19:
            raise OptionError(
                f"{dask_preload.NICENESS} is {niceness!r}; allowed: 0 to 19, where 0 keeps the "
                "priority of the app."
            )
        return cls.of(os.environ.get(workers, "1"), os.environ.get(scheduler, ""))

    @classmethod
    def of(cls, workers: str, scheduler: str, names: tuple[str, str] = _VARIABLES) -> Settings:
        """Settings from text. names: of the two values, for messages.

        Raises:
            OptionError: as `read`.
        """
        address, most = scheduler.strip(), os.cpu_count() or 1
        if not workers.isdecimal() or not 1 <= int(workers) <= most:
            raise OptionError(
                f"{names[0]} is {workers!r}; allowed: 1 to {most}, the processors of this machine."
            )
        if address and not re.fullmatch(r"(tcp|tls)://[^\s/]+:\d+", address):
            raise OptionError(
                f"{names[1]} is {address!r}; allowed: tcp://HOST:PORT or tls://HOST:PORT, as the "
                "scheduler prints it when it starts."
            )
        return cls(int(workers), address)


@dataclass(frozen=True, eq=False)
class Processes:
    """A connection to Dask. own: the processes, if they are ours; only these may be killed."""

    client: Client
    settings: Settings
    own: SpecCluster | None

    @property
    def running(self) -> bool:
        """Whether the connection is open."""
        return self.client.status == "running"

    def limit(self, kind: str) -> dict[str, Any]:
        """Arguments of `submit` that limit a worker to one run and one quick answer at a time."""
        return {"resources": {kind: 1}} if self.own else {}  # foreign workers lack these

    def pid_of(self, key: Key) -> int:
        """Process id of the worker that has a task; 0 if none has."""
        pid: int = self.client.run_on_scheduler(_pid_of, key=key)
        return pid

    def close(self) -> None:
        """End the connection, and the processes if they are ours."""
        for part in (self.client, self.own):
            if part is not None:
                with contextlib.suppress(Exception):  # they may be gone already
                    part.close(timeout=5)
        if self.own is not None and self.own.status.name != "closed":
            _abandon(self.own)


def _abandon(cluster: SpecCluster) -> None:
    """End workers whose scheduler is gone: Dask waits for it, and they would keep computing."""
    for worker in cluster.workers.values():
        process = getattr(worker, "process", None)
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)  # of the nanny; its worker ends with it
    cluster.status = type(cluster.status).closed


def reach(settings: Settings | None = None) -> Processes:
    """Connect to a scheduler or start one; by default as the environment says.

    Raises:
        OptionError: see `Settings.read` and `security`.
        RunError: no scheduler answers, or none could be started.
    """
    import dask
    from distributed import Client

    settings = settings or Settings.read()
    dask.config.set({"distributed.admin.large-graph-warning-threshold": _LARGEST})
    own, how = None, security(settings.scheduler)
    try:
        own = None if settings.scheduler else _start(settings)
        where = own or settings.scheduler
        client = Client(where, set_as_default=False, timeout=_PATIENCE, security=how)
    except (OSError, RuntimeError, TimeoutError) as error:
        if own is not None:
            own.close(timeout=5)
        what = settings.scheduler or "the worker processes"
        raise RunError(
            f"no answer from {what} ({type(error).__name__}: {error}); start the scheduler, or "
            "leave MASKAQ_SCHEDULER empty to compute on this machine."
        ) from error
    return Processes(client, settings, own)


def security(scheduler: str) -> Security | None:
    """The encryption of a connection: required unless the scheduler is local or that is waived.

    Dask's processes exchange pickles, so anyone who can write to a connection can run code at both
    ends.

    Raises:
        OptionError: an address of another machine without TLS, or TLS without certificates.
    """
    if not scheduler:
        return None
    host = scheduler.partition("://")[2].rpartition(":")[0].strip("[]")
    if scheduler.startswith("tls:"):
        from distributed.security import Security

        found = Security(require_encryption=True)
        if not found.get_tls_config_for_role("client").get("ca_file"):
            raise OptionError(
                f"{scheduler} needs certificates: set DASK_DISTRIBUTED__COMM__TLS__CA_FILE and "
                "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and __KEY; see SECURITY.md."
            )
        return found
    if _is_here(host) or os.environ.get(INSECURE, "") == "1":
        return None
    raise OptionError(
        f"{scheduler} is another machine, and what is sent there is neither encrypted nor "
        f"authenticated; use tls://, or set {INSECURE}=1 in a network that you trust."
    )


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _start(settings: Settings) -> SpecCluster:
    from distributed import SubprocessCluster
    from distributed.system import MEMORY_LIMIT

    workers = settings.workers
    share = os.environ.get("OMP_NUM_THREADS") or max(1, (os.cpu_count() or 1) // workers)
    threads = str(settings.threads or share)
    with _environment(_SETTINGS | {dask_preload.PARENT: str(os.getpid()), "PYTHONPATH": _path()}):
        return SubprocessCluster(
            host="127.0.0.1",
            n_workers=workers,
            threads_per_worker=2,  # one for the run, one for quick answers
            dashboard_address=None,  # type: ignore[arg-type]  # documented: disables it
            silence_logs=logging.ERROR,
            # At the exit of the interpreter Dask could no longer call back about unfinished tasks,
            # and would log that. The processes end by themselves: see `dask_preload`.
            shutdown_on_close=False,
            scheduler_kwargs={"preload": [dask_preload.__name__]},
            worker_kwargs={
                "memory_limit": int(MEMORY_LIMIT * _MEMORY / workers),
                "resources": {"run": 1, "quick": 1},
                "preload_nanny": [dask_preload.__name__],
                # Dask's nanny would give torch one thread: half the speed, and other last digits.
                "env": {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
            },
        )


def _pid_of(key: Key, dask_scheduler: Any = None) -> int:
    """Runs in the scheduler, which adds the last argument."""
    task = dask_scheduler.tasks.get(key)
    return task.processing_on.pid if task is not None and task.processing_on else 0


def _path() -> str:
    """PYTHONPATH with which child processes import this maskaq."""
    here = str(Path(__file__).parents[2])
    return os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH", ""))))


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for child processes started in this context."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
