import numpy as np
import pytest
import torch

from maskaq.data.scenes import scenes
from maskaq.errors import OptionError
from maskaq.evaluation.region_quality import MASKED, centre_prior, mask_quality, weight_quality
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel
from maskaq.regions.mask import class_attention, patch_attention
from maskaq.regions.numpy_masks import foreground_patches, mask_of, overlap

TRUTH = np.array([[True, True, False, False], [False, False, False, True], [False] * 4])


def test_masks_of_known_overlap() -> None:
    maps = np.array([[0.4, 0.1, 0.3, 0.2], [0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]])
    found = mask_quality(maps, TRUTH, 0.5)
    np.testing.assert_allclose(found["precision"], [0.5, 0.5, np.nan])
    np.testing.assert_allclose(found["recall"], [0.5, 1.0, np.nan])
    np.testing.assert_allclose(found["iou"], [1 / 3, 0.5, np.nan])
    found = weight_quality(maps, TRUTH)
    np.testing.assert_allclose(found["pointing"], [1.0, 1.0, np.nan])
    np.testing.assert_allclose(found["share"], [0.5, 0.4, np.nan])


def test_a_perfect_map_and_its_opposite() -> None:
    truth = np.random.default_rng(0).random((50, 20)) < 0.3
    truth[:, 0] = True
    best = {name: [] for name in MASKED}
    for row in truth:
        found = mask_quality(row[None].astype(float), row[None], row.sum() / 20)
        for name, values in found.items():
            best[name].append(values[0])
    assert all(np.allclose(values, 1) for values in best.values())
    worst = weight_quality(1.0 - truth, truth)
    assert (worst["pointing"] == 0).all()
    assert (worst["share"] == 0).all()


def test_leading_axes_give_the_same_as_single_maps() -> None:
    random = np.random.default_rng(1)
    maps, truth = random.random((2, 3, 5, 16)), random.random((5, 16)) < 0.4
    masked, weighed = mask_quality(maps, truth, 0.3), weight_quality(maps, truth)
    for index in np.ndindex(2, 3, 5):
        row, own = maps[index], truth[index[-1]]
        alone = overlap(mask_of(row, 0.3), own)
        assert [masked[name][index] for name in MASKED] == pytest.approx(alone[:3])
        assert weighed["pointing"][index] == own[row.argmax()]
        assert weighed["share"][index] == pytest.approx(row[own].sum() / row.sum())


def test_negative_weights_count_as_zero() -> None:
    found = weight_quality(np.array([[-5.0, 1.0, 1.0, 0.0], [-1.0] * 4]), TRUTH[:2])
    np.testing.assert_allclose(found["share"], [0.5, 0.0])


def test_the_centre_prior_is_symmetric_and_highest_in_the_middle() -> None:
    prior = centre_prior((4, 6)).reshape(4, 6)
    assert prior.sum() == pytest.approx(1)
    assert np.unravel_index(prior.argmax(), (4, 6)) == (1, 2)
    np.testing.assert_allclose(prior, prior[::-1, ::-1])


def test_an_invalid_ratio_is_refused() -> None:
    with pytest.raises(OptionError, match="above 0 and up to 1"):
        mask_quality(np.ones((1, 4)), TRUTH[:1], 0.0)


def test_rows_of_the_class_token_average_to_alpha(scenes_p: LoadedModel) -> None:
    batch = scenes("evaluation", range(40))
    with torch.no_grad(), record(scenes_p.model) as maps:
        scenes_p.model(scenes_p.normalise(batch.images))
    rows = torch.stack(
        [class_attention(block.probs, scenes_p.prefix) for block in maps], 1
    )  # [B,L,H,N]
    alpha = patch_attention(maps, scenes_p.prefix)  # [B,N]
    torch.testing.assert_close(rows.mean((1, 2)), alpha)
    truth = foreground_patches(batch.foreground.numpy(), scenes_p.grid)
    found = weight_quality(alpha.numpy(), truth)
    # The trained model attends to the object more than chance would.
    assert np.nanmean(found["share"]) > truth.mean() + 0.1
