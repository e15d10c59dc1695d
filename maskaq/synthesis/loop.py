"""The synthesis loop: batches of images, each optimised on its own, reported step by step.

Equation 15 of MaskAQ (Qian et al. 2026) in a loop. Every batch has its own generator, seeded by the
run's seed and the index of the batch's first image, so that no image depends on how many others are
made.
"""

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
from maskaq.synthesis.context import MakeQ, SynthesisContext
from maskaq.synthesis.parametrisation import PARAMETRISATIONS, to_uint8
from maskaq.tasks import TASKS

IMAGES_PER_EVENT = 16  # the first ones of a batch
EVENTS_WITH_IMAGES = 10  # per batch, about
CHUNK = 64  # images per forward pass without gradients


@dataclass(frozen=True, eq=False)
class Samples:
    """Calibration images.

    images: uint8 [N,3,S,S]. labels: what P should see in them, [N,..], in classification int64 [N];
    see `tasks.base.Task`. recognised: how much of that P sees (`recognised_share`). history: per
    step the metrics, means over the batches. state: what the parametrisation needs beside the
    images to resume from them, [N,..] each.
    """

    images: Tensor
    labels: Tensor
    recognised: float
    history: list[dict[str, float]] = field(default_factory=list)
    state: Mapping[str, Tensor] = field(default_factory=dict)


def optimise_images(
    loaded: LoadedModel,
    options: SynthesisOptions,
    *,
    seed: int,
    precision: str = "float32",
    device: str = "cpu",
    make_q: MakeQ | None = None,
    start: Samples | None = None,
    targets: Tensor | None = None,
    max_crops: int = 0,
    checkpoints: Checkpoints = NOWHERE,
    only: int | None = None,
) -> Iterator[Event | Samples]:
    """Optimise images through P; P is copied and not changed.

    Args:
        loaded: P.
        options: settings; `source` is ignored.
        seed: of labels, initial images, augmentation and random drops.
        precision: of the passes through the models, `"float32"` or `"bfloat16"`.
        device: where to compute.
        make_q: makes a recordable Q from normalised images [B,3,S,S]; see `freeze_weights`. Called
            once per batch when alignment begins, and only if its coefficient is above 0.
        start: samples to continue from, with their labels, instead of new ones (a refresh).
        targets: what P should see in new images, [options.images,..]; sampled without data if None.
        max_crops: largest number of crops of each image with separate labels, 0 to 4 (SARDFQ); see
            `terms.multi_semantic`.
        checkpoints: where batches keep their states and resume from.
        only: make only the batch that begins at this image.

    Yields:
        one event per step, some of them, and the last one of a batch, with images; fewer if a whole
        batch failed. Last the samples, without the images that failed.

    Raises:
        OptionError: all coefficients are 0, alignment without `make_q`, or `start` without the
            state that its parametrisation needs.
        SynthesisError: no image is left.
    """
    context = SynthesisContext.of(loaded, options, precision, device, make_q, max_crops)
    _check(context)
    count = options.images if start is None else len(start.images)
    labels = targets if start is None else start.labels
    if labels is None:
        labels = sample_targets(loaded, count, seed)
    firsts: Sequence[int] = range(0, count, options.batch) if only is None else [only]
    total = options.steps * len(firsts)
    parts: list[Samples] = []
    for number, first in enumerate(firsts):
        own = labels[first : first + options.batch]
        for item in _one_batch(context, own, first, seed, start, checkpoints):
            if isinstance(item, Event):
                yield replace(item, step=number * options.steps + item.step, total=total)
            else:
                parts.append(item)
    yield join(parts)


