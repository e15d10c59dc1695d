"""The models that all batches of a synthesis share."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from maskaq.config import SynthesisOptions
from maskaq.errors import OptionError
from maskaq.models.attention import Maps, maps_of, record
from maskaq.models.backbone import windows_of
from maskaq.models.loading import LoadedModel
from maskaq.synthesis.shortcuts import PatchDropping, halve_input_size, most_attended_patches
from maskaq.tasks import TASKS, Task

_TARGETS = ("one_hot", "soft_label")  # terms of the loss that need a target

MakeQ = Callable[[Tensor], nn.Module]


@dataclass(frozen=True, eq=False)
class QuantizedCopy:
    """A copy of Q for synthesis. dropping: the module that drops patches, if any step does."""

    model: nn.Module
    dropping: PatchDropping | None


@dataclass(frozen=True, eq=False)
class SynthesisContext:
    """Options and models shared by all batches.

    model: a private copy of P on `device`. dropping: the module in it that drops patches, if any
    step does. coarse: P at half the resolution, if any step needs it. max_crops: largest number of
    crops of an image that have their own labels; 0 for none.
    """

    loaded: LoadedModel
    options: SynthesisOptions
    precision: str
    device: torch.device
    make_q: MakeQ | None
    model: nn.Module
    dropping: PatchDropping | None
    coarse: nn.Module | None
    max_crops: int = 0

    @classmethod
    def of(
        cls,
        loaded: LoadedModel,
        options: SynthesisOptions,
        precision: str = "float32",
        device: str = "cpu",
        make_q: MakeQ | None = None,
        max_crops: int = 0,
    ) -> SynthesisContext:
        """Make the copies of P that the options need.

        Raises:
            OptionError: the options are not possible with this model.
        """
        _check_windows(loaded, options)
        _check_task(loaded, options)
        place, coarse = torch.device(device), None
        if options.savings.coarse:
            coarse = halve_input_size(private_copy(loaded.model, place, precision), loaded.sides)
        model, dropping = private_copy(loaded.model, place, precision), None
        if options.savings.patches < 1:
            dropping = PatchDropping.insert_into(model, loaded.prefix)
        crops = max_crops if loaded.classifies else 0
        return cls(loaded, options, precision, place, make_q, model, dropping, coarse, crops)

    @property
    def task(self) -> Task:
        """What P is for."""
        return TASKS[self.loaded.task]

    @property
    def coefficients(self) -> dict[str, float]:
        """Those above 0, by term.

        Features have no target. Soft labels are only defined for the class of an image: elsewhere
        the loss of the task takes their place.
        """
        found = {k: v for k, v in asdict(self.options.coefficients).items() if v > 0}
        if self.loaded.classifies:
            return found
        weight = max(found.pop(name, 0.0) for name in _TARGETS)
        has_target = self.loaded.task != "features" and weight > 0
        return {"one_hot": weight, **found} if has_target else found

    def grid(self, coarse: bool) -> tuple[int, int]:
        """Rows and columns of patches, at full or half resolution."""
        rows, columns = self.loaded.grid
        return (rows // 2, columns // 2) if coarse else (rows, columns)

    def cast(self) -> torch.autocast:
        """Autocast to the precision of this synthesis."""
        half = self.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)

    def run(self, model: nn.Module, images: Tensor) -> Tensor:
        """Outputs [B,..]."""
        with self.cast():
            outputs: Tensor = model(images)
        return outputs

    def run_recorded(
        self, model: nn.Module, images: Tensor, drop_patches: bool
    ) -> tuple[Tensor, list[Maps], Tensor | None]:
        """Outputs [B,..], the maps of each block, and the patches kept [B,k], if it drops some."""
        if not drop_patches:
            with record(model) as maps:
                return self.run(model, images), self._lean(maps), None
        dropping, share = self.dropping, self.options.savings.patches
        assert dropping is not None, "inserted whenever the options drop patches"
        kept: list[Tensor] = []

        def choose() -> Tensor:
            kept.append(most_attended_patches(maps, self.loaded.prefix, share))
            return kept[0]

        with record(model) as maps, dropping.keep_only(choose):
            return self.run(model, images), self._lean(maps), kept[0]

    def _lean(self, maps: list[Maps]) -> list[Maps]:
        """The maps without logits, which only the released reading uses."""
        if self.options.reading == "released":
            return maps
        return [block._replace(logits=block.logits.new_empty(0)) for block in maps]

    def quantized(self, images: Tensor) -> QuantizedCopy:
        """Make Q from normalised images [B,3,S,S]."""
        assert self.make_q is not None, "the loop checks that alignment has it"
        model = private_copy(self.make_q(images), self.device, self.precision)
        if self.dropping is None:
            return QuantizedCopy(model, None)
        return QuantizedCopy(model, PatchDropping.insert_into(model, self.loaded.prefix))

    def maps(
        self, q: QuantizedCopy, images: Tensor, blocks: int, kept: Tensor | None
    ) -> list[Maps]:
        """The maps of Q's first `blocks` blocks; the rest of Q is not run."""
        dropping: AbstractContextManager[None] = nullcontext()
        if kept is not None and q.dropping is not None:
            dropping = q.dropping.keep_only(lambda: kept)
        with self.cast(), dropping:
            return self._lean(maps_of(q.model, images, blocks))


def _check_windows(loaded: LoadedModel, options: SynthesisOptions) -> None:
    """Refuse what is only defined for attention between all patches.

    Raises:
        OptionError: such a setting, and attention is in windows.
    """
    if not any(windows_of(loaded.model)):
        return
    savings, terms = options.savings, options.coefficients
    plain = {"coarse": 0.0, "patches": 1.0, "queries": 1.0}
    wrong = [f"savings.{name}" for name, value in plain.items() if getattr(savings, name) != value]
    if options.reading == "released" and any((terms.inter_head, terms.entropy, terms.align)):
        wrong.append("the reading 'released' of terms of the maps")
    if wrong:
        raise OptionError(
            f"{loaded.name} computes attention in windows or with fewer keys than queries; not "
            f"defined there: {', '.join(wrong)}. Leave it at its default."
        )


def _check_task(loaded: LoadedModel, options: SynthesisOptions) -> None:
    """Refuse to drop patches that the model has to say something about.

    Raises:
        OptionError: such a setting, and the task is dense.
    """
    share = options.savings.patches
    if share < 1 and loaded.dense:
        raise OptionError(
            f"savings.patches is {share}, but {loaded.name} answers for every patch, so none can "
            "be dropped; leave it at 1."
        )


def private_copy(model: nn.Module, device: torch.device, precision: str = "float32") -> nn.Module:
    """A frozen copy of P or Q that can be recorded and moved while others use the original.

    The weights of matrix products are stored in the precision of the passes, so that autocast does
    not convert them in each pass. On the CPU attention is explicit: the backward pass of torch's
    fused kernel takes more than twice as long there.
    """
    private = copy.deepcopy(model).to(device).eval().requires_grad_(False)
    for module in private.modules():
        if device.type == "cpu" and hasattr(module, "fused_attn"):
            vars(module)["fused_attn"] = False
        weight = getattr(module, "weight", None)
        if precision == "bfloat16" and weight is not None and weight.ndim > 1:
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.bfloat16()
    return private
