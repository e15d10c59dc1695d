"""Models and data that many tests need, loaded once. Nothing here may be changed by a test."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from maskaq.data.scenes import CLASS_NAMES
from maskaq.models import bundled
from maskaq.models.loading import Loaded, load_model

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Weights, photographs and reference values that lie beside the project, not in it."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared: weights and photographs that are not part of the project")
    return folder


@pytest.fixture(scope="session")
def scenes_p() -> Loaded:
    """The bundled model; with random weights as long as it has not been trained."""
    if bundled.CHECKPOINT.is_file():
        return load_model("scenes_vit")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = bundled.scenes_vit().eval().requires_grad_(False)
    return Loaded("scenes_vit", model, bundled.DATA_CONFIG, CLASS_NAMES, (8, 8), 1)


@pytest.fixture(scope="session")
def vit_tiny(shared: Path) -> Loaded:
    """A real ImageNet model."""
    weights = shared / "models" / "vit_tiny_patch16_224.safetensors"
    return load_model("vit_tiny_patch16_224", weights)
