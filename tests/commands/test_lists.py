"""`models` and `methods` list every entry in full."""

import pytest

from maskaq.cli import main
from maskaq.config.components import BACKENDS, SOURCES
from maskaq.config.presets import METHODS
from maskaq.models import menu


def test_models_are_listed_with_the_source_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["models"]) == 0
    printed = capsys.readouterr()
    assert [line.split()[0] for line in printed.out.splitlines()] == list(menu.descriptions())
    assert str(menu.FILE) in printed.err


@pytest.mark.parametrize("width", ["72", "200"])
def test_descriptions_are_printed_in_full(
    width: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    assert main(["methods"]) == 0
    printed = capsys.readouterr().out
    words = " ".join(printed.split())
    for table in (METHODS, SOURCES, BACKENDS):
        for name, entry in table.items():
            assert f"{name} {' '.join(entry.description.split())}" in words
    assert max(map(len, printed.splitlines())) <= int(width)
