"""The bytes for the browser: complete, and numbers, names and images only."""

import json
from dataclasses import replace

from safetensors import safe_open
from safetensors.numpy import load

from maskaq.precomputed import worlds
from maskaq.ui.playground.message import of_own, of_stored
from maskaq.ui.playground.view import DEFAULT


def document(data: bytes, tmp_path) -> dict:
    path = tmp_path / "message.safetensors"
    path.write_bytes(data)
    with safe_open(path, "np") as file:
        return json.loads(file.metadata()["json"])


def test_a_stored_picture_is_sent_with_all_numbers(tmp_path) -> None:
    data = of_stored(DEFAULT, readonly=True)
    sent, arrays = document(data, tmp_path), load(data)
    assert sent["readonly"] is True
    assert sent["picture"]["name"] == "bridge"
    assert list(sent["worlds"]) == list(worlds.MODELS)
    assert "classes" not in sent["worlds"]["scenes"]
    assert len(sent["classes"]) == 1000
    assert {"image", "full", "q_cls", "film", "thumbs_scenes", "thumbs_photographs"} <= set(arrays)
    assert len(data) < 4 << 20


def test_equal_views_make_equal_bytes() -> None:
    assert of_stored(DEFAULT, False) == of_stored(replace(DEFAULT), False)
    assert of_stored(DEFAULT, False) != of_stored(replace(DEFAULT, picture="bee"), False)


def test_an_own_picture_has_no_right_answer(tmp_path) -> None:
    world = worlds.read("scenes")
    arrays = world.picture("scene0")
    data = of_own(DEFAULT, world, arrays, {"title": "<b>mine</b>"}, ["a", "b"])
    sent = document(data, tmp_path)
    assert sent["picture"]["right"] == []
    assert sent["picture"]["title"] == "<b>mine</b>"  # the browser sets it as text
    assert sent["classes"] == ["a", "b"]
