import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from maskaq.config import RunSpec
from maskaq.config.presets import spec_of
from maskaq.results.result import Finished
from maskaq.runs import cache, runner
from maskaq.runs.context import RunContext
from maskaq.synthesis.batch import Batch
from tests.support import weights_files


@pytest.fixture(autouse=True)
def empty_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_CONTEXTS", cache.LRU(2))
    monkeypatch.setattr(cache, "_SAMPLES", cache.LRU(2))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The synthesis steps that were computed."""
    done: list[int] = []
    advance = Batch.advance
    monkeypatch.setattr(Batch, "advance", lambda s, n: done.append(n) or advance(s, n))
    return done


def tiny(bits: tuple[int, int] = (4, 4), backend: str = "minmax", **changes: object) -> RunSpec:
    spec = spec_of("mimiq", bits)
    synthesis = replace(spec.synthesis, **({"images": 4, "batch": 2, "steps": 2} | changes))
    fit = replace(spec.fit, backend=backend, epochs=1)
    return replace(spec, synthesis=synthesis, fit=fit, eval_images=40, precision="float32")


def complete(spec: RunSpec, **how: object) -> Finished:
    *_, last = runner.run(spec, **how)
    assert isinstance(last, Finished)
    return last


def cached(spec: RunSpec) -> Finished:
    return complete(spec, context=cache.context_of(spec), checkpoints=cache.cached_samples(spec))


@pytest.mark.slow
def test_equal_samples_are_synthesized_once_and_results_do_not_change(steps) -> None:
    specs = [tiny(), tiny((3, 3)), tiny(backend="lsq-kd"), tiny(backend="lsq-kd", steps=3)]
    results = [cached(spec) for spec in specs]
    assert steps == [0, 1] * 2 + [0, 1, 2] * 2
    for spec, shared in zip(specs, results, strict=True):
        alone = complete(spec)
        assert torch.equal(shared.samples.images, alone.samples.images)
        assert shared.samples.history == alone.samples.history
        values = [json.loads(one.result.to_json()) for one in (shared, alone)]
        assert all(values[0][name] == values[1][name] for name in ("q", "fp", "tensors", "samples"))
        states = shared.q.state_dict(), alone.q.state_dict()
        assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
        assert shared.result.seconds["synthesis"] > 0


def test_p_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = cache.context_of(tiny())
    cached(tiny())
    assert first.p_answers is not None
    assert cache.context_of(tiny((3, 3), images=2)) is first
    assert cache.context_of(replace(tiny(), eval_images=30)) is not first
    assert len(cache._CONTEXTS) == 2


def test_files_that_change_are_read_again(tmp_path: Path) -> None:
    before = cache._fingerprint(str(tmp_path))
    (tmp_path / "n01440764").mkdir()
    (tmp_path / "n01440764" / "a.jpg").write_bytes(b"1")
    after = cache._fingerprint(str(tmp_path))
    assert before != after == cache._fingerprint(str(tmp_path))
    assert cache._fingerprint(str(tmp_path / "nothing")) is None
    assert cache.cached_samples(replace(tiny(), data=str(tmp_path))) is cache.NOWHERE


def test_p_is_known_by_its_file_its_parts_and_its_pooling(tmp_path: Path) -> None:
    index, part, file = (tmp_path / name for name in ("m.index.json", "m-1.bin", "w.pt"))
    for path in (index, part, file):
        path.write_bytes(b"1")

    def keys() -> list[object]:
        names = (str(index), str(tmp_path), str(file), f"{file}#ema")
        return [cache.key_of("x", name) for name in names]

    before = keys()
    part.write_bytes(b"22")
    after = keys()
    assert [one != other for one, other in zip(before, after, strict=True)] == [1, 1, 0, 0]
    file.write_bytes(b"22")
    assert [one != other for one, other in zip(after, keys(), strict=True)] == [1, 1, 1, 1]
    assert len({*keys(), cache.key_of("x", str(file), "avg")}) == 5
    for impossible in ("x" * 5000, "a\0b"):
        assert cache.key_of("x", impossible)[-1] is None


def test_a_run_and_its_context_use_the_chosen_pooling(tmp_path: Path) -> None:
    model = weights_files.model_of(global_pool="avg", fc_norm=False)
    torch.save(model.state_dict(), tmp_path / "w.pt")
    (tmp_path / "images" / "0").mkdir(parents=True)
    Image.new("RGB", (160, 160), "teal").save(tmp_path / "images" / "0" / "0.png")
    spec = replace(tiny(), model="test_vit", weights=str(tmp_path / "w.pt"))
    spec = replace(spec, data=str(tmp_path / "images"), eval_images=0)
    for pool in ("avg", ""):
        chosen = replace(spec, global_pool=pool)
        for context in (RunContext.of(chosen), cache.context_of(chosen)):
            images = context.loaded.normalise(context.data.images)
            same = torch.allclose(context.loaded.model(images), model(images), atol=1e-5)
            assert same == (pool == "avg")


@pytest.mark.slow
def test_the_cache_of_samples_is_bounded(monkeypatch: pytest.MonkeyPatch, steps: list[int]) -> None:
    for number in range(1, 5):
        cached(tiny(steps=number))
    assert len(cache._SAMPLES) == 2
    monkeypatch.setattr(cache, "_LARGEST", 1000)
    cached(tiny(steps=7))
    assert len(cache._SAMPLES) == 1  # too large to keep, but it has replaced an older entry
    steps.clear()
    cached(tiny(steps=7))
    assert len(steps) == 14
