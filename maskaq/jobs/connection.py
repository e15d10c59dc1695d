"""The processes that compute: Dask's, either our own or those of a scheduler that is there already.

MASKAQ_WORKERS    number of own worker processes, 1 unless given; each does one run at a time
MASKAQ_SCHEDULER  address of an existing scheduler, such as tcp://10.0.0.1:8786, to use instead
MASKAQ_INSECURE   1 allows a scheduler on another machine without TLS
MASKAQ_READONLY   1 forbids all of it

`LocalCluster` cannot be started from a Streamlit script, which its workers would run again;
`SubprocessCluster` starts programs of their own.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import maskaq
from maskaq.errors import OptionError, RunError
from maskaq.jobs import watchdog

if TYPE_CHECKING:
    from dask.typing import Key
    from distributed import Client
    from distributed.deploy.spec import SpecCluster
    from distributed.security import Security

INSECURE = "MASKAQ_INSECURE"
_VARIABLES = "MASKAQ_WORKERS", "MASKAQ_SCHEDULER"
_WATCHDOG, _COURTESY = "maskaq.jobs.watchdog", "maskaq.jobs.courtesy"  # Dask loads them
_MEMORY = 0.7  # share of the machine's memory that all workers may take
_PATIENCE = "10s"  # for a scheduler to answer
_LARGEST = "200MB"  # that a question may bring along without a warning: 256 images and a picture
# Events that the scheduler keeps for late listeners, per topic; they are never freed, and the
# default is 1000. A paused worker would hold up all who wait, so only the hard limit stays.
_SETTINGS = {
    "DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "100",
    "DASK_DISTRIBUTED__WORKER__MEMORY__TARGET": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__SPILL": "False",
    "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False",
    # The scheduler's output goes to a pipe that nobody reads; when it is full, it would stop.
    "DASK_LOGGING__DISTRIBUTED": "error",
    # Nobody looks at Dask's own profile, whose thread wakes up a hundred times a second. Every time
    # one core of two is taken away, torch's threads on the others wait for it as well.
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms",
    # Dask has free memory given back at once, and every tensor would then be paid for page by page:
    # a million page faults for 400 scenes, which doubles the processor time. (glibc; in bytes)
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_MMAP_THRESHOLD_": str(2**25),
    "MALLOC_ARENA_MAX": "1",  # one for all threads, as only this one follows the first setting
}


@dataclass(frozen=True)
class Settings:
    """Where runs are computed. scheduler: an address, or "" for `workers` processes of our own.
    threads: of each of these; 0 shares the processors among them."""

    workers: int = 1
    scheduler: str = ""
    threads: int = 0

    @classmethod
    def read(cls) -> Settings:
        """The settings in the environment.

        Raises:
            OptionError: one of them makes no sense.
        """
        workers, scheduler = _VARIABLES
        return cls.of(os.environ.get(workers, "1"), os.environ.get(scheduler, ""))

    @classmethod
    def of(cls, workers: str, scheduler: str, names: tuple[str, str] = _VARIABLES) -> Settings:
        """Settings from texts; names: what these two are called where they were given.

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
    """A connection to Dask. own: the processes, if they are ours: only those may be killed."""

    client: Client
    settings: Settings
    own: SpecCluster | None

    @property
    def running(self) -> bool:
        """Whether there is still somebody at the other end."""
        return self.client.status == "running"

    def limit(self, kind: str) -> dict[str, Any]:
        """Arguments of `submit` that let a worker do one run and one quick answer at a time."""
        return {"resources": {kind: 1}} if self.own else {}  # foreign workers have no such

    def pid_of(self, key: Key) -> int:
        """Process id of the worker that has a task; 0 if none has."""
        found: int = self.client.run_on_scheduler(_pid_of, key=key)
        return found

    def close(self) -> None:
        """End the connection, and the processes if they are ours."""
        for part in (self.client, self.own):
            if part is not None:
                with contextlib.suppress(Exception):  # they may have ended in any way
                    part.close(timeout=5)
        if self.own is not None and self.own.status.name != "closed":
            _abandon(self.own)


def _abandon(cluster: SpecCluster) -> None:
    """End workers whose scheduler is gone: Dask waits for it, and they would work on unheard."""
    for worker in cluster.workers.values():
        process = getattr(worker, "process", None)
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)  # of the nanny; her worker sees it and ends
    cluster.status = type(cluster.status).closed


def connect(topic: str, on_message: Callable[[dict[str, Any]], None]) -> Processes:
    """As `reach`, and hand every message on `topic` to `on_message`."""
    made = reach()
    made.client.subscribe_topic(topic, lambda event: on_message(event[1]))
    return made


def reach(settings: Settings | None = None) -> Processes:
    """Connect to the scheduler or start one; by default as the environment has it.

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
    """How to talk to a scheduler: encrypted, unless it is on this machine or that is allowed.

    Dask's processes exchange pickles. Whoever can write to such a connection can have code run at
    either end.

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
    threads = str(settings.threads or max(1, (os.cpu_count() or 1) // workers))
    with _environment(_SETTINGS | {watchdog.PARENT: str(os.getpid()), "PYTHONPATH": _path()}):
        return SubprocessCluster(
            host="127.0.0.1",
            n_workers=workers,
            threads_per_worker=2,  # one for the run, one for quick answers
            dashboard_address=None,  # type: ignore[arg-type]  # documented, "to disable"
            silence_logs=logging.ERROR,
            scheduler_kwargs={"preload": [_WATCHDOG]},
            worker_kwargs={
                "memory_limit": int(MEMORY_LIMIT * _MEMORY / workers),
                "resources": {"run": 1, "quick": 1},
                "preload_nanny": [_WATCHDOG, _COURTESY],
                # Dask's nanny would give torch one thread: half the speed, and other last digits.
                "env": {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads},
            },
        )


def _pid_of(key: Key, dask_scheduler: Any = None) -> int:
    """In the scheduler, which fills in the last argument."""
    task = dask_scheduler.tasks.get(key)
    return task.processing_on.pid if task is not None and task.processing_on else 0


def _path() -> str:
    """PYTHONPATH with which the children find this very maskaq."""
    here = str(Path(maskaq.__file__).parents[1])
    return os.pathsep.join(filter(None, (here, os.environ.get("PYTHONPATH", ""))))


@contextlib.contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Variables for the children that are started inside; ours are as before afterwards."""
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
