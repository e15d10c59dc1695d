"""Accuracies printed in papers, shown next to our measurements but never in one table with them.

ImageNet-1k top-1 in %. The rows mix sample sources and back-ends. `data/published/top1.csv` has one
line per printed row, `data/published/papers.csv` the address of each paper.
"""

from functools import cache
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parent / "data" / "published"
_ABOUT = ("paper", "table", "bits", "method", "data", "tag", "note")


def frame() -> pd.DataFrame:
    """One row per published number.

    Columns: paper and table, where it is printed; bits, `W4A4` or `float32`; method; data,
    `data-free`, `real images` or `full precision`; tag, who reported it: `paper` (read in the named
    table), `released code` (read in the authors' public repository) or `third party` (others than
    the authors of the method); note, what differs from the other rows; model; top1 in %.
    """
    return _numbers().copy()


def tables() -> list[tuple[str, str]]:
    """Paper and name of every published table."""
    return list(_numbers()[["paper", "table"]].drop_duplicates().itertuples(index=False, name=None))


def addresses() -> dict[str, str]:
    """Web address of every paper."""
    papers = pd.read_csv(FOLDER / "papers.csv")
    return dict(zip(papers["paper"], papers["address"], strict=True))


@cache
def _numbers() -> pd.DataFrame:
    lines = pd.read_csv(FOLDER / "top1.csv").fillna({"note": ""})
    rows = lines.melt(list(_ABOUT), var_name="model", value_name="top1", ignore_index=False)
    # The original index puts the numbers of a printed row next to each other again.
    return rows.dropna(subset="top1").sort_index(kind="stable").reset_index(drop=True)
