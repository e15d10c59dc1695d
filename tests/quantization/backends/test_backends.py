from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from maskaq.config import FitOptions, QuantOptions
from maskaq.data.scenes import scenes
from maskaq.errors import MaskaqError
from maskaq.events import Event
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import BACKENDS, FitTask
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.quantizers.base import quantizers
from tests.support import short

OPTIONS = FitOptions(
    backend="lsq-kd", epochs=3, batch=8, refresh=1, reconstruction=short.RECONSTRUCTION
)


@pytest.fixture(scope="module")
def images(scenes_p: LoadedModel) -> Tensor:
    return scenes("calibration", range(12)).images


def task(
    p: LoadedModel,
    images: Tensor,
    backend: str,
    options: FitOptions = OPTIONS,
    formats: QuantOptions = QuantOptions(4, 4),  # noqa: B008  frozen
    **more: object,
) -> FitTask:
    q = convert(p.model, formats, BACKENDS[backend].scheme)
    more = {"inputs": p.normalise, "prefix": p.prefix, "options": options, "seed": 0} | more
    return FitTask(p.model, q, images, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_every_back_end_leaves_a_calibrated_frozen_q(
    scenes_p: LoadedModel, images: Tensor, backend: str
) -> None:
    work = task(scenes_p, images, backend)
    before = {name: value.clone() for name, value in scenes_p.model.state_dict().items()}
    events = list(BACKENDS[backend].fit(work))
    assert [event.step for event in events] == list(range(1, events[-1].total + 1))
    assert all(quantizer.ready for _, quantizer in quantizers(work.q))
    assert not any(parameter.requires_grad for parameter in work.q.parameters())
    assert work.q(scenes_p.normalise(images)).isfinite().all()
    after = scenes_p.model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_lsq_kd_brings_q_closer_to_p(scenes_p: LoadedModel, images: Tensor) -> None:
    options = FitOptions(backend="lsq-kd", epochs=8, batch=6, lr=2e-4)
    few = QuantOptions(3, 3)  # at 4 bits the searched ranges leave little to learn
    work = task(scenes_p, images, "lsq-kd", options, few)
    events = list(BACKENDS["lsq-kd"].fit(work))
    sums = [sum(event.metrics.values()) for event in events]
    assert sum(sums[-4:]) < 0.8 * sum(sums[:4])
    assert set(events[0].metrics) == {"distillation", "heads"}


def test_the_head_term_can_be_left_out(scenes_p: LoadedModel, images: Tensor) -> None:
    options = FitOptions(backend="lsq-kd", epochs=1, batch=12, head_weight=0)
    events = list(BACKENDS["lsq-kd"].fit(task(scenes_p, images, "lsq-kd", options)))
    assert set(events[0].metrics) == {"distillation"}


def test_refreshed_samples_are_asked_for_and_used(scenes_p: LoadedModel, images: Tensor) -> None:
    asked: list[nn.Module] = []

    def redraw(q: nn.Module) -> Iterator[Event | Tensor]:
        assert not any(parameter.requires_grad for parameter in q.parameters())
        asked.append(q)
        yield Event("synthesis", 1, 1)
        yield images.flip(3)[:4]

    work = task(scenes_p, images, "lsq-kd", redraw=redraw)
    events = list(BACKENDS["lsq-kd"].fit(work))
    assert asked == [work.q, work.q]  # after the first and the second of three epochs
    stages = [event.stage for event in events]
    assert stages == ["fit", "fit", "synthesis", "fit", "synthesis", "fit"]


def test_the_same_seed_gives_the_same_q(scenes_p: LoadedModel, images: Tensor) -> None:
    logits = []
    for _ in range(2):
        work = task(scenes_p, images, "lsq-kd")
        list(BACKENDS["lsq-kd"].fit(work))
        logits.append(work.q(scenes_p.normalise(images)))
    assert torch.equal(*logits)


def test_a_loss_that_is_no_number_ends_the_fit_and_says_so(
    scenes_p: LoadedModel, images: Tensor
) -> None:
    options = FitOptions(backend="lsq-kd", epochs=4, batch=12, lr=1.0, optimiser="adam")
    work = task(scenes_p, images, "lsq-kd", options, inputs=lambda x: x / torch.zeros(()))
    with pytest.raises(MaskaqError, match=r"use a smaller learning rate than 1\.0"):
        list(BACKENDS["lsq-kd"].fit(work))