def _one_batch(
    context: SynthesisContext,
    labels: Tensor,
    first: int,
    seed: int,
    start: Samples | None,
    checkpoints: Checkpoints,
) -> Iterator[Event | Samples]:
    """Optimise the batch that begins at image `first`; yields steps from 1, then its samples."""
    batch = _begin(context, labels, first, seed, start)
    name, steps = f"batch{first}", context.options.steps
    events: list[Event] = []
    if kept := checkpoints.recall(name):
        batch.restore(kept)
        events = [Event(**values) for values in kept["events"]]
        yield from events

    def state() -> State:
        over = len(events) == steps
        return {**batch.checkpoint(over), "events": [vars(event) for event in events]}

    while len(events) < steps and not batch.failed.all():
        step, failed = len(events), batch.failed
        metrics = batch.advance(step)
        with_images = step % max(1, steps // EVENTS_WITH_IMAGES) == 0 or step == steps - 1
        images = _event_images(batch, context.loaded) if with_images else None
        problem = _problem(failed, batch.failed, first)
        event = Event("synthesis", step + 1, steps, metrics, images, problem)
        # A run only keeps the images of its first batch.
        events.append(event if first == 0 else replace(event, images=None))
        yield event
        checkpoints.offer(name, state)
    checkpoints.keep(name, state())
    yield _finish(context, batch, labels, [dict(event.metrics) for event in events])


def sample_targets(loaded: LoadedModel, count: int, seed: int) -> Tensor:
    """What P should see in each of `count` images: [count,..], see `tasks.base.Task`."""
    classes, task = len(loaded.class_names), TASKS[loaded.task]
    return task.sample_targets(count, classes, loaded.sides, _seed(seed, -1))


def recognised_share(loaded: LoadedModel, images: Tensor, targets: Tensor) -> float:
    """How much of their targets [N,..] P sees in images, uint8 [N,3,S,S]: mean, in 0..1.

    In classification it is the share of images that P classifies as their label.
    """
    task = TASKS[loaded.task]
    with torch.inference_mode():
        shares = [
            task.reached(loaded.model(loaded.normalise(part)), target)
            for part, target in zip(images.split(CHUNK), targets.split(CHUNK), strict=True)
        ]
    return float(torch.cat(shares).mean())


def _seed(seed: int, first: int) -> int:
    """The seed of the batch that begins at image `first`; -1 for the labels."""
    return (seed * 1_000_003 + first) % 2**63


def _check(context: SynthesisContext) -> None:
    if not context.options.steps:
        return
    if not context.coefficients:
        raise OptionError("all coefficients are 0; set at least one, such as one_hot to 1.")
    if "align" in context.coefficients and context.make_q is None:
        raise OptionError(
            f"align is {context.coefficients['align']} and needs Q, but there is no make_q; pass "
            "make_q, or set align to 0."
        )


def _begin(
    context: SynthesisContext, labels: Tensor, first: int, seed: int, start: Samples | None
) -> Batch:
    kind = PARAMETRISATIONS[context.options.parametrisation]
    generator = torch.Generator(context.device).manual_seed(_seed(seed, first))
    if start is None:
        parametrisation = kind(context.loaded, len(labels), generator)
    else:
        part = slice(first, first + len(labels))
        state = {name: value[part] for name, value in start.state.items()}
        parametrisation = kind.resume(context.loaded, start.images[part], state, context.device)
    return Batch(context, parametrisation, labels, generator)


@torch.no_grad()
def _event_images(batch: Batch, loaded: LoadedModel) -> Tensor:
    return to_uint8(batch.images()[:IMAGES_PER_EVENT], loaded).cpu()


def _problem(before: Tensor, after: Tensor, first: int) -> str:
    """Message about the images that failed in a step, numbered over all batches; "" for none."""
    failed = [str(first + i) for i in (after & ~before).nonzero().flatten().tolist()]
    if not failed:
        return ""
    which = f"image {failed[0]} is" if len(failed) == 1 else f"images {', '.join(failed)} are"
    return f"{which} no longer finite (NaN or infinite) and excluded from here on"


@torch.no_grad()
def _finish(
    context: SynthesisContext, batch: Batch, labels: Tensor, history: list[dict[str, float]]
) -> Samples:
    """The remaining images of the batch."""
    # Getting the images also marks those that failed in the last step.
    images = to_uint8(batch.images(), context.loaded)  # [B,3,S,S]
    outputs = context.run(context.model, context.loaded.normalise(images)).float().cpu()  # [B,..]
    alive = ~batch.failed.cpu()
    reached = context.task.reached(outputs, labels)[alive]
    share = float(reached.mean()) if len(reached) else 0.0
    state = {name: value[alive] for name, value in batch.state().items()}
    return Samples(images.cpu()[alive], labels[alive], share, history, state)


def join(parts: Sequence[Samples]) -> Samples:
    """Join the samples of several batches.

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
    values = {name: [row[name] for row in rows if name in row] for name in names}
    return {name: sum(of_name) / len(of_name) for name, of_name in values.items()}
