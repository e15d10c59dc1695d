"""Compare with outputs of MaskAQ's released functions for fixed inputs."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from maskaq.quantization.fitting.distillation import head_loss
from maskaq.quantization.quantizers.base import PerRow
from maskaq.quantization.quantizers.lsq import learned_round
from maskaq.tasks.classification import TASK


def released_start(x: Tensor, bits: int) -> tuple[Tensor, Tensor, int, int]:
    """The start of LSQ in the released code: scale [1], zero point [1], qmin, qmax.

    Signed as soon as min(x) < 1e-5, which wastes half of the codes on softmax outputs. The zero
    point is a tenth of a value, not a code.
    """
    signed = bool(x.min() < 1e-5)
    qmin, qmax = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    scale = 2 * x.abs().mean() / qmax**0.5
    return scale.reshape(1), (0.1 * (x.min() - scale * qmax)).reshape(1), qmin, qmax


@pytest.fixture(scope="module")
def vectors(shared: Path) -> dict[str, Tensor]:
    return load_file(shared / "reference" / "released_code_vectors.safetensors")


@pytest.mark.parametrize("bits", [3, 4, 8])
def test_weights(vectors: dict[str, Tensor], bits: int) -> None:
    weight = vectors["weight.fp"]
    quantizer = PerRow(bits, len(weight), "minmax")
    quantizer.calibrate(weight)
    expected = vectors[f"weight.w{bits}"]
    torch.testing.assert_close(quantizer(weight), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("bits", [3, 4, 8])
@pytest.mark.parametrize("tensor", ["act.gelu", "act.softmax"])
def test_activations(vectors: dict[str, Tensor], tensor: str, bits: int) -> None:
    x = vectors[tensor]
    scale, zero_point, qmin, qmax = released_start(x, bits)
    expected = vectors[f"{tensor}.lsq_a{bits}"]
    torch.testing.assert_close(scale, vectors[f"{tensor}.lsq_a{bits}.scale"], rtol=0, atol=1e-6)
    out = learned_round(x, scale, zero_point, qmin, qmax)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-5)


def test_distillation(vectors: dict[str, Tensor]) -> None:
    loss = TASK.divergence(vectors["kd.p"], vectors["kd.q"], temperature=5.0)
    torch.testing.assert_close(loss, vectors["kd.loss"][0], rtol=1e-5, atol=1e-5)


def test_masked_head_similarity(vectors: dict[str, Tensor]) -> None:
    p, q = vectors["head.p"][:, :, :, 1:], vectors["head.q"][:, :, :, 1:]  # [L,B,H,N,d]
    mask = vectors["head.mask"].bool()  # [L,B,N]
    losses = [head_loss(p[i], q[i], mask[i], 2.0, "released") for i in range(len(p))]
    expected = vectors["head.loss"][0]
    torch.testing.assert_close(torch.stack(losses).mean(), expected, rtol=0, atol=1e-5)
