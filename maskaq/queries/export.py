"""A file of a stored run, made on request."""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from maskaq.export.exporting import export_run
from maskaq.results import store

_IMAGES = 200  # whose answers are compared, at most: seconds


def exported(folder: str, format: str, target: str) -> dict[str, Any]:
    """Export the Q of a run and check it.

    Args:
        folder: of the run. format, target: as in `export_run`.

    Returns:
        data: the bytes of the file. answers: of the file and of Q on up to 200 images, see
        `verify.Answers`; None for the format `packed`.

    Raises:
        MaskaqError: as `export_run`.
    """
    run = store.read(Path(folder))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "file"
        images = min(_IMAGES, run.result.evaluated)
        found = export_run(run, path, format=format, target=target, images=images)
        answers = None if found.answers is None else asdict(found.answers)
        return {"data": path.read_bytes(), "answers": answers}
