"""Static pictures, made with matplotlib, for documents that have to work without JavaScript."""

import io

import numpy as np
import pandas as pd

from maskaq.figures.results.compare import MEASURES, P, one_p

_DPI = 120
_MARKERS = dict(zip(MEASURES, "oDs", strict=True))


def runs(table: pd.DataFrame) -> bytes:
    """Accuracy of P and Q and their agreement, with 95 % intervals, as a PNG.

    table: from `maskaq.figures.results.compare.frame`.
    """
    from matplotlib.figure import Figure  # slow to import, and only needed for a report

    names = list(dict.fromkeys(table["run"]))
    figure = Figure(figsize=(9, 1.6 + 0.5 * len(names)), layout="constrained")
    axes = figure.subplots()
    points = list(MEASURES)
    if one_p(table):
        value, low, high = table.loc[table["measure"] == P, ["value", "low", "high"]].iloc[0]
        axes.axvspan(low, high, color=MEASURES[P][0], alpha=0.15, linewidth=0)
        axes.axvline(value, color=MEASURES[P][0], linestyle="--", label=P)
        points.remove(P)
    for number, measure in enumerate(points):
        rows = table[table["measure"] == measure]
        value, low, high = rows[["value", "low", "high"]].to_numpy(float).T  # [R] each
        shift = 0.2 * (number - (len(points) - 1) / 2)
        axes.errorbar(
            value,
            [names.index(name) + shift for name in rows["run"]],
            xerr=np.stack((value - low, high - value)),  # [2,R]
            fmt=_MARKERS[measure],
            color=MEASURES[measure][0],
            capsize=4,
            label=measure,
        )
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("accuracy and agreement, %")
    counts = " and ".join(f"{count:,}" for count in sorted(set(table["n"])))
    title = f"Accuracy on {counts} images, 95 % intervals"
    axes.set_title(title, loc="left", fontsize=11)
    figure.legend(loc="outside lower left", ncols=len(MEASURES), frameon=False)
    stream = io.BytesIO()
    # The default metadata contains the version of matplotlib.
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()
