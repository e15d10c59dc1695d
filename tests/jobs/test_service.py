"""Runs in real Dask worker processes, whose steps only sleep (`tests/support/steps.py`)."""

import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from maskaq.config import RunSpec
from maskaq.config.ablation import LIMIT, Cell
from maskaq.errors import OptionError, RunError
from maskaq.jobs import connection, service
from maskaq.jobs.job import Record
from maskaq.jobs.service import Runs
from tests.support import steps
from tests.support.waiting import SOON, ended, gone, under_way, until

ITEMS = "tests.support.steps:run"


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MASKAQ_RUNS", str(folder))
        for name in ("MASKAQ_WORKERS", "MASKAQ_SCHEDULER", "MASKAQ_READONLY"):
            patch.delenv(name, raising=False)
        yield folder


@pytest.fixture(scope="module")
def shared() -> Iterator[Runs]:
    """One cluster for all tests, with one worker."""
    runs = Runs(ITEMS)
    yield runs
    runs.close()


@pytest.fixture
def runs(shared: Runs) -> Iterator[Runs]:
    yield shared
    for record in shared._records.all():
        if record.active:
            shared.cancel(record.owner, record.id)
    until(lambda: not shared._dispatcher._queue.all())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The file in which a run records its start, its process and that it was closed."""
    return tmp_path / "log"


def pids(log: Path) -> list[int]:
    """Processes that started the run, in order."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith("begun")]


def with_log(spec: RunSpec, log: Path) -> RunSpec:
    return replace(spec, data=str(log))


def test_a_run_reports_every_step_in_order_and_is_stored(runs: Runs) -> None:
    seen: list[Record] = []
    run = runs.start("a", steps.spec(6, 0.1, seed=7))
    until(lambda: seen.append(runs.get("a", run)) or not seen[-1].active)
    states = list(dict.fromkeys(record.state for record in seen))
    assert states in (["queued", "running", "finished"], ["running", "finished"])
    done = [record.progress.step for record in seen if record.progress.stage == "synthesis"]
    assert done == sorted(done)
    assert len(set(done)) > 2  # during the run, not only at the end
    last = seen[-1]
    assert [row["step"] for row in last.rows] == [1, 2, 3, 4, 5, 6]
    assert last.rows[3] == {"stage": "synthesis", "step": 4, "loss": 0.25}
    assert (last.progress.step, last.progress.total) == (6, 6)
    assert 0.4 < last.progress.seconds < 5
    assert last.problems == ["image 1 turned NaN"]
    assert last.images is not None
    assert last.images.shape == (4, 3, 64, 64)
    assert last.folder is not None
    assert sorted(path.name for path in last.folder.iterdir()) == [
        "manifest.json",
        "result.json",
        "seed.txt",
    ]
    assert (last.folder / "seed.txt").read_text() == "7"


def test_the_message_of_a_maskaq_error_is_shown(runs: Runs) -> None:
    record = ended(runs, "a", runs.start("a", steps.spec(model="refused", seed=1)))
    assert (record.state, record.error) == ("failed", "the folder is empty; give another.")
    assert record.folder is None


def test_an_unexpected_error_is_named_and_logged(
    runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "maskaq"):
        record = ended(runs, "a", runs.start("a", steps.spec(model="broken", seed=2)))
    assert record.state == "failed"
    assert record.error is not None
    assert "KeyError: 'surprise'" in record.error
    assert "Traceback" not in record.error
    assert 'raise KeyError("surprise")' in caplog.text  # the traceback is in the log


def test_a_cancelled_run_stops_after_its_step_but_not_the_worker(runs: Runs, log: Path) -> None:
    spec = with_log(steps.spec(1000, 0.05, seed=3), log)
    run = runs.start("a", spec)
    under_way(runs, "a", run)
    runs.cancel("a", run)
    record = runs.get("a", run)
    assert record.state == "cancelled"  # immediately, for the page
    assert until(lambda: "closed" in log.read_text()) < 1
    time.sleep(0.3)
    assert runs.get("a", run) == record  # late messages change nothing
    ended(runs, "a", runs.start("a", with_log(steps.spec(1, seed=3), log)))
    first, second = pids(log)
    assert first == second  # the worker was not killed


def test_a_run_in_a_long_step_is_killed_within_a_second(runs: Runs, log: Path) -> None:
    run = runs.start("a", with_log(steps.spec(3, 5, seed=4), log))
    until(lambda: pids(log))
    (pid,) = pids(log)
    runs.cancel("a", run)
    assert runs.get("a", run).state == "cancelled"
    assert until(lambda: gone(pid)) < 1
    after = runs.start("a", with_log(steps.spec(2, seed=5), log))
    assert ended(runs, "a", after).state == "finished"
    assert len(pids(log)) == 2  # the killed run was not restarted


