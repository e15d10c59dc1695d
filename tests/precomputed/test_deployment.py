import dataclasses

import pytest

from maskaq.errors import RunError
from maskaq.precomputed import deployment
from tests.support.deployments import deployment as made_up


def test_measurements_are_written_and_read(tmp_path):
    path = tmp_path / "deployment.json"
    assert deployment.read(path) == {}
    first, other = made_up(), made_up("another")
    deployment.write([first, other], path)
    assert deployment.read(path) == {"scenes_vit": first, "another": other}
    later = dataclasses.replace(first, created="2026-11-30T10:00:00+00:00")
    deployment.write([later], path)
    assert deployment.read(path) == {"scenes_vit": later, "another": other}


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "deployment.json"
    path.write_text('[{"model": "x"}]')
    with pytest.raises(RunError, match=r"run `python -m benchmarks\.deployment` again"):
        deployment.read(path)


def test_times_are_found_by_batch_and_threads():
    found = made_up()
    assert found.p.milliseconds(16, 2).median == 2.0
    assert found.p.milliseconds(3, 2) is None
    assert found.rows[-1].milliseconds(1, 1) is None
    assert found.threads == (1, 2)


def test_what_is_stored_keeps_its_promises():
    for found in deployment.read().values():
        p, files = found.p, [row for row in found.rows if row.kind == deployment.FILE_OF_Q]
        assert {row.bits for row in files} == {"W8A8", "W7A8", "W4A8"}
        for row in files:
            assert row.size <= (0.18 if row.bits == "W4A8" else 0.28) * p.size
            difference, low, high = row.difference
            # On the 500 photographs half a point is two or three of them.
            few = row.n < 5000 and row.bits != "W8A8"
            assert abs(difference) <= 0.005 or (few and low <= 0 <= high)
            assert row.multiply_adds["float"] == 0
            assert row.agreement > row.floor - 0.02


def test_measured_files_in_words(tmp_path):
    path = tmp_path / "deployment.json"
    assert deployment.in_words("scenes_vit", path) == ""
    deployment.write([made_up()], path)
    said = deployment.in_words("scenes_vit", path)
    assert said == "W8A8 4.0 times smaller, 2.00 times as fast; W4A8 8.0, 0.80 (Deploy)"
    assert deployment.in_words("another", path) == ""
    worse = dataclasses.replace(
        made_up().rows[1], bits="W7A8", size=10**9, timings=made_up().p.timings
    )
    deployment.write([dataclasses.replace(made_up(), rows=(*made_up().rows, worse))], path)
    assert deployment.in_words("scenes_vit", path) == said  # W8A8 is smaller and faster
