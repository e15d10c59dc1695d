import math

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.evaluation import activation_shift
from maskaq.evaluation.activation_shift import Moments, distances, statistics
from maskaq.evaluation.activation_shift_table import (
    COLUMNS,
    OUTSIDE,
    count_significant,
    factors,
    furthest,
)
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.backends.ranges_only import calibrated_q
from maskaq.quantization.tensor_report import tensor_report


def compared(p: nn.Module, samples: Tensor, real: Tensor) -> pd.DataFrame:
    return distances(statistics(p, samples), statistics(p, real))


@pytest.fixture(scope="module")
def real(scenes_p: LoadedModel) -> Tensor:
    return scenes_p.normalise(scenes("calibration", range(20)).images)  # more than one batch


@pytest.fixture(scope="module")
def real_statistics(scenes_p: LoadedModel, real: Tensor) -> activation_shift.Statistics:
    return statistics(scenes_p.model, real)


def by_loops(image: list[float]) -> tuple[float, float, float]:
    """Range, peak and kurtosis of one image's values, value by value."""
    n, order = len(image), sorted(image)
    count = math.ceil(n / 1000)
    mean = sum(image) / n
    second = sum((x - mean) ** 2 for x in image) / n
    fourth = sum((x - mean) ** 4 for x in image) / n
    return order[n - count] - order[count - 1], max(map(abs, image)), fourth / second**2


@pytest.mark.parametrize("values", [7, 3000])
def test_statistics_match_plain_loops(values: int) -> None:
    x = torch.randn(3, values, generator=torch.Generator().manual_seed(0)).double() ** 3
    found = [
        measure(x)
        for measure in (activation_shift._range, activation_shift._peak, activation_shift._kurtosis)
    ]
    for number, image in enumerate(x.tolist()):
        for measured, expected in zip(found, by_loops(image), strict=True):
            assert measured[number].item() == pytest.approx(expected)


def test_entropy_matches_plain_loops() -> None:
    logits = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(1)).double()
    probs = (3 * logits).softmax(-1)
    for image, measured in zip(
        probs.tolist(), activation_shift._entropy(probs).tolist(), strict=True
    ):
        rows = [-sum(a * math.log(a) for a in row) for head in image for row in head]
        assert measured == pytest.approx(sum(rows) / len(rows))
    one_hot = torch.eye(4).expand(1, 1, 4, 4)
    assert activation_shift._entropy(one_hot).item() == 0


def test_the_tensors_are_those_of_the_tensor_report(
    scenes_p: LoadedModel, real: Tensor, real_statistics: activation_shift.Statistics
) -> None:
    q = calibrated_q(scenes_p.model, QuantOptions(), BACKENDS["minmax"].scheme, real[:2])
    rows = tensor_report(q, real[:2])
    expected = [(row.tensor, row.role) for row in rows if row.quantized and row.role != "weight"]
    assert list(dict.fromkeys((tensor, role) for tensor, role, _ in real_statistics)) == expected


def test_the_measured_activations_are_those_of_p(
    scenes_p: LoadedModel, real: Tensor, real_statistics: activation_shift.Statistics
) -> None:
    with torch.no_grad(), record(scenes_p.model) as maps:
        scenes_p.model(real)
    for block, one in enumerate(maps):
        name = f"blocks.{block}.attn.operands.softmax"
        peaks = one.probs.flatten(1).amax(1)  # [B]
        found = real_statistics[name, "softmax", "peak"]
        assert found.mean == pytest.approx(peaks.mean().item(), rel=1e-4)
        assert found.error == pytest.approx(peaks.std().item() / math.sqrt(20), rel=1e-3)
        assert found.n == 20
    assert real_statistics["patch_embed.proj.input", "image", "peak"].mean == pytest.approx(
        real.flatten(1).abs().amax(1).mean().item()
    )
    assert len(maps) == len([key for key in real_statistics if key[2] == "entropy"])


def test_p_is_not_changed(scenes_p: LoadedModel, real: Tensor) -> None:
    with torch.no_grad():
        before = scenes_p.model(real[:2])
        statistics(scenes_p.model, real[:2])
        assert scenes_p.model(real[:2]).equal(before)


def test_identical_sets_have_no_shift(scenes_p: LoadedModel, real: Tensor) -> None:
    found = compared(scenes_p.model, real[:4], real[:4])
    assert tuple(found.columns) == COLUMNS
    assert (found["ratio"] == 1).all()
    assert (found["low"] <= 1).all()
    assert (found["high"] >= 1).all()
    assert factors(found) == {"range": 1, "peak": 1, "kurtosis": 1, "entropy": 1}
    assert count_significant(found, "range")[0] == 0


def test_noise_shifts_more_than_other_scenes(
    scenes_p: LoadedModel, real_statistics: activation_shift.Statistics
) -> None:
    p, shape = scenes_p.model, (20, 3, 64, 64)
    others = scenes_p.normalise(scenes("calibration", range(20, 40)).images)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    near, far = (distances(statistics(p, images), real_statistics) for images in (others, noise))
    for statistic in ("range", "kurtosis", "entropy"):
        assert factors(far)[statistic] > 1 + 3 * (factors(near)[statistic] - 1)
    significant, tensors = count_significant(far, "range")
    assert significant > 0.8 * tensors > count_significant(near, "range")[0] * 3


def test_every_row_names_its_block(scenes_p: LoadedModel, real: Tensor) -> None:
    found = compared(scenes_p.model, real[:2], real[2:4]).set_index("tensor")
    assert found.loc["blocks.3.mlp.fc2.input", "block"].eq(3).all()
    for outside in ("patch_embed.proj.input", "head.input"):
        assert found.loc[outside, "block"].eq(OUTSIDE).all()


def test_the_interval_comes_from_the_errors_of_both_means() -> None:
    key = ("blocks.0.attn.qkv.input", "layernorm", "range")
    (row,) = distances({key: Moments(6.0, 0.3, 9)}, {key: Moments(3.0, 0.3, 9)}).itertuples()
    spread = math.exp(1.959963984540054 * math.hypot(0.05, 0.1))
    assert (row.ratio, row.low, row.high) == pytest.approx((2, 2 / spread, 2 * spread))
    (zero,) = distances({key: Moments(0.0, 0.0, 9)}, {key: Moments(3.0, 0.3, 9)}).itertuples()
    assert math.isnan(zero.ratio)


def test_a_single_image_has_no_interval(scenes_p: LoadedModel, real: Tensor) -> None:
    found = compared(scenes_p.model, real[:1], real)
    assert found["ratio"].notna().all()
    assert found["low"].isna().all()
    assert count_significant(found, "range")[0] == 0


def test_too_large_and_too_small_do_not_cancel() -> None:
    rows = [("a", "gelu", 0, "range", 1, 1, ratio, 0.9, 3.0) for ratio in (2.0, 0.5, 1.0, math.nan)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    assert factors(table)["range"] == pytest.approx(math.exp(2 * math.log(2) / 3))
    assert furthest(table, "range", 2)["ratio"].tolist() == [2.0, 0.5]
    assert count_significant(table, "range") == (0, 3)


def test_a_constant_image_has_no_kurtosis_and_is_skipped() -> None:
    x = torch.stack([torch.ones(8), torch.arange(8.0)])
    found = activation_shift._moments(activation_shift._kurtosis(x))
    assert found.n == 1
    assert found.mean == pytest.approx(by_loops(list(map(float, range(8))))[2])
