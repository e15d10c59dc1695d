"""The options of a run's stages, as frozen dataclasses that validate themselves."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field

from maskaq.errors import OptionError, unknown

BITS = range(2, 9)
SCHEMES = ("auto", "foldable", "integer")


def require(condition: bool, name: str, value: object, allowed: str) -> None:
    """Raise an `OptionError` that names the allowed values, unless the condition holds."""
    if not condition:
        raise OptionError(f"{name} is {value!r}; allowed: {allowed}.")


def require_one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise an `OptionError` with the nearest name, unless the name is listed."""
    if value not in allowed:
        raise OptionError(unknown(name, value, allowed))


@dataclass(frozen=True)
class Coefficients:
    """Weights of the synthesis objectives; 0 switches a term off and saves its cost.

    one_hot: cross-entropy to the sampled label (MaskAQ Eq. 1). tv: total variation (Eq. 2).
    inter_head: structural similarity between heads (Eq. 3). entropy: similarity entropy, lambda_fb
    (Eq. 10). align: masked attention alignment with Q, lambda_align (Eq. 14). patch_entropy,
    tv_target: entropy of the similarities of patch features, and distance of the total variation
    from its target (PSAQ-ViT). soft_label, attention_prior: cross-entropy to a soft label, and
    distance of the class token's attention from a random prior (SARDFQ).
    """

    one_hot: float = 1.0
    tv: float = 0.0
    inter_head: float = 0.0
    entropy: float = 0.0
    align: float = 0.0
    patch_entropy: float = 0.0
    tv_target: float = 0.0
    soft_label: float = 0.0
    attention_prior: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            require(math.isfinite(value) and value >= 0, name, value, "finite numbers from 0")


@dataclass(frozen=True)
class Savings:
    """Shortcuts that make a synthesis faster; by default none.

    align_every: steps between two alignments with Q, each of which is weighted by this number.
    blocks, queries: share of the blocks, and of the query patches, whose maps are used in a step;
    they are sampled in each step. coarse: share of the steps, from the first, that use half the
    resolution and P alone. patches: share of the patches, those with the largest attention, that
    are kept after the first third of the blocks. patches_from: share of the steps after which the
    other patches are dropped.
    """

    align_every: int = 1
    blocks: float = 1.0
    queries: float = 1.0
    coarse: float = 0.0
    patches: float = 1.0
    patches_from: float = 0.5

    def __post_init__(self) -> None:
        require(1 <= self.align_every <= 1000, "align_every", self.align_every, "1 to 1000")
        for name in ("blocks", "queries", "patches"):
            value = getattr(self, name)
            require(0 < value <= 1, f"savings.{name}", value, "above 0, up to 1")
        require(0 <= self.coarse < 1, "savings.coarse", self.coarse, "0 up to, but not, 1")
        require(0 <= self.patches_from <= 1, "patches_from", self.patches_from, "0 to 1")


@dataclass(frozen=True)
class SynthesisOptions:
    """Options of the synthesis.

    source: a name in `maskaq.config.components.SOURCES`. parametrisation: `"natural"` (pyramid of
    coarse and fine planes) or `"pixels"`. reading: `"paper"` or `"released"`, where MaskAQ's paper
    and code differ.
    augmentation: `"crops"` (shift, flip, random square crop, noise), `"easy-to-hard"` (ever smaller
    crops), `"released"` (shift, colour shift, per-channel jitter, as in MaskAQ's code) or `"none"`.
    mask_ratio: share of patches in the informative mask at the first and at the last step.
    drop: share of the mask dropped at random in each step (MaskAQ Eq. 13).
    align_from: share of the steps after which alignment starts, with a Q calibrated on the images
    so far. savings: shortcuts.
    """

    source: str = "maskaq"
    images: int = 32
    steps: int = 150
    batch: int = 32
    lr: float = 0.05
    parametrisation: str = "natural"
    augmentation: str = "crops"
    reading: str = "paper"
    coefficients: Coefficients = field(default_factory=Coefficients)
    mask_ratio: tuple[float, float] = (0.5, 0.1)
    drop: float = 0.3
    align_from: float = 0.0
    savings: Savings = field(default_factory=Savings)

    def __post_init__(self) -> None:
        require(1 <= self.images <= 100_000, "images", self.images, "1 to 100000")
        require(0 <= self.steps <= 100_000, "steps", self.steps, "0 to 100000")
        require(1 <= self.batch <= 1024, "batch", self.batch, "1 to 1024")
        require(0 < self.lr <= 10, "lr", self.lr, "above 0, up to 10")
        require_one_of("parametrisation", self.parametrisation, ("natural", "pixels"))
        views = ("crops", "easy-to-hard", "released", "none")
        require_one_of("augmentation", self.augmentation, views)
        require_one_of("reading", self.reading, ("paper", "released"))
        for ratio in self.mask_ratio:
            require(0 < ratio <= 1, "mask ratio", ratio, "above 0, up to 1")
        require(0 <= self.drop < 1, "drop", self.drop, "0 up to, but not, 1")
        require(0 <= self.align_from <= 1, "align_from", self.align_from, "0 to 1")