def test_a_run_that_sends_no_messages_while_it_loads_is_killed(runs: Runs, log: Path) -> None:
    run = runs.start("a", with_log(steps.spec(3, 0.1, "deaf", seed=6), log))
    until(lambda: pids(log))
    runs.cancel("a", run)
    assert runs.get("a", run).state == "cancelled"
    assert until(lambda: gone(pids(log)[0])) < 1
    assert ended(runs, "a", runs.start("a", steps.spec(seed=6))).state == "finished"


def test_a_queued_run_is_cancelled_before_it_starts(runs: Runs, log: Path) -> None:
    first = runs.start("a", steps.spec(10, 0.1, seed=8))
    under_way(runs, "a", first)
    second = runs.start("b", with_log(steps.spec(seed=9), log))
    runs.cancel("b", second)
    assert runs.get("b", second).state == "cancelled"
    assert ended(runs, "a", first).state == "finished"
    assert ended(runs, "c", runs.start("c", steps.spec(seed=10))).state == "finished"
    assert pids(log) == []


def test_positions_in_the_queue(runs: Runs) -> None:
    names = {owner: runs.start(owner, steps.spec(100, 0.05, seed=11)) for owner in "abcd"}
    under_way(runs, "a", names["a"])
    assert [runs.position(names[owner]) for owner in "abcd"] == [0, 1, 2, 3]
    runs.cancel("b", names["b"])
    assert [runs.position(names[owner]) for owner in "abcd"] == [0, 0, 1, 2]
    runs.cancel("a", names["a"])
    under_way(runs, "c", names["c"])  # the next one, not the last
    assert [runs.position(names[owner]) for owner in "abcd"] == [0, 0, 0, 1]
    assert runs.position("unknown") == 0


def test_a_session_reads_and_cancels_only_its_own_runs(runs: Runs) -> None:
    run = runs.start("a", steps.spec(1000, 0.05, seed=12))
    with pytest.raises(RunError) as foreign:
        runs.get("b", run)
    with pytest.raises(RunError) as unknown:
        runs.get("b", "f" * 32)
    assert str(foreign.value).replace(run, "f" * 32) == str(unknown.value)
    with pytest.raises(RunError, match="no run"):
        runs.cancel("b", run)
    assert run not in [record.id for record in runs.runs_of("b")]
    assert runs.runs_of("a")[-1].id == run
    assert runs.get("a", run).active
    assert "'a'" not in repr(runs.get("a", run))  # the owner is secret


def test_one_run_and_one_grid_for_each_session(runs: Runs) -> None:
    cells = [Cell(steps.spec(100, 0.05, seed=seed), ("", "")) for seed in (13, 14)]
    under_way(runs, "a", runs.start("a", steps.spec(100, 0.05, seed=12)))
    with pytest.raises(RunError, match="a run that has not ended"):
        runs.start("a", steps.spec(seed=15))
    names = runs.sweep("a", cells)
    with pytest.raises(RunError, match="a grid of runs that has not ended"):
        runs.sweep("a", cells)
    later = runs.start("b", steps.spec(100, 0.05, seed=15))
    order = [later, *names]  # single runs have priority over grids
    assert [runs.position(name) for name in order] == [1, 2, 3]
    with pytest.raises(RunError, match=f"allowed: {LIMIT}"):
        runs.sweep("c", cells * LIMIT)


def test_a_full_server_refuses_runs(runs: Runs) -> None:
    for number, owner in enumerate("ab"):
        seeds = range(1000 + number * LIMIT, 1000 + (number + 1) * LIMIT)
        runs.sweep(owner, [Cell(steps.spec(100, 0.05, seed=seed), ("", "")) for seed in seeds])
    until(lambda: runs.position(runs.runs_of("a")[-LIMIT].id) == 0)
    runs.start("c", steps.spec(100, 0.05, seed=16))
    with pytest.raises(RunError, match="50 runs are waiting and 1 more"):
        runs.start("newcomer", steps.spec(seed=17))
    assert not runs.runs_of("newcomer")


def test_a_run_whose_worker_dies_is_restarted(runs: Runs, log: Path) -> None:
    run = runs.start("a", with_log(steps.spec(4, 0.05, "killed once", seed=18), log))
    record = ended(runs, "a", run)
    assert record.state == "finished"
    assert len(set(pids(log))) == 2
    assert [row["step"] for row in record.rows] == [1, 2, 3, 4]  # of the second attempt only
    assert len(record.problems) == 1


