"""Four guided lessons: the controls to use on each page, what to notice, and a final question.

Each takes about ten minutes and needs no teacher. Plain data, presented by `lesson_guide`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from maskaq.registry import Registry
from maskaq.ui.state import pages
from maskaq.ui.state.pages import PageSpec

__all__ = ["LESSONS", "RUN", "Lesson", "Step"]

RUN = "run"  # instead of the key of a control: the visitor starts a run


@dataclass(frozen=True)
class Step:
    """One step of a lesson.

    page: where to do it. text: what to do, with the label of the control in bold. control: the key
    of the control in the session, `RUN`, or "" for opening the page. goal: whether a value of the
    control completes the step; by default, any change does. notice: what to see then.
    """

    page: PageSpec
    text: str
    notice: str
    control: str = ""
    goal: Callable[[object], bool] | None = None


@dataclass(frozen=True)
class Lesson:
    """A lesson. learn: what it teaches. question, answer: shown at the end."""

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
        "What levels are, why rounding to a few bits causes errors, and why deliberate clipping "
        "can reduce them.",
        (
            Step(
                pages.LEARN,
                "Open the page **Quantizer sandbox**.",
                "The ticks below the numbers are levels. Each number is rounded to one of them. "
                "The SQNR measures the errors: when it rises by 6 dB, the errors are half as "
                "large.",
            ),
            Step(
                pages.LEARN,
                "Move **Weight bits** in the sidebar to 2.",
                "Two bits allow only 4 levels. Most numbers change a lot, and the SQNR drops. Each "
                "additional bit doubles the number of levels and adds about 6 dB.",
                "weight_bits",
                _is(2),
            ),
            Step(
                pages.LEARN,
                "Move **Weight bits** back to 4.",
                "Now there are 16 levels. Note the SQNR before you continue.",
                "weight_bits",
                _is(4),
            ),
            Step(
                pages.LEARN,
                "Under **Which numbers** choose *outliers*.",
                "A few numbers are twenty times as large as the others. The levels are spread out "
                "to reach them, so most of the small numbers share a single level. These numbers "
                "are activations, so *Activation bits* sets their bit width.",
                "values",
                _is("outliers"),
            ),
            Step(
                pages.LEARN,
                "Under **Where the levels lie** choose *mse*.",
                "Now a few numbers are clipped, and *Error due to clipping* is no longer 0. The "
                "SQNR rises nevertheless, because all other numbers are rounded more finely.",
                "rule",
                _is("mse"),
            ),
            Step(
                pages.LEARN,
                "Under **Which numbers** choose *softmax*, then under **Where the levels lie** "
                "*log2*.",
                "Attention weights are shares that add up to 1, most of them tiny. Evenly spaced "
                "levels round these to zero. Levels at powers of two distinguish them.",
                "rule",
                _is("log2"),
            ),
        ),
        "With *minmax* nothing is clipped. Why does *mse* clip some numbers, and why is its error "
        "smaller nevertheless?",
        "The error has two parts: the rounding error, which grows with the distance between the "
        "levels, and the clipping error. A range that includes the largest number makes this "
        "distance large for all numbers. Clipping a few outliers adds a small clipping error but "
        "reduces the rounding error of all other numbers. The best range depends on the numbers "
        "that actually occur, which is why quantization needs calibration images.",
    )
)
LESSONS.register("looking")(
    Lesson(
        "Where a Vision Transformer looks",
        "What attention maps show, what an informative region is, and how to test whether the "
        "model really depends on it.",
        (
            Step(
                pages.LOOK_INSIDE,
                "Open the page **Attention**.",
                "Each small map shows one head. The class token attends most to the bright "
                "patches. The solid border marks the informative region.",
            ),
            Step(
                pages.LOOK_INSIDE,
                "Set **Block** in the sidebar to 0.",
                "In the first block the attention depends little on the image. Some heads attend "
                "to all patches.",
                "block",
                _is("0"),
            ),
            Step(
                pages.LOOK_INSIDE,
                "Set **Block** to 5, the last one.",
                "Now most heads attend to the garment, although the model was never told where it "
                "is.",
                "block",
                _is("5"),
            ),
            Step(
                pages.LOOK_INSIDE,
                "Move **Mask ratio** to 0.3 or more.",
                "A larger mask covers more of the object, so recall rises, and more of the "
                "background, so precision falls. *Does it find the object?* shows both, and those "
                "of random masks.",
                "mask_ratio",
                lambda value: isinstance(value, float) and value >= 0.3,
            ),
            Step(
                pages.LOOK_INSIDE,
                "Choose another **Image** in the sidebar.",
                "A single image proves little. The same section also shows the averages over 1 000 "
                "scenes.",
                "image",
            ),
            Step(
                pages.LOOK_INSIDE,
                "Open the page **Claims** and choose the **Test** *Deletion*.",
                "When the informative patches are removed first, the prediction soon changes. When "
                "other patches are removed first, it stays the same for much longer.",
                "test",
                _is("Deletion"),
            ),
            Step(
                pages.LOOK_INSIDE,
                "Choose the **Test** *Attributions*.",
                "Gradients and occlusion also rate the importance of patches. They do not always "
                "agree with attention.",
                "test",
                _is("Attributions"),
            ),
        ),
        "Attention is high on the object. Does that prove that the model uses the object?",
        "Not by itself. A map that always points to the centre, where most objects are, also finds "
        "many of them: this is the *centre prior* on the page Claims. There are two better "
        "arguments: attention finds the object more often than this prior, and the prediction "
        "changes when the informative patches are removed, whatever replaces them.",
    )
)
LESSONS.register("dreaming")(
    Lesson(
        "Synthesizing images without data",
        "How a model synthesizes the images that replace its training data, and how to judge their "
        "quality.",
        (
            Step(
                pages.LOOK_INSIDE,
                "Open the page **Similarity**.",
                "In a scene the patches of the garment attend to other places than the patches of "
                "the background, so the similarities between patches vary widely.",
            ),
            Step(
                pages.LOOK_INSIDE,
                "Under **Which of the three** choose *noise*.",
                "Noise contains no objects. All patches attend in a similar way, so the "
                "similarities vary little and the entropy is low.",
                "kind",
                _is("noise"),
            ),
            Step(
                pages.LOOK_INSIDE,
                "Under **Which of the three** choose *synthetic*.",
                "MaskAQ synthesizes images with a high entropy. Compare it with the entropy of the "
                "scene.",
                "kind",
                _is("synthetic"),
            ),
            Step(
                pages.MAKE_ONE,
                "Open the page **Synthesis**.",
                "The images start as random colours and are changed so that the model recognizes "
                "its classes in them. Move through the steps and watch the loss fall.",
            ),
            Step(
                pages.MAKE_ONE,
                "Set **Images** to 4, so that a run takes only seconds.",
                "A few images are synthesized quickly. On the page Compare you can check how many "
                "images are enough.",
                "images",
                _is(4),
            ),
            Step(
                pages.MAKE_ONE,
                "Press **Run**.",
                "The page shows the images and the terms of the loss during the synthesis. Press "
                "Cancel when you have seen enough.",
                RUN,
            ),
        ),
        "These images do not look like photographs. Why can they replace real images?",
        "They do not have to look real. They have to cause activations similar to those of real "
        "images, so that the activation ranges and the rounding fit. The page Compare measures how "
        "similar the activations are, tensor by tensor, under *Why the samples matter: activation "
        "shift*. It also compares the accuracy of Q with that of a Q fitted to the same number of "
        "real images.",
    )
)
LESSONS.register("aligning")(
    Lesson(
        "Why align masked attention",
        "What rounding does to attention, what MaskAQ's attention alignment is for, and how to "
        "test whether it helps.",
        (
            Step(
                pages.LOOK_INSIDE,
                "Open the page **Attention** and move **Weight bits** in the sidebar to 3.",
                "Scroll to *What changes in Q*. The third map shows where Q attends more, or less, "
                "than P.",
                "weight_bits",
                _is(3),
            ),
            Step(
                pages.LOOK_INSIDE,
                "Move **Activation bits** to 3 as well.",
                "Now Q has 3 bits for both. Inside the mask, attention is larger, and so is the "
                "difference between P and Q. The alignment term measures this difference.",
                "activation_bits",
                _is(3),
            ),
            Step(
                pages.MAKE_ONE,
                "Open the page **Synthesis** and find *Alignment with Q* among the terms of the "
                "loss.",
                "With this term, the images are changed so that the attention of Q follows that of "
                "P inside the mask.",
            ),
            Step(
                pages.COMPARE,
                "On the page **Ablation** choose *align* as the **First setting that varies**.",
                "A weight of 0 leaves the term out. Each cell is a complete run. Its interval "
                "shows whether a difference may be due to chance.",
                "axis_1",
                _is("align"),
            ),
            Step(
                pages.COMPARE,
                "Open the page **Compare**.",
                "Further down are the accuracies measured here and those published in the papers. "
                "The papers use other models and images, so compare trends, not exact values.",
            ),
        ),
        "The paper reports that Q loses one to two percentage points without the alignment. How "
        "would you check that for your own model?",
        "Run the method with and without the term, with several seeds each, on the same "
        "evaluation images. Then look at the difference for each seed and at the confidence "
        "interval. `python -m benchmarks.ablation` does that. `benchmarks/README.md` contains the "
        "result for the bundled model: the differences are within their intervals, so the effect "
        "that the paper reports is not confirmed there. A claim may hold for one model and not for "
        "another, so measure it.",
    )
)
