import pytest

from benchmarks.p_answers import answers
from maskaq.models.architectures import BUNDLED
from maskaq.precomputed import p_answers


@pytest.mark.parametrize("model", list(BUNDLED))
@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.slow)])
def test_shipped_answers_are_those_of_the_model(model: str, count: int) -> None:
    shipped, found = p_answers.read(model, count), answers(model, count)
    assert shipped is not None
    # Sums of floats depend on the machine, so a close call may end differently there.
    assert (shipped.classes != found.classes.numpy()).sum() <= count / 1000
    assert (shipped.ranks != found.ranks.numpy()).sum() <= 1 + count / 1000


def test_answers_hold_for_one_weights_file(monkeypatch: pytest.MonkeyPatch) -> None:
    assert p_answers.read("scenes_vit", 10) is not None
    monkeypatch.setattr(p_answers, "sha256", lambda model: "another")
    assert p_answers.read("scenes_vit", 10) is None


def test_other_models_have_none() -> None:
    assert p_answers.read("vit_tiny_patch16_224", 10) is None
