"""How tests are spread over processes; models and data that many tests share and none changes."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from xdist.scheduler import LoadFileScheduling

from maskaq.config import RunSpec
from maskaq.config.presets import spec_of
from maskaq.data.fashion_mnist import CLASS_NAMES
from maskaq.models import bundled
from maskaq.models.loading import LoadedModel, load_model
from maskaq.results.result import Finished
from maskaq.runs.execute import execute
from tests.support import model_hub, short

ROOT = Path(__file__).parents[1]

# One thread for each process of the tests, and for the processes that these start: threads wait for
# each other, so that two teams of them on two cores are many times slower than two threads.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    # With the default priority a run would wait for minutes while another test computes.
    os.environ.setdefault("MASKAQ_NICENESS", "1")

# A browser, its server and a worker keep both processors busy: two of each at once are no faster.
BROWSER = "tests/browser/"
# Tests that start processes of their own run one after the other.
PROCESSES = ("tests/commands/test_sweep.py", "tests/jobs/", "tests/runs/test_checkpointing.py")
NOTEBOOKS = "tests/test_notebooks.py"


class ByFile(LoadFileScheduling):
    """Each file in one process; files that need a browser, or workers, in the same one."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(BROWSER):
            return "browser"
        if nodeid.startswith(PROCESSES):
            return "processes"
        if nodeid.startswith(NOTEBOOKS):  # a minute each
            return nodeid
        return super()._split_scope(nodeid)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long groups first, so that all processes end together."""
    items.sort(key=lambda item: not item.nodeid.startswith((BROWSER, *PROCESSES, NOTEBOOKS)))


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist, which `-n 0` leaves out
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Weights, photographs and reference values that lie beside the project, not in it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared: weights and photographs that are not part of the project")
    return folder


@pytest.fixture(scope="session")
def scenes_p() -> LoadedModel:
    """The bundled model; with random weights as long as it has not been trained."""
    if bundled.MODELS["scenes_vit"].checkpoint.is_file():
        return load_model("scenes_vit")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = bundled.scenes_vit().eval().requires_grad_(False)
    return LoadedModel("scenes_vit", model, bundled.DATA_CONFIG, CLASS_NAMES, (8, 8), 1)


@pytest.fixture(scope="session")
def vit_tiny(shared: Path) -> LoadedModel:
    """A real ImageNet model."""
    weights = shared / "models" / "vit_tiny_patch16_224.safetensors"
    return load_model("vit_tiny_patch16_224", weights)


@pytest.fixture(scope="session")
def small_spec() -> RunSpec:
    """The default method, made small."""
    spec = spec_of("maskaq")
    made = replace(spec.synthesis, images=4, steps=3)
    fit = replace(spec.fit, reconstruction=short.RECONSTRUCTION)
    return replace(spec, synthesis=made, fit=fit, eval_images=150, precision="float32")


@pytest.fixture(scope="session")
def small_run(small_spec: RunSpec) -> Finished:
    return execute(small_spec, progress=False)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[model_hub.ModelHub]:
    """A model hub, and a server that may download from it."""
    monkeypatch.delenv("MASKAQ_READONLY", raising=False)
    with model_hub.served(tmp_path, monkeypatch) as hub:
        yield hub
