"""transformers, imported on use: it is optional, and slow to import."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from maskaq.errors import ModelError
from maskaq.models.weights import first_line


def transformers() -> Any:
    """The library transformers.

    Raises:
        ModelError: it is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise ModelError(
            "SegFormer, UPerNet, DPT and YOLOS need the library transformers, which cannot be "
            f'imported ({first_line(error)}); run `pip install "maskaq[transformers]"`.'
        ) from error


@contextmanager
def quietly() -> Iterator[None]:
    """While open, transformers shows no progress bars and reports errors only."""
    own = transformers().utils.logging
    level, bars = own.get_verbosity(), own.is_progress_bar_enabled()
    own.set_verbosity_error()
    own.disable_progress_bar()
    try:
        yield
    finally:
        own.set_verbosity(level)
        if bars:
            own.enable_progress_bar()
