"""The run: turns a RunSpec into events and, last, the result. Only this module knows all stages."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from maskaq.checkpoints import NOWHERE, Checkpoints
from maskaq.config import RunSpec, SynthesisOptions, components
from maskaq.evaluation.accuracy import Predictions, evaluate, predict
from maskaq.events import Event
from maskaq.intervals import Interval
from maskaq.quantization.backends import BACKENDS, FitTask
from maskaq.quantization.backends.ranges_only import calibrated_q
from maskaq.quantization.conversion.census import float_share, products
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.freeze import freeze, freeze_weights
from maskaq.quantization.fitting.bit_allocation import allocate, mixed_layers, sensitivities
from maskaq.quantization.tensor_report import tensor_report
from maskaq.quantization.tensor_row import TensorRow
from maskaq.results.artifacts import APART, FRAMES, Evidence
from maskaq.results.result import Accuracy, Finished, RunResult
from maskaq.runs import environment
from maskaq.runs.checkpointing import Timed, WithSamples
from maskaq.runs.context import RunContext
from maskaq.runs.timing import Stopwatch
from maskaq.synthesis.context import MakeQ
from maskaq.synthesis.loop import Samples
from maskaq.synthesis.sources import SOURCES
from maskaq.tasks import TASKS
from maskaq.tasks.base import Evaluation

_REPORTED = 16  # samples used for the per-tensor report
_RATED = 64  # samples that rate the layers for mixed precision
_PREDICTED = 64  # samples whose predictions by P and Q are stored


def run(
    spec: RunSpec,
    *,
    samples: Samples | None = None,
    context: RunContext | None = None,
    checkpoints: Checkpoints = NOWHERE,
) -> Iterator[Event | Finished]:
    """Do the run, event by event; the last item is `Finished`.

    Args:
        samples: to fit Q to; by default they are synthesized by the source.
        context: of an earlier run with the same model, weights, data, holdout, number of evaluation
            images, seed and device.
        checkpoints: where synthesis, `lsq-kd` and `reconstruct` keep their states, to resume from.

    Raises:
        MaskaqError: anything in the spec that cannot be done, as early as possible.
    """
    watch = Stopwatch()
    work = _Run(spec, context, checkpoints)
    yield watch.note(Event("load", 1, 1, notes=work.context.notes))
    stages = {"synthesis": work.synthesize(), "fit": work.fit(), "evaluation": work.evaluate()}
    if samples is not None:
        work.samples = samples
        del stages["synthesis"]
    for stage, events in stages.items():
        for event in events:
            yield watch.note(event)
        watch.close(stage)
        watch.add(stage, work.checkpoints.take_saved_seconds())
    curves = pd.DataFrame(watch.rows)
    yield Finished(work.result(watch), work.samples, curves, work.q, work.evidence(), watch.log)


def synthesize(
    spec: RunSpec,
    context: RunContext | None = None,
    *,
    checkpoints: Checkpoints = NOWHERE,
    only: int | None = None,
) -> Iterator[Event | Samples]:
    """Only the samples of a run: events, then the samples. See `run`.

    Args:
        only: synthesize only the batch that starts at this image.
    """
    work = _Run(spec, context, checkpoints)
    work.only = only
    yield from work.synthesize()
    yield work.samples


class _Run:
    """One run, stage by stage. Each stage yields events and stores its outcome here."""

    samples: Samples
    only: int | None = None
    evaluation: Evaluation
    tensors: list[TensorRow]
    predictions: Predictions
    float_share: float

    def __init__(
        self, spec: RunSpec, context: RunContext | None = None, checkpoints: Checkpoints = NOWHERE
    ) -> None:
        environment.check_device(spec.device)
        self.spec = spec
        self.checkpoints = Timed(checkpoints)
        self.frames: list[tuple[int, Tensor]] = []
        self.backend = BACKENDS[spec.fit.backend]
        self.source = SOURCES[spec.synthesis.source]
        self.precision = environment.working_precision(spec.precision, spec.device)
        self.context = context or RunContext.of(spec)
        self.loaded, self.data = self.context.loaded, self.context.data
        self.task = TASKS[self.loaded.task]
        self.p = self.loaded.model.to(spec.device)
        self.q = convert(self.p, spec.quantization, self.backend.scheme)

    def synthesize(self) -> Iterator[Event]:
        """The first samples. Alignment uses a Q calibrated on the images so far."""

        def make_q(images: Tensor) -> nn.Module:
            return freeze_weights(
                calibrated_q(self.p, self.spec.quantization, self.backend.scheme, images)
            )

        return self._synthesize(self.spec.synthesis, make_q, None)

    def refresh(self, q: nn.Module) -> Iterator[Event | Tensor]:
        """Synthesize further, from the present samples and against the present Q."""
        options = replace(self.spec.synthesis, steps=self.spec.fit.refresh_steps)
        yield from self._synthesize(options, lambda _: freeze_weights(q), self.samples)
        yield self.samples.images

    def _synthesize(
        self, options: SynthesisOptions, make_q: MakeQ, start: Samples | None
    ) -> Iterator[Event]:
        items = self.source(
            self.loaded,
            options,
            seed=self.spec.seed,
            precision=self.precision,
            device=self.spec.device,
            make_q=make_q,
            calibration=self.data.calibration,
            start=start,
            checkpoints=NOWHERE if start else self.checkpoints,
            only=self.only,
        )
        for item in items:
            if isinstance(item, Samples):
                self.samples = item
                continue
            if item.images is not None and item.step <= options.steps and not start:
                self.frames.append((item.step, item.images))  # first batch only
            yield item

    def fit(self) -> Iterator[Event]:
        """Fit Q to the samples, then report its tensors."""
        if self.spec.quantization.average_bits:
            self.q = self._mixed_q()
        task = FitTask(
            self.p,
            self.q,
            self.samples.images,
            self._inputs,
            self.loaded.prefix,
            self.spec.fit,
            self.spec.seed,
            self.precision,
            self.refresh,
            WithSamples(self, self.checkpoints),
            self.spec.quantization,
            self.task,
            components.TASKS[self.loaded.task].extra_tune_bits,
        )
        yield from self.backend.fit(task)
        self.q.requires_grad_(False)
        self.tensors = tensor_report(self.q, self._inputs(self.samples.images[:_REPORTED]))
        shown = self._inputs(self.samples.images[:_PREDICTED])
        self.float_share = float_share(products(self.q))
        self.predictions = predict(self.p, self.q, shown, self.loaded.prefix, self.task)

    def _mixed_q(self) -> nn.Module:
        """Q with more bits for the layers that matter more."""
        formats = self.spec.quantization
        images = self._inputs(self.samples.images[:_RATED])
        generator = torch.Generator(images.device).manual_seed(self.spec.seed)
        names = mixed_layers(self.q, formats)
        found = sensitivities(self.p, names, images, generator, self.task.likelihood)
        bits = allocate(found, formats.average_bits)
        return convert(self.p, formats, self.backend.scheme, bits)

    def evaluate(self) -> Iterator[Event]:
        """P and Q on the evaluation images, in float32."""
        p, q = freeze(self.p), freeze(self.q)
        judge = self.task.judge(len(self.loaded.class_names), self.context.p_answers)
        for item in evaluate(p, q, self.data.images, self.data.labels, self._inputs, judge):
            if isinstance(item, Evaluation):
                self.evaluation, self.context.p_answers = item, item.of_p
            else:
                yield item

    def _inputs(self, images: Tensor) -> Tensor:
        """Normalised, on the device, from uint8 [B,3,S,S]."""
        return self.loaded.normalise(images).to(self.spec.device)

    def evidence(self) -> Evidence:
        apart = self._apart()
        images, truth = self.data.images[apart], self.data.labels[apart]
        shown = self.task.shown(truth, self._answers(images)) if len(apart) else {}
        every = -(-len(self.frames) // FRAMES) or 1
        frames = self.frames[:-1:every] + self.frames[-1:]  # always with the last one
        return Evidence(
            labels=self.task.caption(self.data.labels, len(self.loaded.class_names)).int().numpy(),
            answers=self.evaluation.answers.int().numpy(),
            apart=images.numpy(),
            apart_index=apart.int().numpy(),
            seen=self.predictions.classes.int().numpy(),
            certainty=self.predictions.certainty.half().numpy(),
            alpha=self.predictions.alpha.half().numpy(),
            classes=self.loaded.class_names or self.data.names or _numbered(self.data.labels),
            frames=[images.numpy() for _, images in frames],
            steps=[step for step, _ in frames],
            per_class=_numpy(self.evaluation.per_class),
            draws=_numpy(self.evaluation.draws),
            shown={name: values.numpy() for name, values in shown.items()},
        )

    def _apart(self) -> Tensor:
        """The images on which P and Q differ most, and of equal ones the first: int64 [k]."""
        order = self.evaluation.apart.argsort(descending=True, stable=True)[:APART]  # [k]
        return order[self.evaluation.apart[order] > 0]

    @torch.no_grad()
    def _answers(self, images: Tensor) -> Tensor:
        """Outputs of P and Q for images uint8 [B,3,S,S]: [2,B,..]."""
        inputs = self._inputs(images)
        return torch.stack([model(inputs).float() for model in (self.p, self.q)]).cpu()

    def result(self, watch: Stopwatch) -> RunResult:
        agreement = self.evaluation.agreement
        return RunResult(
            spec=self.spec,
            fp=_accuracy(self.evaluation, 0),
            q=_accuracy(self.evaluation, 1),
            agreement=agreement.value,
            agreement_low=agreement.low,
            agreement_high=agreement.high,
            evaluated=agreement.n,
            seconds=watch.seconds(),
            peak_memory_mb=environment.peak_memory_mb(),
            device=environment.describe(self.spec.device, self.precision),
            versions=environment.versions(),
            samples={"count": len(self.samples.images), "recognised": self.samples.recognised},
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            tensors=tuple(self.tensors),
            float_share=self.float_share,
            cosine=_ends(self.evaluation.cosine),
            notes=(*self.context.notes, *_left_in_float(self.float_share)),
            task=self.loaded.task,
        )


def _left_in_float(share: float) -> tuple[str, ...]:
    if not share:
        return ()
    return (f"{share:.2%} of the multiply-adds stay in float; the table of tensors says why",)


def _numpy(values: Tensor | None) -> Any:
    return None if values is None else values.float().numpy()


def _ends(interval: Interval | None) -> tuple[float, float, float] | None:
    return None if interval is None else (interval.value, interval.low, interval.high)


def _numbered(labels: Tensor) -> tuple[str, ...]:
    return tuple(f"class {label}" for label in range(int(labels.max()) + 1))


def _accuracy(evaluation: Evaluation, model: int) -> Accuracy:
    top1, top5 = evaluation.top1[model], evaluation.top5[model]
    return Accuracy(top1.value, top1.low, top1.high, top5.value, top5.low, top5.high)
