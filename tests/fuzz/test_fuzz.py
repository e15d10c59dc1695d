"""Random input to everything that reads input: it is accepted as written, or refused.

By default each test takes 150 examples; MASKAQ_FUZZ=30000 makes it 30 000.
"""

import io
import json
import os
import string
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from maskaq import checkpoints
from maskaq.config import RunSpec
from maskaq.config.dotted import flat
from maskaq.config.grid_file import parse_grid, to_toml
from maskaq.config.parsing import Every, from_dict, parse_bits, parse_every, parse_ratio
from maskaq.data.upload import read_picture
from maskaq.errors import DataError, MaskaqError, OptionError, RunError
from maskaq.results import artifacts, listing, manifest, store
from maskaq.results.result import RunResult
from maskaq.ui.state import url
from maskaq.ui.widgets import run_form
from tests.support import stored

fuzz = settings(
    max_examples=int(os.environ.get("MASKAQ_FUZZ", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
NAMES = sorted(flat(asdict(RunSpec())))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text()
    | st.sampled_from(["W4A4", "maskaq", "mimiq", "minmax", "cpu", "../../etc", "<script>"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
)


def mutated(data: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    """Apply edits (position as a share of the length, bytes removed, bytes inserted)."""
    for share, removed, inserted in edits:
        at = int(share * len(data))
        data = data[:at] + inserted + data[at + removed :]
    return data


EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 64), st.binary(max_size=16)), min_size=1, max_size=4
)


@fuzz
@given(st.dictionaries(st.sampled_from(NAMES) | st.text(), VALUES))
def test_settings_are_accepted_or_refused(values: dict[str, object]) -> None:
    tree: dict[str, object] = {}
    for name, value in values.items():
        *groups, last = name.split(".")
        node = tree
        for group in groups:
            inner = node.setdefault(group, {})
            node = inner if isinstance(inner, dict) else node
        node[last] = value
    with suppress(OptionError):
        spec = from_dict(tree)
        assert from_dict(json.loads(json.dumps(asdict(spec)))) == spec


@fuzz
@given(st.text(), st.sampled_from([parse_bits, parse_ratio, parse_every]))
def test_short_texts_are_parsed_or_refused(text: str, parse) -> None:
    with suppress(OptionError):
        assert isinstance(parse(text), tuple | Every)


def toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value) if isinstance(value, str) else repr(value)


PLAIN = (
    st.booleans()
    | st.integers(-10, 10**20)
    | st.floats()
    | st.sampled_from(["W4A4", "W3A3", "mimiq", "noise", "minmax", "0.5:0.1", "float32", "x"])
)
KEYS = st.sampled_from([*NAMES, "bits", "source", "backend", "repeats"])
LINES = st.dictionaries(KEYS, PLAIN | st.lists(PLAIN, max_size=3), max_size=4)


@fuzz
@given(LINES, LINES, LINES)
def test_grids_of_any_values_are_runs_or_refused(base, axes, alone) -> None:
    parts = [base, axes, alone]
    heads = ["", "[grid]", "[[runs]]"]
    text = "\n".join(
        "\n".join([head, *(f"{name} = {toml(value)}" for name, value in part.items())])
        for head, part in zip(heads, parts, strict=True)
    )
    with suppress(OptionError):
        specs = parse_grid(text)
        assert specs
        assert all(isinstance(spec, RunSpec) for spec in specs)
        assert parse_grid(to_toml(specs)) == specs


@fuzz
@given(st.text(alphabet=string.printable, max_size=300))
def test_grids_of_any_text_are_runs_or_refused(text: str) -> None:
    with suppress(OptionError):
        assert parse_grid(text)


@fuzz
@given(EDITS)
def test_results_are_read_as_written_or_refused(edits) -> None:
    written = stored.result().to_json()
    data = mutated(written.encode(), edits)
    with suppress(RunError):
        result = RunResult.from_json(data.decode(errors="replace"))
        assert RunResult.from_json(result.to_json()).q.top1 == result.q.top1
        assert 0 <= result.q.top1 <= 1


@cache
def run_files() -> dict[str, bytes]:
    """The files of a stored run, by name."""
    with TemporaryDirectory() as folder:
        stored.write(Path(folder) / "run")
        return {path.name: path.read_bytes() for path in (Path(folder) / "run").iterdir()}


@pytest.mark.slow
@fuzz
@given(st.sampled_from(sorted(run_files())), EDITS | st.none(), st.booleans())
def test_damaged_run_folders_are_listed_and_never_trusted(name, edits, sealed) -> None:
    """sealed: the manifest is written after the damage, so that its checksums match."""
    files = dict(run_files())
    if edits is None:
        del files[name]
    else:
        files[name] = mutated(files[name], edits)
    with TemporaryDirectory() as place:
        folder = Path(place) / "run"
        folder.mkdir()
        for one, data in files.items():
            (folder / one).write_bytes(data)
        if sealed and name != manifest.NAME:
            try:
                manifest.seal(folder)
            except (OSError, ValueError, KeyError, TypeError):
                sealed = False  # this damage cannot be sealed
        table = listing.list_runs(place, thorough=True)
        assert len(table) == 1
        read = False
        with suppress(RunError):
            run = store.read(folder)
            assert run.result.evaluated > 0
            assert run.sheet is None or run.sheet.size
            assert run.evidence is None or len(run.evidence.answers) == 2
            artifacts.film(folder)
            read = True
        if read and files != run_files() and not sealed:
            assert name == manifest.NAME  # parts of its own text have no meaning
        # A list also needs the summary, which reading a run does not use.
        assert table["state"].iloc[0] == listing.WHOLE or not read or name == manifest.NAME


@fuzz
@given(EDITS)
def test_checkpoints_are_read_as_written_or_refused(edits) -> None:
    with TemporaryDirectory() as place:
        path = Path(place) / "a.pt"
        checkpoints.write(path, {"step": 3, "text": "x" * 50})
        path.write_bytes(mutated(path.read_bytes(), edits))
        with suppress(RunError):
            assert checkpoints.read(path) == {"step": 3, "text": "x" * 50}


@cache
def picture(form: str) -> bytes:
    ramp = np.arange(3 * 40 * 30, dtype=np.uint8).reshape(30, 40, 3)
    stream = io.BytesIO()
    Image.fromarray(ramp).save(stream, form)
    return stream.getvalue()


@fuzz
@given(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP"]), EDITS | st.just([]), st.text())
def test_uploads_are_pictures_or_refused(form: str, edits, name: str) -> None:
    with suppress(DataError):
        upload = read_picture(name, mutated(picture(form), edits))
        assert upload.pixels.ndim == 3
        assert max(upload.pixels.shape) <= 1024
        assert "/" not in upload.name
        assert "\\" not in upload.name


FIELDS = {
    "whole": url.whole(2, 8, 4),
    "stepped": url.stepped(0.05, 1.0, 0.05, 0.1),
    "one of": url.one_of(["mean", "0"], "mean"),
    "some of": url.some_of(["a", "b"]),
    "amount": url.Field(run_form._amount, "", 0.0),
    "flag": url.Field(run_form._flag, "", True),
}
NUMBERS = st.integers().map(str) | st.floats().map(str) | st.text("0123456789.eE+-_ infa")


@fuzz
@given(st.sampled_from(sorted(FIELDS)), st.text() | NUMBERS)
def test_values_of_an_address_are_allowed_or_refused(kind: str, text: str) -> None:
    with suppress(ValueError):
        value = FIELDS[kind].parse(text)
        assert {
            "whole": lambda: value in range(2, 9),
            "stepped": lambda: 0.05 <= value <= 1,
            "one of": lambda: value in ("mean", "0"),
            "some of": lambda: value in ("a", "b"),
            "amount": lambda: 0 <= value <= run_form._LARGEST,
            "flag": lambda: value in (True, False),
        }[kind]()


@fuzz
@given(st.text())
def test_text_from_an_address_is_shown_as_plain_text(text: str) -> None:
    shown = url.shorten(text)
    assert shown[0] == shown[-1] == "`"
    assert "`" not in shown[1:-1]
    assert "\n" not in shown
    assert len(shown) <= 85


@cache
def one_run() -> pd.DataFrame:
    """A list of runs with one entry."""
    with TemporaryDirectory() as folder:
        stored.write(Path(folder) / "run")
        return listing.list_runs(folder)


@fuzz
@given(st.lists(st.text(max_size=30), min_size=1, max_size=3))
def test_conditions_choose_or_are_refused(conditions: list[str]) -> None:
    with suppress(MaskaqError):
        assert len(listing.where(one_run(), conditions)) <= 1
