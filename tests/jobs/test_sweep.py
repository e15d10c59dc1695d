import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from distributed import Client, LocalCluster
from safetensors.torch import load_file, save_file

from maskaq.config import RunSpec
from maskaq.config.parsing import to_json
from maskaq.config.presets import spec_of
from maskaq.config.sample_key import batches, sample_key
from maskaq.errors import RunError
from maskaq.jobs import connection, dask_preload, run_tasks, sweep, worker
from maskaq.jobs.connection import Processes, Settings
from maskaq.models.loading import load_model
from maskaq.results import listing, manifest, store
from maskaq.runs import runner
from maskaq.runs.execute import execute

VARYING = ("seconds", "created", "peak_memory_mb")


def tiny(method: str = "mimiq", bits: tuple[int, int] = (4, 4), **changes: object) -> RunSpec:
    spec = spec_of(method, bits)
    synthesis = replace(spec.synthesis, **({"images": 4, "batch": 2, "steps": 2} | changes))
    fit = replace(spec.fit, backend="minmax")
    return replace(spec, synthesis=synthesis, fit=fit, eval_images=40, precision="float32")


@pytest.fixture(scope="module")
def link() -> Iterator[Processes]:
    processes = connection.reach(Settings(workers=1, threads=1))
    yield processes
    processes.close()


