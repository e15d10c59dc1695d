from __future__ import annotations

from dataclasses import replace

import pytest

from maskaq.config import RunSpec
from maskaq.methods import spec_of
from maskaq.runs.api import execute
from maskaq.runs.runner import Finished
from tests import short


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
