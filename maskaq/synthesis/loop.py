"""The synthesis: batches of images, each optimised by itself, reported step by step.

Equation 15 of MaskAQ (Qian et al. 2026) in a loop. Every batch draws from a generator of its own,
seeded by the run's seed and the index of the batch's first image, so that no image depends on how
many others are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

import torch
from torch import Tensor

from maskaq.checkpoints import NOWHERE, Checkpoints, State
from maskaq.config import SynthesisOptions
from maskaq.errors import OptionError, SynthesisError
from maskaq.events import Event
from maskaq.models.loading import LoadedModel
from maskaq.synthesis.batch import Batch
from maskaq.synthesis.context import MakeQ, Setting
from maskaq.synthesis.parametrisation import PARAMETRISATIONS, to_uint8

__all__ = ["Samples", "draw_labels", "join", "recognised", "synthesise"]

SHOWN = 16  # images in an event
SHOWINGS = 10  # events with images per batch, about
CHUNK = 64  # images per pass where nothing is learned


@dataclass(frozen=True, eq=False)
class Samples:
    """Images to quantize with.

    images: uint8 [N,3,S,S]. labels: int64 [N]. recognised: share of the images to which P gives
    their label. history: per step the metrics, means over the batches. state: what the
    parametrisation needs beside the images to go on from them, [N,..] each.
    """

    images: Tensor
    labels: Tensor
    recognised: float
    history: list[dict[str, float]] = field(default_factory=list)
    state: Mapping[str, Tensor] = field(default_factory=dict)


def synthesise(
    loaded: LoadedModel,
    options: SynthesisOptions,
    *,
    seed: int,
    precision: str = "float32",
    device: str = "cpu",
    make_q: MakeQ | None = None,
    start: Samples | None = None,
    meanings: int = 0,
    checkpoints: Checkpoints = NOWHERE,
    only: int | None = None,
) -> Iterator[Event | Samples]:
    """Optimise images through P; P itself is copied and stays as it is.

    Args:
        loaded: P.
        options: how; `source` is not looked at.
        seed: of labels, first images, augmentation and drops.
        precision: of the passes through the models, `"float32"` or `"bfloat16"`.
        device: where to work.
        make_q: makes Q, recordable, from normalised images [B,3,S,S]; see `freeze_weights`. Called once
            per batch when alignment begins, and only if its coefficient is above 0.
        start: samples to go on from, with their labels, instead of new ones (a refresh).
        meanings: up to so many crops of each image, 0 to 4, shall show a class of their own
            (SARDFQ); see `semantics`.
        checkpoints: where batches leave their states, and go on from them.
        only: make the batch that begins at this image, and no others.

    Yields:
        one event per step, now and then and at the end of a batch with images; fewer where a whole
        batch failed. Last the samples, without the images that failed.

    Raises:
        OptionError: all coefficients are 0, alignment without `make_q`, or `start` without the
            state that its parametrisation needs.
        SynthesisError: no image is left.
    """
    setting = Setting.of(loaded, options, precision, device, make_q, meanings)
    _check(setting)
    count = options.images if start is None else len(start.images)
    labels = draw_labels(count, len(loaded.class_names), seed) if start is None else start.labels
    firsts: Sequence[int] = range(0, count, options.batch) if only is None else [only]
    total = options.steps * len(firsts)
    parts: list[Samples] = []
    for number, first in enumerate(firsts):
        own = labels[first : first + options.batch]
        for item in _one_batch(setting, own, first, seed, start, checkpoints):
            if isinstance(item, Event):
                yield replace(item, step=number * options.steps + item.step, total=total)
            else:
                parts.append(item)
    yield join(parts)


def _one_batch(
    setting: Setting,
    labels: Tensor,
    first: int,
    seed: int,
    start: Samples | None,
    checkpoints: Checkpoints,
) -> Iterator[Event | Samples]:
    """The batch that begins at image `first`, its steps counted from 1; last its samples."""
    batch = _begin(setting, labels, first, seed, start)
    name, steps = f"batch{first}", setting.options.steps
    events: list[Event] = []
    if kept := checkpoints.recall(name):
        batch.restore(kept)
        events = [Event(**values) for values in kept["events"]]
        yield from events

    def state() -> State:
        over = len(events) == steps
        return {**batch.checkpoint(over), "events": [vars(event) for event in events]}

    while len(events) < steps and not batch.dead.all():
        step, dead = len(events), batch.dead
        metrics = batch.advance(step)
        images = _shown(batch, setting.loaded) if _is_showing(step, steps) else None
        problem = _problem(dead, batch.dead, first)
        event = Event("synthesis", step + 1, steps, metrics, images, problem)
        # A run keeps pictures of its first batch alone.
        events.append(event if first == 0 else replace(event, images=None))
        yield event
        checkpoints.offer(name, state)
    checkpoints.keep(name, state())
    yield _finish(setting, batch, labels, [dict(event.metrics) for event in events])


def draw_labels(count: int, classes: int, seed: int) -> Tensor:
    """Labels int64 [count], uniform: each class once, in random order, before any comes again."""
    generator = torch.Generator().manual_seed(_mix(seed, -1))
    rounds = [torch.randperm(classes, generator=generator) for _ in range(-(-count // classes))]
    return torch.cat(rounds)[:count]


def recognised(loaded: LoadedModel, images: Tensor, labels: Tensor) -> float:
    """Share of images, uint8 [N,3,S,S], to which P gives their label, [N]."""
    with torch.inference_mode():
        hits = [
            loaded.model(loaded.normalise(part)).argmax(-1) == wanted
            for part, wanted in zip(images.split(CHUNK), labels.split(CHUNK), strict=True)
        ]
    return float(torch.cat(hits).float().mean())


def _mix(seed: int, first: int) -> int:
    """A seed of its own for the batch that begins at image `first`; -1 is for the labels."""
    return (seed * 1_000_003 + first) % 2**63


def _check(setting: Setting) -> None:
    if not setting.options.steps:
        return
    if not setting.coefficients:
        raise OptionError("all coefficients are 0; set at least one, such as one_hot to 1.")
    if "align" in setting.coefficients and setting.make_q is None:
        raise OptionError(
            f"align is {setting.coefficients['align']} but there is no make_q, and alignment needs "
            "Q; pass make_q, or set align to 0."
        )


def _begin(setting: Setting, labels: Tensor, first: int, seed: int, start: Samples | None) -> Batch:
    kind = PARAMETRISATIONS[setting.options.parametrisation]
    generator = torch.Generator(setting.device).manual_seed(_mix(seed, first))
    if start is None:
        source = kind(setting.loaded, len(labels), generator)
    else:
        part = slice(first, first + len(labels))
        state = {name: value[part] for name, value in start.state.items()}
        source = kind.resume(setting.loaded, start.images[part], state, setting.device)
    return Batch(setting, source, labels, generator)


def _is_showing(step: int, steps: int) -> bool:
    return step % max(1, steps // SHOWINGS) == 0 or step == steps - 1


@torch.no_grad()
def _shown(batch: Batch, loaded: LoadedModel) -> Tensor:
    return to_uint8(batch.images()[:SHOWN], loaded).cpu()


def _problem(before: Tensor, after: Tensor, first: int) -> str:
    """Which images of the batch have failed between two looks at them, counted over all images."""
    failed = [str(first + i) for i in (after & ~before).nonzero().flatten().tolist()]
    if not failed:
        return ""
    who = f"image {failed[0]} is" if len(failed) == 1 else f"images {', '.join(failed)} are"
    return f"{who} no longer finite (NaN or infinite) and left out; the others go on"


@torch.no_grad()
def _finish(
    setting: Setting, batch: Batch, labels: Tensor, history: list[dict[str, float]]
) -> Samples:
    """The images of the batch that are left."""
    images = to_uint8(batch.images(), setting.loaded)  # [B,3,S,S], marks the last failures
    logits = setting.run(setting.model, setting.loaded.normalise(images))  # [B,K]
    alive = ~batch.dead.cpu()
    hits = (logits.argmax(-1).cpu() == labels)[alive]
    share = float(hits.float().mean()) if len(hits) else 0.0
    state = {name: value[alive] for name, value in batch.state().items()}
    return Samples(images.cpu()[alive], labels[alive], share, history, state)


def join(parts: Sequence[Samples]) -> Samples:
    """The samples of several batches as one.

    Raises:
        SynthesisError: no image is left.
    """
    counts = [len(part.images) for part in parts]
    if not sum(counts):
        raise SynthesisError(
            "no image is left: all turned NaN or infinite. Try a smaller lr, or precision float32."
        )
    hits = sum(part.recognised * count for part, count in zip(parts, counts, strict=True))
    return Samples(
        images=torch.cat([part.images for part in parts]),
        labels=torch.cat([part.labels for part in parts]),
        recognised=hits / sum(counts),
        history=[_mean(rows) for rows in zip_longest(*(p.history for p in parts), fillvalue={})],
        state={n: torch.cat([part.state[n] for part in parts]) for n in parts[0].state},
    )


def _mean(rows: tuple[dict[str, float], ...]) -> dict[str, float]:
    """Mean of each metric over the batches that have it."""
    names = dict.fromkeys(name for row in rows for name in row)
    found = {name: [row[name] for row in rows if name in row] for name in names}
    return {name: sum(values) / len(values) for name, values in found.items()}
