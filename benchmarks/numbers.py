"""Fill the measured numbers into README and docs, from the files that ship with the library.

    python -m benchmarks.numbers

Text between `<!-- numbers:NAME -->` and `<!-- /numbers -->`, each on its own line, is replaced by
what the function NAME below returns; a test fails where the text is out of date. Sources are
`maskaq/precomputed/data/default_run.json` (`python -m benchmarks.default_run`) and the stored runs
in `maskaq/precomputed/examples` (`python -m benchmarks.sources --examples`).
"""

import itertools
import re
import textwrap
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from maskaq.config.presets import METHODS
from maskaq.precomputed import default_run, dense
from maskaq.precomputed.default_run import MeasuredRun
from maskaq.precomputed.showcase import BITS
from maskaq.results.result import RunResult

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted(ROOT.glob("docs/*.md"))]
EXAMPLES = ROOT / "maskaq" / "precomputed" / "examples"
WIDTH = 100  # of a line of text
SOURCES = ("noise", "mimiq", "maskaq", "real")
BLOCK = re.compile(
    r"^(<!-- numbers:(?P<name>\S+) -->)\n.*?^(<!-- /numbers -->)$", re.DOTALL | re.MULTILINE
)


def main() -> None:
    for page in PAGES:
        before = page.read_text()
        after = fill(before)
        if after != before:
            page.write_text(after)
            print(f"updated {page.relative_to(ROOT)}")


def fill(text: str) -> str:
    """The text with every marked block replaced.

    Raises:
        KeyError: a block has a name that is not in `FRAGMENTS`.
    """
    return BLOCK.sub(lambda block: f"{block[1]}\n{FRAGMENTS[block['name']]()}\n{block[3]}", text)


def output() -> str:
    """What the README's example prints."""
    run = default()
    return f"```\nP {run.p:.1%}, Q {run.q:.1%} of {run.n} images\n```"


def duration() -> str:
    """How long the default run takes, in a sentence."""
    run = default()
    imports = run.seconds - run.stages["total"]
    return textwrap.fill(
        f"The run takes {run.seconds:.0f} s, {imports:.0f} s of them for importing PyTorch "
        f"({where(run)}).",
        WIDTH,
    )


def default() -> MeasuredRun:
    run = default_run.measured()
    if run is None:
        raise SystemExit(f"The default run has not been measured: `{default_run.COMMAND}`.")
    return run


def where(run: MeasuredRun) -> str:
    """Machine and date of a measurement, and other work on the machine, if there was any."""
    text = f"{run.device}; {day(run.created)}"
    return text if run.load < 0.5 else f"{text}; load average {run.load:.1f} before the run"


def methods() -> str:
    """A table of all measured methods."""
    order = list(METHODS)
    lines = [row("method", "bits", "seconds", "Q top-1, %", "agreement, %", "measured on")]
    lines.append("|---" * 6 + "|")
    for run in sorted(default_run.read(), key=lambda run: order.index(run.method)):
        q = percent(run.q, run.q_low, run.q_high)
        cells = [f"{run.seconds:.0f}", q, f"{100 * run.agreement:.1f}", where(run)]
        lines.append(row(f"`{run.method}`", run.bits, *cells))
    return "\n".join(lines)


def by_bits(model: str) -> str:
    """Top-1 of a model's stored runs: sources down, number formats across."""
    runs = stored(model)
    measured = [bits for bits in BITS if (bits, SOURCES[0]) in runs]
    lines = [row("source", *measured), "|---" * (1 + len(measured)) + "|"]
    for source in SOURCES:
        lines.append(row(f"`{source}`", *(top1(runs[bits, source]) for bits in measured)))
    return "\n".join(lines)


def every_run(model: str) -> str:
    """One line per stored run of a model."""
    lines = [row("bits", "source", "Q top-1, %", "agreement, %", "seconds"), "|---" * 5 + "|"]
    runs = stored(model)
    for bits, source in itertools.product(BITS, SOURCES):
        if (run := runs.get((bits, source))) is None:
            continue
        cells = [top1(run), f"{100 * run.agreement:.1f}", f"{run.seconds['total']:.0f}"]
        lines.append(row(bits, f"`{source}`", *cells))
    return "\n".join(lines)


def about_runs(model: str) -> str:
    """What the stored runs of a model have in common, in a sentence."""
    runs = list(stored(model).values())
    p, n, device = runs[0].fp, runs[0].evaluated, runs[0].device
    assert all((run.fp, run.evaluated, run.device) == (p, n, device) for run in runs)
    return textwrap.fill(
        f"{n:,} evaluation scenes, P {percent(p.top1, p.top1_low, p.top1_high)} in %, one seed; "
        f"{device}; {day(max(run.created for run in runs))}.",
        WIDTH,
    )


def stored(model: str) -> dict[tuple[str, str], RunResult]:
    """The runs of a model that ship with the library, by number format and source."""
    files = sorted(EXAMPLES.glob(f"{model}_*/result.json"))
    found = [RunResult.from_json(path.read_text()) for path in files]
    runs = [run for run in found if run.spec.model == model]
    return {(run.spec.quantization.name, run.spec.synthesis.source): run for run in runs}


def top1(run: RunResult) -> str:
    """Top-1 of Q with its 95 % interval."""
    return percent(run.q.top1, run.q.top1_low, run.q.top1_high)


def percent(value: float, low: float, high: float) -> str:
    """A share of 0..1 and its interval, in %."""
    return f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def row(*cells: str) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def day(created: str) -> str:
    """Such as "22 November 2026"."""
    return f"{datetime.fromisoformat(created):%-d %B %Y}"


def dense_table(task: str) -> str:
    """The metric of a dense task: sources down, number formats across."""
    about = dense.read(task).about
    lines = [row(f"{about['metric']}, %", *dense.BITS), "|---" * (1 + len(dense.BITS)) + "|"]
    for source in dense.SOURCES:
        values = (percent(*about["q"][source][bits]) for bits in dense.BITS)
        lines.append(row(f"`{source}`", *values))
    return "\n".join(lines)


def about_dense() -> str:
    """P, images and machine of the runs behind `dense_table`."""
    found = [dense.read(task).about for task in dense.MODELS]
    p = " and ".join(f"{one['metric']} {percent(*one['p'])}" for one in found)
    one = found[0]
    return textwrap.fill(
        f"{one['n']:,} evaluation scenes of one to four garments, P: {p} in %, one seed; "
        f"{one['device']}; {day(one['created'])}.",
        WIDTH,
    )


FRAGMENTS: dict[str, Callable[[], str]] = {
    "default-run": duration,
    "default-output": output,
    "methods": methods,
    "runs-by-bits": partial(by_bits, "scenes_vit"),
    "runs": partial(every_run, "scenes_vit"),
    "about-runs": partial(about_runs, "scenes_vit"),
    "segmentation": partial(dense_table, "segmentation"),
    "detection": partial(dense_table, "detection"),
    "about-dense": about_dense,
    "swin-runs-by-bits": partial(by_bits, "scenes_swin"),
    "swin-runs": partial(every_run, "scenes_swin"),
    "about-swin-runs": partial(about_runs, "scenes_swin"),
}

if __name__ == "__main__":
    main()
