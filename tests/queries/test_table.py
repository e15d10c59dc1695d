"""Quick answers against direct computations, and through a real worker."""

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file
from safetensors.torch import save_file

from maskaq.config import QuantOptions, RunSpec
from maskaq.config.parsing import to_json
from maskaq.data.fashion_mnist import CLASS_NAMES
from maskaq.data.scenes import scenes
from maskaq.errors import DataError, ModelError, OptionError, RunError, WeightsError
from maskaq.intervals import wilson
from maskaq.jobs.service import Runs
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel, load_model
from maskaq.precomputed.showcase import Similarity
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.backends.ranges_only import set_ranges
from maskaq.quantization.conversion.convert import convert
from maskaq.queries import accuracy as accuracy_module
from maskaq.queries import model_cache
from maskaq.queries.accuracy import accuracy
from maskaq.queries.attention import attention, similarity
from maskaq.queries.checks import cost, inspect
from maskaq.queries.removal import removal
from maskaq.regions.similarity import gaussian_entropy, patch_similarity, similarity_moments
from maskaq.results import store
from maskaq.runs import cache
from maskaq.runs.execute import execute
from tests.support.waiting import ended

SIDE = 64
CORES = os.cpu_count() or 1
WORKERS = min(2, CORES)
SLOW = 300  # seconds after which a test with torch in a worker has failed


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    """Scenes of the calibration split: uint8 [8,3,64,64]."""
    images: np.ndarray = scenes("calibration", range(8)).images.numpy()
    return images


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """One scene, uint8 [64,64,3]."""
    images: np.ndarray = scenes("evaluation", [3]).images[0].permute(1, 2, 0).numpy()
    return images


def quantized(p: LoadedModel, samples: np.ndarray, options: QuantOptions) -> torch.nn.Module:
    q = convert(p.model, options, BACKENDS["tails"].scheme)
    set_ranges(q, p.normalise(torch.from_numpy(samples)))
    return q