def test_a_run_that_always_kills_its_worker_fails(runs: Runs, log: Path) -> None:
    run = runs.start("a", with_log(steps.spec(3, 0.05, "killed", seed=19), log))
    record = ended(runs, "a", run)
    assert record.state == "failed"
    assert record.error is not None
    assert "use fewer or smaller images" in record.error
    assert ended(runs, "a", runs.start("a", steps.spec(seed=20))).state == "finished"


def test_a_finished_run_is_not_computed_again_when_the_worker_dies(runs: Runs, log: Path) -> None:
    ended(runs, "a", runs.start("a", with_log(steps.spec(seed=21), log)))
    os.kill(pids(log)[0], signal.SIGKILL)
    ended(runs, "a", runs.start("a", steps.spec(seed=22)))
    time.sleep(0.3)
    assert len(pids(log)) == 1


def test_the_scheduler_keeps_few_messages(runs: Runs) -> None:
    dispatcher = runs._dispatcher
    for batch in range(2):
        owners = [f"{batch}-{number}" for number in range(40)]
        names = {owner: runs.start(owner, steps.spec(2, 0.001, seed=23)) for owner in owners}
        assert all(ended(runs, owner, run).state == "finished" for owner, run in names.items())
    assert dispatcher._link is not None
    messages = dispatcher._link.client.get_events(dispatcher._topic)  # 80 runs sent 160 or more
    assert len(messages) == 100
    ask = dispatcher._link.client.run_on_scheduler
    until(lambda: ask(_stop_signals) == 0)


def _stop_signals(dask_scheduler: object) -> int:
    events = dask_scheduler.extensions["events"]  # type: ignore[attr-defined]
    return len(events._events)


def test_workers_keep_memory_for_the_next_tensor(runs: Runs) -> None:
    """Dask's default setting makes torch take twice as long."""
    ended(runs, "a", runs.start("a", steps.spec(seed=24)))
    assert runs._dispatcher._link is not None
    values = runs._dispatcher._link.client.run(os.getenv, "MALLOC_TRIM_THRESHOLD_")
    assert list(values.values()) == [str(2**30)]
    assert "MALLOC_TRIM_THRESHOLD_" not in os.environ


