"""Rotate heads so that one step size fits all of their channels (after QuaRot).

QuaRot: Ashkboos et al., NeurIPS 2024. One step size has to fit all channels of what a head
computes, although a few are large and most are small. Any rotation R of a head's channels can be
merged into the weights around it,

    q k^T = (R q) (R k)^T            proj (A v) = (proj R^T) (A R v)

so that P computes the same at no extra cost, while each rotated channel is a mixture of all
channels and they share a similar range. A rotation does not change the size of rounding errors.

Other tensors of a ViT do not gain: LayerNorm outputs have ranges per channel, which mixing the
channels of the residual stream would make useless, and GELU outputs cannot be rotated in advance.
"""

import copy
from typing import Any

import torch
from scipy.linalg import hadamard
from torch import Tensor, nn

from maskaq.models.structure import AttentionCall, Structure, example_input, structure_of


def rotation(channels: int) -> Tensor:
    """An orthogonal matrix [d,d], the same in every call.

    For a power of two a Hadamard matrix with random signs, else a random orthogonal matrix.
    """
    generator = torch.Generator().manual_seed(channels)
    matrix: Tensor
    if channels & (channels - 1):
        matrix = torch.linalg.qr(torch.randn(channels, channels, generator=generator)).Q
    else:
        signs = torch.randint(0, 2, (channels,), generator=generator) * 2 - 1
        matrix = torch.from_numpy(hadamard(channels)).float() / channels**0.5 * signs
    return matrix


@torch.no_grad()
def rotate_heads(model: nn.Module) -> None:
    """Rotate queries and keys, and values, of every head, in place; the output does not change.

    What lies between a layer and the product has to commute with a rotation: so queries and keys
    are not rotated where a norm or a rotary embedding follows the layer, nor values where a norm
    precedes the projection. If the model's output changes nevertheless, because it lays out heads
    in another way than timm's models do, nothing is rotated.
    """
    image = example_input(model)
    before, initial = model(image), copy.deepcopy(model.state_dict())
    structure = structure_of(model)
    for name, call in structure.attention.items():
        _rotate(model, structure, name, call)
    after = model(image)
    if not torch.allclose(after, before, rtol=1e-3, atol=1e-3 * float(before.abs().max())):
        model.load_state_dict(initial)


def _rotate(model: nn.Module, structure: Structure, name: str, call: AttentionCall) -> None:
    layers = [source.module if source.kind == "linear" else "" for source in call.sources]
    outputs = {
        layer: own
        for layer, own in structure.layers.items()
        if own.role == "attention" and own.source == name
    }
    if all(layers[:2]):
        _rotate_rows(model.get_submodule(layers[0]), call, part=0)
        _rotate_rows(model.get_submodule(layers[1]), call, part=1)
    if layers[2] and len(outputs) == 1:
        _rotate_rows(model.get_submodule(layers[2]), call, part=2)
        _rotate_columns(model.get_submodule(*outputs), call)


def _rotate_rows(layer: Any, call: AttentionCall, part: int) -> None:
    """Rotate the rows of a layer that compute q, k or v (part 0, 1 or 2).

    A layer that computes several of them has them one after the other, v last.
    """
    heads, size = call.shape[1], call.channels
    count = layer.out_features // (heads * size)
    if count * heads * size != layer.out_features or part < 3 - count:
        return
    own = part - (3 - count)
    matrix = rotation(size).to(layer.weight)
    weight = layer.weight.view(count, heads, size, -1)  # [parts,H,d,C]
    weight[own] = matrix @ weight[own]
    if layer.bias is not None:
        bias = layer.bias.view(count, heads, size)  # [parts,H,d]
        bias[own] = bias[own] @ matrix.T


def _rotate_columns(layer: Any, call: AttentionCall) -> None:
    """Undo the rotation of the values in the layer after attention."""
    weight = layer.weight.view(layer.out_features, call.shape[1], call.channels)  # [C,H,d]
    weight.copy_(weight @ rotation(call.channels).to(weight).T)
