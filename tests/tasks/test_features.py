"""Models without a classifier: judged by the neighbours of their features."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from maskaq.errors import DataError
from maskaq.evaluation.accuracy import evaluate, predict
from maskaq.intervals import student
from maskaq.tasks.features import TASK, nearest


class Features(nn.Module):
    """A linear map of the pixels."""

    def __init__(self, noise: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        weight = torch.randn(7, 3 * 8 * 8, generator=generator)
        self.weight = weight + noise * torch.randn(weight.shape, generator=generator)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flatten(1) @ self.weight.T  # [B,7]


def normalise(images: torch.Tensor) -> torch.Tensor:
    return images.float() / 255 - 0.5


@pytest.mark.parametrize("count", [3, 60])
def test_every_number_equals_its_definition(count: int) -> None:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(256, (count, 3, 8, 8), dtype=torch.uint8, generator=generator)
    labels = torch.randint(3, (count,), generator=generator)
    p, q = Features(), Features(noise=0.5)
    *events, result = evaluate(p, q, images, labels, normalise, TASK.judge(3))
    assert [event.stage for event in events] == ["evaluation"] * len(events)
    features = [model(normalise(images)) for model in (p, q)]
    nearest_of = []
    for number, rows in enumerate(features):
        order = []
        for row in range(count):
            others = [other for other in range(count) if other != row]
            similar = {o: float(F.cosine_similarity(rows[row], rows[o], dim=0)) for o in others}
            order.append(sorted(others, key=lambda o, s=similar: -s[o])[:5])
        first = [labels[near[0]] == labels[row] for row, near in enumerate(order)]
        five = [any(labels[o] == labels[row] for o in near) for row, near in enumerate(order)]
        assert result.top1[number].value == pytest.approx(sum(first) / count)
        assert result.top5[number].value == pytest.approx(sum(five) / count)
        assert result.answers[number].tolist() == [int(labels[near[0]]) for near in order]
        nearest_of.append([near[0] for near in order])
    same = sum(a == b for a, b in zip(*nearest_of, strict=True))
    assert result.agreement.value == pytest.approx(same / count)
    cosines = F.cosine_similarity(*features)
    assert result.cosine == pytest.approx(student(cosines.tolist()), abs=1e-5)


def test_a_model_agrees_with_itself() -> None:
    images = torch.randint(256, (20, 3, 8, 8), dtype=torch.uint8)
    *_, result = evaluate(
        Features(), Features(), images, torch.arange(20), normalise, TASK.judge(20)
    )
    assert result.agreement.value == 1
    assert result.cosine.value == pytest.approx(1)
    assert result.top1[0].value == 0  # no two images have the same label


def test_a_single_image_has_no_neighbour() -> None:
    image = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(DataError, match="at least 2 evaluation images"):
        list(evaluate(Features(), Features(), image, torch.zeros(1), normalise, TASK.judge(1)))


def test_rows_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    features = F.normalize(torch.randn(23, 4), dim=-1)
    whole = nearest(features)
    monkeypatch.setattr("maskaq.tasks.features._ROWS", 5)
    assert torch.equal(nearest(features), whole)


def test_samples_are_judged_by_cosine(scenes_p) -> None:
    images = torch.randn(3, 3, 64, 64)
    found = predict(scenes_p.model, scenes_p.model, images, scenes_p.prefix, TASK)
    assert not found.classes.any()
    torch.testing.assert_close(found.certainty, torch.ones(2, 3))
