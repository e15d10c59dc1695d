"""Folders of runs are named by what differs from the preset; older names still work."""

import dataclasses
import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from maskaq.config import RunSpec
from maskaq.config.overrides import replaced
from maskaq.config.parsing import to_json
from maskaq.config.presets import METHODS, spec_of
from maskaq.results import manifest, paths
from tests.support import stored

SPEC = replace(spec_of("maskaq"), seed=5)


@pytest.fixture(autouse=True)
def fresh() -> None:
    paths._by_identity.cache_clear()
    paths._identity_in.cache_clear()


def old_name(spec: RunSpec) -> str:
    """The folder name in version 0.1.0: a hash of all settings."""
    return hashlib.sha256(to_json(spec).encode()).hexdigest()[:16]


def test_a_new_run_is_named_by_its_identity(tmp_path: Path) -> None:
    folder = paths.folder_of(SPEC, tmp_path)
    assert folder == tmp_path / paths.name_of(SPEC)
    stored.write(folder, SPEC)
    assert paths.folder_of(SPEC, tmp_path) == folder


def test_a_run_under_its_old_name_is_still_found(tmp_path: Path) -> None:
    stored.write(tmp_path / old_name(SPEC), SPEC)
    assert paths.folder_of(SPEC, tmp_path) == tmp_path / old_name(SPEC)
    assert paths.folder_of(replace(SPEC, seed=6), tmp_path).name == paths.name_of(
        replace(SPEC, seed=6)
    )


def test_a_run_stored_before_an_option_existed_is_still_found(tmp_path: Path) -> None:
    """Its spec lacks the option, so the hash of all settings cannot be computed."""
    folder = tmp_path / "e1b0c44298fc1c14"
    stored.write(folder, SPEC)
    values = json.loads((folder / "result.json").read_text())
    del values["spec"]["synthesis"]["align_from"]
    del values["spec"]["precision"]
    for option in ("class_names", "skip_unreadable"):
        del values["spec"][option]
    del values["notes"]
    (folder / "result.json").write_text(json.dumps(values))
    manifest.seal(folder)
    assert paths.folder_of(SPEC, tmp_path) == folder


def test_the_pooling_is_part_of_the_name_only_if_it_was_chosen(tmp_path: Path) -> None:
    folder = tmp_path / "e1b0c44298fc1c14"
    stored.write(folder, SPEC)
    values = json.loads((folder / "result.json").read_text())
    del values["spec"]["global_pool"]
    (folder / "result.json").write_text(json.dumps(values))
    manifest.seal(folder)
    assert paths.folder_of(SPEC, tmp_path) == folder
    assert paths.folder_of(replace(SPEC, global_pool="avg"), tmp_path) != folder
    assert "global_pool" not in paths.identity_text(SPEC)


def test_a_new_option_with_a_default_changes_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: paths.name_of(spec_of(name)) for name in METHODS}

    @dataclasses.dataclass(frozen=True)
    class Extended(RunSpec):
        sharpness: float = 1.0

    for name in METHODS:
        spec = spec_of(name)
        values = {field.name: getattr(spec, field.name) for field in dataclasses.fields(spec)}
        monkeypatch.setattr(
            type(METHODS[name]),
            "spec",
            lambda self, method, bits=(4, 4), values=values: Extended(**values),
        )
        assert "sharpness" in asdict(Extended(**values))
        assert paths.name_of(Extended(**values)) == before[name]
        changed = Extended(**values, sharpness=2.0)
        assert paths.name_of(changed) != before[name]
        monkeypatch.undo()


def test_settings_without_effect_do_not_change_the_name() -> None:
    noise = replaced(SPEC, {"synthesis.source": "noise"})
    assert paths.name_of(replaced(noise, {"synthesis.steps": 7})) == paths.name_of(noise)
    assert paths.name_of(replaced(SPEC, {"synthesis.steps": 7})) != paths.name_of(SPEC)


def test_after_a_preset_changes_its_old_run_is_not_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored.write(paths.folder_of(SPEC, tmp_path), SPEC)
    method = METHODS["maskaq"]
    longer = replace(method, synthesis=replace(method.synthesis, steps=777))
    monkeypatch.setitem(METHODS, "maskaq", longer)
    changed = replace(spec_of("maskaq"), seed=5)
    paths._by_identity.cache_clear()
    paths._identity_in.cache_clear()
    folder = paths.folder_of(changed, tmp_path)
    assert not folder.exists()
    assert folder.name.startswith(paths.name_of(changed))
    assert paths.folder_of(SPEC, tmp_path).is_dir()  # the old run keeps its folder


def test_a_damaged_run_is_replaced(tmp_path: Path) -> None:
    folder = paths.folder_of(SPEC, tmp_path)
    stored.write(folder, SPEC)
    (folder / manifest.NAME).write_text("{")
    assert paths.folder_of(SPEC, tmp_path) == folder  # the next run is written there
