"""What the painting in the playground sends, and what it is sent."""

import json

import numpy as np
import pytest
from safetensors.numpy import load

from maskaq.precomputed import dream
from maskaq.ui.dense import dreaming


def document(data: bytes) -> dict:
    length = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["json"])


def test_at_first_the_stored_dream_is_shown() -> None:
    data = dreaming.message(None)
    arrays, about = load(data), document(data)
    stored = dream.read().arrays
    np.testing.assert_array_equal(arrays["images"], stored["images"])
    np.testing.assert_array_equal(arrays["latest"], stored["painting"])
    assert about["steps"] == stored["steps"].tolist()
    assert not about["waiting"]
    assert dream.COMMAND in about["note"]
    assert len(data) < 1_000_000


def test_an_own_dream_is_not_called_precomputed() -> None:
    shown = dict(dream.read().arrays)
    about = document(dreaming.message(shown, shown["painting"]))
    assert "Computed just now" in about["note"]
    assert "beforehand" not in about["note"]


def test_a_painting_arrives_as_it_was_sent() -> None:
    cells = np.arange(32 * 32) % 11
    found = dreaming.painting_of({"cells": cells.tolist()})
    np.testing.assert_array_equal(found, cells.reshape(32, 32))
    assert found.dtype == np.uint8


@pytest.mark.parametrize(
    "sent",
    [
        None,
        {},
        [],
        "cells",
        {"cells": None},
        {"cells": "1" * 1024},
        {"cells": [0] * 1023},
        {"cells": [11] * 1024},
        {"cells": [-1] * 1024},
        {"cells": [2**80] * 1024},
        {"cells": [0.5] * 1024},
        {"cells": [0, [1]]},
        {"cells": [[0] * 32] * 32},
        {"cells": [{}] * 1024},
    ],
    ids=str,
)
def test_what_our_script_did_not_send_is_ignored(sent) -> None:
    assert dreaming.painting_of(sent) is None


def test_a_read_only_server_says_that_dreaming_is_off(monkeypatch) -> None:
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    about = document(dreaming.message(None))
    assert about["off"]
    assert "switched off" in about["note"]
