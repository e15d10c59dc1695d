"""A report of runs as one HTML file without any other file or network access.

It starts with one page that sums up the runs, which is all that a printer prints; the technical
appendix is folded. Plotly's script is embedded once and images are data URIs. The templates escape
all text. The figure of the summary is a static picture, which needs no JavaScript.
"""

import base64
import io
import re
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image
from plotly.offline import get_plotlyjs

from maskaq.config.overrides import command_of
from maskaq.config.parsing import to_json
from maskaq.data.sheet import sheet
from maskaq.errors import RunError
from maskaq.figures import overlays, static, synthesis
from maskaq.figures.chart import Chart
from maskaq.figures.results import accuracy, compare, curves, disagreements, per_class, tensors
from maskaq.formulas import FORMULAS
from maskaq.models.menu import shapes
from maskaq.regions.numpy_masks import mask_of
from maskaq.reports import summary
from maskaq.reports.tables import facts, settings
from maskaq.results.artifacts import Evidence
from maskaq.results.store import Stored

_ROWS = 1000  # shown of a table; more make the file slow to open
_SHEET = 32  # images
_APART = 4  # images with the answers of dense tasks
_BOLD = re.compile(r"\*\*(.+?)\*\*")


def html(runs: Sequence[Stored], generated: str) -> str:
    """The report of one run or of a comparison.

    Args:
        generated: when and by which program the report was made, as a sentence.

    Raises:
        RunError: no run was given.
    """
    if not runs:
        raise RunError("a report needs at least one run; choose one.")
    results = [run.result for run in runs]
    names = compare.short_names(results)
    overview = compare.runs(results)
    return (
        _templates()
        .get_template("report.html")
        .render(
            summary=summary.of_runs(runs),
            generated=generated,
            accuracy=overview,
            accuracy_png=_png_uri(static.runs(overview.table)),
            cost=compare.cost(results),
            runs=[_section(name, run) for name, run in zip(names, runs, strict=True)],
            formulas=pd.DataFrame(
                [(name, item.latex, item.meaning, item.source) for name, item in FORMULAS.items()],
                columns=["name", "LaTeX", "meaning", "source"],
            ),
            plotlyjs=Markup(get_plotlyjs()),
        )
    )


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("maskaq.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plot": _plot,
        "table": _table,
        "data_uri": _data_uri,
        "bold": _bold,
    }
    return environment


def _section(name: str, run: Stored) -> dict[str, object]:
    """What the template needs of one run."""
    result, evidence = run.result, run.evidence
    source, count = result.spec.synthesis.source, result.samples["count"]
    samples = f"Images from the source {source} that Q was fitted to, {count:g} in all"
    pictures = [] if run.sheet is None else [(run.sheet, samples)]
    predictions, told = None, ""
    if evidence is not None and evidence.shown:
        pictures += [(_apart(evidence), "Truth, P and Q on the images on which they differ most")]
    elif evidence is not None and run.samples and not result.dense:
        pictures += _informative(run, evidence)
        p, q = zip(evidence.seen, evidence.certainty, strict=True)
        predictions = synthesis.gallery_frame(run.samples["labels"], p, q, evidence.classes)
        told = synthesis.describe_gallery(predictions)
    return {
        "name": name,
        "created": result.created,
        "command": command_of(result.spec),
        "samples": samples,
        "pictures": pictures,
        "predictions": predictions,
        "told": told,
        "charts": _charts(run, evidence),
        "facts": facts(run),
        "settings": settings(run),
        "json": to_json(result.spec),
    }


def _informative(run: Stored, evidence: Evidence) -> list[tuple[Image.Image, str]]:
    """The first samples with only their informative patches bright, and a caption."""
    spec, images = run.result.spec, run.samples["images"][:_SHEET]
    if spec.model not in shapes():  # the patch grid of other models is unknown without timm
        return []
    ratio = spec.fit.mask_ratio
    alpha = evidence.alpha[: len(images)].astype(np.float32)  # [n,N]
    masks = np.stack([mask_of(row, ratio) for row in alpha])  # [n,N]
    dimmed = synthesis.dimmed(images, masks, shapes()[spec.model].grid)  # [n,3,S,S]
    caption = f"The same images, dark except for the {ratio:.0%} of patches that P attends to most"
    return [(sheet(dimmed), caption)]


def _apart(evidence: Evidence) -> Image.Image:
    """The answers on some images of `Evidence.apart`, one row each."""
    rows = overlays.of_evidence(evidence)[:_APART]
    return sheet(np.stack([answer.picture for row in rows for answer in row]))


def _charts(run: Stored, evidence: Evidence | None) -> list[Chart]:
    report, charts = tensors.frame(run.result), [accuracy.p_and_q(run.result)]
    if evidence is not None and evidence.per_class is not None:
        table, result = per_class.frame(evidence.per_class, evidence.classes), run.result
        charts.append(per_class.changes(table, result.metrics[0], result.evaluated))
    elif evidence is not None:
        p, q = evidence.answers  # [n] each
        images = disagreements.frame(evidence.labels, p, q, evidence.classes)
        charts.append(disagreements.outcomes(images))
    if curves.quantities(run.curves):
        charts.append(curves.curves(run.curves))
    if report["quantized"].any():
        charts.append(tensors.anatomy(report))
    return charts


def _plot(chart: Chart, element: str) -> Markup:
    """The interactive figure, without Plotly's script. element: its id."""
    figure = chart.figure.update_xaxes(automargin=True).update_yaxes(automargin=True)
    return Markup(
        figure.to_html(
            full_html=False,
            include_plotlyjs=False,
            div_id=element,  # a random id would make equal runs give different reports
            default_width="100%",
            config={"displaylogo": False, "responsive": True},
        )
    )


def _table(table: pd.DataFrame) -> Markup:
    """The first rows as an HTML table, escaped by pandas."""
    kinds = [dtype.kind for dtype in table.dtypes]
    numeric = [f"number-{place}" for place, kind in enumerate(kinds, 1) if kind in "iuf"]
    shown = table.head(_ROWS).astype(object)
    text = shown.where(shown.notna(), "").to_html(
        index=False, border=0, classes=numeric, float_format="{:.6g}".format
    )
    rest = f"<p>Showing {_ROWS:,} of {len(table):,} rows.</p>" if len(table) > _ROWS else ""
    return Markup(f'<div class="wide">{text}</div>{rest}')


def _bold(text: str) -> Markup:
    """Markdown with bold only, as HTML; everything else is escaped."""
    return Markup(_BOLD.sub(r"<strong>\1</strong>", str(escape(text))))


def _data_uri(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    return _png_uri(stream.getvalue())


def _png_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
