import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from maskaq.models.attention import Maps, record
from maskaq.models.loading import load_model
from maskaq.regions.mask import informative_mask, patch_attention, random_drop, ratio_at


def make_maps(blocks: int, tokens: int, seed: int = 0) -> list[Maps]:
    generator = torch.Generator().manual_seed(seed)
    normal = torch.randn(blocks, 2, 3, tokens, tokens, generator=generator)
    return [Maps(logits, logits.softmax(-1), torch.empty(0)) for logits in normal]


def loop_attention(tensors: list[Tensor], prefix: int) -> list[list[float]]:
    images, heads, tokens = tensors[0].shape[:3]
    queries = [0] if prefix else range(tokens)
    result = []
    for image in range(images):
        result.append([0.0] * (tokens - prefix))
        for patch in range(tokens - prefix):
            seen = [
                float(block[image, head, query, prefix + patch])
                for block in tensors
                for head in range(heads)
                for query in queries
            ]
            result[-1][patch] = sum(seen) / len(seen)
    return result


@pytest.mark.parametrize("prefix", [0, 1, 2])
@pytest.mark.parametrize("reading", ["paper", "released"])
def test_patch_attention_is_the_mean_of_the_class_tokens_row(prefix: int, reading: str) -> None:
    maps = make_maps(blocks=2, tokens=6)
    tensors = [block.probs if reading == "paper" else block.logits for block in maps]
    result = patch_attention(maps, prefix, reading)
    torch.testing.assert_close(result, torch.tensor(loop_attention(tensors, prefix)))


def test_patch_attention_has_no_gradient() -> None:
    logits = torch.randn(1, 1, 4, 4, requires_grad=True)
    assert not patch_attention([Maps(logits, logits.softmax(-1), logits)], 1).requires_grad


@pytest.mark.parametrize("percent", [10, 30, 50])
def test_masks_of_the_released_code(shared: Path, percent: int) -> None:
    vectors = load_file(shared / "reference" / "released_code_vectors.safetensors")
    maps = [Maps(logits, logits.softmax(-1), logits) for logits in vectors["attn.p"]]
    mask = informative_mask(patch_attention(maps, 1, "released"), percent / 100)
    assert torch.equal(mask.float(), vectors[f"mask.{percent}"])


def test_ratios_of_the_released_code(shared: Path) -> None:
    vectors = load_file(shared / "reference" / "released_code_vectors.safetensors")
    result = [ratio_at(step, 2000, 0.5, 0.1) for step in (0, 500, 1000, 1999)]
    assert result == pytest.approx(vectors["ratio.schedule"].tolist(), abs=1e-6)


@given(
    patches=st.integers(1, 80),
    ratio=st.floats(0.001, 1),
    drop=st.floats(0, 0.99),
    reading=st.sampled_from(["paper", "released"]),
    seed=st.integers(0, 1000),
)
def test_masks_have_exactly_k_patches(
    patches: int, ratio: float, drop: float, reading: str, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    alpha = torch.rand(3, patches, generator=generator)
    mask = informative_mask(alpha, ratio)
    count = max(1, int(patches * ratio))
    assert mask.sum(-1).tolist() == [count] * 3
    for row, chosen in zip(alpha, mask, strict=True):
        assert chosen.all() or row[chosen].min() >= row[~chosen].max()
    kept = random_drop(mask, drop, generator, reading)
    share = count * (1 - drop)
    expected = max(1, round(share) if reading == "released" else math.floor(share + 1e-9))
    assert kept.sum(-1).tolist() == [expected] * 3
    assert not (kept & ~mask).any()


def test_equal_attention_still_gives_k_patches() -> None:
    assert informative_mask(torch.zeros(2, 10), 0.3).sum(-1).tolist() == [3, 3]


@pytest.mark.parametrize(
    "patches, reading, kept", [(98, "paper", 68), (19, "paper", 13), (98, "released", 69)]
)
def test_drop_keeps_as_many_patches_as_the_paper(patches: int, reading: str, kept: int) -> None:
    mask = torch.arange(196).expand(2, 196) < patches
    generator = torch.Generator().manual_seed(0)
    assert random_drop(mask, 0.3, generator, reading).sum(-1).tolist() == [kept, kept]


def test_drop_is_not_affected_by_rounding_errors() -> None:
    mask = torch.ones(1, 100, dtype=torch.bool)  # 100 * (1 - 0.9) is 9.999999999999998
    assert random_drop(mask, 0.9, torch.Generator()).sum() == 10


def test_drop_is_uniform_and_independent_between_images() -> None:
    mask = torch.arange(8).expand(4000, 8) < 4
    kept = random_drop(mask, 0.5, torch.Generator().manual_seed(0))
    assert kept.float().mean(0)[:4].tolist() == pytest.approx([0.5] * 4, abs=0.03)
    assert len(torch.unique(kept, dim=0)) == 6  # all pairs of 4


def test_masks_of_different_size_keep_their_share() -> None:
    mask = torch.tensor([[True] * 10, [True] * 4 + [False] * 6])
    kept = random_drop(mask, 0.5, torch.Generator().manual_seed(0))
    assert kept.sum(-1).tolist() == [5, 2]


def test_where_the_head_reads_patches_the_mean_of_their_attention_counts() -> None:
    loaded = load_model("scenes_vit_seg")
    images = loaded.normalise(torch.rand(2, 3, 64, 64))
    with torch.no_grad(), record(loaded.model) as maps:
        loaded.model(images)
    expected = torch.stack([block.probs[:, :, 1:, 1:].mean((1, 2)) for block in maps]).mean(0)
    torch.testing.assert_close(patch_attention(maps, 1), expected)
    classes = [block._replace(reads_patches=False) for block in maps]
    assert not torch.allclose(patch_attention(classes, 1), expected, rtol=0.05)
