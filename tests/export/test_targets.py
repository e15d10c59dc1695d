import platform

import pytest

from maskaq.errors import OptionError
from maskaq.export import targets


@pytest.mark.parametrize(
    "flags, machine, expected",
    [
        ("fpu avx2", "x86_64", "avx2"),
        ("fpu avx2 avx_vnni", "x86_64", "vnni"),
        ("avx512f avx512_vnni", "x86_64", "vnni"),
        ("", "x86_64", "avx2"),
        ("", "arm64", "arm"),
        ("asimddp", "aarch64", "arm"),
    ],
)
def test_the_target_is_detected(tmp_path, monkeypatch, flags, machine, expected):
    file = tmp_path / "cpuinfo"
    file.write_text(f"processor\t: 0\nmodel name\t: Some CPU 3\nflags\t\t: {flags}\n")
    monkeypatch.setattr(targets, "_PROCESSOR", file)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert targets.detected() == expected
    assert targets.processor()["name"] == "Some CPU 3"
    assert "fpu" not in targets.processor()["features"]


def test_without_a_description_of_the_processor(tmp_path, monkeypatch):
    monkeypatch.setattr(targets, "_PROCESSOR", tmp_path / "missing")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert targets.features() == frozenset()
    assert targets.detected() == "avx2"
    assert targets.processor()["name"]


def test_an_unknown_target_gets_the_nearest_name():
    with pytest.raises(OptionError, match="did you mean 'avx2'"):
        targets.TARGETS["avx"]