def bits_name(weight_bits: int, activation_bits: int, average_bits: float = 0.0) -> str:
    """The number format of weights and activations, as in `QuantOptions.name`."""
    return f"W{average_bits or weight_bits:g}A{activation_bits}"


@dataclass(frozen=True)
class QuantOptions:
    """Number formats of Q.

    first_last: bits of patch embedding and head, `"8"` or `"target"`. softmax, gelu: grid of the
    softmax and of the GELU outputs; layernorm: granularity of the inputs of `qkv` and `fc1`, where
    `"channel"` can be folded into the LayerNorm (RepQ-ViT). `"auto"` takes the back-end's choice.
    scheme: `"foldable"` folds the ranges per channel into the LayerNorm, as RepQ-ViT, AdaLog,
    APHQ-ViT and FIMA-Q do, which leaves one step size for each row of an activation. `"integer"`
    takes only what integer arithmetic computes, so that Q can be exported: uniform grids with one
    step size per tensor, and per row of a weight. average_bits: mixed precision: layers get
    different numbers of bits for their weights, with at most this average
    (`fitting.bit_allocation`); 0 for `weight_bits` in all of them. Either way, alignment in a
    synthesis uses `weight_bits`.
    """

    weight_bits: int = 4
    activation_bits: int = 4
    first_last: str = "8"
    softmax: str = "auto"
    gelu: str = "auto"
    layernorm: str = "auto"
    scheme: str = "auto"
    average_bits: float = 0.0

    def __post_init__(self) -> None:
        average = self.average_bits
        in_range = average == 0 or BITS[0] <= average <= BITS[-1]
        require(in_range, "average_bits", average, f"{BITS[0]} to {BITS[-1]}, or 0 for equal bits")
        require(self.weight_bits in BITS, "weight bits", self.weight_bits, "2 to 8")
        require(self.activation_bits in BITS, "activation bits", self.activation_bits, "2 to 8")
        require_one_of("first/last layers", self.first_last, ("8", "target"))
        require_one_of("softmax grid", self.softmax, ("auto", "uniform", "log-sqrt2"))
        require_one_of("GELU grid", self.gelu, ("auto", "uniform", "adaptive-log"))
        require_one_of("layernorm granularity", self.layernorm, ("auto", "tensor", "channel"))
        require_one_of("scheme", self.scheme, SCHEMES)
        if self.scheme == "foldable":
            ok = self.layernorm != "channel"
            require(ok, "layernorm with the foldable scheme", self.layernorm, "auto and tensor")
        if self.scheme == "integer":  # these cannot be computed with integers alone
            own = {"softmax": self.softmax, "GELU": self.gelu, "layernorm": self.layernorm}
            for name, value in own.items():
                ok = value not in ("log-sqrt2", "adaptive-log", "channel")
                require(ok, f"{name} with the integer scheme", value, "auto, and what is uniform")

    @property
    def pair(self) -> str:
        """`weight_bits` and `activation_bits`, as the option `--bits` takes them: `W4A4`."""
        return bits_name(self.weight_bits, self.activation_bits)

    @property
    def name(self) -> str:
        """The number format: `W4A4`, or `W3.5A4` with mixed precision.

        >>> QuantOptions(4, 4, average_bits=3.5).name
        'W3.5A4'
        """
        return bits_name(self.weight_bits, self.activation_bits, self.average_bits)

    @property
    def label(self) -> str:
        """The number format with what is special: `W4A4`, `W3.5A4 mixed`, `W4A4 integer`."""
        words = [self.name]
        words += ["mixed"] if self.average_bits else []
        words += [self.scheme] if self.scheme != "auto" else []
        return " ".join(words)


