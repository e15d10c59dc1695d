import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from maskaq.evaluation.accuracy import BATCH, batch_size_for, evaluate
from maskaq.events import Event
from maskaq.intervals import wilson
from maskaq.tasks.base import Evaluation
from maskaq.tasks.classification import TASK, rank_of


class Fixed(nn.Module):
    """Logits that depend on the first pixel only."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = table

    def forward(self, x: Tensor) -> Tensor:
        return self.table[x[:, 0, 0, 0].long()]


def test_evaluation_of_a_case_counted_by_hand() -> None:
    count, classes = 230, 8
    table_p = torch.eye(classes) * 10 + torch.arange(classes) / 10
    table_q = table_p.roll(1, 0)  # always the neighbouring class
    images = torch.zeros(count, 3, 2, 2, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(count) % classes
    labels = torch.arange(count) % classes
    items = list(
        evaluate(Fixed(table_p), Fixed(table_q), images, labels, lambda x: x.float(), TASK.judge(8))
    )
    found = items.pop()
    assert isinstance(found, Evaluation)
    assert all(isinstance(item, Event) and item.total == -(-count // BATCH) for item in items)
    assert found.top1 == (wilson(count, count), wilson(0, count))
    assert found.agreement == wilson(0, count)
    # Q's top class scores highest, then the others by number: labels 4..7 are among five.
    hits = sum(1 for i in range(count) if table_q[i % classes].topk(5).indices.eq(i % 8).any())
    assert found.top5[1] == wilson(hits, count)


@pytest.mark.parametrize(
    "size, width, images", [(32, 24, BATCH), (224, 192, BATCH), (224, 768, 13), (384, 1024, 3)]
)
def test_large_models_get_smaller_batches(size: int, width: int, images: int) -> None:
    with torch.device("meta"):
        model = VisionTransformer(img_size=size, embed_dim=width, depth=1, num_heads=4)
    assert batch_size_for(model) == images


def test_rank_counts_ties_and_nan_against_the_label() -> None:
    logits = torch.tensor([[1.0, 1.0, 0.0], [float("nan"), 2.0, 3.0], [5.0, 1.0, 0.0]])
    assert rank_of(logits, torch.tensor([0, 1, 0])).tolist() == [1, 2, 0]


@pytest.mark.parametrize("most", [1, 5])
def test_ranks_equal_torch_topk(most: int) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(50, 20, generator=generator)
    labels = torch.randint(0, 20, (50,), generator=generator)
    expected = (logits.topk(most).indices == labels[:, None]).any(1)
    assert torch.equal(rank_of(logits, labels) < most, expected)


class NeverCalled(nn.Module):
    """Fails if it is run."""

    def forward(self, x: Tensor) -> Tensor:
        raise AssertionError("P was run again")


def test_known_answers_save_running_p_again() -> None:
    count, classes = 120, 8
    generator = torch.Generator().manual_seed(0)
    tables = torch.randn(3, classes, classes, generator=generator)
    p, first, second = (Fixed(table) for table in tables)
    images = torch.zeros(count, 3, 2, 2, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(count) % classes
    labels = torch.randint(0, classes, (count,), generator=generator)
    case = (images, labels, lambda x: x.float())
    *_, first_time = evaluate(p, first, *case, TASK.judge(classes))
    *_, again = evaluate(NeverCalled(), second, *case, TASK.judge(classes, first_time.of_p))
    *_, whole = evaluate(p, second, *case, TASK.judge(classes))
    assert (again.top1, again.top5, again.agreement) == (whole.top1, whole.top5, whole.agreement)
    assert again.answers.equal(whole.answers)
    assert again.of_p.ranks.equal(whole.of_p.ranks)
