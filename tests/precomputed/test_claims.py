from pathlib import Path

import numpy as np
import pytest

from maskaq.errors import OptionError, RunError
from maskaq.evaluation.attributions import ATTRIBUTIONS
from maskaq.evaluation.deletion import FILLS, ORDERS
from maskaq.evaluation.region_quality import MEASURES
from maskaq.figures.maps import deletion, region_quality
from maskaq.precomputed import claims, showcase


def test_names_match_the_library() -> None:
    assert list(ATTRIBUTIONS) == list(claims.METHODS)
    assert showcase.MODELS == claims.MODELS
    assert set(region_quality.LABELS) == set(MEASURES)
    assert set(deletion.ORDERS) == set(ORDERS)


@pytest.mark.parametrize("name", claims.NAMES)
def test_shipped_tables_are_complete(name: str) -> None:
    table = claims.read(name)
    assert {"value", "low", "high", "n"} <= set(table)
    assert set(claims.MODELS) <= set(table["model"])
    several = table[table["n"] > 1]
    assert (several["low"] <= several["value"]).all()
    assert (several["value"] <= several["high"]).all()
    assert table["n"].min() >= 32
    if name in ("deletion", "information"):
        assert set(table["fill"]) == set(FILLS)


def test_maps_are_stored_for_every_scene_and_model() -> None:
    for model in claims.MODELS:
        found = claims.maps(showcase.SCENES - 1, model)
        assert found.shape == (len(claims.METHODS), 64)
        assert np.isfinite(found).all()
        assert not found.flags.writeable
    # The attention stored for the page Attention, up to half precision.
    rows = showcase.cls_rows(0, "P")[..., 1:].mean((0, 1))
    np.testing.assert_allclose(claims.maps(0, "P")[0], rows, atol=1e-3)


def test_unknown_names_and_missing_files_are_refused(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(OptionError, match="did you mean 'regions'"):
        claims.read("region")
    with pytest.raises(OptionError, match="unknown model"):
        claims.maps(0, "W5A5")
    with pytest.raises(OptionError, match="allowed: 0 to 7"):
        claims.maps(8, "P")
    monkeypatch.setattr(claims, "FOLDER", tmp_path)
    claims.maps.cache_clear()
    with pytest.raises(RunError, match=claims.COMMAND):
        claims.read("regions")
    with pytest.raises(RunError, match=claims.COMMAND):
        claims.maps(0, "P")
    (tmp_path / "claims_regions.parquet").write_bytes(b"no table")
    with pytest.raises(RunError, match="cannot be read"):
        claims.read("regions")
