import numpy as np
import pytest
import torch

from maskaq.data.scenes import scenes
from maskaq.errors import OptionError
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel
from maskaq.precomputed import showcase
from maskaq.regions.similarity import gaussian_entropy, patch_similarity, similarity_moments


def test_the_scenes_are_evaluation_scenes_of_eight_classes() -> None:
    shown = [showcase.scene(number) for number in range(showcase.SCENES)]
    assert [one.label for one in shown] == list(range(8))
    evaluation = scenes("evaluation", range(200))
    for one in shown:
        first = int((evaluation.labels == one.label).nonzero()[0, 0])
        np.testing.assert_array_equal(one.image, evaluation.images[first].numpy())
        np.testing.assert_array_equal(one.foreground, evaluation.foreground[first].numpy())
        assert one.patches.shape == (64,)
    assert shown[0].name == "T-shirt"


def test_attention_is_that_of_p(scenes_p: LoadedModel) -> None:
    image = torch.from_numpy(showcase.scene(3).image)[None]
    with torch.no_grad(), record(scenes_p.model) as maps:
        scenes_p.model(scenes_p.normalise(image))
    whole = torch.stack([block.probs[0] for block in maps]).numpy()  # [L,H,T,T]
    np.testing.assert_allclose(showcase.attention(3), whole, atol=2e-3)
    np.testing.assert_allclose(showcase.cls_rows(3, "P"), whole[:, :, 0], atol=2e-3)
    np.testing.assert_allclose(showcase.mean_maps(3, "P"), whole.mean(1), atol=2e-3)


@pytest.mark.parametrize("bits", showcase.BITS)
def test_attention_of_every_q_sums_to_one_and_differs_from_p(bits: str) -> None:
    rows = showcase.cls_rows(0, bits)
    np.testing.assert_allclose(rows.sum(-1), 1, atol=5e-3)
    assert np.abs(rows - showcase.cls_rows(0, "P")).max() > 1e-3
    assert showcase.mean_maps(0, bits).shape == showcase.mean_maps(0, "P").shape


def test_fewer_bits_change_attention_more() -> None:
    table = showcase.inside_outside()
    difference = table[table["part"] == "inside"].groupby("bits")["value"].mean()
    assert difference["W8A8"] < difference["W4A4"] < difference["W3A3"]


def test_differences_are_stored_for_every_mask_ratio() -> None:
    table = showcase.inside_outside()
    assert sorted(set(table["ratio"])) == [round(0.05 * step, 2) for step in range(1, 21)]
    assert sorted(set(table["block"])) == [-1, 0, 1, 2, 3, 4, 5]
    whole = (table["ratio"] == 1) & (table["part"] == "outside")
    assert (table["n"] == np.where(whole, 0, 1000)).all()
    # The mean over blocks is taken before P and Q are compared, so errors may cancel.
    means = table[~whole].groupby(table["block"] < 0)["value"].mean()
    assert means[True] < means[False]


@pytest.mark.parametrize("kind", showcase.KINDS)
def test_similarity_statistics_are_those_of_the_matrix(kind: str) -> None:
    found = showcase.similarity(kind, 2)
    assert found.matrix.shape == (64, 64)
    assert found.values.shape == (64 * 63 // 2,)
    assert found.mean == pytest.approx(found.values.mean(), abs=2e-3)
    assert found.std == pytest.approx(found.values.std(), abs=2e-3)
    area = np.trapezoid(found.kde_y, found.kde_x)
    assert area == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("kind", showcase.KINDS)
def test_mean_entropies_are_within_their_intervals(kind: str) -> None:
    row = showcase.entropies().query("kind == @kind and block == 2").iloc[0]
    assert (row["n"], row["pairs"]) == (32, 64 * 63 // 2)
    for name in ("gaussian", "kernel"):
        assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
    shown = [showcase.similarity(kind, 2, number).gaussian for number in range(showcase.SCENES)]
    assert min(shown) - 0.5 < row["gaussian"] < max(shown) + 0.5


def test_similarity_is_computed_for_the_shown_images() -> None:
    for number in range(showcase.SCENES):
        scene = showcase.scene(number).image
        np.testing.assert_array_equal(showcase.picture("scene", number), scene)
    assert not np.array_equal(showcase.picture("synthetic", 0), showcase.picture("noise", 0))


def test_similarity_of_the_scene_is_computed_from_p(scenes_p: LoadedModel) -> None:
    image = torch.from_numpy(showcase.scene(0).image)[None]
    with torch.no_grad(), record(scenes_p.model) as maps:
        scenes_p.model(scenes_p.normalise(image))
    patches = maps[4].probs[0].mean(0)[scenes_p.prefix :, scenes_p.prefix :]
    found = showcase.similarity("scene", 4)
    np.testing.assert_allclose(found.matrix, patch_similarity(patches).numpy(), atol=2e-3)
    _, variance = similarity_moments(patches, diagonal=False)
    assert found.gaussian == pytest.approx(float(gaussian_entropy(variance)), abs=1e-3)


def test_precision_of_all_patches_is_the_share_of_foreground() -> None:
    table = showcase.overlap().set_index(["ratio", "measure"])
    assert table.loc[(1.0, "recall"), "value"] == pytest.approx(1, abs=0.02)
    every = table.loc[(1.0, "precision")]
    assert every["value"] == pytest.approx(every["random_value"])
    assert (table["low"] <= table["value"]).all()
    assert (table["n"] == 1000).all()


def test_every_pair_of_bit_widths_is_stored_once() -> None:
    table = showcase.bits()
    assert len(table) == 4 * 7 * 7
    assert not table.duplicated(["source", "weight_bits", "activation_bits"]).any()
    best = table.query("source == 'maskaq' and weight_bits == 8 and activation_bits == 8")
    worst = table.query("source == 'maskaq' and weight_bits == 2 and activation_bits == 2")
    assert best["agreement"].item() > 0.95 > worst["agreement"].item()


def test_cached_values_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        showcase.attention(0)[0, 0, 0, 0] = 5
    mine = showcase.bits()
    mine["n"] = 0
    assert (showcase.bits()["n"] == 1000).all()


def test_unknown_names_are_refused() -> None:
    with pytest.raises(OptionError, match="scene is 8; allowed: 0 to 7"):
        showcase.scene(8)
    with pytest.raises(OptionError, match="W4A4"):
        showcase.cls_rows(0, "W4A5")
    with pytest.raises(OptionError, match="synthetic"):
        showcase.similarity("sinthetic", 0)
    with pytest.raises(OptionError, match="'P' only"):
        showcase.attention(0, "W4A4")


def test_the_shipped_files_are_small() -> None:
    parts = [showcase.FOLDER, showcase.FOLDER.parent / "examples"]
    size = sum(path.stat().st_size for part in parts for path in part.rglob("*") if path.is_file())
    assert size < 40e6
