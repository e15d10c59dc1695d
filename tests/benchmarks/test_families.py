"""The stored page about families of backbones."""

import pytest
import timm

from benchmarks import families


def stored() -> dict[str, list[str]]:
    """The cells of the page by the name of the model."""
    text = families.PAGE.read_text()
    if f"of timm {timm.__version__}," not in text:
        pytest.skip("the page was written with another version of timm")
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0].strip("`"): row for row in rows}


@pytest.mark.parametrize("name", ["edgenext_xx_small", "levit_128s"])
def test_two_rows_are_those_of_the_page(name: str) -> None:
    found = families.row(name)
    page, cells = stored()[name], found.cells()
    assert float(cells.pop(2)) == pytest.approx(float(page.pop(2)), rel=0.1)
    assert cells == page
    text = families.PAGE.read_text()
    assert all(reason in text for reason in found.reasons())


def test_the_page_lists_every_family_and_most_are_quantized() -> None:
    rows = stored()
    assert list(rows) == list(families.NAMES)
    errors = [row[2] for row in rows.values()]
    assert sum(error != "-" and float(error) < 0.3 for error in errors) >= 24
