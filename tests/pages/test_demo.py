"""The five-minute demo of docs/demo.md, walked through; its numbers are the stored ones."""

import re
from pathlib import Path

import pytest

from maskaq.precomputed import accuracy_table, claims, worlds
from maskaq.ui.state import pages

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "demo.md").read_text().splitlines()
    if re.match(r"\| \d:\d\d ", line)
]
ASSETS = ROOT / "maskaq" / "ui" / "playground" / "assets"
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")


def percent(value: float, digits: int = 0) -> str:
    return f"{100 * value:.{digits}f}"


def playground() -> list[str]:
    about = worlds.read("photographs").about
    q, bits = about["q"], "W4A4"
    ratio = about["bytes"]["P"] / about["bytes"][bits]
    noise, own = (percent(q[source][bits][0]) for source in ("noise", "maskaq"))
    return [f"{ratio:.1f}", noise, str(about["n"]), own, percent(about["p"][0])]


def breaking() -> list[str]:
    about = worlds.read("photographs").about
    low = [percent(about["q"][source]["W3A3"][0]) for source in ("noise", "maskaq")]
    most = max(about["difference"].values())
    assert most == about["difference"]["W4A4"]  # where the button stops
    return [*low, *(percent(value, 1) for value in most)]


def deletion() -> list[str]:
    table = claims.read("deletion")
    rows = table[
        (table["fill"] == "mean colour")
        & (table["model"] == "P")
        & (table["measure"] == "accuracy")
        & (table["share"] == 0.5)
    ].set_index("order")
    first, n = rows.loc["informative", "value"], rows.loc["informative", "n"]
    return [percent(first), str(n), percent(rows.loc["other", "value"])]


def measured() -> list[str]:
    table = accuracy_table.read(SHIPPED)["scenes_vit"].table
    cells = accuracy_table.over_seeds(table[table["bits"] == "W4A4"])
    cells = cells[cells["backend"] == "reconstruct"].set_index("source")
    noise, own, real = (cells.loc[source, "q"] for source in ("noise", "maskaq", "real"))
    n, p = cells.loc["real", ["n", "p"]]
    return [percent(noise, 1), f"{int(n):,}", percent(own, 1), percent(real, 1), percent(p, 1)]


SHIPPED = accuracy_table.FILE
NUMBERS = {"0:40": playground, "1:30": breaking, "2:45": deletion, "3:30": measured}


def test_it_takes_five_minutes():
    times = [int(minute) * 60 + int(second) for minute, second in (r[0].split(":") for r in ROWS)]
    assert times == sorted(set(times))
    assert times[0] == 0
    assert times[-1] < 300
    assert set(NUMBERS) <= {row[0] for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_its_numbers_are_the_stored_ones(row):
    time, _, _, say = row
    assert NUMBER.findall(say) == (NUMBERS[time]() if time in NUMBERS else [])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_step_finds_its_page_and_its_control(row, open_page, shipped, monkeypatch, text):
    monkeypatch.setattr(accuracy_table, "FILE", SHIPPED)
    title, _, tab = row[1].partition(", ")
    (spec,) = (spec for spec in pages.PAGES if spec.title == title)
    assert tab in spec.tabs
    app = open_page(spec, **({spec.parameter: tab} if tab else {}))
    assert not app.exception
    assert not app.warning
    named = re.findall(r"\*(.+?)\*", row[2])
    if spec is pages.PLAYGROUND:  # its controls are in the browser
        files = "".join(path.read_text() for path in ASSETS.iterdir())
        assert all(name in files for name in named)
    else:
        for name in named:
            control = next(one for one in app.button_group if name in one.options)
            control.set_value(name).run()
            assert not app.exception
    if "`" in row[2]:
        assert row[2].split("`")[1] in text(app) + str([o.proto for o in app.get("plotly_chart")])
