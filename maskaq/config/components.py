"""The tasks, sample sources, back-ends and synthesis terms, as plain data.

Everything that menus, help, sweeps, estimates and tests need to know about a task, a source or a
back-end stands here once. Nothing here imports torch: the implementations are named, and
`maskaq.tasks.TASKS`, `maskaq.synthesis.sources.SOURCES` and `maskaq.quantization.backends.BACKENDS`
import them on first use. To add one, write its module and register one entry in this file.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from maskaq.config.dotted import names_of
from maskaq.config.options import Coefficients, FitOptions, QuantOptions, SynthesisOptions
from maskaq.registry import Registry

_SYNTHESIS = frozenset(names_of(SynthesisOptions())) - {"source"}
_FIT = frozenset(names_of(FitOptions())) - {"backend"}
_COEFFICIENTS = frozenset(f"coefficients.{name}" for name in names_of(Coefficients()))
_ALIGNMENT = frozenset({"mask_ratio", "drop", "align_from", "savings.align_every"})


@dataclass(frozen=True)
class SourceInfo:
    """A sample source: where calibration images come from.

    implementation: `module:function`, a `maskaq.synthesis.sources.base.Source`. description: one
    line for menus. settings: the fields of `SynthesisOptions`, by dotted name, that change its
    images, besides `images`. synthesizes: whether it optimises its images step by step. uses_q:
    whether its images depend on the current Q (through the alignment term). own_terms: the
    coefficients it always has; None if it takes those of the run. shipped: whether stored runs of
    it ship with the library.
    """

    implementation: str
    description: str
    settings: frozenset[str] = frozenset()
    synthesizes: bool = False
    uses_q: bool = False
    own_terms: Coefficients | None = None
    shipped: bool = False

    @property
    def terms(self) -> tuple[str, ...]:
        """The coefficients of a run that this source looks at."""
        names = (f"coefficients.{name}" for name in names_of(Coefficients()))
        return tuple(name.partition(".")[2] for name in names if name in self.settings)


@dataclass(frozen=True)
class BackendInfo:
    """A back-end: how Q is fitted to the calibration images.

    implementation: `module:object`, a `maskaq.quantization.backends.base.Backend`. description: one
    line for menus. settings: the fields of `FitOptions`, by dotted name, that change Q. distils:
    whether it trains Q towards P in epochs and can ask for refreshed images. learning_events: how
    many events of learning one fit yields, from the number of images, the options, the number
    formats, the number of blocks and the task; None for a back-end that does not learn. formulas:
    what it does beyond setting ranges, in order, as names in `maskaq.formulas.FORMULAS`. unused:
    returns the settings without effect, from the options of two runs to compare and the number
    formats.
    """

    implementation: str
    description: str
    settings: frozenset[str] = frozenset()
    distils: bool = False
    learning_events: Callable[[int, FitOptions, QuantOptions, int, str], int] | None = None
    formulas: tuple[str, ...] = ()
    unused: Callable[[FitOptions, FitOptions, QuantOptions], set[str]] = lambda *_: set()

    @property
    def learns(self) -> bool:
        """Whether it learns, with more weight on informative patches."""
        return self.learning_events is not None

    def settings_for(self, fit: FitOptions, base: FitOptions, formats: QuantOptions) -> set[str]:
        """The settings that can make Q differ between `fit` and `base`."""
        return set(self.settings) - self.unused(fit, base, formats)


@dataclass(frozen=True)
class TaskInfo:
    """A task: what a model is for.

    implementation: `module:object`, a `maskaq.tasks.base.Task`. description: one line for menus.
    metrics: names of the main metric and of the second one. agreement: what P and Q agree on.
    second: what the second metric means. dense: whether the answer is about every part of an image.
    extra_tune_bits: added to `tune_bits` of `Reconstruction`.
    """

    implementation: str
    description: str
    metrics: tuple[str, str]
    agreement: str
    second: str
    dense: bool = False
    extra_tune_bits: int = 0


TASKS: Registry[TaskInfo] = Registry("task")
TASKS |= {
    "classification": TaskInfo(
        "maskaq.tasks.classification:TASK",
        "What is in the picture?",
        ("top-1", "top-5"),
        "images",
        "Top-5: the true class is among the five most likely ones.",
    ),
    "features": TaskInfo(
        "maskaq.tasks.features:TASK",
        "Which pictures are alike? For models without a classifier.",
        ("top-1 of the nearest neighbour", "top-5 of the neighbours"),
        "nearest neighbours",
        "Top-5: one of the five nearest neighbours has the class of the image.",
    ),
    "segmentation": TaskInfo(
        "maskaq.tasks.segmentation:TASK",
        "What is each pixel part of?",
        ("mIoU", "pixel accuracy"),
        "pixels",
        "mIoU: intersection over union of truth and answer, mean of the classes.",
        dense=True,
    ),
    "detection": TaskInfo(
        "maskaq.tasks.detection:TASK",
        "Which objects are where?",
        ("AP", "AP50"),
        "objects that P finds",
        "AP: average precision over ten overlaps, as in COCO; AP50 is that at an overlap of 0.5.",
        dense=True,
        extra_tune_bits=1,  # 4 bits already move boxes a little, and AP counts that
    ),
}

_OPTIMISED = "maskaq.synthesis.sources.optimised"
_BASELINES = "maskaq.synthesis.sources.baselines"
SOURCES: Registry[SourceInfo] = Registry("source")
SOURCES |= {
    "maskaq": SourceInfo(
        f"{_OPTIMISED}:maskaq",
        "Every term that has a coefficient, alignment with Q included (Qian et al. 2026).",
        settings=_SYNTHESIS,
        synthesizes=True,
        uses_q=True,
        shipped=True,
    ),
    "mimiq": SourceInfo(
        f"{_OPTIMISED}:mimiq",
        "MaskAQ without similarity entropy and alignment, which is MimiQ (Choi et al. 2025).",
        settings=_SYNTHESIS - _ALIGNMENT - {"coefficients.entropy", "coefficients.align"},
        synthesizes=True,
        shipped=True,
    ),
    "psaq": SourceInfo(
        f"{_OPTIMISED}:psaq",
        "Patches whose features differ in many ways (PSAQ-ViT, ECCV 2022).",
        settings=_SYNTHESIS - _ALIGNMENT - _COEFFICIENTS,
        synthesizes=True,
        own_terms=Coefficients(one_hot=1.0, patch_entropy=1.0, tv_target=0.05),
    ),
    "sardfq": SourceInfo(
        f"{_OPTIMISED}:sardfq",
        "Attention that follows random priors, crops with their own classes (SARDFQ, ICCV 2025).",
        settings=_SYNTHESIS - _ALIGNMENT - _COEFFICIENTS - {"reading"},
        synthesizes=True,
        own_terms=Coefficients(one_hot=0.0, soft_label=1.0, attention_prior=0.01, tv=0.05),
    ),
    "e2h": SourceInfo(
        f"{_OPTIMISED}:e2h",
        "Whole images first, then ever smaller crops (our reading of DFQ-ViT, 2025).",
        settings=_SYNTHESIS - _ALIGNMENT - _COEFFICIENTS - {"augmentation"},
        synthesizes=True,
        own_terms=Coefficients(one_hot=1.0, tv=2.5e-5),
    ),
    "noise": SourceInfo(
        f"{_BASELINES}:noise",
        "Gaussian noise, clamped to valid pixels: the baseline that any method must beat.",
        settings=frozenset({"batch"}),
        shipped=True,
    ),
    "real": SourceInfo(
        f"{_BASELINES}:real",
        "Images of the calibration split, for comparison: not data-free.",
        shipped=True,
    ),
}


def coefficients_of(options: SynthesisOptions) -> Coefficients:
    """The coefficients that a run really has: its own, or those that its source fixes.

    Raises:
        OptionError: unknown source.

    >>> coefficients_of(SynthesisOptions(source="e2h")).tv
    2.5e-05
    """
    return SOURCES[options.source].own_terms or options.coefficients


def _distillation_steps(
    images: int, fit: FitOptions, formats: QuantOptions, blocks: int, task: str
) -> int:
    return fit.epochs * math.ceil(images / fit.batch)


def _reconstruction_steps(
    images: int, fit: FitOptions, formats: QuantOptions, blocks: int, task: str
) -> int:
    options = fit.reconstruction
    # A step of the final finetuning runs all blocks, so it costs as much as one step of each.
    return blocks * (1 + options.steps + options.tuned(formats, TASKS[task].extra_tune_bits))


def _unused_in_reconstruction(fit: FitOptions, base: FitOptions, formats: QuantOptions) -> set[str]:
    """Settings of the learning of blocks and of the finetuning, where these do not take place."""
    options = fit.reconstruction
    extra = max(task.extra_tune_bits for task in TASKS.values())  # a setting may count for one task
    tuned = options.tuned(formats, extra)
    unused = set()
    if not options.steps:
        own = ("rounding_lr", "step_lr", "drop", "decision")
        unused |= {"mask_ratio", "mask_weight", *(f"reconstruction.{name}" for name in own)}
    if not options.steps and not tuned:
        unused.add("reconstruction.batch")
    if not tuned and not base.reconstruction.tuned(formats, extra):
        unused |= {f"reconstruction.{name}" for name in ("tune", "tune_lr", "tune_bits")}
    return unused


_RANGES = "maskaq.quantization.backends.ranges_only"
BACKENDS: Registry[BackendInfo] = Registry("back-end")
BACKENDS |= {
    "minmax": BackendInfo(f"{_RANGES}:MINMAX_BACKEND", "the range that clips nothing; one pass"),
    "mse": BackendInfo(
        f"{_RANGES}:MSE_BACKEND", "ranges of least squared error, log-sqrt2 softmax; one pass"
    ),
    "tails": BackendInfo(
        f"{_RANGES}:TAILS_BACKEND",
        "`mse` with ranges that clip less and an adaptive log grid after GELU; one pass",
    ),
    "repq": BackendInfo(
        f"{_RANGES}:REPQ_BACKEND",
        "ranges per channel folded into LayerNorm (RepQ-ViT); one pass",
    ),
    "adalog": BackendInfo(
        f"{_RANGES}:ADALOG_BACKEND",
        "log grids with a searched base, ranges by output error (AdaLog); one pass",
    ),
    "correction": BackendInfo(
        f"{_RANGES}:CORRECTION_BACKEND",
        "`tails`, then block outputs shifted to P's mean; one pass",
    ),
    "reconstruct": BackendInfo(
        "maskaq.quantization.backends.reconstruct:BACKEND",
        "rotated heads, ranges by output error, GPTQ block by block; finetuning at few bits",
        settings=frozenset(
            {name for name in _FIT if name.startswith("reconstruction.")}
            | {"mask_ratio", "mask_weight"}
        ),
        learning_events=_reconstruction_steps,
        formulas=("rotation", "gptq", "descent", "reconstruction", "tuning"),
        unused=_unused_in_reconstruction,
    ),
    "lsq-kd": BackendInfo(
        "maskaq.quantization.backends.lsq_kd:BACKEND",
        "learned step sizes and weights, distilled from P with masked head outputs",
        settings=frozenset(name for name in _FIT if not name.startswith("reconstruction.")),
        distils=True,
        learning_events=_distillation_steps,
        formulas=("calibration",),
    ),
}


@dataclass(frozen=True)
class TermInfo:
    """A term of the synthesis loss: a field of `Coefficients`.

    label: its name in the app. purpose: what it is for, in one sentence. values: coefficients that
    an ablation offers, 0 leaving the term out.
    """

    label: str
    purpose: str
    values: tuple[float, ...] = (0.0, 0.5, 1.0)


TERMS: Mapping[str, TermInfo] = {
    "one_hot": TermInfo("Class", "P has to recognise in each image the class that it is made for."),
    "tv": TermInfo("Smoothness", "Neighbouring pixels have to be similar.", (0.0, 2.5e-5, 1e-4)),
    "inter_head": TermInfo(
        "Agreement of heads", "The heads of a block have to attend to the same places."
    ),
    "entropy": TermInfo("Similarity entropy", "Foreground and background have to be told apart."),
    "align": TermInfo(
        "Alignment with Q",
        "Q has to attend to what P attends to, inside the mask.",
        (0.0, 0.1, 1.0),
    ),
    "patch_entropy": TermInfo("Patch entropy", "The similarities of patch features have to vary."),
    "tv_target": TermInfo("Smoothness target", "Total variation has to match that of photographs."),
    "soft_label": TermInfo("Soft label", "P has to give several classes in set proportions."),
    "attention_prior": TermInfo(
        "Attention prior", "The class token has to attend to a random prior."
    ),
}
