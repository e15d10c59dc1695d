from itertools import product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from maskaq.intervals import wilson
from maskaq.results import table_verdicts

LABELS = np.zeros(1000, np.int32)


def run(right, *, order=0, images=LABELS):
    """A run whose Q is right on that many of 1 000 images; `order` moves which ones."""
    answers = np.ones((2, 1000), np.int32)
    answers[0] = 0
    answers[1, (np.arange(right) + order) % 1000] = 0
    evidence = SimpleNamespace(labels=images, answers=answers, draws=None)
    result = SimpleNamespace(top1_q=wilson(right, 1000), task="classification")
    return SimpleNamespace(result=result, evidence=evidence)


def grid(effect_a, effect_b, **options):
    """A grid of 2 x 2 runs."""
    return {
        (a, b): run(800 + effect_a * (a == "W8A8") + effect_b * (b == "real"), **options)
        for a, b in product(("W4A4", "W8A8"), ("noise", "real"))
    }


def test_the_setting_with_the_larger_effect_is_named():
    text = table_verdicts.of_grid(grid(100, 20), ("bits", "source"))
    assert text.startswith("**Most depends on the bits**: 10.0 points (95 % interval ")
    assert "; on the source: 2.0 points (95 % interval " in text
    other = table_verdicts.of_grid(grid(20, 100), ("bits", "mask_ratio"))
    assert other.startswith("**Most depends on the mask ratio**: 10.0 points")


def test_effects_that_are_alike_are_not_ranked():
    text = table_verdicts.of_grid(grid(50, 49), ("bits", "source"))
    assert text.startswith("**It depends on the bits and the source about equally**")


def test_an_effect_within_its_interval_may_be_chance():
    cells = grid(100, 0)
    cells["W4A4", "real"] = run(801, order=400)
    assert ", which may be chance" in table_verdicts.of_grid(cells, ("bits", "source"))
    none = {key: run(800, order=37 * place) for place, key in enumerate(cells)}
    assert table_verdicts.of_grid(none, ("bits", "source")) == (
        "**No effect of the bits or the source can be seen** on these images."
    )


def test_runs_on_other_images_are_compared_by_their_intervals():
    cells = grid(100, 0)
    paired = table_verdicts.of_grid(cells, ("bits", "source"))
    others = {key: SimpleNamespace(**vars(one) | {"evidence": None}) for key, one in cells.items()}
    unpaired = table_verdicts.of_grid(others, ("bits", "source"))
    assert unpaired.startswith("**Most depends on the bits**: 10.0 points (95 % interval 7.")
    assert unpaired != paired
    assert "on other images" in table_verdicts.ends_of_grid(others)


def test_only_complete_rows_and_columns_count():
    cells = grid(100, 20)
    del cells["W8A8", "noise"]
    assert "10.0 points" in table_verdicts.of_grid(cells, ("bits", "source"))  # from `real` alone
    one = {("W4A4", "noise"): run(800)}
    assert table_verdicts.of_grid(one, ("bits", "source")).startswith("Too few runs")
    assert table_verdicts.ends_of_grid(one) == "Best: W4A4 with noise, 80.0 %."
    assert table_verdicts.ends_of_grid({}) == ""


def test_best_and_worst_have_their_paired_difference():
    text = table_verdicts.ends_of_grid(grid(100, 20))
    assert text.startswith("Best: W8A8 with real, 92.0 %. Worst: W4A4 with noise, lower by 12.0")
    assert text.endswith("n = 1,000.")


def measured(*rows):
    table = pd.DataFrame(rows, columns=["source", "backend", "q", "half"])
    return table.assign(low=table["q"] - table["half"], high=table["q"] + table["half"], p=87.0)


def test_sources_within_the_interval_of_the_best_are_named():
    table = measured(
        ("real", "repq", 86.0, 0.5), ("maskaq", "repq", 85.5, 0.5), ("noise", "repq", 80.0, 0.5)
    )
    assert table_verdicts.of_measured(table) == (
        "**real with repq is highest**: 86.0 % (95 % interval 85.5 to 86.5; full precision "
        "87.0 %). maskaq cannot be told apart from it. Behind with most back-ends: noise (1 of 1)."
    )
    assert table_verdicts.among_the_best(table).tolist() == [True, True, False]
    clear = table.assign(low=table["q"] - 0.1, high=table["q"] + 0.1)
    assert "told apart" not in table_verdicts.of_measured(clear)


def test_no_source_is_called_behind_without_reason():
    table = measured(("real", "repq", 86.0, 9.0), ("noise", "repq", 80.0, 9.0))
    assert table_verdicts.of_measured(table).endswith("No source is behind with most back-ends.")


def printed(*rows):
    return pd.DataFrame(rows, columns=["method", "data", "model", "top1"])


def test_the_highest_printed_number_of_each_model():
    rows = printed(
        ("A", "data-free", "ViT-T", 50.0),
        ("B", "data-free", "ViT-T", 40.0),
        ("A", "data-free", "ViT-B", 60.0),
        ("B", "data-free", "ViT-B", 60.3),
        ("C", "real images", "ViT-B", 70.0),
        ("full precision", "full precision", "ViT-B", 80.0),
    )
    assert table_verdicts.of_published(rows) == (
        "**Without real images, highest is A for ViT-T; B for ViT-B†**. **With real images, C is "
        "the only method printed**. † The lead is within the 95 % interval of 50,000 test images."
    )


def test_a_method_that_leads_everywhere_is_said_so():
    numbers = {"A": 9.0, "B": 1.0}
    rows = printed(*((m, "data-free", k, numbers[m]) for k in ("T", "S", "B") for m in numbers))
    assert table_verdicts.of_published(rows) == (
        "**Without real images, highest is A for all 3 models**."
    )


@pytest.mark.parametrize("lead, chance", [(0.5, True), (0.7, False)])
def test_a_lead_counts_from_the_interval_on(lead, chance):
    rows = printed(("A", "data-free", "ViT-T", 50 + lead), ("B", "data-free", "ViT-T", 50.0))
    assert ("†" in table_verdicts.of_published(rows)) is chance
