from __future__ import annotations

import pytest
import torch

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.errors import NotCalibratedError
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.backends.ranges_only import ranged
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.steady import steady


@pytest.mark.parametrize("backend", ["tails", "lsq-kd", "repq"])
def test_a_steady_q_has_the_answers_maps_and_gradients_of_q(
    scenes_p: LoadedModel, backend: str
) -> None:
    images = scenes_p.normalise(scenes("calibration", range(4)).images)
    q = ranged(scenes_p.model, QuantOptions(4, 4), BACKENDS[backend].scheme, images)
    outcomes = []
    for model in (q, steady(q)):
        inputs = images.clone().requires_grad_()
        with record(model) as maps:
            logits = model(inputs)
        loss = logits.square().sum() + sum(block.probs.square().sum() for block in maps)
        outcomes.append((logits, maps[-1].probs, torch.autograd.grad(loss, inputs)[0]))
    for one, other in zip(*outcomes, strict=True):
        assert torch.equal(one, other)
    assert not any(parameter.requires_grad for parameter in steady(q).parameters())


def test_q_itself_keeps_its_weights(scenes_p: LoadedModel) -> None:
    images = scenes_p.normalise(scenes("calibration", range(2)).images)
    q = ranged(scenes_p.model, QuantOptions(3, 3), BACKENDS["tails"].scheme, images)
    before = {name: value.clone() for name, value in q.state_dict().items()}
    made = steady(q)
    assert all(torch.equal(value, before[name]) for name, value in q.state_dict().items())
    assert len(made.blocks[0].mlp.fc1.weight[0].unique()) <= 8  # type: ignore[index, union-attr]


def test_q_without_ranges_is_refused(scenes_p: LoadedModel) -> None:
    q = convert(scenes_p.model, QuantOptions(4, 4), BACKENDS["tails"].scheme)
    with pytest.raises(NotCalibratedError, match="no range yet"):
        steady(q)
