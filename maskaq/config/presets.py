"""Methods: named pairs of a sample source and a back-end, with their settings."""

from dataclasses import dataclass, field, replace

from maskaq.config.options import (
    Coefficients,
    FitOptions,
    QuantOptions,
    Reconstruction,
    Savings,
    SynthesisOptions,
)
from maskaq.config.run_spec import RunSpec
from maskaq.registry import Registry


@dataclass(frozen=True)
class Method:
    """The settings of a method. note: on its cost, where that was not measured."""

    description: str
    synthesis: SynthesisOptions
    fit: FitOptions
    quantization: QuantOptions = field(default_factory=QuantOptions)
    note: str = ""

    def spec(self, name: str, bits: tuple[int, int] = (4, 4)) -> RunSpec:
        """A run of this method. name: of the method. bits: of weights and activations."""
        formats = replace(self.quantization, weight_bits=bits[0], activation_bits=bits[1])
        return RunSpec(method=name, synthesis=self.synthesis, fit=self.fit, quantization=formats)


# The papers' coefficients (MaskAQ section 2.8, with the released code's weights for L_IH and TV).
_PAPER = Coefficients(one_hot=1.0, tv=2.5e-5, inter_head=1.0, entropy=1.0, align=0.1)


def spec_of(method: str, bits: tuple[int, int] = (4, 4)) -> RunSpec:
    """A run of a method, by its name. bits: of weights and activations.

    Raises:
        OptionError: unknown method.

    >>> spec_of("maskaq", (3, 3)).quantization.name
    'W3A3'
    """
    return METHODS[method].spec(method, bits)


# All methods but the paper's and the thorough one share the number of images and the schedule,
# which suit 2 cores, so that only the method differs. MimiQ and MaskAQ also share the distillation
# at that size.
_SMALL = SynthesisOptions(images=32, steps=40, lr=0.1, coefficients=_PAPER)
_DISTILLED = FitOptions(backend="lsq-kd", epochs=30, lr=5e-5)

METHODS: Registry[Method] = Registry("method")
METHODS |= {
    "maskaq": Method(
        "MaskAQ's terms on `natural` images, then block reconstruction: made for 2 cores",
        # Alignment in every fourth step was as good as in each step, and `reconstruct` was better
        # than MaskAQ's own distillation, on scenes and photographs (`benchmarks/README.md`).
        replace(_SMALL, source="maskaq", savings=Savings(align_every=4)),
        replace(_DISTILLED, backend="reconstruct"),
    ),
    "maskaq-thorough": Method(
        "`maskaq` with eight times the images, and finetuning of all of Q at up to 4 bits",
        replace(_SMALL, source="maskaq", images=256, savings=Savings(align_every=4)),
        # 1024 views fit into memory, so each image has fewer of them.
        FitOptions(
            backend="reconstruct",
            reconstruction=Reconstruction(views=4, tune=600, tune_lr=3e-4, tune_bits=4),
        ),
        note="about an hour for ViT-Tiny on 2 cores (extrapolated, not measured in full)",
    ),
    "psaq-vit": Method(
        "PSAQ-ViT: diverse patch similarities, then ranges that clip nothing, as in its release",
        replace(_SMALL, source="psaq"),
        FitOptions(backend="minmax"),
        QuantOptions(softmax="uniform", layernorm="tensor"),
    ),
    "mimiq": Method(
        "MimiQ: heads that agree, then distillation of head outputs without a mask",
        replace(_SMALL, source="mimiq"),
        replace(_DISTILLED, mask_weight=1.0),
    ),
    "sardfq": Method(
        "SARDFQ: attention priors and several classes per image, then block reconstruction",
        replace(_SMALL, source="sardfq"),
        FitOptions(backend="reconstruct", mask_weight=1.0),
    ),
    "dfq-vit": Method(
        "our reading of DFQ-ViT: images from easy to hard, then block-wise activation correction",
        replace(_SMALL, source="e2h"),
        FitOptions(backend="correction"),
    ),
    "maskaq-paper": Method(
        "MaskAQ with the settings of the paper: pixels, 10 000 images, 7 syntheses, 200 epochs",
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
        "1.4e8 image-steps through P and Q: GPU-days (extrapolated, never run in full here)",
    ),
}
