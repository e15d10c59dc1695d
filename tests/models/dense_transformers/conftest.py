"""Every kind of model, saved and loaded once; no test changes these."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from maskaq.models.dense_transformers import load_dense
from maskaq.models.loading import LoadedModel
from tests.support import dense_transformers


@pytest.fixture(scope="session")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a model by its name in `BUILDERS`."""

    @cache
    def folder(name: str) -> Path:
        side = dense_transformers.side_of(name)
        path = tmp_path_factory.mktemp(name.replace(", ", "-"))
        return dense_transformers.save(dense_transformers.build(name), path, side)

    return folder


@pytest.fixture(scope="session")
def loaded(folder_of: Callable[[str], Path]) -> Callable[[str], LoadedModel]:
    """The model of that folder as P."""
    return cache(lambda name: load_dense(folder_of(name)))
