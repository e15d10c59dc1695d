from __future__ import annotations

import pytest

from maskaq.precomputed.published import ROWS, TABLES, frame


def top1(bits, method, model, table):
    """All numbers printed for this; most often one."""
    return [
        row.top1
        for row in ROWS
        if (row.bits, row.method, row.model) == (bits, method, model) and table in row.table
    ]


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


def test_a_dash_makes_no_row():
    assert top1("W4A4", "CLAMP-ViT", "ViT-T", "Table 1") == []
    assert top1("W3A4", "APQ-ViT", "ViT-S", "real-data") == []


def test_the_tables_are_as_long_as_printed():
    lengths = frame().groupby("table").size()
    # 24 methods and formats on six models, 2 and 4 dashes less; 2 more of GenQ; 6 of P.
    assert lengths["Table 1"] == 146 + 6
    assert lengths["real-data methods, W4A4 / W3A4"] == 11 * 7 * 2 - 7 + 7
    assert len(frame()) == len(ROWS)


def test_every_row_names_its_source_and_is_a_percentage():
    for row in ROWS:
        assert row.paper
        assert row.table
        assert row.tag in {"paper", "released code", "third party"}
        assert row.data in {"data-free", "real images", "full precision"}
        assert 0 < row.top1 < 100
    assert {(row.paper, row.table) for row in ROWS} == set(TABLES)


def test_what_others_ran_is_said():
    notes = {row.note for row in ROWS if row.method == "MimiQ" and row.bits == "W3A3"}
    assert notes == {"re-run by MaskAQ's authors"}
    bounds = [row for row in ROWS if row.table.startswith("real-data")]
    assert all("ERQ's authors" in row.note for row in bounds if row.bits == "W3A4")
    assert not any(row.note for row in bounds if row.method == "RepQ-ViT" and row.bits == "W4A4")
