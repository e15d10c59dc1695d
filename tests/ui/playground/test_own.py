"""A visitor's picture: checked when it arrives, answered by workers step by step."""

import base64
import json
from concurrent.futures import Future
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors import deserialize

from maskaq.data.upload import MEGABYTES, read_picture
from maskaq.errors import DataError, ModelError
from maskaq.jobs import service
from maskaq.precomputed import worlds
from maskaq.queries.look import look, look_q
from maskaq.ui.playground.own import SOURCE, OwnPicture, decode
from maskaq.ui.playground.view import DEFAULT


def png() -> bytes:
    stream = BytesIO()
    Image.new("RGB", (40, 30), "teal").save(stream, "PNG")
    return stream.getvalue()


def sent(data: bytes) -> dict[str, str]:
    return {"name": "mine.png", "data": base64.b64encode(data).decode()}


def test_a_picture_arrives() -> None:
    picture = decode(sent(png()))
    assert picture.name == "mine.png"
    assert picture.pixels.shape == (30, 40, 3)


@pytest.mark.parametrize(
    "values",
    [
        None,
        {},
        {"data": 3},
        {"data": "%%%"},
        sent(b"not a picture"),
        {"data": "A" * (MEGABYTES * 2**21)},
    ],
)
def test_anything_else_is_refused(values: Any) -> None:
    with pytest.raises(DataError):
        decode(values)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Future[Any], dict[str, Any]]]:
    """The questions; a test answers them itself."""
    questions: list[tuple[str, Future[Any], dict[str, Any]]] = []

    def quick(name: str, **arguments: Any) -> Future[Any]:
        questions.append((name, Future(), arguments))
        return questions[-1][1]

    monkeypatch.setattr(service, "quick", quick)
    return questions


@pytest.fixture
def own() -> OwnPicture:
    view = replace(DEFAULT, picture="scene0", block=2)
    return OwnPicture(read_picture("mine.png", png()), worlds.read("scenes"), "", view)


def names(data: bytes) -> set[str]:
    return {name for name, _ in deserialize(data)}


def test_first_p_answers_then_q(own: OwnPicture, asked: list) -> None:
    assert own.message() is None
    own.ask()
    own.ask()
    ((name, future, arguments),) = asked
    assert name == "look"
    assert own.waiting
    assert own.message() is None
    future.set_result(look(**arguments))
    first = own.message()
    assert "cls" in names(first)
    assert "q_cls" not in names(first)
    own.ask()
    name, future, arguments = asked[1]
    assert name == "look_q"
    assert (arguments["weight_bits"], arguments["activation_bits"]) == (4, 4)
    assert np.array_equal(arguments["samples"], own.world.synthetic())
    assert own.waiting
    assert not own.settles(0.01)
    future.set_result(look_q(**arguments))
    assert own.settles(0.01)
    second = own.message()
    assert "q_cls" in names(second)
    length = int.from_bytes(second[:8], "little")
    document = json.loads(json.loads(second[8 : 8 + length])["__metadata__"]["json"])
    assert document["picture"]["q"] == {"source": SOURCE, "bits": "W4A4"}
    assert document["picture"]["title"] == "mine.png"


def test_other_bits_ask_another_q(own: OwnPicture, asked: list) -> None:
    own.ask()
    asked[0][1].set_result(look(**asked[0][2]))
    own.ask()
    own.view = replace(own.view, bits="W2A4")
    own.ask()
    assert [one[2].get("weight_bits") for one in asked] == [None, 4, 2]


def test_a_refusal_is_shown(own: OwnPicture, asked: list) -> None:
    own.ask()
    asked[0][1].set_exception(ModelError("no network; pass a weights file."))
    assert own.error() == "no network; pass a weights file."
    assert not own.waiting
    assert own.message() is None


def test_an_unforeseen_error_is_not_hidden(own: OwnPicture, asked: list) -> None:
    own.ask()
    asked[0][1].set_exception(ZeroDivisionError("bug"))
    with pytest.raises(ZeroDivisionError):
        own.error()
