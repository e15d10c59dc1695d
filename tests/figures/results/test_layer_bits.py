from dataclasses import replace

import pytest

from maskaq.config import RunSpec
from maskaq.figures.results import layer_bits
from maskaq.quantization.tensor_row import TensorRow
from maskaq.results.result import Finished, RunResult

BITS = {
    "patch_embed.proj.weight": 8,
    "blocks.0.attn.qkv.weight": 5,
    "blocks.0.mlp.fc2.weight": 2,
    "blocks.1.attn.qkv.weight": 3,
    "blocks.1.mlp.fc2.weight": 2,
    "head.weight": 8,
}


@pytest.fixture
def mixed(small_run: Finished) -> RunResult:
    result = small_run.result
    formats = replace(result.spec.quantization, average_bits=3.0)
    rows = [TensorRow(name, "weight", bits) for name, bits in BITS.items()]
    rows.append(TensorRow("blocks.0.attn.query", "query", 4))
    spec: RunSpec = replace(result.spec, quantization=formats)
    return replace(result, spec=spec, tensors=tuple(rows))


def test_one_bar_per_weight_in_the_order_of_the_network(mixed: RunResult) -> None:
    chart = layer_bits.bars(mixed)
    assert list(chart.table["tensor"]) == list(BITS)
    assert list(chart.table["bits"]) == list(BITS.values())
    assert list(chart.table["fixed"]) == [True, False, False, False, False, True]
    drawn = dict(
        pair for bar in chart.figure.data for pair in zip(bar.x, bar.y, strict=True) if bar.type
    )
    assert drawn["block 0, qkv"] == 5
    assert drawn["patch_embed.proj"] == 8


def test_the_verdict_names_the_extremes(mixed: RunResult) -> None:
    said = layer_bits.describe(mixed)
    assert said == (
        "With 3 bits per weight on average, qkv of block 0 has the most bits (5) and fc2 of "
        "block 0 and fc2 of block 1 have the fewest (2)."
    )


def test_equal_bits_have_no_extremes(mixed: RunResult) -> None:
    rows = tuple(replace(row, bits=3) for row in mixed.tensors)
    said = layer_bits.describe(replace(mixed, tensors=rows))
    assert said == "All layers between the first and the last have 3 bits."
