"""The answers of P and Q for a picture from which a visitor removes patches."""

from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from maskaq.evaluation.deletion import FILLS, replace_patches
from maskaq.models.loading import LoadedModel
from maskaq.queries import model_cache
from maskaq.queries.attention import Pixels, check_patches, preprocessed
from maskaq.tasks.remaining import REMAINING

ANSWERS = 5  # classes of largest probability


@torch.no_grad()
def removal(
    model: str,
    weights: str,
    picture: Pixels,
    away: Sequence[int] = (),
    fill: str = "mean colour",
    weight_bits: int = 4,
    activation_bits: int = 4,
    samples: Pixels | None = None,
    class_names: str = "",
) -> dict[str, Any]:
    """What P and Q answer for the whole picture, and with some patches replaced.

    Args:
        model, weights, picture, samples, class_names: as in `maskaq.queries.attention.attention`.
        away: the patches to replace. fill: a name in `maskaq.evaluation.deletion.FILLS`.

    Returns:
        image: uint8 [3,S,S], the picture with patches replaced. classes: names of K classes, the
        five of largest probability in each answer. p: float32 [2,K], their probabilities in P
        for the whole picture and for `image`. q: the same of Q, or None without samples.

    Raises:
        OptionError: there is no such patch or fill.
        MaskaqError: as `maskaq.queries.attention.attention`.
    """
    loaded = model_cache.named(model, weights, class_names)
    pictures, _ = _whole_and_now(loaded, picture, away, fill)  # [2,3,S,S]
    inputs = loaded.normalise(pictures)
    q = model_cache.q_of(model, weights, samples, weight_bits, activation_bits)
    answers = {name: _answer(one, inputs) for name, one in _models(loaded, q).items()}
    best = [one.topk(min(ANSWERS, one.shape[1])).indices.flatten() for one in answers.values()]
    kept = list(dict.fromkeys(torch.cat(best).tolist()))  # K
    shown = {name: one[:, kept].numpy() for name, one in answers.items()}  # [2,K]
    return {
        "image": pictures[1].numpy(),
        "classes": [loaded.class_names[number] for number in kept],
        "p": shown["p"],
        "q": shown.get("q"),
    }


@torch.no_grad()
def dense_removal(
    model: str,
    weights: str,
    picture: Pixels,
    away: Sequence[int] = (),
    fill: str = "mean colour",
    weight_bits: int = 4,
    activation_bits: int = 4,
    samples: Pixels | None = None,
    class_names: str = "",
) -> dict[str, Any]:
    """As `removal`, for a model for segmentation or detection.

    Returns:
        image: as `removal`. classes: names of all K classes. p: what P answers for the whole
        picture and for `image`: `shown`, as in `results.artifacts.Evidence.shown` [2,..], and
        `kept`, int64 [2,K], pixels or objects of each class on the remaining patches: those that
        `image` keeps, and all (see `maskaq.tasks.remaining.Remaining.kept`). q: the same of Q, or
        None without samples.

    Raises:
        OptionError: there is no such patch or fill, or the task is not a dense one.
        MaskaqError: as `maskaq.queries.attention.attention`.
    """
    loaded = model_cache.named(model, weights, class_names)
    pictures, remains = _whole_and_now(loaded, picture, away, fill)
    q = model_cache.q_of(model, weights, samples, weight_bits, activation_bits)
    found = {
        name: _dense_answer(loaded, one, pictures, remains)
        for name, one in _models(loaded, q).items()
    }
    return {
        "image": pictures[1].numpy(),
        "classes": list(loaded.class_names),
        "p": found["p"],
        "q": found.get("q"),
    }


def _whole_and_now(
    loaded: LoadedModel, picture: Pixels, away: Sequence[int], fill: str
) -> tuple[Tensor, Tensor]:
    """The picture, whole and with patches replaced, uint8 [2,3,S,S], and the patches that remain,
    bool [1,rows,columns]."""
    check_patches(loaded, away)
    whole = preprocessed(loaded, picture)[None]  # [1,3,S,S]
    gone = torch.zeros(1, loaded.grid[0] * loaded.grid[1], dtype=torch.bool)
    gone[0, list(away)] = True
    # Removed in 8 bits, so that the models see what the visitor sees.
    pixels = whole.float()
    filled = FILLS[fill](
        pixels, loaded.sides[0] // loaded.grid[0], torch.Generator().manual_seed(0)
    )
    now = replace_patches(pixels, filled, gone, loaded.grid).round().clamp(0, 255).byte()
    return torch.cat([whole, now]), ~gone.view(1, *loaded.grid)


def _models(loaded: LoadedModel, q: nn.Module | None) -> dict[str, nn.Module]:
    """The models that answer: `p`, and `q` if there is one."""
    return {"p": loaded.model} | ({} if q is None else {"q": q})


def _dense_answer(
    loaded: LoadedModel, model: nn.Module, pictures: Tensor, remains: Tensor
) -> dict[str, NDArray[Any]]:
    """What a model answers for both pictures, and what it keeps."""
    task = REMAINING[loaded.task]
    answers = task.answers(model(loaded.normalise(pictures)), loaded.sides)
    kept = task.kept(answers[:1], answers[1:], remains, len(loaded.class_names))  # [1,2,K]
    return {"shown": task.shown(answers).numpy(), "kept": kept[0].numpy()}


def _answer(model: nn.Module, inputs: Tensor) -> Tensor:
    """Probabilities [B,C], float32."""
    probabilities: Tensor = model(inputs).softmax(-1).float()
    return probabilities
