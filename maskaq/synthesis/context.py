"""The models of a synthesis, prepared once for all of its batches."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from maskaq.config import SynthesisOptions
from maskaq.models.attention import Maps, maps_of, record
from maskaq.models.loading import LoadedModel
from maskaq.synthesis.shortcuts import Thinning, most_attended, smaller

__all__ = ["MakeQ", "Quantized", "Setting", "private_copy"]

MakeQ = Callable[[Tensor], nn.Module]


@dataclass(frozen=True, eq=False)
class Quantized:
    """A copy of Q for synthesis alone; thinning: where patches leave, if any ever do."""

    model: nn.Module
    thinning: Thinning | None


@dataclass(frozen=True, eq=False)
class Setting:
    """What all batches share.

    model: a copy of P of its own, on `device`. thinning: where patches leave it, if any ever do.
    coarse: P at half the resolution, if any step needs it. meanings: crops of an image with labels
    of their own, at most; 0 for none.
    """

    loaded: LoadedModel
    options: SynthesisOptions
    precision: str
    device: torch.device
    make_q: MakeQ | None
    model: nn.Module
    thinning: Thinning | None
    coarse: nn.Module | None
    meanings: int = 0

    @classmethod
    def of(
        cls,
        loaded: LoadedModel,
        options: SynthesisOptions,
        precision: str = "float32",
        device: str = "cpu",
        make_q: MakeQ | None = None,
        meanings: int = 0,
    ) -> Setting:
        """With the copies of P that the options need.

        Raises:
            OptionError: coarse steps are not possible with this model.
        """
        place, coarse = torch.device(device), None
        if options.savings.coarse:
            coarse = smaller(private_copy(loaded.model, place, precision), loaded.size)
        model = private_copy(loaded.model, place, precision)
        thins = options.savings.patches < 1
        thinning = Thinning.put_into(model, loaded.prefix) if thins else None
        return cls(loaded, options, precision, place, make_q, model, thinning, coarse, meanings)

    @property
    def coefficients(self) -> dict[str, float]:
        """Of the terms that are on."""
        return {k: v for k, v in asdict(self.options.coefficients).items() if v > 0}

    def grid(self, coarse: bool) -> tuple[int, int]:
        """Patches in rows and columns, of P or of the coarse one."""
        rows, columns = self.loaded.grid
        return (rows // 2, columns // 2) if coarse else (rows, columns)

    def cast(self) -> torch.autocast:
        """A context in which models and views of images run in the precision of this synthesis."""
        half = self.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)

    def run(self, model: nn.Module, images: Tensor) -> Tensor:
        """Logits [B,K]."""
        with self.cast():
            logits: Tensor = model(images)
        return logits

    def run_recorded(
        self, model: nn.Module, images: Tensor, thins: bool
    ) -> tuple[Tensor, list[Maps], Tensor | None]:
        """Logits [B,K], the maps of each block, and the patches that stayed, [B,k], if it thins."""
        if not thins:
            with record(model) as maps:
                return self.run(model, images), self._lean(maps), None
        thinning, share = self.thinning, self.options.savings.patches
        assert thinning is not None, "there is one whenever patches are dropped"
        kept: list[Tensor] = []

        def choose() -> Tensor:
            kept.append(most_attended(maps, self.loaded.prefix, share))
            return kept[0]

        with record(model) as maps, thinning.keeping(choose):
            return self.run(model, images), self._lean(maps), kept[0]

    def _lean(self, maps: list[Maps]) -> list[Maps]:
        """The maps without logits, which only the released reading looks at."""
        if self.options.reading == "released":
            return maps
        return [block._replace(logits=block.logits.new_empty(0)) for block in maps]

    def quantized(self, images: Tensor) -> Quantized:
        """Q, made from normalised images [B,3,S,S]."""
        assert self.make_q is not None, "the loop checks that it is there for alignment"
        model = private_copy(self.make_q(images), self.device, self.precision)
        if self.thinning is None:
            return Quantized(model, None)
        return Quantized(model, Thinning.put_into(model, self.loaded.prefix))

    def maps(self, q: Quantized, images: Tensor, blocks: int, kept: Tensor | None) -> list[Maps]:
        """The maps of Q's first blocks, and nothing that comes after them."""
        thinned: AbstractContextManager[None] = nullcontext()
        if kept is not None and q.thinning is not None:
            thinned = q.thinning.keeping(lambda: kept)
        with self.cast(), thinned:
            return self._lean(maps_of(q.model, images, blocks))


def private_copy(model: nn.Module, device: torch.device, precision: str = "float32") -> nn.Module:
    """A frozen copy of P or Q to record and to move about, while others use the original.

    Weights of products are kept in the precision of the passes, or autocast would convert them in
    each one. On the CPU attention is explicit: the backward pass of torch's fused kernel takes
    more than twice as long there.
    """
    made = copy.deepcopy(model).to(device).eval().requires_grad_(False)
    for module in made.modules():
        if device.type == "cpu" and hasattr(module, "fused_attn"):
            vars(module)["fused_attn"] = False
        weight = getattr(module, "weight", None)
        if precision == "bfloat16" and weight is not None and weight.ndim > 1:
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.bfloat16()
    return made
