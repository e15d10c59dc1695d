import io
import json
import zipfile

import pandas as pd
import pytest

from maskaq.config.presets import spec_of
from maskaq.reports.tables import csv_zip, facts, settings, tables
from maskaq.results import store
from tests.support import stored


@pytest.fixture
def run(tmp_path):
    stored.write(tmp_path / "run", spec_of("maskaq", (3, 3)))
    return store.read(tmp_path / "run")


def test_the_archive_holds_every_table_and_the_results(run):
    with zipfile.ZipFile(io.BytesIO(csv_zip([run, run]))) as archive:
        names = archive.namelist()
        assert set(names) == {f"{name}.csv" for name in tables([run, run])} | {
            "run_1/result.json",
            "run_2/result.json",
        }
        again = pd.read_csv(archive.open("run_2/curves.csv"))
        pd.testing.assert_frame_equal(again, run.curves, check_dtype=False)
        result = json.loads(archive.read("run_1/result.json"))
    assert result["spec"]["quantization"]["weight_bits"] == 3


def test_equal_runs_make_equal_archives(run):
    assert csv_zip([run]) == csv_zip([run])


def test_settings_are_complete_and_have_dotted_names(run):
    values = settings(run).set_index("setting")["value"]
    assert values["quantization.weight_bits"] == "3"
    assert values["synthesis.coefficients.align"] == "0.1"
    assert values["seed"] == "0"
    assert not any("{" in value for value in values)


def test_facts_hold_command_cost_and_versions(run):
    values = facts(run).set_index("fact")["value"]
    assert values["command"].startswith("python -m maskaq run")
    assert values["seconds, total"] == "40.0"
    assert values["version of torch"] == "2.15.0"
    assert values["evaluation images"] == "500"
    assert values["device"] == "cpu"
