"""What files of Q save and cost, and a file of a run to take away."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from maskaq.config.parsing import parse_bits
from maskaq.export.targets import TARGETS
from maskaq.figures.results import compare
from maskaq.figures.results import deployment as figures
from maskaq.intervals import Interval, as_percent
from maskaq.models.menu import SHIPPED, shape_of
from maskaq.precomputed import deployment
from maskaq.ui.state import pages, session, stored_runs, url
from maskaq.ui.widgets import offer, query, show, tabs

if TYPE_CHECKING:
    from maskaq.precomputed.deployment import Deployed, Deployment
    from maskaq.results.store import Stored
    from maskaq.ui.state.selection import Choice

_ONE = "deployed"  # key of the menu that a click on the figure sets
_FORMATS = {
    "ONNX, for onnxruntime": ("onnx", "onnx"),
    "Packed, for maskaq.load_q": ("packed", "safetensors"),
}
_TARGETS = {target.label: name for name, target in TARGETS.items()}
_CODE = """import numpy as np, onnxruntime
session = onnxruntime.InferenceSession("{name}")
logits = session.run(None, {{"images": np.zeros((1, 3, {side}, {side}), np.float32)}})[0]"""
_PACKED = """import maskaq
p = maskaq.load_model("{model}")
q = maskaq.load_q("{name}", p.model)"""


def section(choice: Choice) -> None:
    """The stored measurements of the model, and the files of runs."""
    stored = show.attempt(deployment.read, deployment.FILE)
    if stored is None:
        return
    if choice.model in stored:
        _measured(stored[choice.model])
    elif stored:
        offered = {model: {"model": model} for model in stored}
        offer.settings(f"No files of {choice.model} are measured.", offered, key="deployment")
    else:
        st.info("No file is measured yet. The command that does it takes minutes:")
        st.code(deployment.COMMAND, language="bash")
    _file(choice)


def _measured(found: Deployment) -> None:
    views = _views(found)
    view = tabs.one_of(views, "What is timed", key="timed", wrap=True)
    chart = figures.scatter(found, *views[view])
    names = list(chart.table["name"])
    show.verdict(chart.alt)
    machine = found.machine
    show.chart(
        chart,
        key="deployment",
        pick=show.into(_ONE, names),
        note=f"Each file was run by onnxruntime {machine['onnxruntime']} on {machine['name']} "
        f"({machine['features']}), by turns with P, on {_day(found.created)}: medians. "
        "**Simulated** models compute with floats: their size is that of packed weights, and they "
        f"have no time.{_weights(found)}",
    )
    if schemes := figures.describe_schemes(found):
        st.caption(
            f"{schemes} It gives softmax and GELU outputs logarithmic levels, dense near zero, "
            "where most of their values lie. Integer kernels need even levels, which cost nothing "
            "at 8 bits and more the fewer they are."
        )
    if st.session_state.get(_ONE) not in names:
        st.session_state[_ONE] = None
    name = st.selectbox(
        "Open a model, here or with a click on its point",
        names,
        None,
        key=_ONE,
        placeholder="Choose a model",
    )
    if name is not None:
        _opened(found, found.rows[names.index(name)])


def _views(found: Deployment) -> dict[str, tuple[int, int]]:
    """Batch size and threads by the label of a view."""
    views = {}
    for batch in dict.fromkeys(timing.batch for timing in found.p.timings):
        for threads in reversed(found.threads):
            images = "one image" if batch == 1 else f"{batch} images"
            views[f"{images}, {threads} thread{'s' * (threads > 1)}"] = (batch, threads)
    return views


def _weights(found: Deployment) -> str:
    sha = found.weights_sha256
    return f" Weights: the file with SHA-256 {sha[:12]}..." if sha else ""


def _day(created: str) -> str:
    return f"{datetime.fromisoformat(created):%d %B %Y}"


def _opened(found: Deployment, row: Deployed) -> None:
    """The numbers of one model, and the command of its run."""
    facts = [f"Top-1 {as_percent(Interval(row.top1, row.low, row.high, row.n))} images."]
    if row.difference is not None:
        value, low, high = (100 * number for number in row.difference)
        facts.append(
            f"Beside Q on the same images: {value:+.2f} points ({low:+.2f} to {high:+.2f})."
        )
    if row.agreement is not None and row.floor is not None:
        facts.append(
            f"Same answer as Q for {row.agreement:.1%} of them; Q itself, with noise of 1e-4 on "
            f"its input, for {row.floor:.1%}."
        )
    if row.memory is not None:
        facts.append(f"A process that classifies one image takes {row.memory:.0f} MB.")
    st.markdown(" ".join(facts))
    if row.multiply_adds:
        total = sum(row.multiply_adds.values())
        table = pd.DataFrame(
            [(bits, count, 100 * count / total) for bits, count in row.multiply_adds.items()],
            columns=["bits of weight x activation", "multiply-adds of an image", "share, %"],
        )
        show.frame(
            table.round(2),
            alt="Multiply-adds by bit width.",
            key="multiply_adds",
            name=f"deployment-{found.model}-{row.bits}-multiply-adds",
        )
    if row.command:
        st.code(row.command, language="bash", wrap_lines=True)
        _link(row)


def _link(row: Deployed) -> None:
    """To the run of a model that ships with the library, on the page that shows its result."""
    if row.model not in SHIPPED:
        return
    weights, activations = parse_bits(row.bits)
    page = pages.MAKE_ONE
    query = {
        "model": row.model,
        "weight_bits": str(weights),
        "activation_bits": str(activations),
        "scheme": "auto" if row.kind == deployment.DEFAULT else "integer",
        page.parameter: "Result",
    }
    st.page_link(page.file, label="Open its run", icon=page.icon, query_params=query)


def _file(choice: Choice) -> None:
    """Make a file of a run, and the lines that run it."""
    st.markdown("##### Take a file away")
    shipped = stored_runs.presets(choice.model, scheme="integer")
    runs = [
        run
        for run in (
            *sorted(shipped, key=lambda run: parse_bits(_bits(run)), reverse=True),
            *stored_runs.listed(session.owner()),
        )
        if run.result.spec.model == choice.model and run.q is not None
    ]
    if not runs:
        st.info(
            "No run of this model is stored with its Q. Make one on the page Make one, with the "
            "scheme *integer* among More settings."
        )
        return
    by_name = dict(zip(compare.names([run.result for run in runs]), runs, strict=True))
    url.declare(export_target=url.one_of(_TARGETS, next(iter(_TARGETS))))
    first, second, third = st.columns(3)
    name = first.selectbox("Run", list(by_name), key="export_run")
    form = second.selectbox("Format", list(_FORMATS), key="export_format")
    target = third.selectbox(
        "Processor",
        list(_TARGETS),
        key="export_target",
        bind="query-params",
        disabled=_FORMATS[form][0] != "onnx",
        help="Which integers its kernels multiply best. A file for one runs on all of them.",
    )
    _make(by_name[name], *_FORMATS[form], _TARGETS[target])


def _bits(run: Stored) -> str:
    return run.result.spec.quantization.name


def _make(run: Stored, form: str, ending: str, target: str) -> None:
    spec = run.result.spec
    if form == "onnx" and spec.quantization.scheme != "integer":
        st.info(
            "This run has grids that integer arithmetic cannot compute. Repeat it with the scheme "
            "*integer*, or take the packed format, which keeps every grid."
        )
        return
    question = {"folder": str(run.folder), "format": form, "target": target}
    made: dict[str, Any] | None = query.answer(
        "export", (run.folder, form, target), question, label="Make the file", expected=30
    )
    file = f"maskaq-{spec.model}-{_bits(run)}.{ending}"
    if made is not None:
        st.markdown(_checked(made))
        st.download_button(
            f"Download {len(made['data']) / 1e6:.2f} MB",
            made["data"],
            file_name=file,
            mime="application/octet-stream",
            icon=":material/download:",
            type=show.main_button(),
            key="exported",
            on_click="ignore",
        )
    code = _CODE if form == "onnx" else _PACKED
    side = shape_of(spec.model).size
    st.code(code.format(name=file, side=side, model=spec.model), language="python")
    if form == "onnx":
        st.caption(
            "The metadata of the file has the classes (`maskaq.labels`) and the preprocessing "
            "(`maskaq.preprocessing`): pixels in 0..1, minus the mean, over the standard deviation."
        )


def _checked(made: dict[str, Any]) -> str:
    """What was checked before the file was offered."""
    answers = made["answers"]
    if answers is None:
        return "Packed: `maskaq.load_q` rebuilds Q bit for bit."
    agreement, floor = answers["agreement"], answers["floor"]
    return (
        f"Every code in the file equals Q's. It gives Q's answer for {agreement[0]:.1%} of "
        f"{agreement[3]} images; Q itself, with noise of 1e-4 on its input, for {floor[0]:.1%}."
    )
