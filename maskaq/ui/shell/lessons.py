"""Four guided lessons: what to touch on the real pages, what to notice, and a question at the end.

Each takes about ten minutes and needs no teacher. Plain data; `guide` walks a visitor through it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from maskaq.registry import Registry
from maskaq.ui.state import pages
from maskaq.ui.state.pages import PageSpec

__all__ = ["LESSONS", "RUN", "Lesson", "Step"]

RUN = "run"  # in the place of a control: a run of the visitor's own


@dataclass(frozen=True)
class Step:
    """One thing to do.

    page: where. text: what to do, the control in bold as it is labelled. control: its key in the
    session, `RUN`, or "" for opening the page. goal: whether its value will do; without one, any
    change does. notice: what there is to see then.
    """

    page: PageSpec
    text: str
    notice: str
    control: str = ""
    goal: Callable[[object], bool] | None = None


@dataclass(frozen=True)
class Lesson:
    """title: for menus. learn: what one will know. steps: in order. question, answer: at the
    end."""

    title: str
    learn: str
    steps: tuple[Step, ...]
    question: str
    answer: str
    minutes: int = 10


LESSONS: Registry[Lesson] = Registry("lesson")


def _is(*allowed: object) -> Callable[[object], bool]:
    return lambda value: value in allowed


LESSONS.register("numbers")(
    Lesson(
        "What quantization does to numbers",
        "What a level, a step and a code are, why rounding to few bits hurts, and why clipping on "
        "purpose can help.",
        (
            Step(
                pages.SANDBOX,
                "Open the page **Quantizer sandbox**.",
                "The ticks below the numbers are levels. Each number moves to one of them. SQNR "
                "says how small the errors are: 6 dB more, and they are half as large.",
            ),
            Step(
                pages.SANDBOX,
                "Move **Weight bits** in the sidebar to 2.",
                "Two bits can name only 4 levels. Most numbers move far, and the SQNR drops. With "
                "each bit more there are twice as many levels, and about 6 dB more.",
                "weight_bits",
                _is(2),
            ),
            Step(
                pages.SANDBOX,
                "Move **Weight bits** back to 4.",
                "16 levels. Note the SQNR before you go on.",
                "weight_bits",
                _is(4),
            ),
            Step(
                pages.SANDBOX,
                "Under **Which numbers** choose *outliers*.",
                "A few numbers are twenty times as large. All levels are spread out to reach them, "
                "and the many small numbers share a single one. These are activations: their bits "
                "are set by *Activation bits*.",
                "values",
                _is("outliers"),
            ),
            Step(
                pages.SANDBOX,
                "Under **Where the levels lie** choose *mse*.",
                "Now a few numbers are clipped, and *Error due to clipping* is no longer 0. Still "
                "the SQNR rises, because all the others are rounded more finely.",
                "rule",
                _is("mse"),
            ),
            Step(
                pages.SANDBOX,
                "Under **Which numbers** choose *softmax*, then under **Where the levels lie** "
                "*log2*.",
                "Attention consists of shares, most of them tiny. Levels that halve again and "
                "again follow them where evenly spaced ones see only zeros.",
                "rule",
                _is("log2"),
            ),
        ),
        "With min-max nothing is clipped. Why does *mse* clip numbers on purpose, and still err "
        "less?",
        "The error has two parts: rounding, which grows with the distance between levels, and "
        "clipping. A range that reaches the largest number makes that distance large for all "
        "numbers. Giving up a few outliers costs a little clipping and saves much rounding. To "
        "know where that balance lies one has to see the numbers that occur, which is what the "
        "images for calibration are for.",
    )
)
LESSONS.register("looking")(
    Lesson(
        "Where a Vision Transformer looks",
        "What attention maps show, what an informative region is, and how to test whether it is "
        "more than a pretty picture.",
        (
            Step(
                pages.ATTENTION,
                "Open the page **Attention**.",
                "Each small map is one head: bright patches are those that the class token takes "
                "much from. The solid border is the informative region.",
            ),
            Step(
                pages.ATTENTION,
                "Set **Block** in the sidebar to 0.",
                "In the first block the heads hardly know the picture. Some look everywhere.",
                "block",
                _is("0"),
            ),
            Step(
                pages.ATTENTION,
                "Set **Block** to 5, the last one.",
                "Now most heads look at the garment, though nobody told the model where it is.",
                "block",
                _is("5"),
            ),
            Step(
                pages.ATTENTION,
                "Move **Mask ratio** to 0.3 or more.",
                "A larger mask covers more of the object (recall) and more beside it (precision "
                "falls). *Does it find the object?* shows both, next to random masks.",
                "mask_ratio",
                lambda value: isinstance(value, float) and value >= 0.3,
            ),
            Step(
                pages.ATTENTION,
                "Choose another **Image** in the sidebar.",
                "Never trust one picture: the same numbers over 1 000 scenes stand beside it.",
                "image",
            ),
            Step(
                pages.CLAIMS,
                "Open the page **Claims** and choose the **Test** *Deletion*.",
                "Take the informative patches away, and the answer is soon lost. Take others away, "
                "and it stays for long.",
                "test",
                _is("Deletion"),
            ),
            Step(
                pages.CLAIMS,
                "Choose the **Test** *Attributions*.",
                "Gradients and occlusion weigh patches too, and do not always agree with it.",
                "test",
                _is("Attributions"),
            ),
        ),
        "Attention is bright on the object. Does that prove that the model uses the object?",
        "Not by itself. A map that always points to the middle, where objects mostly are, also "
        "meets many of them: that is the *centre prior* on the page Claims. What counts is that "
        "attention meets the object more often than this prior, and that the answer goes when the "
        "informative patches go, whatever is put in their place.",
    )
)
LESSONS.register("dreaming")(
    Lesson(
        "Dreaming images without data",
        "How a model is made to draw the images that replace its training data, and how to tell "
        "good ones from bad ones.",
        (
            Step(
                pages.SIMILARITY,
                "Open the page **Similarity**.",
                "In a scene the patches of the garment look at other places than those of the "
                "background, so their similarities are spread out.",
            ),
            Step(
                pages.SIMILARITY,
                "Under **Which of the three** choose *noise*.",
                "In noise there is nothing to tell apart: all patches look alike, the spread is "
                "narrow, and the entropy low.",
                "kind",
                _is("noise"),
            ),
            Step(
                pages.SIMILARITY,
                "Under **Which of the three** choose *synthetic*.",
                "MaskAQ draws images whose entropy is high. Compare it with that of the scene.",
                "kind",
                _is("synthetic"),
            ),
            Step(
                pages.SYNTHESIS,
                "Open the page **Synthesis**.",
                "From random colours to what the model takes its classes to look like. Move "
                "through the steps and watch the loss fall.",
            ),
            Step(
                pages.SYNTHESIS,
                "Set **Images** to 4, so that a run takes seconds.",
                "Few images draw fast. How many are enough, the page Compare can tell.",
                "images",
                _is(4),
            ),
            Step(
                pages.SYNTHESIS,
                "Press **Run**.",
                "The images in the making, and the terms of the objective. Cancel if you have seen "
                "enough.",
                RUN,
            ),
        ),
        "These images look like nothing one would photograph. Why can they replace real ones?",
        "They need not please us: they are to cause, inside the model, the numbers that real "
        "images cause, so that ranges and rounding fit. How near they come is measured, tensor by "
        "tensor, on the page Compare under *Why: how the samples' activations differ from real "
        "ones*. Where they fall short the accuracy of Q tells, beside that of Q from as many real "
        "images.",
    )
)
LESSONS.register("aligning")(
    Lesson(
        "Why align masked attention",
        "What rounding does to attention, what MaskAQ's alignment asks of Q, and how to find out "
        "whether it helps.",
        (
            Step(
                pages.ATTENTION,
                "Open the page **Attention** and move **Weight bits** in the sidebar to 3.",
                "Scroll to *What changes in Q*: the third map shows where Q looks more, or less, "
                "than P.",
                "weight_bits",
                _is(3),
            ),
            Step(
                pages.ATTENTION,
                "Move **Activation bits** to 3 as well.",
                "Now a Q with 3 bits for both is shown. Inside the mask attention is larger, and "
                "so are the differences: that is what alignment weighs.",
                "activation_bits",
                _is(3),
            ),
            Step(
                pages.SYNTHESIS,
                "Open the page **Synthesis** and look for *align* among the terms.",
                "The images are changed so that Q's attention follows P's inside the mask.",
            ),
            Step(
                pages.ABLATION,
                "On the page **Ablation** choose *align* as the **First setting that varies**.",
                "Weight 0 leaves the term out. Each cell is a whole run; with its interval it "
                "tells whether the difference may be chance.",
                "axis_1",
                _is("align"),
            ),
            Step(
                pages.COMPARE,
                "Open the page **Compare**.",
                "Further down stand our own table and those of the papers. The papers measure "
                "other models and images, so compare directions, not digits.",
            ),
        ),
        "The paper reports that leaving the alignment out costs Q one to two points. How would you "
        "check that for your own model?",
        "Run the method with and without the term, several seeds each, on the same test images, "
        "and look at the differences seed by seed with their interval. `python -m "
        "benchmarks.ablation` does that. For the bundled model `benchmarks/README.md` holds the "
        "result: the differences stay within their intervals, so there the paper's direction does "
        "not show. A claim may be true for one model and not show on another; only measuring "
        "tells.",
    )
)
