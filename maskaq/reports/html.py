"""One HTML file that shows some runs and needs nothing else: no network, no other file.

Plotly's script is inside once, pictures are data addresses, and all text goes through
`html.escape`. A chart takes its text colour from the page, in a light and in a dark theme.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from plotly.offline import get_plotlyjs

from maskaq.config.overrides import command_of
from maskaq.config.parsing import to_json
from maskaq.data.sheet import sheet
from maskaq.errors import RunError
from maskaq.figures import synthesis
from maskaq.figures.chart import Chart
from maskaq.figures.results import accuracy, compare, curves, disagreements, tensors
from maskaq.formulas import FORMULAS
from maskaq.models.menu import shapes
from maskaq.regions.numpy_masks import mask_of
from maskaq.reports.tables import facts, settings
from maskaq.results.artifacts import Evidence
from maskaq.results.store import Stored

_ROWS = 1000  # of a table; more make the file slow to open
_SHEET = 32  # images
_LIMITS = (
    "Quantized arithmetic is simulated: values are rounded to the levels of the integer format and "
    "computed with in float. Nothing here says how fast or how small an integer model would be.",
    "Intervals are Wilson's 95 % score intervals over the evaluation images. They hold for these "
    "images, one seed and one model; they do not cover the spread between seeds.",
    "P and Q were measured on the same images with the same preprocessing. The last state of Q is "
    "reported, and evaluation images were not used to fit anything.",
    "Times are single measurements on the machine named.",
)
_STYLE = """
:root { color-scheme: light dark; --ink: #1b2430; --paper: #ffffff; --line: #d5dde6;
  --soft: #f3f6fa; --link: #0b5cad; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8edf3; --paper: #12171e; --line: #35404d;
  --soft: #1b222c; --link: #7db8f0; } }
body { margin: 0 auto; padding: 1.5rem; max-width: 68rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1, h2, h3 { line-height: 1.2; } h2 { margin-top: 3rem; border-top: 1px solid var(--line);
  padding-top: 1.5rem; }
a { color: var(--link); } figure { margin: 1.5rem 0; } figcaption, .quiet { font-size: .9rem; }
table { border-collapse: collapse; font-size: .85rem; } .wide { overflow-x: auto; }
th, td { border-bottom: 1px solid var(--line); padding: .2rem .7rem; text-align: left; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: var(--soft); padding: .8rem; overflow-x: auto; font-size: .85rem; }
img { max-width: 100%; image-rendering: pixelated; border: 1px solid var(--line); }
summary { cursor: pointer; }
@media print { details > * { display: block; } }
"""
# Charts have no colour of their own for text and grid: they take those of the page, at once and
# whenever the theme changes.
_SCRIPT = """
const themed = matchMedia("(prefers-color-scheme: dark)");
function paint() {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink").trim();
  const line = style.getPropertyValue("--line").trim();
  for (const chart of document.querySelectorAll(".js-plotly-plot")) {
    const change = {"font.color": ink};
    for (const name of Object.keys(chart._fullLayout || {})) {
      if (/^[xy]axis\\d*$/.test(name)) {
        change[name + ".gridcolor"] = line;
        change[name + ".zerolinecolor"] = line;
      }
    }
    Plotly.relayout(chart, change);
  }
}
themed.addEventListener("change", paint);
addEventListener("load", paint);
"""


def html(runs: Sequence[Stored], generated: str) -> str:
    """The report of one run or of a comparison.

    Args:
        generated: when and by what the report was made, in words.

    Raises:
        RunError: no run was given.
    """
    if not runs:
        raise RunError("a report needs at least one run; choose one.")
    names = compare.names([run.result for run in runs])
    title = names[0] if len(runs) == 1 else f"{len(runs)} runs compared"
    parts = [f"<h1>maskaq: {escape(title)}</h1>", f'<p class="quiet">{escape(generated)}</p>']
    parts += _comparison(runs)
    for number, (name, run) in enumerate(zip(names, runs, strict=True), 1):
        parts += _run(f"run-{number}", name, run)
    parts += ["<h2>Limits</h2>", "<ul>", *(f"<li>{escape(text)}</li>" for text in _LIMITS), "</ul>"]
    parts += _formulas()
    return _page(title, "\n".join(parts))


def _page(title: str, body: str) -> str:
    # `</` inside Plotly's own script would end it; its text has none, and a test keeps it so.
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>maskaq: {escape(title)}</title>\n<style>{_STYLE}</style>\n"
        f"<script>{get_plotlyjs()}</script>\n</head>\n<body>\n{body}\n"
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def _comparison(runs: Sequence[Stored]) -> list[str]:
    results = [run.result for run in runs]
    return [
        "<h2>Accuracy</h2>",
        _draw(compare.runs(results), "accuracy"),
        "<h2>Cost</h2>",
        _draw(compare.cost(results), "cost"),
    ]


def _run(key: str, name: str, run: Stored) -> list[str]:
    result, seen = run.result, run.evidence
    report, charts = tensors.frame(result), [accuracy.p_and_q(result)]
    if seen is not None:
        charts.append(_outcomes(seen))
    if curves.quantities(run.curves):
        charts.append(curves.curves(run.curves))
    if report["quantized"].any():
        charts += [tensors.sqnr(report), tensors.layers(report)]
    return [
        f"<h2>{escape(name)}</h2>",
        f'<p class="quiet">Computed {escape(result.created)}; repeat it with</p>',
        f"<pre>{escape(command_of(result.spec))}</pre>",
        _sheet(run),
        *(_sight(run, seen) if seen is not None and run.samples else []),
        *(_draw(chart, f"{key}-{number}") for number, chart in enumerate(charts, 1)),
        _folded("When, where and with what", _table(facts(run))),
        _folded("All settings", _table(settings(run))),
        _folded("All settings as JSON", f"<pre>{escape(to_json(result.spec))}</pre>"),
    ]


def _sheet(run: Stored) -> str:
    source, count = run.result.spec.synthesis.source, run.result.samples["count"]
    words = f"Images from the source {source} that Q was fitted to, {count:g} in all"
    picture = run.sheet
    if picture is None:
        return f'<p class="quiet">{escape(words)}: they were not stored.</p>'
    return _picture(picture, words)


def _picture(picture: Image.Image, words: str) -> str:
    stream = io.BytesIO()
    picture.save(stream, "PNG", optimize=True)
    data = base64.b64encode(stream.getvalue()).decode()
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{escape(words)}">'
        f"<figcaption>{escape(words)}.</figcaption></figure>"
    )


def _outcomes(seen: Evidence) -> Chart:
    """How often which of P and Q is right."""
    p, q = seen.answers  # [n] each
    return disagreements.outcomes(disagreements.frame(seen.labels, p, q, seen.classes))


def _sight(run: Stored, seen: Evidence) -> list[str]:
    """Where P looks in the samples, and what P and Q see in them."""
    spec, images = run.result.spec, run.samples["images"][:_SHEET]
    p, q = zip(seen.seen, seen.certainty, strict=True)
    table = synthesis.gallery_frame(run.samples["labels"], p, q, seen.classes)
    parts = [
        _folded(f"What P and Q see in them. {synthesis.describe_gallery(table)}", _table(table))
    ]
    if spec.model not in shapes():  # its grid is not known without its library
        return parts
    ratio = spec.fit.mask_ratio
    alpha = seen.alpha[: len(images)].astype(np.float32)  # [n,N]
    masks = np.stack([mask_of(row, ratio) for row in alpha])
    tiles = sheet(synthesis.dimmed(images, masks, shapes()[spec.model].grid))
    words = f"The same images, all but the {ratio:.0%} of patches darkened that P attends to most"
    return [_picture(tiles, words), *parts]


def _draw(chart: Chart, key: str) -> str:
    figure = chart.figure.update_xaxes(automargin=True).update_yaxes(automargin=True)
    drawn = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=key,  # else a random one: equal runs make equal reports
        default_width="100%",
        config={"displaylogo": False, "responsive": True},
    )
    rows = _folded("The numbers as a table", _table(chart.table))
    return (
        f'<figure role="group" aria-label="{escape(chart.alt)}">{drawn}'
        f"<figcaption>{escape(chart.alt)}</figcaption></figure>\n{rows}"
    )


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def _table(table: pd.DataFrame) -> str:
    names = list(table.columns)
    marks = [' class="number"' if _is_number(table[name]) else "" for name in names]
    cells = "".join(f"<th{m}>{escape(str(n))}</th>" for m, n in zip(marks, names, strict=True))
    lines = [f"<tr>{cells}</tr>"]
    for row in table.head(_ROWS).itertuples(index=False):
        cells = "".join(f"<td{m}>{escape(_word(v))}</td>" for m, v in zip(marks, row, strict=True))
        lines.append(f"<tr>{cells}</tr>")
    rest = f"<p>Showing {_ROWS:,} of {len(table):,} rows.</p>" if len(table) > _ROWS else ""
    return f'<div class="wide"><table>{"".join(lines)}</table></div>{rest}'


def _is_number(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _word(value: object) -> str:
    if value is None or value is pd.NaT or value != value:  # NaN is not itself
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _formulas() -> list[str]:
    rows = pd.DataFrame(
        [(name, item.latex, item.meaning, item.source) for name, item in FORMULAS.items()],
        columns=["name", "LaTeX", "meaning", "source"],
    )
    return ["<h2>Formulas</h2>", _folded("Every formula with its source", _table(rows))]
