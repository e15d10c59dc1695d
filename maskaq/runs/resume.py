"""Where a run that is stored leaves its checkpoints, and which run they belong to."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path

import torch

from maskaq.checkpoints import InFolder
from maskaq.config import RunSpec
from maskaq.config.overrides import command_of
from maskaq.config.parsing import Every
from maskaq.runs import environment

__all__ = ["checkpoints", "folder_for"]


def folder_for(out: Path) -> Path:
    """Beside the folder of the run: a hidden one, so that no list takes it for a run."""
    return out.with_name(f".{out.name}.partial")


def checkpoints(spec: RunSpec, out: Path, every: Every) -> InFolder:
    """The checkpoints of a run that will be stored in `out`.

    Those of other settings, other versions or another number of threads are dropped: with them the
    result would not have the bits of a run that was never stopped.
    """
    key = {
        "command": f"{command_of(spec)} --out {shlex.quote(str(out))}",
        "spec": asdict(spec),
        "versions": environment.versions(),
        "threads": torch.get_num_threads(),
    }
    return InFolder(folder_for(out.resolve()), key, every=every)
