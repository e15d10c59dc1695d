"""Methods: named pairs of a sample source and a back-end, with their settings.

Each is a function of nothing but the number formats, and torch is not needed to look at it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from maskaq.config.options import (
    Coefficients,
    FitOptions,
    QuantOptions,
    RunSpec,
    Savings,
    SynthesisOptions,
)
from maskaq.registry import Registry


@dataclass(frozen=True)
class Method:
    """What a method fixes. cost: what one run of it takes, in words, and how that is known."""

    description: str
    cost: str
    synthesis: SynthesisOptions
    fit: FitOptions
    quantization: QuantOptions = field(default_factory=QuantOptions)

    def spec(self, name: str, bits: tuple[int, int] = (4, 4)) -> RunSpec:
        """The run of this method at the given weight and activation bits."""
        formats = replace(self.quantization, weight_bits=bits[0], activation_bits=bits[1])
        return RunSpec(method=name, synthesis=self.synthesis, fit=self.fit, quantization=formats)


METHODS: Registry[Method] = Registry("method")

# The papers' coefficients (MaskAQ section 2.8, with the released code's weights for L_IH and TV).
_PAPER = Coefficients(one_hot=1.0, tv=2.5e-5, inter_head=1.0, entropy=1.0, align=0.1)


def spec_of(method: str, bits: tuple[int, int] = (4, 4)) -> RunSpec:
    """The run of a method.

    Raises:
        OptionError: no method of that name.

    >>> spec_of("maskaq", (3, 3)).quantization.name
    'W3A3'
    """
    return METHODS[method].spec(method, bits)


# Images and schedule that fit 2 cores, for all methods but the paper's, so that what differs
# between them is the method; and MimiQ's and MaskAQ's distillation at that size.
_SMALL = SynthesisOptions(images=32, steps=100, coefficients=_PAPER)
_DISTILLED = FitOptions(backend="lsq-kd", epochs=30, lr=5e-5)

METHODS.register("maskaq")(
    Method(
        "MaskAQ's terms on `natural` images, then reconstruction block by block: made for 2 cores",
        "measured on 2 cores: scenes_vit 42 s, twice that at 3 bits",
        # Alignment every fourth step gave as much as in each; `reconstruct` more than MaskAQ's own
        # distillation, on scenes and on photographs (`benchmarks/README.md`).
        replace(_SMALL, source="maskaq", savings=Savings(align_every=4)),
        replace(_DISTILLED, backend="reconstruct"),
    )
)

METHODS.register("psaq-vit")(
    Method(
        "PSAQ-ViT's patch similarities, then the ranges that clip nothing, as in its release",
        "measured on 2 cores: scenes_vit 33 s",
        replace(_SMALL, source="psaq"),
        FitOptions(backend="minmax"),
        QuantOptions(softmax="uniform", layernorm="tensor"),
    )
)

METHODS.register("mimiq")(
    Method(
        "MimiQ: heads that look alike, then distillation of head outputs without a mask",
        "measured on 2 cores: scenes_vit 31 s",
        replace(_SMALL, source="mimiq"),
        replace(_DISTILLED, mask_weight=1.0),
    )
)

METHODS.register("sardfq")(
    Method(
        "SARDFQ: attention priors and several meanings, then reconstruction block by block",
        "measured on 2 cores: scenes_vit 34 s at 4 bits",
        replace(_SMALL, source="sardfq"),
        FitOptions(backend="reconstruct", mask_weight=1.0),
    )
)

METHODS.register("dfq-vit")(
    Method(
        "our reading of DFQ-ViT: images from easy to hard, then activations corrected block by "
        "block",
        "measured on 2 cores: scenes_vit 22 s",
        replace(_SMALL, source="e2h"),
        FitOptions(backend="correction"),
    )
)

METHODS.register("maskaq-paper")(
    Method(
        "MaskAQ with the settings of the paper: pixels, 10 000 images, 7 syntheses, 200 epochs",
        "1.4e8 image-steps through P and Q: GPU-days (extrapolated, never run in full here)",
        SynthesisOptions(
            source="maskaq",
            images=10_000,
            steps=2_000,
            lr=0.1,
            parametrisation="pixels",
            augmentation="released",
            coefficients=_PAPER,
        ),
        FitOptions(
            backend="lsq-kd",
            optimiser="sgd",
            epochs=200,
            lr=1e-3,
            refresh=30,
            refresh_steps=2_000,
        ),
        QuantOptions(first_last="target", softmax="uniform", layernorm="tensor"),
    )
)
