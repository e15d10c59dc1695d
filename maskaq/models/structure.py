"""What a backbone computes, found by running it once: layers and their roles, attention, blocks.

Nothing here knows a family of models. One image goes through the model while a function mode notes
every matrix product and follows where each tensor comes from: through operations that only move
values, such as views, rolls and slices, a tensor keeps its origin. The origin of a layer's input is
its role: after a LayerNorm, after a GELU, after attention, whatever the layer is called.

The model may be on torch's meta device, where this costs no memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from maskaq.models.arguments import einsum_products, tensors_in, weight_of
from maskaq.models.blocks import between, blocks_in

# Functions by their names: each exists as a function, as a method and, some, as an operator.
MATMULS = frozenset({"matmul", "__matmul__", "bmm", "mm"})
_LAYERS = frozenset({"linear", "conv1d", "conv2d", "conv3d"})
_TRANSPOSED = frozenset({"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"})
SOFTMAX = "softmax"
KERNEL = "scaled_dot_product_attention"
_ACTIVATIONS = frozenset({"gelu", "relu"})
# Functions that move values without changing them. `__get__` is that of `x.mT` and `x.T`.
_MOVES = frozenset(
    {
        *("view", "reshape", "permute", "transpose", "swapaxes", "flatten", "unflatten"),
        *("contiguous", "unbind", "chunk", "split", "tensor_split", "narrow", "select", "expand"),
        *("squeeze", "unsqueeze", "roll", "pad", "dropout", "float", "type_as", "to", "detach"),
        *("clone", "__getitem__", "__get__"),
    }
)


class Origin(NamedTuple):
    """What computed the values of a tensor, and in which module. kind: a role, or `linear`."""

    kind: str
    module: str


_OTHER = Origin("other", "")


@dataclass(frozen=True)
class Layer:
    """A Linear or Conv2d.

    role: of its input: `image`, `layernorm`, `attention`, `gelu` or `other`; `head` for a layer of
    the classifier, and `constant` if the input does not depend on the image. source: the module
    that computed the input. products: multiply-adds for one image. called: whether the model calls
    the layer, rather than using its weight elsewhere.
    """

    role: str
    source: str
    products: int
    called: bool = True


@dataclass(frozen=True)
class AttentionCall:
    """One attention module.

    sources: what computed query, key and value. shape: of the probabilities of one image,
    [B,H,Q,K]. channels: of the values of a head. products: multiply-adds of its two products.
    """

    sources: tuple[Origin, Origin, Origin]
    shape: tuple[int, ...]
    channels: int
    products: int


@dataclass
class Structure:
    """What a model computes for one image, in the order of execution, by dotted name.

    folds: the LayerNorm whose output goes into a layer and nowhere else, by name of the layer.
    units: the modules that make up the body, each of which passes its output to the next one:
    blocks, and the layers between them; empty if the body is no such chain. others: multiply-adds
    of products that are neither in a layer nor in an attention module, by the module.
    """

    layers: dict[str, Layer] = field(default_factory=dict)
    attention: dict[str, AttentionCall] = field(default_factory=dict)
    folds: dict[str, str] = field(default_factory=dict)
    units: tuple[str, ...] = ()
    others: dict[str, int] = field(default_factory=dict)


def structure_of(model: nn.Module) -> Structure:
    """The structure of a model, which is run once for one image; kept with the model.

    Copies of the model keep it too, so do not rename modules of a copy.
    """
    kept: Structure | None = vars(model).get("structure")
    if kept is None:
        kept = vars(model)["structure"] = _trace(model)
    return kept


def example_input(model: nn.Module) -> Tensor:
    """An image of noise [1,C,H,W] of the size that a model takes, on its device."""
    any_model: Any = model
    convolution = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    size = getattr(getattr(model, "patch_embed", None), "img_size", None)
    if size is None:
        size = any_model.pretrained_cfg["input_size"][1:]
    weight = convolution.weight
    shape = (1, convolution.in_channels, *size)
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return image.to(weight.device, weight.dtype)


@torch.no_grad()
def _trace(model: nn.Module) -> Structure:
    tracer, image = _Tracer(model), example_input(model)
    training = model.training
    with ExitStack() as stack:
        for name, module in model.named_modules():
            enter, leave = partial(tracer.enter, name), partial(tracer.leave, name)
            stack.callback(module.register_forward_pre_hook(enter).remove)
            stack.callback(module.register_forward_hook(leave, with_kwargs=True).remove)
        stack.callback(partial(model.train, training))
        model.eval()
        tracer.note(image, Origin("image", ""))
        with tracer:
            model(image)
    return tracer.finish()


class _Tracer(TorchFunctionMode):
    """Follows the origins of all tensors that depend on the image."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.structure = Structure()
        self._weights = {
            id(module.weight): name
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear | nn.Conv2d)
        }
        self._norms = {n for n, module in model.named_modules() if isinstance(module, nn.LayerNorm)}
        self._heads = {id(layer.weight) for layer in classifiers(model)}
        # The tensors themselves are kept, so that their ids stay unique.
        self._origins: dict[int, tuple[Tensor, Origin]] = {}
        self._running: list[str] = []
        self._readers: dict[str, set[str]] = {}  # what reads the output of a norm
        self._pending: dict[str, tuple[Tensor, Tensor, int]] = {}  # first product of an attention
        self._calls: dict[str, tuple[int, int, bool]] = {}  # ids of input and output of a module

    def note(self, x: Tensor, origin: Origin) -> None:
        self._origins[id(x)] = x, origin

    def origin(self, x: Tensor) -> Origin | None:
        """Where a tensor comes from; None if it does not depend on the image."""
        found = self._origins.get(id(x))
        return found and found[1]

    def enter(self, name: str, module: nn.Module, args: tuple[Any, ...]) -> None:
        self._running.append(name)

    def leave(
        self, name: str, module: nn.Module, args: tuple[Any, ...], kwargs: Any, out: Any
    ) -> None:
        self._running.pop()
        constant = all(self.origin(x) is None for x in tensors_in((args[1:], kwargs)))
        self._calls[name] = id(args[0]) if args else 0, id(out), constant
        is_norm = "norm" in type(module).__name__.lower()
        if is_norm and isinstance(out, Tensor) and self.origin(out) is not None:
            self.note(out, Origin("layernorm", name))

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        inputs = [x for x in tensors_in((args, kwargs)) if self.origin(x) is not None]
        name = getattr(func, "__name__", "")
        if name in _LAYERS:
            self._layer(args, kwargs, out)
        elif name in _TRANSPOSED:
            count = args[0].numel() * math.prod(weight_of(args, kwargs).shape[1:])
            self._other(self._running[-1] if self._running else "", count)
        if inputs:
            self._follow(name, args, kwargs, inputs, out)
        return out

    def _follow(self, name: str, args: Any, kwargs: Any, inputs: list[Tensor], out: Any) -> None:
        origins = {self.origin(x) for x in inputs}
        moved = name in _MOVES and len(origins) == 1
        if name == "pad":  # zeros are new values, if there are any
            moved = moved and out.shape == inputs[0].shape
        origin = origins.pop() if moved else Origin(*self._computed(name, args, kwargs, out))
        if not moved:
            for x in inputs:
                self._read(x)
        for result in tensors_in(out):
            if result.is_floating_point():
                self.note(result, origin or _OTHER)

    def _read(self, x: Tensor) -> None:
        origin = self.origin(x)
        if origin is not None and origin.module in self._norms and origin.kind == "layernorm":
            self._readers.setdefault(origin.module, set()).add(self._running[-1])

    def _computed(self, name: str, args: Any, kwargs: Any, out: Any) -> Origin:
        """The origin of new values; notes attention and other products on the way."""
        running = self._running[-1] if self._running else ""
        if name == KERNEL:
            query, key, value = args[:3]
            self._attention(running, (query, key, value), query.shape[:-1] + key.shape[-2:-1])
            return Origin("attention", running)
        if name == SOFTMAX:
            return Origin("softmax", running)
        if name in MATMULS:
            return self._product(running, args[0], args[1], out)
        if name == "einsum":
            self._other(running, einsum_products(*args))
        if name in _LAYERS:
            layer = self._weights.get(id(weight_of(args, kwargs)))
            return Origin("linear", layer) if layer else _OTHER
        return Origin("gelu", running) if name in _ACTIVATIONS else _OTHER

    def _product(self, running: str, first: Tensor, second: Tensor, out: Tensor) -> Origin:
        """A product of two tensors; a softmax between two of them makes them attention."""
        count = out.numel() * first.shape[-1]
        if self.origin(first) is None or self.origin(second) is None:
            pass  # counted below: nothing quantizes it
        elif getattr(self.origin(first), "kind", "") == "softmax" and running in self._pending:
            query, key, _ = self._pending.pop(running)
            self._attention(running, (query, key, second), first.shape)
            return Origin("attention", running)
        elif running not in self._pending:
            self._pending[running] = first, second, count
            return _OTHER
        self._other(running, count)
        return _OTHER

    def _other(self, name: str, count: int) -> None:
        """Count multiply-adds that no quantizer reaches."""
        self.structure.others[name] = self.structure.others.get(name, 0) + count

    def _attention(
        self, name: str, operands: tuple[Tensor, Tensor, Tensor], shape: Iterable[int]
    ) -> None:
        sources = tuple(self.origin(x) or Origin("constant", "") for x in operands)
        shape = tuple(shape)
        own = operands[2].shape[-1]
        count = math.prod(shape) * (operands[0].shape[-1] + own)
        call = AttentionCall((sources[0], sources[1], sources[2]), shape, own, count)
        if name in self.structure.attention:  # only one attention per module can be told apart
            self._other(name, call.products)
        else:
            self.structure.attention[name] = call

    def _layer(self, args: Any, kwargs: Any, out: Tensor) -> None:
        x, weight = args[0] if args else kwargs["input"], weight_of(args, kwargs)
        name, origin = self._weights.get(id(weight)), self.origin(x)
        count = out.numel() * math.prod(weight.shape[1:])
        if name is None:
            self._other(self._running[-1] if self._running else "", count)
            return
        role = "constant" if origin is None else origin.kind
        role = "head" if id(weight) in self._heads else role
        role = "other" if role in ("linear", "softmax") else role
        if role == "other" and not self.structure.layers:
            role = "image"  # padded or cut into patches before
        before = self.structure.layers.get(name)
        source = "" if origin is None else origin.module
        self.structure.layers[name] = Layer(
            role, source, count + (before.products if before else 0), self._running[-1] == name
        )

    def finish(self) -> Structure:
        """The structure, once the model has run."""
        for running, (_, _, count) in self._pending.items():  # no softmax followed
            self._other(running, count)
        for name, layer in self.structure.layers.items():
            if layer.role == "layernorm" and self._readers.get(layer.source) == {name}:
                self.structure.folds[name] = layer.source
        self.structure.units = self._chain()
        return self.structure

    def _chain(self) -> tuple[str, ...]:
        """The units, if each one's input is the output of the one before."""
        layers = self.structure.layers
        blocks = blocks_in(self.structure.attention, layers)
        ends = ("image", "head", "constant")
        body = [name for name, layer in layers.items() if layer.role not in ends]
        found = {*blocks, *between(body, blocks)}
        if not found <= self._calls.keys():  # a container, whose members are called one by one
            return ()
        units, chain = sorted(found, key=[*self._calls].index), list[str]()
        for name in units:
            first, _, constant = self._calls[name]
            if constant and (not chain or first == self._calls[chain[-1]][1]):
                chain.append(name)
        return tuple(chain) if blocks and blocks <= set(chain) else ()


def classifiers(model: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    """The layers that compute the outputs: one, or several as in a distilled model."""
    get: Callable[[], Any] = getattr(model, "get_classifier", lambda: None)
    found = get()
    several = found if isinstance(found, tuple | list) else (found,)
    return [layer for layer in several if isinstance(layer, nn.Linear | nn.Conv2d)]