def test_the_workers_of_another_scheduler(
    runs: Runs, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sessions that start together connect once; the cluster's processes survive."""
    ended(runs, "a", runs.start("a", steps.spec(seed=24)))
    assert runs._dispatcher._link is not None
    monkeypatch.setenv("MASKAQ_SCHEDULER", runs._dispatcher._link.client.scheduler.address)
    connected: list[str] = []
    reach = connection.reach
    monkeypatch.setattr(connection, "reach", lambda: connected.append("") or reach())
    others = Runs(ITEMS)
    log.touch()  # the file is sent to workers of another cluster
    names: dict[str, str] = {}

    def start(owner: str) -> None:
        names[owner] = others.start(owner, with_log(steps.spec(50, 0.02, seed=25), log))

    threads = [threading.Thread(target=start, args=(owner,)) for owner in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    under_way(others, "a", names["a"])
    others.cancel("a", names["a"])
    assert ended(others, "b", names["b"]).state == "finished"
    assert len(connected) == 1
    others.close()
    monkeypatch.delenv("MASKAQ_SCHEDULER")
    ended(runs, "a", runs.start("a", with_log(steps.spec(1, seed=26), log)))
    assert len(set(pids(log))) == 1


def test_a_scheduler_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKAQ_SCHEDULER", "tcp://127.0.0.1:9")
    monkeypatch.setattr(connection, "_PATIENCE", "1s")
    runs = Runs(ITEMS)
    record = ended(runs, "a", runs.start("a", steps.spec()))
    assert record.state == "failed"
    assert record.error is not None
    assert "no answer from tcp://127.0.0.1:9" in record.error
    with pytest.raises(RunError, match="no answer from"):
        runs.quick("inspect", model="scenes_vit").result(SOON)
    runs.close()


@pytest.mark.parametrize(
    "name, value, allowed",
    [
        ("MASKAQ_WORKERS", "0", "1 to"),
        ("MASKAQ_WORKERS", "many", "1 to"),
        ("MASKAQ_WORKERS", "1000000", "1 to"),
        ("MASKAQ_SCHEDULER", "localhost:8786", "tcp://HOST:PORT"),
        ("MASKAQ_SCHEDULER", "http://localhost:8786", "tcp://HOST:PORT"),
    ],
)
def test_invalid_settings_are_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(name, value)
    runs = Runs(ITEMS)
    for submit in (lambda: runs.start("a", steps.spec()), lambda: runs.quick("inspect", model="")):
        with pytest.raises(OptionError, match=allowed) as error:
            submit()
        assert repr(value) in str(error.value)
    assert not runs.runs_of("a")


def test_a_read_only_server_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    runs = Runs(ITEMS)
    for submit in (lambda: runs.start("a", steps.spec()), lambda: runs.quick("inspect", model="")):
        with pytest.raises(RunError, match="stored results only"):
            submit()
    runs.warm()
    runs.close()
    assert runs._dispatcher._link is None
    assert service.readonly()


def test_a_folder_that_cannot_be_written_is_refused_before_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MASKAQ_RUNS", str(tmp_path / "file"))
    runs = Runs(ITEMS)
    with pytest.raises(RunError, match="set MASKAQ_RUNS"):
        runs.start("a", steps.spec())
    assert not runs.runs_of("a")


def test_an_unknown_question_is_refused(runs: Runs) -> None:
    with pytest.raises(OptionError, match="did you mean 'accuracy'"):
        runs.quick("acuracy")


def test_close_ends_active_runs_and_a_new_run_restarts_the_processes(log: Path) -> None:
    runs = Runs(ITEMS)
    first = runs.start("a", with_log(steps.spec(1000, 0.05, seed=27), log))
    second = runs.start("b", steps.spec(seed=28))
    under_way(runs, "a", first)
    runs.close()
    for owner, run in (("a", first), ("b", second)):
        record = runs.get(owner, run)
        assert record.state == "lost"
        assert record.error is not None
        assert "start it again" in record.error
    until(lambda: gone(pids(log)[0]), 10)
    assert ended(runs, "a", runs.start("a", steps.spec(seed=29))).state == "finished"
    runs.close()


_APP = """
    import sys, time
    from maskaq.jobs.service import Runs
    from tests.support import steps

    runs = Runs("tests.support.steps:run")
    run = runs.start("a", steps.spec(1000, 0.05))
    while not runs.get("a", run).rows:
        time.sleep(0.05)
    print("ready", flush=True)
    time.sleep(600)
"""


def test_no_process_outlives_a_killed_app(folder: Path) -> None:
    root = Path(__file__).parents[2]
    app = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_APP)],
        cwd=root,
        stdout=subprocess.PIPE,
        env=os.environ | {"MASKAQ_RUNS": str(folder), "PYTHONPATH": str(root)},
    )
    try:
        assert app.stdout is not None
        assert app.stdout.readline() == b"ready\n"
        family = psutil.Process(app.pid).children(recursive=True)
        assert len(family) >= 3  # scheduler, nanny, worker
    finally:
        app.kill()
        app.wait()
        app.stdout.close()
    assert psutil.wait_procs(family, timeout=10)[1] == []


_QUEUED = """
    import sys, time
    from maskaq.jobs.service import Runs
    from tests.support import steps
    import signal

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    runs = Runs("tests.support.steps:run")
    names = [runs.start(owner, steps.spec(1000, 0.05, seed=n)) for n, owner in enumerate("abcd")]
    while not runs.get("a", names[0]).rows:
        time.sleep(0.05)
    print("ready", flush=True)
    time.sleep(600)
"""


def test_an_app_terminated_with_queued_runs_exits_without_an_error(folder: Path) -> None:
    root = Path(__file__).parents[2]
    app = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_QUEUED)],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"MASKAQ_RUNS": str(folder), "PYTHONPATH": str(root)},
    )
    assert app.stdout is not None
    assert app.stdout.readline() == b"ready\n"
    family = psutil.Process(app.pid).children(recursive=True)
    app.terminate()
    errors = app.communicate(timeout=30)[1].decode()
    assert app.returncode == 0
    assert "Traceback" not in errors, errors
    assert "RuntimeError" not in errors, errors
    assert psutil.wait_procs(family, timeout=10)[1] == []


def test_a_run_whose_visitor_left_makes_way_for_one_who_waits(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = runs.start("left", steps.spec(300, 0.1, seed=81))
    until(lambda: runs.get("left", left).state == "running")
    monkeypatch.setattr(service, "_ABSENT", 1.0)
    runs.runs_of("left")
    time.sleep(1.5)
    runs.runs_of("other")  # nobody waits yet
    assert runs.get("left", left).state == "running"
    here = runs.start("here", steps.spec(2, seed=82))
    runs.runs_of("here")
    record = runs.get("left", left)
    assert (record.state, record.error) == ("lost", service.LEFT)
    assert ended(runs, "here", here).state == "finished"
