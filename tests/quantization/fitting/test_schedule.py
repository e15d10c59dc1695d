import math

import pytest
import torch
from torch import nn

from maskaq.models.loading import LoadedModel
from maskaq.quantization.fitting.schedule import CosineSchedule, block_outputs


def optimiser() -> torch.optim.Adam:
    first, second = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    return torch.optim.Adam([{"params": [first], "lr": 0.4}, {"params": [second], "lr": 0.02}])


def rates(adam: torch.optim.Adam) -> list[float]:
    return [group["lr"] for group in adam.param_groups]


@pytest.mark.parametrize("last", [0.0, 0.01])
def test_rates_decrease_along_a_cosine(last: float) -> None:
    adam = optimiser()
    schedule = CosineSchedule(adam, 8, last)
    for step in range(9):
        schedule.set_rates(step, factor=0.5)
        fraction = last + (1 - last) * (1 + math.cos(math.pi * step / 8)) / 2
        assert rates(adam) == pytest.approx([0.2 * fraction, 0.01 * fraction])


def test_the_schedule_continues_after_loading_an_optimiser_state() -> None:
    first, second = optimiser(), optimiser()
    schedules = CosineSchedule(first, 8), CosineSchedule(second, 8)
    schedules[0].set_rates(4)
    second.load_state_dict(first.state_dict())
    for schedule in schedules:
        schedule.set_rates(6)
    assert rates(second) == rates(first)


def test_block_outputs_are_recorded_only_while_open(scenes_p: LoadedModel) -> None:
    model = scenes_p.model
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        with block_outputs(model) as outputs:
            logits = model(images)
        assert len(outputs) == len(model.blocks)
        assert torch.equal(model.forward_head(model.norm(outputs[-1])), logits)
        model(images)
    assert len(outputs) == len(model.blocks)