@dataclass(frozen=True)
class Reconstruction:
    """Options of the back-end `reconstruct`.

    steps: Adam steps per block in which rounding and step sizes are learned; at 0 the weights stay
    as GPTQ rounds them. batch: images per step. views: per image, the image itself included.
    rounding_lr, step_lr: learning rates of the rounding and of the activations' step
    sizes. drop: share of the activations left unquantized (QDrop). decision: weight of the
    regulariser that drives the rounding to 0 or 1. tune: steps of the final finetuning of all of Q
    (`fitting.finetune`). tune_lr: its learning rate. tune_bits: it takes place only if weights or
    activations have this many bits or fewer; one more for detection (`extra_tune_bits`).
    """

    steps: int = 0
    batch: int = 16
    views: int = 6
    rounding_lr: float = 1e-2
    step_lr: float = 1e-3
    drop: float = 0.5
    decision: float = 0.1
    tune: int = 240
    tune_lr: float = 1e-3
    tune_bits: int = 3

    def __post_init__(self) -> None:
        require(0 <= self.steps <= 100_000, "steps", self.steps, "0 to 100000")
        require(1 <= self.batch <= 1024, "batch", self.batch, "1 to 1024")
        require(1 <= self.views <= 100, "views", self.views, "1 to 100")
        require(0 <= self.tune <= 100_000, "tune", self.tune, "0 to 100000")
        require(0 <= self.tune_bits <= 32, "tune_bits", self.tune_bits, "0 to 32")
        for name in ("rounding_lr", "step_lr", "tune_lr"):
            value = getattr(self, name)
            require(0 <= value <= 1, name, value, "0 to 1")
        require(0 <= self.drop < 1, "drop", self.drop, "0 up to, but not, 1")
        require(0 <= self.decision < math.inf, "decision", self.decision, "0 or more")

    def tuned(self, formats: QuantOptions, extra_bits: int = 0) -> int:
        """Steps of the finetuning at these number formats. extra_bits: added to `tune_bits`.

        >>> [Reconstruction().tuned(QuantOptions(2, bits)) for bits in (3, 8)]
        [240, 240]
        >>> Reconstruction().tuned(QuantOptions(4, 4))
        0
        >>> Reconstruction().tuned(QuantOptions(4, 4), extra_bits=1)
        240
        >>> Reconstruction().tuned(QuantOptions(4, 4, average_bits=2.5))
        240
        """
        weights = formats.average_bits or formats.weight_bits
        few = min(weights, formats.activation_bits) <= self.tune_bits + extra_bits
        return self.tune if few else 0


@dataclass(frozen=True)
class FitOptions:
    """Options of the fit. All but `backend` and `reconstruction` are of `lsq-kd` (MaskAQ Eq. 16).

    optimiser: `"adam"`, or `"sgd"` with Nesterov momentum 0.9 as in the paper. epochs: passes over
    the samples. head_weight: weight of the masked head-output similarity beside the distillation
    term, and reading: `"paper"` or `"released"` form of it. mask_ratio, mask_weight: share of
    tokens called informative and their weight w (the others have 1). refresh: epochs between two
    refreshes of the samples against the current Q, 0 for never. refresh_steps: synthesis steps per
    refresh. reconstruction: for the back-end of that name, which shares the mask.
    """

    backend: str = "mse"
    optimiser: str = "adam"
    epochs: int = 20
    batch: int = 16
    lr: float = 1e-4
    temperature: float = 5.0
    head_weight: float = 10.0
    reading: str = "paper"
    mask_ratio: float = 0.1
    mask_weight: float = 2.0
    refresh: int = 0
    refresh_steps: int = 50
    reconstruction: Reconstruction = field(default_factory=Reconstruction)

    def __post_init__(self) -> None:
        require_one_of("reading", self.reading, ("paper", "released"))
        require_one_of("optimiser", self.optimiser, ("adam", "sgd"))
        require(0 <= self.epochs <= 10_000, "epochs", self.epochs, "0 to 10000")
        require(1 <= self.batch <= 1024, "batch", self.batch, "1 to 1024")
        require(0 < self.lr <= 1, "lr", self.lr, "above 0, up to 1")
        require(0 < self.temperature < math.inf, "temperature", self.temperature, "above 0")
        require(0 <= self.head_weight < math.inf, "head_weight", self.head_weight, "0 or more")
        require(0 < self.mask_ratio <= 1, "mask ratio", self.mask_ratio, "above 0, up to 1")
        require(1 <= self.mask_weight < math.inf, "mask_weight", self.mask_weight, "1 or more")
        require(0 <= self.refresh <= 10_000, "refresh", self.refresh, "0 to 10000")
        require(
            0 <= self.refresh_steps <= 100_000, "refresh_steps", self.refresh_steps, "0 to 100000"
        )
