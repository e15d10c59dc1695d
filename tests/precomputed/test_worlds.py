"""The stored worlds: complete, consistent with each other, small, and without weights."""

import csv
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskaq.errors import OptionError, RunError
from maskaq.models.menu import shape_of
from maskaq.precomputed import worlds
from maskaq.precomputed.worlds import BITS, FOLDER, MODELS, SOURCES, World

LARGEST = 25 << 20  # bytes of all worlds together


@pytest.fixture(params=list(MODELS))
def world(request: pytest.FixtureRequest) -> World:
    return worlds.read(request.param)


def test_a_world_fits_its_model(world: World) -> None:
    about, shape = world.about, shape_of(world.model)
    assert (about["blocks"], about["heads"]) == (shape.depth, shape.heads)
    assert (tuple(about["grid"]), about["size"]) == (shape.grid, shape.size)


def test_every_number_has_its_interval_and_sample_size(world: World) -> None:
    about = world.about
    assert about["n"] >= 300
    cells = [about["q"][source][bits] for source in SOURCES for bits in BITS]
    agreement = [about["agreement"][source][bits] for source in SOURCES for bits in BITS]
    for value, low, high in (about["p"], *cells, *agreement):
        assert 0 <= low <= value <= high <= 1
        assert low < high
    for bits in BITS:
        value, low, high = about["difference"][bits]
        assert low <= value <= high
        noise, maskaq = (about["q"][source][bits][0] for source in ("noise", "maskaq"))
        # The interval's method shrinks the difference slightly.
        assert value == pytest.approx(maskaq - noise, abs=0.02)


def test_fewer_bits_take_fewer_bytes(world: World) -> None:
    sizes = world.about["bytes"]
    assert sizes["P"] > sizes["W8A8"] > sizes["W6A6"] > sizes["W4A4"] == sizes["W4A8"]
    assert sizes["W4A4"] > sizes["W3A3"] > sizes["W2A4"]


def test_every_picture_is_complete(world: World) -> None:
    about = world.about
    blocks, heads, (rows, columns) = about["blocks"], about["heads"], about["grid"]
    patches, tokens = rows * columns, rows * columns + about["prefix"]
    for entry in about["pictures"]:
        arrays = world.picture(entry["name"])
        with Image.open(BytesIO(arrays["image"].tobytes())) as image:
            assert image.size == (about["size"], about["size"])
        full = np.frombuffer(zlib.decompress(arrays["full"].tobytes()), np.uint8)
        full = full.reshape(blocks, heads, tokens, tokens)
        assert arrays["cls"].shape == (blocks, heads, patches)
        assert (full[:, :, 0, about["prefix"] :] == arrays["cls"]).all()
        sums = ((full / 255) ** 2).sum(-1)
        assert np.abs(sums - 1).max() < 0.05
        mean = ((arrays["cls"] / 255.0) ** 2).mean((0, 1))  # [N]
        assert np.abs(mean - arrays["alpha"]).max() < 0.003
        assert arrays["q_cls"].shape == (len(SOURCES), len(BITS), blocks, heads, patches)
        assert arrays["q_classes"].shape == (len(SOURCES), len(BITS), len(arrays["classes"]))
        for chances in (arrays["probabilities"], arrays["q_probabilities"]):
            assert (np.diff(chances, axis=-1) <= 0).all()
            assert chances.sum(-1).max() <= 1 + 1e-5


def test_at_8_bits_q_answers_as_p(world: World) -> None:
    place = SOURCES.index("maskaq"), BITS.index("W8A8")
    pictures = [world.picture(one["name"]) for one in world.about["pictures"]]
    same = [one["classes"][0] == one["q_classes"][*place, 0] for one in pictures]
    assert np.mean(same) > 0.8


def test_most_photographs_are_named_rightly() -> None:
    world = worlds.read("photographs")
    shown = [one for one in world.about["pictures"] if one["kind"] == "photograph"]
    right = [world.picture(one["name"])["classes"][0] in one["right"] for one in shown]
    assert len(shown) >= 10
    assert np.mean(right) > 0.8


def test_every_photograph_has_an_author_and_a_licence() -> None:
    folder = FOLDER / "photographs"
    with (folder / "photographs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    files = {path.name for path in (folder / "images").iterdir()}
    assert {row["file"] for row in rows} == files
    credits = (folder / "CREDITS.md").read_text()
    for row in rows:
        assert row["author"]
        assert row["licence"]
        assert row["origin"].startswith("https://")
        assert f"`images/{row['file']}`" in credits
        with Image.open(folder / "images" / row["file"]) as image:
            assert min(image.size) <= 288
            assert not image.getexif()


def test_the_images_of_live_answers_are_those_of_the_runs(world: World) -> None:
    images = world.synthetic()
    side = world.about["size"]
    assert images.shape == (world.about["images"], 3, side, side)
    assert images.dtype == np.uint8
    assert images.std() > 10
    film = Image.open(BytesIO(world.file("frames.webp").tobytes()))
    assert film.height % len(world.about["steps"]) == 0


def test_the_files_are_small_and_hold_no_weights() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".webp", ".csv", ".md"}
    arrays = {"image", "classes", "probabilities", "cls", "alpha", "full"}
    arrays |= {"q_classes", "q_probabilities", "q_cls"}
    for world in worlds.worlds():
        assert set(world.picture(world.about["pictures"][0]["name"])) == arrays


def test_where_everything_comes_from_is_stored(world: World) -> None:
    about = world.about
    assert len(about["weights"]) == 64
    assert int(about["weights"], 16)
    assert about["device"]
    assert about["created"] > "2026"
    assert about["commands"] == list(worlds.COMMANDS)


def test_unknown_worlds_and_pictures_are_refused(world: World) -> None:
    with pytest.raises(OptionError, match="photographs"):
        worlds.read("photograph")
    name = world.about["pictures"][0]["name"]
    with pytest.raises(OptionError, match=name):
        world.picture(name + "x")


def test_a_damaged_file_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worlds, "FOLDER", tmp_path)
    worlds.read.cache_clear()
    try:
        with pytest.raises(RunError, match=r"world\.json cannot be read"):
            worlds.read("scenes")
    finally:
        worlds.read.cache_clear()
