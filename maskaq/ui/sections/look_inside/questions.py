"""Which picture is chosen, and what the page asks a worker about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maskaq.models.menu import BUNDLED, task_info, task_of
from maskaq.precomputed import dense, photographs, showcase, worlds
from maskaq.ui.state import session, stored_runs

if TYPE_CHECKING:
    from maskaq.results.store import Stored
    from maskaq.ui.state.selection import Choice


def is_bundled(choice: Choice) -> bool:
    """Whether `scenes_vit` looks at something."""
    return choice.model == BUNDLED and not choice.own.weights


def is_scene(choice: Choice) -> bool:
    """Whether `scenes_vit` looks at a stored scene."""
    return is_bundled(choice) and choice.own.picture is None


def is_photograph(choice: Choice) -> bool:
    """Whether timm's ViT-Tiny looks at a stored photograph."""
    return _is_vit_tiny(choice) and choice.own.picture is None


def is_dense(choice: Choice) -> bool:
    """Whether the chosen model answers for every part of an image."""
    return task_info(choice.model).dense


def _is_vit_tiny(choice: Choice) -> bool:
    return choice.model == photographs.MODEL and not choice.own.weights


def title(choice: Choice) -> str:
    """The title of the picture that the chosen model looks at."""
    return stored_title(choice) if choice.own.picture is None else "Your picture"


def stored_title(choice: Choice) -> str:
    """The title of the chosen stored picture, which some tabs show beside the visitor's own."""
    if is_photograph(choice):
        return f"Photograph: {photographs.photograph(photographs.names()[choice.image]).title}"
    if is_dense(choice):
        return str(dense.read(task_of(choice.model)).about["titles"][choice.image])
    return f"Scene: {showcase.scene(choice.image).name}"


def where(choice: Choice) -> str:
    """The chosen block, or the mean over all of them, in words."""
    return "mean over blocks" if choice.block is None else f"block {choice.block}"


def subject(choice: Choice) -> tuple[object, ...]:
    """Identifies the model and image; later queries on the same subject start without a click."""
    picture = choice.own.picture
    name = choice.image if picture is None else hash(picture.pixels.tobytes())
    return choice.model, choice.own.weights, choice.own.class_names, picture is None, name


def question(choice: Choice) -> dict[str, Any]:
    """The arguments of a worker's task, as plain values and arrays."""
    own = choice.own.picture
    return {
        "model": choice.model,
        "weights": choice.own.weights,
        "picture": _stored(choice) if own is None else own.pixels,
        "weight_bits": choice.weight_bits,
        "activation_bits": choice.activation_bits,
        "samples": _samples(choice),
    }


def _stored(choice: Choice) -> NDArray[np.uint8]:
    """The chosen stored picture [S,S,3]; for dense tasks a scene with several objects."""
    if is_photograph(choice):
        image = photographs.photograph(photographs.names()[choice.image]).image
    elif is_dense(choice):
        image = dense.read(task_of(choice.model)).arrays["images"][choice.image]
    else:
        image = showcase.scene(choice.image).image  # [3,S,S]
    return np.ascontiguousarray(image.transpose(1, 2, 0))


def _samples(choice: Choice) -> NDArray[np.uint8] | None:
    """Synthetic images of the same model, to fit Q's ranges to; None without any."""
    if _is_vit_tiny(choice):
        return worlds.read(photographs.WORLD).synthetic()

    def order(run: Stored) -> tuple[bool, int]:
        bits = run.result.spec.quantization
        chosen = choice.weight_bits, choice.activation_bits
        distance = abs(bits.weight_bits - chosen[0]) + abs(bits.activation_bits - chosen[1])
        return run.result.spec.synthesis.source != "maskaq", distance

    for run in sorted(stored_runs.listed(session.owner()), key=order):
        spec = run.result.spec
        if (spec.model, spec.weights) == (choice.model, choice.own.weights) and run.samples:
            images: NDArray[np.uint8] = run.samples["images"]
            return images
    return None
