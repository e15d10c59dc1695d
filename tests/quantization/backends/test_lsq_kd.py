from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from maskaq.config import FitOptions, QuantOptions
from maskaq.data.scenes import scenes
from maskaq.errors import MaskaqError
from maskaq.events import Event
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import FitTask
from maskaq.quantization.backends.lsq_kd import BACKEND
from maskaq.quantization.conversion.convert import convert

OPTIONS = FitOptions(backend="lsq-kd", epochs=3, batch=8, refresh=1)


@pytest.fixture(scope="module")
def images(scenes_p: LoadedModel) -> Tensor:
    return scenes("calibration", range(12)).images


def fit_task(
    p: LoadedModel,
    images: Tensor,
    options: FitOptions = OPTIONS,
    formats: QuantOptions = QuantOptions(4, 4),  # noqa: B008  frozen
    **others: object,
) -> FitTask:
    q = convert(p.model, formats, BACKEND.scheme)
    others = {"inputs": p.normalise, "prefix": p.prefix, "options": options, "seed": 0} | others
    return FitTask(p.model, q, images, **others)  # type: ignore[arg-type]


def test_training_brings_q_closer_to_p(scenes_p: LoadedModel, images: Tensor) -> None:
    options = FitOptions(backend="lsq-kd", epochs=8, batch=6, lr=2e-4)
    formats = QuantOptions(3, 3)  # at 4 bits the searched ranges leave little to learn
    events = list(BACKEND.fit(fit_task(scenes_p, images, options, formats)))
    losses = [sum(event.metrics.values()) for event in events]
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])
    assert set(events[0].metrics) == {"distillation", "heads"}


def test_without_a_weight_there_is_no_head_term(scenes_p: LoadedModel, images: Tensor) -> None:
    options = FitOptions(backend="lsq-kd", epochs=1, batch=12, head_weight=0)
    events = list(BACKEND.fit(fit_task(scenes_p, images, options)))
    assert set(events[0].metrics) == {"distillation"}


def test_images_are_refreshed_between_epochs(scenes_p: LoadedModel, images: Tensor) -> None:
    calls: list[nn.Module] = []

    def resynthesize(q: nn.Module) -> Iterator[Event | Tensor]:
        assert not any(parameter.requires_grad for parameter in q.parameters())
        calls.append(q)
        yield Event("synthesis", 1, 1)
        yield images.flip(3)[:4]

    task = fit_task(scenes_p, images, resynthesize=resynthesize)
    events = list(BACKEND.fit(task))
    assert calls == [task.q, task.q]  # after the first and the second of three epochs
    stages = [event.stage for event in events]
    assert stages == ["fit", "fit", "synthesis", "fit", "synthesis", "fit"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_q(scenes_p: LoadedModel, images: Tensor) -> None:
    logits = []
    for _ in range(2):
        task = fit_task(scenes_p, images)
        list(BACKEND.fit(task))
        logits.append(task.q(scenes_p.normalise(images)))
    assert torch.equal(*logits)


def test_a_loss_that_is_not_finite_raises(scenes_p: LoadedModel, images: Tensor) -> None:
    options = FitOptions(backend="lsq-kd", epochs=4, batch=12, lr=1.0, optimiser="adam")
    task = fit_task(scenes_p, images, options, inputs=lambda x: x / torch.zeros(()))
    with pytest.raises(MaskaqError, match=r"use a smaller learning rate than 1\.0"):
        list(BACKEND.fit(task))
