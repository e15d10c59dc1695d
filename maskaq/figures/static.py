"""Static pictures, made with matplotlib, for documents that have to work without JavaScript."""

import io

import pandas as pd

from maskaq.figures.results.compare import MEASURES

_DPI = 120
_MARKERS = "oDs"  # one per measure


def runs(table: pd.DataFrame) -> bytes:
    """Accuracy of P and Q and their agreement, with 95 % intervals, as a PNG.

    table: from `maskaq.figures.results.compare.frame`.
    """
    from matplotlib.figure import Figure  # slow to import, and only needed for a report

    names = list(dict.fromkeys(table["run"]))
    figure = Figure(figsize=(9, 1.6 + 0.5 * len(names)), layout="constrained")
    axes = figure.subplots()
    for number, (measure, (colour, _)) in enumerate(MEASURES.items()):
        rows = table[table["measure"] == measure]
        axes.errorbar(
            rows["value"],
            [names.index(name) + 0.2 * (number - 1) for name in rows["run"]],
            xerr=[rows["value"] - rows["low"], rows["high"] - rows["value"]],
            fmt=_MARKERS[number],
            color=colour,
            capsize=4,
            label=measure,
        )
    axes.set_yticks(range(len(names)), names, parse_math=False)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("share of the images, %")
    counts = " and ".join(f"{count:,}" for count in sorted(set(table["n"])))
    title = f"Accuracy and agreement on {counts} images, with 95 % intervals"
    axes.set_title(title, loc="left", fontsize=11)
    figure.legend(loc="outside lower left", ncols=len(MEASURES), frameon=False)
    stream = io.BytesIO()
    # The default metadata contains the version of matplotlib.
    figure.savefig(stream, format="png", dpi=_DPI, metadata={"Software": None})
    return stream.getvalue()
