"""A new source or back-end is one module and one entry: everything else finds it by itself."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from distributed import Client, LocalCluster
from streamlit.testing.v1 import AppTest

from maskaq.cli import main
from maskaq.config.ablation import AXES
from maskaq.config.components import BACKENDS, SOURCES, BackendInfo, SourceInfo
from maskaq.config.grid_file import parse_grid
from maskaq.config.presets import spec_of
from maskaq.config.sample_key import sample_key
from maskaq.jobs import sweep
from maskaq.jobs.connection import Processes, Settings
from maskaq.results import store
from tests.support import fake_cluster

ROOT = Path(__file__).parents[1]
SOURCE = '''
"""Stripes: images of one colour per row."""
import torch
from maskaq.events import Event
from maskaq.synthesis.loop import Samples

def synthesize(loaded, options, *, seed, start=None, **_):
    if start is not None:
        yield start
        return
    rows = torch.arange(loaded.size).mul(3).remainder(256).to(torch.uint8)
    images = rows[:, None].expand(options.images, 3, loaded.size, loaded.size).contiguous()
    yield Event("synthesis", 1, 1, images=images)
    yield Samples(images, torch.zeros(options.images, dtype=torch.long), 0.0)
'''
BACKEND = '''
"""Halves: ranges set on the first half of the images."""
from maskaq.events import Event
from maskaq.quantization.backends.base import Backend
from maskaq.quantization.backends.ranges_only import MINMAX, set_ranges

def fit(task):
    half = task.images[: max(1, len(task.images) // 2)]
    set_ranges(task.q, task.inputs(half))
    yield Event("fit", 1, 1)

BACKEND = Backend(MINMAX, fit)
'''
GRID = """
eval_images = 40
synthesis.images = 4
backend = "halves"
[grid]
source = ["stripes", "noise"]
"""


@pytest.fixture(autouse=True)
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One new source and one new back-end, in a folder outside the library."""
    (tmp_path / "stripes.py").write_text(SOURCE)
    (tmp_path / "halves.py").write_text(BACKEND)
    monkeypatch.syspath_prepend(tmp_path)
    SOURCES.add("stripes", SourceInfo("stripes:synthesize", "Images of one colour per row."))
    BACKENDS.add("halves", BackendInfo("halves:BACKEND", "ranges of half the images; one pass"))
    yield
    del SOURCES["stripes"]
    del BACKENDS["halves"]


def test_the_command_line_lists_and_runs_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["methods"]) == 0
    printed = capsys.readouterr().out
    assert "stripes" in printed
    assert "Images of one colour per row." in printed
    assert "halves" in printed
    words = ["run", "--source", "stripes", "--backend", "halves", "--images", "4"]
    assert main([*words, "--eval-images", "40", "--out", str(tmp_path / "out")]) == 0
    spec = store.read(tmp_path / "out").result.spec
    assert (spec.synthesis.source, spec.fit.backend) == ("stripes", "halves")


def test_they_are_in_the_menus_of_the_app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MASKAQ_RUNS", str(tmp_path / "runs"))
    fake_cluster.install(monkeypatch)
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
    app.switch_page("pages/make_one.py").run()
    assert not app.exception
    source, backend = app.selectbox(key="source"), app.selectbox(key="backend")
    assert "stripes" in source.options
    assert "halves" in backend.options
    assert "Images of one colour per row." in source.help
    source.set_value("stripes")
    backend.set_value("halves").run()
    assert not app.exception


def test_they_are_on_the_axes_of_an_ablation_and_have_a_sample_key() -> None:
    assert "stripes" in AXES["source"].values
    spec = spec_of("maskaq")
    spec = replace(spec, synthesis=replace(spec.synthesis, source="stripes"))
    other = replace(spec, synthesis=replace(spec.synthesis, steps=7))  # has no effect
    assert sample_key(spec) == sample_key(other)


def test_a_sweep_runs_them(tmp_path: Path) -> None:
    cluster = LocalCluster(
        n_workers=1,
        threads_per_worker=2,
        processes=False,
        dashboard_address=":0",
        resources={"run": 1, "quick": 1},
    )
    link = Processes(Client(cluster, set_as_default=False), Settings(workers=1), cluster)
    try:
        runs = sweep.plan(parse_grid(GRID), tmp_path / "sweep")
        outcome = sweep.sweep(runs, link, lambda *_: None)
    finally:
        link.client.close()
        cluster.close()
    assert (outcome.finished, outcome.failed) == (2, {})
