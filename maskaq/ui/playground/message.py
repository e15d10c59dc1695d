"""The bytes that the browser gets: a safetensors file with one JSON document in its metadata."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from maskaq.precomputed import deployment, worlds
from maskaq.precomputed.worlds import World
from maskaq.ui.playground.view import View, world_of

Arrays = Mapping[str, NDArray[Any]]


def of_stored(view: View, readonly: bool) -> bytes:
    """A stored picture as P and every Q see it, and all numbers of the page."""
    world = world_of(view.picture)
    about = next(one for one in world.about["pictures"] if one["name"] == view.picture)
    picture = {**about, "world": world.name}
    return _message(world, view, picture, world.picture(view.picture), readonly)


def of_own(
    view: View, world: World, arrays: Arrays, picture: Mapping[str, Any], names: list[str]
) -> bytes:
    """A visitor's picture, as far as the model has answered.

    Args:
        picture: title, status, and q: source and bits of the Q that has answered, or None.
        names: of the classes of the model.
    """
    own = {"name": "own", "kind": "own", "right": [], "world": world.name, **picture}
    return _message(world, view, own, arrays, False, names)


def _message(
    world: World,
    view: View,
    picture: Mapping[str, Any],
    arrays: Arrays,
    readonly: bool,
    names: list[str] | None = None,
) -> bytes:
    document = {
        "view": asdict(view),
        "picture": picture,
        "worlds": _worlds(),
        "classes": names or world.about["classes"],
        "readonly": readonly,
    }
    return save({**_sheets(world.name), **arrays}, {"json": json.dumps(document)})


@lru_cache(maxsize=1)
def _worlds() -> dict[str, dict[str, Any]]:
    """The numbers of every world; the names of the classes are sent for one of them only."""
    return {
        world.name: {key: value for key, value in world.about.items() if key != "classes"}
        | {"files": deployment.sentence([world.model])}
        for world in worlds.worlds()
    }


@lru_cache(maxsize=4)
def _sheets(name: str) -> dict[str, NDArray[np.uint8]]:
    """The thumbnails of every world and the film of one, as WebP files uint8 [bytes]."""
    thumbs = {f"thumbs_{world.name}": world.file("thumbs.webp") for world in worlds.worlds()}
    return {"film": worlds.read(name).file("frames.webp"), **thumbs}
