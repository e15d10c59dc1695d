import pytest
import torch
from torch import Tensor

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends.ranges_only import MSE, calibrated_q
from maskaq.quantization.quantizers.base import PerRow, quantizers
from maskaq.quantization.tensor_report import tensor_report


@pytest.fixture(scope="module")
def images(scenes_p: LoadedModel) -> Tensor:
    return scenes_p.normalise(scenes("evaluation", range(4)).images)


def test_every_tensor_has_a_row(scenes_p: LoadedModel, images: Tensor) -> None:
    q = calibrated_q(scenes_p.model, QuantOptions(4, 4), MSE, images)
    rows = tensor_report(q, images)
    quantized = [row for row in rows if row.quantized]
    assert len(quantized) == len(list(quantizers(q)))
    for row in quantized:
        assert 0 <= row.clipped < 0.5, row
        assert row.sqnr_db > 5, row
        assert row.low <= 0 < row.high, row
    by_name = {row.tensor: row for row in rows}
    assert by_name["blocks.0.attn.operands.softmax"].grid == "log-sqrt2"
    assert by_name["blocks.0.attn.qkv.input"].granularity == "channel"
    assert by_name["blocks.0.attn.qkv.weight"].role == "weight"
    in_float = [row for row in rows if not row.quantized]
    assert all(row.bits == 32 and row.why and row.why != "not recognised" for row in in_float)
    others = {name for name, _ in q.named_parameters()} - {row.tensor for row in quantized}
    assert others <= {row.tensor for row in in_float}


def test_the_row_of_a_weight_equals_plain_arithmetic(scenes_p: LoadedModel, images: Tensor) -> None:
    q = calibrated_q(scenes_p.model, QuantOptions(3, 3), MSE, images)
    row = next(r for r in tensor_report(q, images) if r.tensor == "blocks.1.mlp.fc2.weight")
    layer = q.blocks[1].mlp.fc2
    assert isinstance(layer.weight_quantizer, PerRow)
    step = layer.weight_quantizer.scale[:, None]
    codes = (layer.weight / step).round()
    outside = ((codes < -4) | (codes > 3)).float().mean().item()
    error = (codes.clamp(-4, 3) * step - layer.weight).double().square().sum()
    sqnr = 10 * torch.log10(layer.weight.double().square().sum() / error)
    assert row.clipped == pytest.approx(outside, abs=1e-4)
    assert row.sqnr_db == pytest.approx(sqnr.item(), rel=1e-4)
