"""What all that learn Q share: falling rates, also after a kept state was taken up."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from maskaq.models.loading import LoadedModel
from maskaq.quantization.fitting.schedule import Falling, block_outputs


def optimiser() -> torch.optim.Adam:
    first, second = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))
    return torch.optim.Adam([{"params": [first], "lr": 0.4}, {"params": [second], "lr": 0.02}])


def rates(made: torch.optim.Optimizer) -> list[float]:
    return [group["lr"] for group in made.param_groups]


@pytest.mark.parametrize("last", [0.0, 0.01])
def test_rates_fall_along_a_cosine_to_their_share(last: float) -> None:
    made = optimiser()
    falling = Falling(made, 8, last)
    for done in range(9):
        falling.at(done, part=0.5)
        share = last + (1 - last) * (1 + math.cos(math.pi * done / 8)) / 2
        assert rates(made) == pytest.approx([0.2 * share, 0.01 * share])


def test_rates_go_on_falling_in_an_optimiser_that_took_up_a_kept_state() -> None:
    unbroken = optimiser()
    falling = Falling(unbroken, 8)
    falling.at(4)
    resumed = optimiser()
    again = Falling(resumed, 8)
    resumed.load_state_dict(unbroken.state_dict())
    for both in (falling, again):
        both.at(6)
    assert rates(resumed) == rates(unbroken)


def test_block_outputs_are_recorded_only_while_open(scenes_p: LoadedModel) -> None:
    model = scenes_p.model
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        with block_outputs(model) as found:
            logits = model(images)
        assert len(found) == len(model.blocks)
        assert torch.equal(model.forward_head(model.norm(found[-1])), logits)
        model(images)
    assert len(found) == len(model.blocks)
