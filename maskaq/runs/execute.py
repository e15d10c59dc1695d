"""A run in one call, with a progress bar, for the command line, scripts and notebooks."""

import sys
from collections.abc import Iterable
from contextlib import closing

from tqdm import tqdm

from maskaq.checkpoints import NOWHERE, Checkpoints
from maskaq.config import RunSpec
from maskaq.events import Event
from maskaq.results.result import Finished
from maskaq.runs import environment
from maskaq.runs.context import RunContext
from maskaq.runs.runner import run
from maskaq.synthesis.loop import Samples


def execute(
    spec: RunSpec,
    *,
    progress: bool = True,
    samples: Samples | None = None,
    context: RunContext | None = None,
    checkpoints: Checkpoints = NOWHERE,
) -> Finished:
    """Do the run and return its outcome.

    Args:
        progress: show one bar per stage on standard error.
        samples, context, checkpoints: as in `run`.

    Raises:
        MaskaqError: as `run`.
    """
    environment.keep_freed_memory()
    try:
        with closing(_Bar(progress)) as bar:
            for item in run(spec, samples=samples, context=context, checkpoints=checkpoints):
                if isinstance(item, Finished):
                    return item
                bar.show(item)
    finally:
        environment.release_freed_memory()
    raise AssertionError("a run ends with its result")


def _print_notes(notes: Iterable[str]) -> None:
    for note in notes:
        tqdm.write(f"note: {note}", file=sys.stderr)


class _Bar:
    """A progress bar that is replaced whenever the stage changes."""

    def __init__(self, shown: bool) -> None:
        self._shown, self._stage, self._step = shown, "", 0
        self._bar = tqdm(disable=True)

    def close(self) -> None:
        self._bar.close()

    def show(self, event: Event) -> None:
        _print_notes(event.notes)
        if event.problem:
            tqdm.write(f"warning: {event.problem}", file=sys.stderr)
        if event.stage != self._stage or event.step < self._step:
            self._bar.close()
            self._stage, self._step = event.stage, 0
            self._bar = tqdm(
                total=event.total, desc=event.stage, disable=not self._shown, mininterval=0.5
            )
        self._bar.update(event.step - self._step)
        self._step = event.step
        if event.metrics:
            metrics = {name: f"{value:.3g}" for name, value in event.metrics.items()}
            self._bar.set_postfix(metrics, refresh=False)
