"""Accuracies that the papers print, to stand beside measurements and never among them.

ImageNet-1k top-1 in %. The rows mix sample sources and back-ends; `data` says whether real images
were used. Copied from the named tables; `tag` says who reported a number:

    paper          read in the tables of the named paper
    released code  read in the authors' public repository
    third party    reported by others than the method's authors
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

import pandas as pd

__all__ = ["ROWS", "TABLES", "Row", "frame"]

_MASKAQ = "MaskAQ, arXiv 2606.04373"
_SARDFQ = "SARDFQ, arXiv 2412.16553"
_ERQ = "ERQ (extended), after arXiv 2407.06794"


@dataclass(frozen=True)
class Row:
    """One published number.

    bits: `W4A4`, or `float32`. data: `data-free`, `real images` or `full precision`. paper, table:
    where it is printed. tag: who reported it. note: what differs from the other rows.
    """

    bits: str
    method: str
    model: str
    top1: float
    paper: str
    table: str
    tag: str
    data: str
    note: str = ""


def frame() -> pd.DataFrame:
    """All rows, one column per field of `Row`."""
    return pd.DataFrame([asdict(row) for row in ROWS])


def _read(text: str, models: str, paper: str, table: str, tag: str, data: str) -> list[Row]:
    """Rows of a table written as `bits | method | numbers | note`; `-` where there is none.

    Bits and numbers may come in alternatives, `W4A4/W5A5` and `52.03/63.40`.
    """
    found = []
    for line in text.strip().splitlines():
        bits, method, numbers, note = (part.strip() for part in f"{line}|".split("|")[:4])
        for model, cell in zip(models.split(), numbers.split(), strict=True):
            for width, number in zip(bits.split("/"), cell.split("/"), strict=True):
                if number != "-":
                    source = (paper, table, tag)
                    kind = "full precision" if width == "float32" else data
                    found.append(Row(width, method, model, float(number), *source, kind, note))
    return found


_RERUN = "re-run by MaskAQ's authors"
_TAKEN = "taken from MimiQ's paper"
_TABLE_1 = f"""
float32 | full precision | 72.01 84.53 72.21 79.85 81.85 81.35
W3A3 | MimiQ | 8.64 41.28 19.55 27.39 41.86 42.90 | {_RERUN}
W3A3 | MaskAQ | 11.50 43.39 22.65 30.41 43.28 44.98
W4A4 | PSAQ-ViT | 0.67 0.94 19.61 5.90 8.74 22.71
W4A4 | PSAQ-ViT V2 | 1.54 2.83 22.82 32.57 45.81 50.42
W4A4 | MimiQ | 42.99 62.91 52.03 62.72 74.10 69.33
W4A4 | MaskAQ | 44.90 70.53 53.10 63.81 74.41 70.40
W5A5 | PSAQ-ViT | 17.66 16.80 53.36 47.35 57.23 58.63
W5A5 | PSAQ-ViT V2 | 40.21 74.29 55.18 65.30 73.16 69.77
W5A5 | MimiQ | 62.40 78.09 63.40 72.59 78.20 76.39
W5A5 | MaskAQ | 63.01 78.60 64.27 73.18 78.89 76.82
W4A8 | PSAQ-ViT | 59.59 67.74 66.16 76.56 80.05 79.06
W4A8 | PSAQ-ViT V2 | 66.78 84.02 68.23 78.27 81.15 79.98
W4A8 | MimiQ | 68.15 84.20 69.86 78.48 81.34 80.06
W4A8 | MaskAQ | 68.36 84.30 69.95 79.44 81.40 80.19
W4A4/W5A5/W4A8 | GDFQ | 2.95/24.40/62.65 11.73/33.56/81.68 25.96/44.76/65.82 22.12/57.00/76.49 \
30.04/71.03/80.03 42.08/61.30/78.90 | {_TAKEN}
W4A4/W5A5/W4A8 | Qimera | 0.57/26.70/61.80 5.61/9.43/63.22 15.18/33.13/61.90 11.37/33.65/70.10 \
32.49/47.01/72.38 47.98/62.13/73.93 | {_TAKEN}
W4A4/W5A5/W4A8 | AdaDFQ | 2.00/27.10/64.67 6.21/43.02/82.43 19.57/53.85/67.71 14.44/59.55/76.92 \
19.22/71.12/80.49 38.88/64.61/79.70 | {_TAKEN}
W4A4/W5A5/W4A8 | CLAMP-ViT | -/-/- -/-/- 0.15/5.42/65.71 0.13/3.19/76.44 -/-/- -/-/- | {_TAKEN}
W4A4 | GenQ | - 67.50 - - 76.10 - | images from a diffusion model
"""
_ABLATION = """
W4A4/W3A3 | MaskAQ without L_fb | 43.62/- -/20.97
W4A4/W3A3 | MaskAQ without L_align | 43.33/- -/20.60
W4A4/W3A3 | MaskAQ without refreshing | 44.11/- -/21.43
W4A4/W3A3 | MaskAQ without the mask in L_Q | 44.45/- -/21.72
W4A4/W3A3 | MaskAQ, nothing removed | 44.90/- -/22.65
W3A3 | MaskAQ, lambda_fb 0.01 | - 20.99
W3A3 | MaskAQ, lambda_fb 0.1 | - 21.29
W3A3 | MaskAQ, lambda_fb 1 | - 22.65 | the paper's choice
W3A3 | MaskAQ, lambda_fb 10 | - 19.77
W3A3 | MaskAQ, lambda_align 0.01 | - 21.96
W3A3 | MaskAQ, lambda_align 0.1 | - 22.65 | the paper's choice
W3A3 | MaskAQ, lambda_align 1 | - 21.65
W3A3 | MaskAQ, lambda_align 10 | - 19.05
"""
_TABLE_SARDFQ = """
W4A4 | Gaussian noise | 6.02 0.15 17.43 20.89 47.20 31.92 30.14
W4A4 | PSAQ-ViT | 47.24 36.32 47.75 58.28 71.75 73.19 71.84
W4A4 | PSAQ-ViT V2 | 41.53 26.32 30.20 45.53 66.43 65.55 67.42
W4A4 | SMI | 24.33 35.27 30.14 42.77 65.33 65.85 65.23
W4A4 | SARDFQ | 50.32 51.84 52.06 62.29 72.17 74.74 76.42
"""
_SARDFQ_REAL = "W4A4 | Real images | - 68.16 - - - - - | same pipeline"
_ERQ_RUN = "run by ERQ's authors"
_TABLE_ERQ = f"""
float32 | full precision | 81.39 84.54 72.21 79.85 81.80 83.23 85.27
W4A4/W3A4 | FQ-ViT | 0.10/0.10 0.10/0.10 0.10/0.10 0.10/0.10 0.10/0.10 0.10/0.10 0.10/0.10
W4A4/W3A4 | BRECQ | 11.31/4.97 3.03/1.25 38.41/29.23 32.89/18.58 59.10/40.49 68.40/66.93 \
56.51/53.38 | {_ERQ_RUN}
W4A4/W3A4 | OAS-ViT | 6.02/3.56 10.79/7.43 38.39/32.34 37.15/36.68 60.68/51.51 75.08/72.37 \
76.18/73.50 | {_ERQ_RUN}
W4A4/W3A4 | QDrop | 17.77/9.77 21.72/11.87 31.65/17.85 35.79/30.27 65.47/61.12 78.92/73.47 \
80.49/74.33 | {_ERQ_RUN}
W4A4/W3A4 | PD-Quant | 32.64/4.56 34.86/21.81 58.50/41.87 64.85/41.65 60.06/53.63 77.04/70.07 \
75.84/56.48 | {_ERQ_RUN}
W4A4/W3A4 | PTQ4ViT | 42.57/0.10 30.69/0.10 36.96/0.20 34.08/0.15 64.39/0.59 76.09/0.64 74.02/0.53
W4A4/W3A4 | APQ-ViT | 47.95/- 41.41/- 47.94/- 43.55/- 67.48/- 77.15/- 76.48/-
W4A4/W3A4 | AdaRound | 63.09/11.04 70.51/4.72 55.65/36.05 69.24/33.56 75.20/62.50 76.05/68.12 \
78.12/53.92 | {_ERQ_RUN}
W4A4/W3A4 | RepQ-ViT | 65.05/15.65 68.48/26.98 57.43/29.34 69.03/45.82 75.61/58.92 79.45/59.83 \
78.32/44.17
W4A4/W3A4 | GPTQ | 67.59/23.32 75.12/44.63 58.96/42.25 70.85/48.95 76.10/61.75 80.17/66.71 \
81.08/71.43 | {_ERQ_RUN}
W4A4/W3A4 | ERQ | 71.61/60.13 78.65/72.37 61.79/52.73 74.35/69.09 79.18/76.47 81.19/78.12 \
83.32/79.98
"""
_STRONGER = """
RepQ-ViT (32) | 65.05/0.43 68.48/0.14 57.43/0.97 69.03/4.37 75.61/4.84 79.45/8.84 78.32/1.34 \
| RepQ-ViT, arXiv 2212.08254 | paper
RepQuant | 73.28/- 77.84/- 64.44/- 75.21/- 78.46/- 81.52/- 82.80/- \
| RepQuant | third party
AdaLog, search (32) | 72.75/13.88 79.68/37.91 63.52/31.56 72.06/24.47 78.03/57.45 80.77/64.41 \
82.47/69.75 | AdaLog, arXiv 2407.12951 | released code
I&S-ViT (1 024) | 74.87/45.16 80.07/63.77 65.21/41.52 75.81/55.78 79.97/73.30 81.17/74.20 \
82.60/69.30 | I&S-ViT, arXiv 2311.10126 | paper
APHQ-ViT | 76.07/63.17 82.41/76.31 66.66/55.42 76.40/68.76 80.21/76.30 81.81/76.10 83.42/78.14 \
| APHQ-ViT, arXiv 2504.02508 | released code
AdaLog + reconstruction (1 024) | 77.25/62.50 83.13/76.73 67.14/48.78 76.36/63.24 80.20/74.99 \
81.99/76.01 83.82/78.82 | AdaLog, arXiv 2407.12951 | released code
"""
_HIGHER = """
W6A6 | RepQ-ViT | 80.43 83.62 70.76 78.90 81.27 80.69 82.79 - | RepQ-ViT, arXiv 2212.08254 |
W6A6 | PTQ4ViT (32) | 78.63 81.65 - 76.28 80.25 80.47 82.38 84.01 | PTQ4ViT |
W8A8 | PTQ4ViT (32) | 81.00 84.25 - 79.47 81.48 81.25 83.11 85.15 | PTQ4ViT |
W8A8 | FQ-ViT | - 83.31 71.61 79.17 81.20 80.51 82.71 82.97 | FQ-ViT, arXiv 2111.13824 \
| attention at 8 bits
W8A8 | FQ-ViT | - 82.68 71.07 78.40 80.85 80.04 82.47 82.38 | FQ-ViT, arXiv 2111.13824 \
| attention at 4 bits
"""
_SIX = "ViT-T ViT-B DeiT-T DeiT-S DeiT-B Swin-T"
_SEVEN = "ViT-S ViT-B DeiT-T DeiT-S DeiT-B Swin-S Swin-B"
_EIGHT = "ViT-S ViT-B DeiT-T DeiT-S DeiT-B Swin-T Swin-S Swin-B"
_FREE, _REAL = "data-free", "real images"
_SAME = "W4A4, 32 images, reconstruction"
_BOUND = "real-data methods, W4A4 / W3A4"


def _all() -> Iterator[Row]:
    yield from _read(_TABLE_1, _SIX, _MASKAQ, "Table 1", "paper", _FREE)
    yield from _read(_ABLATION, "ViT-T DeiT-T", _MASKAQ, "ablations", "paper", _FREE)
    yield from _read(_TABLE_SARDFQ, _SEVEN, _SARDFQ, _SAME, "third party", _FREE)
    yield from _read(_SARDFQ_REAL, _SEVEN, _SARDFQ, _SAME, "third party", _REAL)
    for row in _read(_TABLE_ERQ, _SEVEN, _ERQ, _BOUND, "paper", _REAL):
        yield replace(row, note=_ERQ_RUN) if row.bits == "W3A4" else row
    for line in _STRONGER.strip().splitlines():
        method, numbers, paper, tag = (part.strip() for part in line.split("|"))
        text, table = f"W4A4/W3A3 | {method} | {numbers}", "stronger methods, W4A4 / W3A3"
        yield from _read(text, _SEVEN, paper, table, tag, _REAL)
    for line in _HIGHER.strip().splitlines():
        bits, method, numbers, paper, note = (part.strip() for part in line.split("|"))
        text = f"{bits} | {method} | {numbers} | {note}"
        yield from _read(text, _EIGHT, paper, "higher precision", "released code", _REAL)
    swin_b, paper = "W6A6 | RepQ-ViT | 84.57", "RepQ-ViT, arXiv 2212.08254"
    yield from _read(swin_b, "Swin-B", paper, "higher precision", "third party", _REAL)


ROWS: tuple[Row, ...] = tuple(_all())
TABLES: tuple[tuple[str, str], ...] = tuple(dict.fromkeys((row.paper, row.table) for row in ROWS))
