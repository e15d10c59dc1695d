"""The outputs of wrapped models are those of transformers, in the form of the tasks."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from maskaq.errors import OptionError
from maskaq.evaluation.accuracy import BATCH, batch_size_for
from maskaq.models.dense_transformers import load_dense
from maskaq.models.loading import LoadedModel
from maskaq.models.structure import classifiers, structure_of
from maskaq.synthesis.shortcuts import halve_input_size
from maskaq.tasks import TASKS
from tests.support.dense_transformers import BUILDERS, NAMES, build, noise

pytest.importorskip("transformers", reason="transformers is not installed")

Load = Callable[[str], LoadedModel]
SEGMENTERS = [name for name in BUILDERS if name != "yolos"]


@pytest.mark.parametrize("name", SEGMENTERS)
@torch.no_grad()
def test_logits_are_those_of_transformers(name: str, loaded: Load) -> None:
    p, images = loaded(name), noise(name)
    logits = p.model(images)
    torch.testing.assert_close(logits, build(name)(images).logits, rtol=1e-5, atol=1e-5)
    assert logits.shape[:2] == (3, len(NAMES))
    assert logits.std(0).mean() > 0.01  # they depend on the image


@torch.no_grad()
def test_proposals_are_the_logits_and_the_corners_of_the_boxes(loaded: Load) -> None:
    p, images = loaded("yolos"), noise("yolos")
    proposals, expected = p.model(images), build("yolos")(images)
    assert proposals.shape == (3, 7, len(NAMES) + 5)
    torch.testing.assert_close(proposals[..., :-4], expected.logits, rtol=1e-5, atol=1e-5)
    for found, own in zip(proposals[..., -4:], expected.pred_boxes, strict=True):
        for box, (x, y, width, height) in zip(found.tolist(), own.tolist(), strict=True):
            corners = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
            assert box == pytest.approx(corners, abs=1e-5)


@pytest.mark.parametrize("name", BUILDERS)
@torch.no_grad()
def test_the_task_takes_the_outputs(name: str, loaded: Load) -> None:
    p = loaded(name)
    task = TASKS[p.task]
    targets = task.sample_targets(3, len(p.class_names), p.sides, seed=0)
    outputs = p.model(noise(name))
    assert task.target_loss(outputs, targets).isfinite().all()
    assert ((task.reached(outputs, targets) >= 0) & (task.reached(outputs, targets) <= 1)).all()
    assert float(task.divergence(outputs, outputs)) == pytest.approx(0, abs=1e-6)
    judge = task.judge(len(p.class_names))
    judge.add(torch.stack([outputs, outputs]), targets)
    assert judge.evaluation().agreement.value == pytest.approx(1)


@pytest.mark.parametrize("name", BUILDERS)
def test_the_last_layers_are_the_head(name: str, loaded: Load) -> None:
    model = loaded(name).model
    layers = structure_of(model).layers
    heads = [key for key, layer in layers.items() if layer.role == "head"]
    assert [model.get_submodule(key) for key in heads] == classifiers(model)
    channels = [model.get_submodule(key).weight.shape[0] for key in heads]
    assert channels == ([len(NAMES) + 1, 4] if name == "yolos" else [len(NAMES)])
    assert next(iter(layers.values())).role == "image"


SIZES = [("segformer", (48, 80)), ("upernet, swin", (32, 48)), ("yolos", (48, 64))]


@pytest.mark.parametrize("name, sides", SIZES)
@torch.no_grad()
def test_images_may_be_oblong(
    name: str, sides: tuple[int, int], folder_of: Callable[[str], Path]
) -> None:
    p = load_dense(folder_of(name), size=sides)
    assert (p.sides, p.size) == (sides, max(sides))
    patch = p.model.patch_embed.patch_size
    assert p.grid == (sides[0] // patch[0], sides[1] // patch[1])
    images = torch.randn(2, 3, *sides, generator=torch.Generator().manual_seed(0))
    expected = build(name)(images).logits
    found = p.model(images)
    found = found[..., :-4] if name == "yolos" else found
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", BUILDERS)
def test_the_size_cannot_be_halved(name: str, loaded: Load) -> None:
    with pytest.raises(OptionError, match=r"savings\.coarse to 0"):
        halve_input_size(loaded(name).model, (128, 128))


@pytest.mark.parametrize("name", BUILDERS)
def test_the_widest_activation_limits_the_batch(name: str, loaded: Load) -> None:
    model = loaded(name).model
    patches = model.patch_embed
    tokens = patches.num_patches + model.num_prefix_tokens
    widest = model.embed_dim * 4 * tokens
    outputs = model(noise(name, 1)).numel()
    assert max(outputs, tokens * 16) <= widest < 200_000
    assert 1 <= batch_size_for(model) <= BATCH
    assert patches.num_patches == loaded(name).grid[0] * loaded(name).grid[1]
