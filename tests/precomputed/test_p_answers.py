from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.p_answers import answers
from maskaq.config import RunSpec
from maskaq.models import bundled
from maskaq.models.architectures import BUNDLED
from maskaq.precomputed import p_answers
from maskaq.runs.context import _shipped_answers


@pytest.mark.parametrize("model", [one.name for one in bundled.of_task("classification")])
@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.slow)])
def test_shipped_answers_are_those_of_the_model(model: str, count: int) -> None:
    shipped, found = p_answers.read(BUNDLED[model].checkpoint, count), answers(model, count)
    assert shipped is not None
    # Sums of floats depend on the machine, so a close call may end differently there.
    assert (shipped.classes != found.classes.numpy()).sum() <= count / 1000
    assert (shipped.ranks != found.ranks.numpy()).sum() <= 1 + count / 1000


def test_answers_hold_for_one_weights_file(tmp_path: Path) -> None:
    shipped = BUNDLED["scenes_vit"].checkpoint
    assert p_answers.read(shipped, 10) is not None
    other = tmp_path / shipped.name
    other.write_bytes(shipped.read_bytes() + b" ")
    assert p_answers.read(other, 10) is None


def test_other_models_have_none(tmp_path: Path) -> None:
    assert p_answers.read(tmp_path / "vit_tiny_patch16_224.safetensors", 10) is None


def test_runs_of_other_weights_or_images_do_not_get_them() -> None:
    bundled = RunSpec(model="scenes_vit")
    assert _shipped_answers(bundled, 10) is not None
    assert _shipped_answers(replace(bundled, weights="mine.safetensors"), 10) is None
    assert _shipped_answers(replace(bundled, data="photographs"), 10) is None
