"""Attention in windows, brought to the image, against attention between all tokens."""

import torch

from maskaq.evaluation.attributions import window_rollout
from maskaq.models.attention import record
from maskaq.queries.attention import window_similarity
from maskaq.regions.mask import attention_of_query, attention_to_patches, patch_attention
from maskaq.regions.similarity import patch_similarity
from tests.support.swin import between_tokens, small_swin


def recorded(images: int = 2):
    swin = small_swin()
    with torch.no_grad(), record(swin.model) as maps:
        swin.model(torch.randn(images, 3, 32, 32))
    return maps


def test_weights_of_patches_are_column_means():
    maps = recorded()
    assert [block.windows.shift for block in maps] == [(0, 0), (2, 2), (0, 0), (0, 0)]
    for block in maps:
        full = between_tokens(block)  # [B,H,M,M]
        expected = full.sum(2) / full.shape[-1]  # windows have equally many queries
        torch.testing.assert_close(attention_to_patches(block, 0), expected)
    alpha = patch_attention(maps, 0)  # [B,64]
    torch.testing.assert_close(alpha.sum(1), torch.ones(2))
    means = [attention_to_patches(block, 0).mean(1).view(2, *block.windows.grid) for block in maps]
    fine = (means[0] + means[1]) / 2
    coarse = ((means[2] + means[3]) / 2).repeat_interleave(2, 1).repeat_interleave(2, 2) / 4
    torch.testing.assert_close(alpha, ((fine + coarse) / 2).flatten(1))


def test_the_attention_of_a_query_is_its_row():
    for block in recorded():
        full, (rows, columns) = between_tokens(block)[0], block.windows.grid
        for query in (0, 9, 37, 63):
            row, column = divmod(query, 8)
            token = row * rows // 8 * columns + column * columns // 8
            expected = full[:, token].view(-1, rows, columns)  # [H,rows,columns]
            wide = expected.repeat_interleave(8 // rows, 1).repeat_interleave(8 // columns, 2)
            found = attention_of_query(block, 0, query, (8, 8))  # [H,64]
            torch.testing.assert_close(found, wide.flatten(1) * rows * columns / 64)
            torch.testing.assert_close(found.sum(1), torch.ones(len(found)))
        mean = attention_of_query(block, 0, None, (8, 8))
        torch.testing.assert_close(mean.sum(1), torch.ones(len(mean)))


def test_rollout_multiplies_the_attention_between_all_tokens():
    maps = recorded()
    product = torch.eye(64).expand(2, 64, 64)
    for number, block in enumerate(maps):
        if number == 2:  # 2x2 tokens are merged
            tiles = product.view(2, 4, 2, 4, 2, 64)
            product = tiles.mean((2, 4)).flatten(1, 2)  # [B,16,64]
        full = between_tokens(block).mean(1)
        product = (full + torch.eye(full.shape[-1])) / 2 @ product
    torch.testing.assert_close(window_rollout(maps, (8, 8)), product.mean(1))


def test_only_patches_of_a_window_are_compared():
    for block in recorded(1):
        found = window_similarity(block, (8, 8))
        full = between_tokens(block)[0].mean(0)  # [M,M]
        own = block.windows
        similar = patch_similarity(full)
        compared = 0
        for first in range(0, 64, 5):
            for second in range(64):
                tokens = [
                    divmod(patch, 8)[0] * own.grid[0] // 8 * own.grid[1]
                    + divmod(patch, 8)[1] * own.grid[1] // 8
                    for patch in (first, second)
                ]
                value = torch.tensor(found.matrix[first, second])
                if own.position(tokens[0])[0] == own.position(tokens[1])[0]:
                    torch.testing.assert_close(value, similar[tokens[0], tokens[1]])
                    compared += 1
                else:
                    assert value.isnan()
        assert compared >= 13 * 16
        assert found.mean == torch.tensor(found.values).mean()
