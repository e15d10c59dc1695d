from dataclasses import replace
from pathlib import Path

import pytest

from maskaq.precomputed import worlds
from maskaq.quantization.tensor_row import TensorRow
from maskaq.results import size, store
from tests.support import stored

EXAMPLES = Path(size.__file__).parents[1] / "precomputed" / "examples"


def row(name, bits, role="weight", granularity="channel"):
    return TensorRow(name, role, bits, granularity, quantized=bits < 32)


def test_weights_are_packed_at_their_bits_and_the_rest_has_32():
    rows = [row("a", 4), row("b", 8), row("c", 32, "parameter")]
    assert size.packed({"a": 100, "b": 100, "c": 10}, rows) == 50 + 100 + 40


@pytest.mark.parametrize("bits", ["W8A8", "W4A4", "W3A3", "W2A4"])
def test_the_shipped_runs_have_the_size_that_the_first_page_shows(bits):
    run = store.read(EXAMPLES / f"scenes_vit_{bits}_maskaq_reconstruct_0")
    found = size.of_run(run)
    stated = worlds.read("scenes").about["bytes"]
    assert (found.full, found.packed) == (stated["P"], stated[bits])
    assert found.times == pytest.approx(stated["P"] / stated[bits])


def test_each_channel_has_a_step_size_and_a_zero_point():
    run = store.read(EXAMPLES / "scenes_vit_W4A4_maskaq_reconstruct_0")
    blocks = 6 * (3 * 192 + 192 + 2 * 192 + 192)  # output channels of a block's four layers
    assert size.of_run(run).scales == 2 * 4 * (blocks + 192 + 10)  # patches and head


def test_it_is_unknown_for_weights_of_unknown_shape(tmp_path):
    stored.write(tmp_path / "run")  # its tensors are made up
    assert size.of_run(store.read(tmp_path / "run")) is None
    run = store.read(EXAMPLES / "scenes_vit_W4A4_maskaq_reconstruct_0")
    other = replace(run.result, spec=replace(run.result.spec, model="deit_tiny_patch16_224"))
    assert size.of_run(replace(run, result=other)) is None
