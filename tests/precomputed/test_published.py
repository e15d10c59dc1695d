"""Numbers copied from papers: right, complete, and with their source."""

import tomllib
from pathlib import Path

import pytest

import maskaq
from maskaq.precomputed import published

NUMBERS = published.frame()


def top1(bits, method, model, table):
    """All numbers printed for a method, bits and model in tables whose name contains `table`."""
    rows = NUMBERS[NUMBERS["table"].str.contains(table, regex=False)]
    chosen = (rows["bits"] == bits) & (rows["method"] == method) & (rows["model"] == model)
    return rows["top1"][chosen].tolist()


@pytest.mark.parametrize(
    "bits, method, model, table, value",
    [
        ("W3A3", "MaskAQ", "DeiT-T", "Table 1", 22.65),
        ("W3A3", "MimiQ", "Swin-T", "Table 1", 42.90),
        ("W4A4", "MaskAQ", "ViT-B", "Table 1", 70.53),
        ("W5A5", "GDFQ", "DeiT-S", "Table 1", 57.00),
        ("W4A8", "CLAMP-ViT", "DeiT-T", "Table 1", 65.71),
        ("W4A4", "GenQ", "DeiT-B", "Table 1", 76.10),
        ("float32", "full precision", "ViT-T", "Table 1", 72.01),
        ("W4A4", "MaskAQ without L_fb", "ViT-T", "ablations", 43.62),
        ("W3A3", "MaskAQ, lambda_align 10", "DeiT-T", "ablations", 19.05),
        ("W4A4", "SARDFQ", "Swin-B", "32 images", 76.42),
        ("W4A4", "Real images", "ViT-B", "32 images", 68.16),
        ("W3A4", "BRECQ", "ViT-B", "real-data", 1.25),
        ("W4A4", "ERQ", "DeiT-S", "real-data", 74.35),
        ("W3A3", "AdaLog + reconstruction (1 024)", "Swin-B", "stronger", 78.82),
        ("W6A6", "RepQ-ViT", "Swin-B", "higher", 84.57),
    ],
)
def test_numbers_are_those_of_the_papers(bits, method, model, table, value):
    assert top1(bits, method, model, table) == [value]


def test_numbers_that_were_not_printed_have_no_row():
    assert top1("W4A4", "CLAMP-ViT", "ViT-T", "Table 1") == []
    assert top1("W3A4", "APQ-ViT", "ViT-S", "real-data") == []


def test_the_tables_are_complete():
    lengths = NUMBERS.groupby("table").size()
    # 24 methods and formats on six models without 2 and 4 dashes, 2 more of GenQ, 6 of P.
    assert lengths["Table 1"] == 146 + 6
    assert lengths["real-data methods, W4A4 / W3A4"] == 11 * 7 * 2 - 7 + 7
    assert len(NUMBERS) == 473


def test_every_row_names_its_source_and_is_a_percentage():
    assert NUMBERS.notna().all(axis=None)
    assert set(NUMBERS["tag"]) == {"paper", "released code", "third party"}
    assert set(NUMBERS["data"]) == {"data-free", "real images", "full precision"}
    assert NUMBERS["top1"].between(0, 100, inclusive="neither").all()
    assert published.tables()[0] == ("MaskAQ, arXiv 2606.04373", "Table 1")
    assert set(published.addresses()) == set(NUMBERS["paper"])
    assert all(url.startswith("https://") for url in published.addresses().values())


def test_runs_by_other_authors_are_marked():
    mimiq = NUMBERS.query("method == 'MimiQ' and bits == 'W3A3'")
    assert set(mimiq["note"]) == {"re-run by MaskAQ's authors"}
    bounds = NUMBERS[NUMBERS["table"].str.startswith("real-data")]
    assert bounds.query("bits == 'W3A4'")["note"].str.contains("ERQ's authors").all()
    assert (bounds.query("method == 'RepQ-ViT' and bits == 'W4A4'")["note"] == "").all()


def test_a_returned_table_is_a_copy():
    mine = published.frame()
    mine["top1"] = 0.0
    assert (published.frame()["top1"] > 0).all()


def test_the_files_are_package_data():
    package = Path(maskaq.__file__).parent
    settings = tomllib.loads((package.parent / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["maskaq"]
    packaged = {path for pattern in patterns for path in package.glob(pattern)}
    assert {published.FOLDER / "top1.csv", published.FOLDER / "papers.csv"} <= packaged
