"""The spec of a run: everything that decides its result."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from maskaq.config.components import BACKENDS, SOURCES
from maskaq.config.dotted import keep_only
from maskaq.config.options import (
    FitOptions,
    QuantOptions,
    SynthesisOptions,
    require,
    require_one_of,
)

POOLINGS = ("", "token", "avg")  # of the tokens before the head; "" is what the weights tell


@dataclass(frozen=True)
class RunSpec:
    """One run: everything that decides its result.

    model: a bundled id or a timm name. weights, data: paths, "" for the bundled or pretrained
    ones. class_names: path of a file with the names of the classes, "" for those of the model.
    skip_unreadable: leave out images of the folder that cannot be read, instead of stopping.
    method: the preset it is based on, for its identity. eval_images: 0 for all. holdout: images of
    the folder that are kept from the evaluation, for the source `real`.
    precision: of the forward passes in synthesis, `"auto"` (bfloat16 if the hardware has it),
    `"float32"` or `"bfloat16"`. device: `"cpu"`, `"cuda"`, `"cuda:1"`, `"mps"`.
    global_pool: pooling of weights that do not tell theirs, `"token"` or `"avg"`, or "" for the
    architecture's.
    """

    model: str = "scenes_vit"
    weights: str = ""
    data: str = ""
    class_names: str = ""
    skip_unreadable: bool = False
    method: str = "maskaq"
    synthesis: SynthesisOptions = field(default_factory=SynthesisOptions)
    quantization: QuantOptions = field(default_factory=QuantOptions)
    fit: FitOptions = field(default_factory=FitOptions)
    eval_images: int = 0
    holdout: int = 0
    seed: int = 0
    precision: str = "auto"
    device: str = "cpu"
    global_pool: str = ""

    def __post_init__(self) -> None:
        require(0 <= self.seed < 2**31, "seed", self.seed, "0 to 2147483647")
        require(self.eval_images >= 0, "eval_images", self.eval_images, "0 (all) or more")
        require(self.holdout >= 0, "holdout", self.holdout, "0 or more")
        require_one_of("global_pool", self.global_pool, POOLINGS)
        require_one_of("precision", self.precision, ("auto", "float32", "bfloat16"))
        known = re.fullmatch(r"cpu|mps|cuda(:\d+)?", self.device)
        require(known is not None, "device", self.device, "cpu, cuda, cuda:N, mps")

    def canonical(self, base: RunSpec | None = None) -> RunSpec:
        """The same run, with every setting that has no effect taken from another spec.

        Which settings have an effect is known by the source and the back-end
        (`maskaq.config.components`). base: by default a spec of defaults.

        Raises:
            OptionError: unknown source or back-end.

        >>> noise = RunSpec(synthesis=SynthesisOptions(source="noise", steps=7))
        >>> noise.canonical().synthesis.steps
        150
        """
        base = base or RunSpec()
        source, backend = SOURCES[self.synthesis.source], BACKENDS[self.fit.backend]
        synthesis = {"source", "images", *source.settings}
        fit = {"backend", *backend.settings_for(self.fit, base.fit, self.quantization)}
        return replace(
            self,
            synthesis=keep_only(self.synthesis, synthesis, base.synthesis),
            fit=keep_only(self.fit, fit, base.fit),
        )