@pytest.fixture
def threads() -> Iterator[None]:
    """As many as the worker has: with another number the last digits may differ."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def swept(specs: list[RunSpec], out: Path, link: Processes) -> tuple[sweep.Outcome, list[str]]:
    reports: list[str] = []
    outcome = sweep.sweep(
        sweep.plan(specs, out), link, lambda done, total, what: reports.append(f"{done}/{total}")
    )
    return outcome, reports


def plain(folder: Path) -> dict[str, object]:
    values = json.loads((folder / "result.json").read_text())
    return {name: value for name, value in values.items() if name not in VARYING}


@pytest.mark.slow
def test_a_sweep_stores_the_same_bits_as_single_runs(
    link: Processes, threads: None, tmp_path: Path
) -> None:
    specs = [tiny(), tiny(bits=(3, 3)), tiny("maskaq"), tiny(source="noise")]
    outcome, reports = swept(specs, tmp_path / "sweep", link)
    assert (outcome.finished, outcome.failed) == (4, {})
    # Two batches for both runs of mimiq, two for maskaq, none for noise.
    assert reports == [f"{number}/8" for number in range(1, 9)]
    for one in sweep.plan(specs, tmp_path / "sweep"):
        assert one.finished
        single = tmp_path / "single"
        store.save(execute(one.spec, progress=False), single)
        assert plain(one.folder) == plain(single)
        for name in ("samples.safetensors", "q.safetensors", "evidence.safetensors"):
            swept_arrays, arrays = load_file(one.folder / name), load_file(single / name)
            assert all(torch.equal(value, arrays[key]) for key, value in swept_arrays.items())
        columns = [name for name in store.read(single).curves if name != "seconds"]
        assert store.read(one.folder).curves[columns].equals(store.read(single).curves[columns])
        assert store.read(one.folder).result.seconds["synthesis"] > 0


def test_workers_have_a_lower_priority_than_the_scheduler(link: Processes) -> None:
    link.client.wait_for_workers(1)
    here = os.nice(0)
    added = int(os.environ.get(dask_preload.NICENESS, dask_preload.DEFAULT_NICENESS))
    assert added > 0
    assert list(link.client.run(os.nice, 0).values()) == [min(19, here + added)]
    assert link.client.run_on_scheduler(os.nice, 0) == here


@pytest.mark.slow
def test_finished_runs_are_not_repeated(link: Processes, tmp_path: Path) -> None:
    specs = [tiny(source="noise"), tiny(source="noise", images=2)]
    swept(specs[:1], tmp_path, link)
    before = (sweep.plan(specs[:1], tmp_path)[0].folder / manifest.NAME).stat().st_mtime_ns
    outcome, reports = swept(specs, tmp_path, link)
    assert (outcome.finished, reports) == (1, ["1/1"])
    first = sweep.plan(specs, tmp_path)[0]
    assert (first.folder / manifest.NAME).stat().st_mtime_ns == before
    damaged = first.folder / "samples.safetensors"
    damaged.unlink()
    assert not sweep.plan(specs, tmp_path)[0].finished
    assert swept(specs, tmp_path, link)[0].finished == 1
    assert damaged.is_file()


def test_a_failed_run_is_recorded_and_the_others_continue(link: Processes, tmp_path: Path) -> None:
    bad = replace(tiny(source="noise"), weights="/nowhere/weights.safetensors")
    outcome, _ = swept([bad, tiny(source="noise")], tmp_path, link)
    assert outcome.finished == 1
    (why,) = outcome.failed.values()
    assert "/nowhere/weights.safetensors" in why
    (record,) = tmp_path.glob("*.failed.json")
    values = json.loads(record.read_text())
    assert values["spec"]["weights"] == "/nowhere/weights.safetensors"
    assert "Traceback" in values["traceback"]
    assert values["tries"] == 1  # a second attempt would raise the same error
    assert listing.list_runs(tmp_path)["state"].tolist() == [listing.WHOLE]


def test_a_failed_synthesis_fails_the_runs_that_need_it(link: Processes, tmp_path: Path) -> None:
    bad = [replace(tiny(bits=bits), weights="/nowhere/w.pt") for bits in ((4, 4), (3, 3))]
    outcome, reports = swept([*bad, tiny(source="noise")], tmp_path, link)
    assert (outcome.finished, len(outcome.failed)) == (1, 2)
    assert reports[-1] == "5/5"


def test_the_files_of_a_run_are_sent_to_another_cluster(link: Processes, tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    save_file(load_model("scenes_vit").model.state_dict(), weights)
    foreign = Processes(link.client, Settings(scheduler="tcp://127.0.0.1:1"), None)
    spec = replace(tiny(), weights=str(weights))
    outcome, _ = swept([spec], tmp_path / "out", foreign)
    assert (outcome.finished, outcome.failed) == (1, {})
    (one,) = sweep.plan([spec], tmp_path / "out")
    assert one.finished
    stored = store.read(one.folder)
    assert stored.result.spec == spec
    swept([tiny()], tmp_path / "plain", link)
    (plain_one,) = sweep.plan([tiny()], tmp_path / "plain")
    assert stored.result.q == store.read(plain_one.folder).result.q


def workers(link: Processes) -> list[int]:
    return list(link.client.run(os.getpid).values())


@pytest.mark.slow
def test_runs_of_a_killed_worker_move_to_another(tmp_path: Path) -> None:
    link = connection.reach(Settings(workers=1, threads=1))
    try:
        pids = workers(link)
        kill = threading.Timer(2, lambda: [os.kill(pid, signal.SIGKILL) for pid in pids])
        kill.start()
        specs = [tiny(steps=40), tiny(source="noise")]
        outcome, _ = swept(specs, tmp_path, link)
        assert (outcome.finished, outcome.failed) == (2, {})
        assert not kill.is_alive()
        assert set(workers(link)).isdisjoint(pids)
    finally:
        link.close()


@pytest.mark.slow
def test_a_sweep_without_its_scheduler_stops_and_can_be_resumed(
    link: Processes, tmp_path: Path
) -> None:
    other = connection.reach(Settings(workers=1, threads=1))
    try:
        scheduler = other.client.run_on_scheduler(os.getpid)
        threading.Timer(2, lambda: os.kill(scheduler, signal.SIGKILL)).start()
        with pytest.raises(RunError, match="the scheduler is gone; finished runs are stored"):
            swept([tiny(steps=2000)], tmp_path, other)
    finally:
        other.close()
    assert list(tmp_path.iterdir()) == []
    assert swept([tiny()], tmp_path, link)[0].finished == 1


GRID = """
method = "mimiq"
synthesis.images = 2
synthesis.steps = 60
eval_images = 40
[grid]
backend = ["minmax", "mse"]
[[runs]]
source = "noise"
backend = "minmax"
"""


@pytest.mark.slow
def test_after_the_client_is_killed_the_same_command_resumes(tmp_path: Path) -> None:
    (tmp_path / "grid.toml").write_text(GRID)
    out = tmp_path / "out"
    words = [sys.executable, "-m", "maskaq", "sweep", str(tmp_path / "grid.toml")]
    words += ["--out", str(out), "--no-estimate"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 120
        while not list(out.glob(f"[!.]*/{manifest.NAME}")):
            assert child.poll() is None, "the sweep ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGKILL)
    stored = {path.parent.name for path in out.glob(f"[!.]*/{manifest.NAME}")}
    assert 1 <= len(stored) < 3
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert f"3 runs, {len(stored)} of them already finished" in done.stdout
    assert f"{3 - len(stored)} finished, 0 failed" in done.stdout
    states = listing.list_runs(out)["state"]
    assert (states == listing.WHOLE).sum() == 3


@pytest.fixture(scope="module")
def inside() -> Iterator[Processes]:
    """A scheduler and a worker in threads of this process, so that tests can patch them."""
    cluster = LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        dashboard_address=":0",
        resources={"run": 1, "quick": 1},
    )
    client = Client(cluster, set_as_default=False)
    yield Processes(client, Settings(workers=1, threads=1), cluster)
    client.close()
    cluster.close()


@pytest.mark.parametrize("failures, state", [(1, "finished"), (2, "failed")])
def test_an_unexpected_error_is_retried_once(
    inside: Processes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failures: int,
    state: str,
) -> None:
    remaining = failures
    real = runner.run

    def run(*args, **how):
        nonlocal remaining
        if remaining:
            remaining -= 1
            raise KeyError("surprise")
        return real(*args, **how)

    monkeypatch.setattr(runner, "run", run)
    outcome, _ = swept([tiny(source="noise")], tmp_path, inside)
    assert outcome.finished == (state == "finished")
    assert len(outcome.failed) == (state == "failed")
    records = [json.loads(path.read_text()) for path in tmp_path.glob("*.failed.json")]
    assert [record["tries"] for record in records] == ([2] if state == "failed" else [])
    assert all("KeyError: 'surprise'" in record["traceback"] for record in records)


def test_a_failed_batch_is_synthesized_again_for_all_runs_that_need_it(
    inside: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    real = worker.synthesize_batch

    def synthesize(spec: str, first: int, parcels: object):
        started.append(first)
        if len(started) == 1:
            raise KeyError("surprise")
        return real(spec, first, parcels)

    monkeypatch.setattr(worker, "synthesize_batch", synthesize)
    outcome, _ = swept([tiny(), tiny(bits=(3, 3))], tmp_path, inside)
    assert (outcome.finished, outcome.failed) == (2, {})
    assert sorted(started) == [0, 0, 2, 2]


def test_samples_are_released_once_no_run_needs_them(inside: Processes, tmp_path: Path) -> None:
    """Otherwise the samples of a large sweep would fill the memory of the workers."""
    specs = [tiny(), tiny(bits=(3, 3)), tiny(steps=1)]
    assert swept(specs, tmp_path, inside)[0].finished == 3
    deadline = time.monotonic() + 20
    while inside.client.who_has():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_equal_samples_have_the_same_key() -> None:
    same = [tiny(), tiny(bits=(3, 3)), replace(tiny(), eval_images=10)]
    assert len({sample_key(spec) for spec in same}) == 1
    other = [tiny(), tiny(steps=3), replace(tiny(), seed=1), replace(tiny(), model="x")]
    assert len({sample_key(spec) for spec in other}) == 4
    # Alignment uses Q, so the images of MaskAQ depend on the bit widths.
    assert sample_key(tiny("maskaq")) != sample_key(tiny("maskaq", bits=(3, 3)))
    assert list(batches(tiny(images=5))) == [0, 2, 4]
    assert list(batches(tiny(source="noise"))) == []


def test_specs_are_sent_as_json(tmp_path: Path) -> None:
    (one,) = sweep.plan([tiny()], tmp_path)
    assert json.loads(to_json(one.spec))["synthesis"]["images"] == 4
    failed = {"kind": "KeyError", "message": "x"}
    ended = worker.work("{}", "run", "topic", run_tasks.RUN, {"batch0": failed}, {})
    assert ended == {**failed, "batch": "batch0"}