@pytest.fixture
def all_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Search ranges among all values, as a run does."""
    monkeypatch.setattr(model_cache, "SEARCHED", 2**40)
    model_cache._FITTED._values.clear()
    accuracy_module._RESULTS._values.clear()


@torch.no_grad()
def probabilities(model: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """[L,H,T,T] of one image."""
    with record(model) as maps:
        model(inputs)
    return torch.stack([block.probs[0] for block in maps])


@pytest.mark.usefixtures("all_values")
@pytest.mark.parametrize("query", [None, 0, 63])
def test_attention_equals_that_of_p_and_q(
    scenes_p: LoadedModel, samples: np.ndarray, picture: np.ndarray, query: int | None
) -> None:
    answer = attention("scenes_vit", "", picture, query, 4, 3, samples)
    assert np.array_equal(answer["image"], picture.transpose(2, 0, 1))  # nothing to resize
    inputs = scenes_p.normalise(torch.from_numpy(picture).permute(2, 0, 1)[None])
    row = 0 if query is None else query + 1
    p = probabilities(scenes_p.model, inputs)
    assert answer["p"].dtype == np.float32
    np.testing.assert_allclose(answer["p"], p[:, :, row, 1:].numpy(), atol=1e-6)
    np.testing.assert_allclose(answer["alpha"], p[:, :, 0, 1:].mean((0, 1)).numpy(), atol=1e-6)
    q = probabilities(quantized(scenes_p, samples, QuantOptions(4, 3)), inputs)
    assert answer["q"].shape == answer["p"].shape == (6, 6, 64)
    with torch.no_grad():
        logits = scenes_p.model(inputs)[0].softmax(-1)
    name, probability = answer["said"]["p"]
    assert name == scenes_p.class_names[int(logits.argmax())]
    assert probability == pytest.approx(float(logits.max()), abs=1e-5)
    assert answer["said"]["q"][0] in scenes_p.class_names
    # Differences in the last digit of a sum sometimes round to another level.
    assert np.abs(answer["q"] - q[:, :, row, 1:].numpy()).mean() < 1e-4
    assert np.abs(answer["q"] - answer["p"]).mean() > 1e-3


def test_without_samples_there_is_no_attention_of_q(picture: np.ndarray) -> None:
    empty = np.zeros((0, 3, SIDE, SIDE), np.uint8)
    answer = attention("scenes_vit", "", picture)
    assert answer["q"] is None
    assert set(answer["said"]) == {"p"}
    assert attention("scenes_vit", "", picture, samples=empty)["q"] is None


def test_pictures_of_any_shape_are_preprocessed(picture: np.ndarray) -> None:
    wide = np.concatenate([picture, picture[:, ::-1]], 1).repeat(3, 0).repeat(3, 1)  # [192,384,3]
    answer = attention("scenes_vit", "", wide)
    assert answer["image"].shape == (3, SIDE, SIDE)
    middle = Image.fromarray(wide[:, 96:288]).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    difference = np.abs(answer["image"].transpose(1, 2, 0).astype(int) - np.asarray(middle))
    assert difference.mean() < 1


@pytest.mark.parametrize("query", [-1, 64])
def test_a_patch_outside_the_grid_is_refused(picture: np.ndarray, query: int) -> None:
    with pytest.raises(OptionError, match="patches 0 to 63"):
        attention("scenes_vit", "", picture, query)


def test_samples_of_another_size_are_refused(picture: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"\[B, 3, 64, 64\]"):
        attention("scenes_vit", "", picture, samples=np.zeros((2, 3, 32, 32), np.uint8))


def test_similarity_equals_a_direct_computation(scenes_p: LoadedModel, picture: np.ndarray) -> None:
    answer = similarity("scenes_vit", "", picture)
    blocks = [Similarity(**fields) for fields in answer["blocks"]]
    inputs = scenes_p.normalise(torch.from_numpy(picture).permute(2, 0, 1)[None])
    rows = probabilities(scenes_p.model, inputs).mean(1)[:, 1:, 1:]  # [L,N,N]
    matrix = patch_similarity(rows)
    mean, variance = similarity_moments(rows, diagonal=False)
    assert len(blocks) == 6
    for number, block in enumerate(blocks):
        np.testing.assert_allclose(block.matrix, matrix[number].numpy(), atol=1e-5)
        assert block.values.size == 64 * 63 // 2
        assert block.values.mean() == pytest.approx(block.mean, abs=1e-5)
        assert block.values.std() == pytest.approx(block.std, abs=1e-5)
        assert block.mean == pytest.approx(float(mean[number]), abs=1e-5)
        assert block.gaussian == pytest.approx(float(gaussian_entropy(variance[number])), abs=1e-3)
        area = np.trapezoid(block.kde_y, block.kde_x)
        assert area == pytest.approx(1, abs=0.05)
        assert block.kernel < block.gaussian + 0.1  # the Gaussian maximises entropy


@pytest.mark.usefixtures("all_values")
def test_accuracy_equals_a_direct_count(scenes_p: LoadedModel, samples: np.ndarray) -> None:
    n = 100
    answer = accuracy("scenes_vit", "", samples, "real", 3, 4, "target", n=n)
    batch = scenes("evaluation", range(n))
    inputs = scenes_p.normalise(batch.images)
    with torch.no_grad():
        p = scenes_p.model(inputs).argmax(1)
        q = quantized(scenes_p, samples, QuantOptions(3, 4, "target"))(inputs).argmax(1)
    right = int((p == batch.labels).sum())
    assert answer["p"] == pytest.approx(tuple(wilson(right, n)))  # with Wilson's interval
    assert answer["p"].value == right / n
    assert abs(answer["q"].value - float((q == batch.labels).float().mean())) <= 2 / n
    assert abs(answer["agreement"].value - float((p == q).float().mean())) <= 2 / n
    assert answer["q"].low < answer["q"].value < answer["q"].high
    assert (answer["n"], answer["backend"], answer["source"]) == (n, "tails", "real")


@pytest.mark.slow
def test_ranges_from_a_subset_of_values_cost_little_accuracy(
    scenes_p: LoadedModel, samples: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_cache, "SEARCHED", 2**15)
    answer = accuracy("scenes_vit", "", samples, "real", 4, 4, n=300)
    batch = scenes("evaluation", range(300))
    q = quantized(scenes_p, samples, QuantOptions(4, 4))
    with torch.no_grad():
        answers = q(scenes_p.normalise(batch.images)).argmax(1)
    expected = float((answers == batch.labels).float().mean())
    assert abs(answer["q"].value - expected) < 0.03  # half of its interval


def test_more_bits_give_more_agreement(samples: np.ndarray) -> None:
    answer = {bits: accuracy("scenes_vit", "", samples, "", bits, bits, n=300) for bits in (2, 8)}
    assert answer[8]["agreement"].low > answer[2]["agreement"].high
    assert answer[8]["p"] == answer[2]["p"]


def test_a_repeated_question_is_answered_from_the_cache(
    samples: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = accuracy("scenes_vit", "", samples, weight_bits=5, n=100)
    monkeypatch.setattr(accuracy_module, "_predict", None)
    monkeypatch.setattr(model_cache, "_fit", None)
    assert accuracy("scenes_vit", "", samples.copy(), weight_bits=5, n=100) == first
    with pytest.raises(TypeError):  # other samples are not cached
        accuracy("scenes_vit", "", samples[::-1], weight_bits=5, n=100)


def test_p_is_unchanged(samples: np.ndarray, picture: np.ndarray) -> None:
    p = model_cache.model("scenes_vit").model
    before = {name: value.clone() for name, value in p.state_dict().items()}
    attention("scenes_vit", "", picture, None, 2, 2, samples)
    accuracy("scenes_vit", "", samples, "", 2, 2, n=50)
    assert model_cache.model("scenes_vit").model is p
    after = p.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any("forward" in vars(module) for module in p.modules())


def test_models_without_labelled_scenes_are_refused(samples: np.ndarray) -> None:
    with pytest.raises(RunError, match=r"deit_tiny_patch16_224 has no quick accuracy.*scenes_vit"):
        accuracy("deit_tiny_patch16_224", "", samples)


@pytest.mark.parametrize("n", [0, 5001])
def test_invalid_numbers_of_scenes_are_refused(samples: np.ndarray, n: int) -> None:
    with pytest.raises(OptionError, match="allowed: 1 to 5000"):
        accuracy("scenes_vit", "", samples, n=n)


def test_changed_weights_are_read_again(
    scenes_p: LoadedModel, picture: np.ndarray, tmp_path: Path
) -> None:
    file = tmp_path / "weights.safetensors"
    state = {name: value.clone() for name, value in scenes_p.model.state_dict().items()}
    save_file(state, file)
    first = attention("scenes_vit", str(file), picture)["p"]
    assert np.array_equal(first, attention("scenes_vit", "", picture)["p"])
    state["blocks.0.attn.qkv.weight"] *= 1.5
    save_file(state, file)
    os.utime(file, ns=(time.time_ns(), time.time_ns() + 1))
    assert not np.array_equal(first, attention("scenes_vit", str(file), picture)["p"])


def test_at_most_two_models_are_cached(scenes_p: LoadedModel, tmp_path: Path) -> None:
    for number in range(4):
        file = tmp_path / f"{number}.safetensors"
        save_file(dict(scenes_p.model.state_dict()), file)
        model_cache.model("scenes_vit", str(file))
    assert len(cache._MODELS) == 2


def test_the_most_recent_values_are_cached() -> None:
    recent: cache.LRU[int] = cache.LRU(2)
    computed = []

    def get(key: int) -> int:
        return recent.get(key, lambda: computed.append(key) or -key)

    assert [get(key) for key in (1, 2, 1, 3, 1, 2)] == [-1, -2, -1, -3, -1, -2]
    assert computed == [1, 2, 3, 2]


def test_answers_have_the_names_of_a_class_list(tmp_path: Path, picture: np.ndarray) -> None:
    names = tmp_path / "names.txt"
    names.write_text("\n".join(f"thing {index}" for index in range(10)))
    own = attention("scenes_vit", "", picture)["said"]["p"]
    said = attention("scenes_vit", "", picture, class_names=str(names))["said"]["p"]
    assert said == (f"thing {CLASS_NAMES.index(own[0])}", own[1])
    answer = removal("scenes_vit", "", picture, class_names=str(names))
    assert answer["classes"][0] == said[0]
    assert attention("scenes_vit", "", picture)["said"]["p"] == own


def folder_of(root: Path, names: dict[str, int]) -> Path:
    for name, count in names.items():
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (80, 70), (40 * number, 0, 90)).save(root / name / f"{number}.png")
    return root


def test_inspect_accepts_usable_files(scenes_p: LoadedModel, tmp_path: Path) -> None:
    save_file(dict(scenes_p.model.state_dict()), tmp_path / "weights.safetensors")
    folder = folder_of(tmp_path / "images", {"0": 2, "7": 3})
    plain = {"task": "classification", "classes": 10, "size": 64}
    assert inspect("scenes_vit") == plain | {"images": 0, "labels": 0, "notes": []}
    answer = inspect("scenes_vit", str(tmp_path / "weights.safetensors"), str(folder))
    assert answer == plain | {"images": 5, "labels": 2, "notes": []}
    torch.save({"model": scenes_p.model.state_dict()}, tmp_path / "weights.pt")
    notes = inspect("scenes_vit", str(tmp_path / "weights.pt"))["notes"]
    assert notes == ["took the weights in `model`"]
    folder_of(folder, {".hidden": 1, "0/.ipynb_checkpoints": 1})
    names = tmp_path / "names.txt"
    names.write_text("\n".join(map(str, range(10))))
    answer = inspect("scenes_vit", folder=str(folder), class_names=str(names))
    assert answer["images"] == 5
    assert answer["notes"] == [
        "left out 2 images in hidden folders and folders that programs make "
        "(.hidden, .ipynb_checkpoints)"
    ]


def test_inspect_refuses_unusable_files(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="scenes_vit"):
        inspect("scenes_vot")
    with pytest.raises(WeightsError):
        inspect("scenes_vit", str(tmp_path / "nothing.safetensors"))
    with pytest.raises(DataError, match="not a folder"):
        inspect("scenes_vit", folder=str(tmp_path / "nothing"))
    with pytest.raises(DataError, match="class index 0 to 9"):
        inspect("scenes_vit", folder=str(folder_of(tmp_path / "a", {"cat": 1})))
    broken = folder_of(tmp_path / "b", {"1": 1})
    (broken / "1" / "0.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="cannot be read as an image"):
        inspect("scenes_vit", folder=str(broken))
    assert inspect("scenes_vit", folder=str(broken), skip_unreadable=True)["images"] == 1


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Real worker processes that do real runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MASKAQ_RUNS", str(tmp_path_factory.mktemp("runs")))
        patch.setenv("MASKAQ_WORKERS", str(WORKERS))
        for name in ("MASKAQ_SCHEDULER", "MASKAQ_READONLY"):
            patch.delenv(name, raising=False)
        service = Runs()
        yield service
        service.close()


@pytest.mark.slow
def test_a_run_in_a_worker_gives_the_same_bits_as_in_this_process(
    runs: Runs, small_spec: RunSpec, tmp_path: Path
) -> None:
    run = runs.start("me", small_spec)
    threads = torch.get_num_threads()
    torch.set_num_threads(CORES // WORKERS)  # as in a worker, since sums depend on it
    try:
        store.save(execute(small_spec, progress=False), tmp_path / "here")
    finally:
        torch.set_num_threads(threads)
    record = ended(runs, "me", run, SLOW)
    assert record.state == "finished", record.error
    assert record.folder is not None
    here, there = store.read(tmp_path / "here"), store.read(record.folder)
    for name in ("q.safetensors", "samples.safetensors", "evidence.safetensors"):
        one, other = load_file(here.folder / name), load_file(there.folder / name)
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[key], other[key]) for key in one), name
    assert (here.result.fp, here.result.q) == (there.result.fp, there.result.q)
    assert here.result.tensors == there.result.tensors
    curves = [stored.curves.drop(columns="seconds") for stored in (here, there)]
    assert curves[0].equals(curves[1])
    assert {row["step"] for row in record.rows if row["stage"] == "synthesis"} == {1, 2, 3}


@pytest.mark.slow
def test_questions_are_answered_while_a_run_is_running(
    runs: Runs, small_spec: RunSpec, samples: np.ndarray, picture: np.ndarray
) -> None:
    long = replace(small_spec, synthesis=replace(small_spec.synthesis, steps=2000))
    run = runs.start("you", long)
    plain: dict[str, Any] = {"model": "scenes_vit", "weights": ""}
    pending = runs.quick("attention", **plain, picture=picture, query=5, samples=samples)
    wrong = runs.quick("inspect", model="scenes_vit", folder="/nothing/here")
    here = attention("scenes_vit", "", picture, 5, samples=samples)
    answer = pending.result(SLOW)
    assert runs.get("you", run).active
    np.testing.assert_allclose(answer["p"], here["p"], atol=1e-5)
    with pytest.raises(DataError, match="/nothing/here is not a folder"):
        wrong.result(SLOW)
    with pytest.raises(RunError, match="did not foresee"):
        runs.quick("inspect", colour="red").result(SLOW)
    runs.cancel("you", run)


def test_timm_models_are_supported(shared: Path, picture: np.ndarray) -> None:
    weights = str(shared / "models" / "vit_tiny_patch16_224.safetensors")
    answer = attention("vit_tiny_patch16_224", weights, picture, 100)
    assert answer["image"].shape == (3, 224, 224)
    p = load_model("vit_tiny_patch16_224", weights)
    inputs = p.normalise(torch.from_numpy(answer["image"])[None])
    rows = probabilities(p.model, inputs)[:, :, 101, 1:]
    np.testing.assert_allclose(answer["p"], rows.numpy(), atol=1e-6)
    assert len(similarity("vit_tiny_patch16_224", weights, picture)["blocks"]) == 12


def test_the_cost_of_runs_is_measured() -> None:
    spec = replace(RunSpec(), eval_images=100)
    spec = replace(spec, synthesis=replace(spec.synthesis, source="noise", images=4))
    answer = cost([to_json(spec), to_json(replace(spec, seed=1))])
    assert answer["seconds"] > 0
    assert answer["memory_mb"] > 100
    with pytest.raises(OptionError, match="did you mean 'model'"):
        cost(['{"modle": 1}'])


def test_the_integer_scheme_is_asked_for(samples: np.ndarray) -> None:
    plain, integer = (
        accuracy("scenes_vit", "", samples, weight_bits=3, activation_bits=3, scheme=scheme, n=200)
        for scheme in ("auto", "integer")
    )
    assert plain["q"] != integer["q"]
    assert integer["q"].value > 0.4
