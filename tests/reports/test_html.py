from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from plotly.offline import get_plotlyjs

from maskaq.config.overrides import command_of
from maskaq.config.presets import spec_of
from maskaq.errors import RunError
from maskaq.reports.html import html
from maskaq.results import store
from tests.support import stored

HOSTILE = "</script><script>alert('x')</script><img src=http://evil onerror=alert(1)>&\""


class Reader(HTMLParser):
    """Collects tags with their attributes, text by tag, and notes what was not closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: dict[str, str] = {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        tag = self.open[-1] if self.open else ""
        self.text[tag] = self.text.get(tag, "") + data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def runs(tmp_path):
    for number, bits in enumerate([(4, 4), (3, 3)]):
        stored.write(tmp_path / str(number), spec_of("maskaq", bits))
    return [store.read(tmp_path / str(number)) for number in range(2)]


def body(text: str) -> str:
    """The report without Plotly's script."""
    return text.replace(get_plotlyjs(), "")


def test_the_file_needs_nothing_else(runs):
    text = html(runs, "now")
    read = Reader(text)
    assert read.open == []
    for _, attributes in read.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert not read.of("link")
    assert "@import" not in text.split("</style>")[0]
    assert "url(" not in text.split("</style>")[0]
    assert text.count(get_plotlyjs()) == 1
    assert "</script" not in get_plotlyjs()


def test_text_from_outside_stays_text(runs):
    spec = replace(runs[0].result.spec, weights=HOSTILE, model=HOSTILE)
    result = replace(runs[0].result, spec=spec, device=HOSTILE, versions={HOSTILE: HOSTILE})
    told = pd.DataFrame({"stage": [HOSTILE] * 2, "step": [1, 2], HOSTILE: [1.0, 2.0]})
    bad = replace(runs[0], result=result, curves=told)
    text = html([bad, runs[1]], HOSTILE)
    clean, read = Reader(html(runs, "now")), Reader(text)
    # One sheet of each run, and one with P's mask; of an unknown model the patches are not known.
    assert (len(read.of("img")), len(clean.of("img"))) == (3, 4)
    assert not any("onerror" in attributes for _, attributes in read.tags)
    # Inside the charts' own scripts it is part of a string, which no tag can end.
    assert not re.search(r"<script>alert|</script><script>alert|<img src=http", body(text))
    assert len(read.of("script")) == len(clean.of("script"))
    assert "&lt;/script&gt;&lt;script&gt;" in text
    assert read.open == []


def test_it_tells_settings_command_versions_limits_and_images(runs):
    read = Reader(html(runs[:1], "made on Monday"))
    cells, prose = read.text["td"], " ".join(read.text.values())
    assert "made on Monday" in read.text["p"]
    assert command_of(runs[0].result.spec) in read.text["pre"]
    assert '"weight_bits": 4' in read.text["pre"]
    assert "synthesis.coefficients.entropy" in cells
    assert "version of torch" in cells
    assert "2.15.0" in cells
    assert "simulated" in read.text["li"]
    assert "one seed" in read.text["li"]
    assert "Q is right on 88.0 %" in prose
    sheets = read.of("img")
    assert len(sheets) == 2
    assert all(sheet["src"].startswith("data:image/png;base64,") for sheet in sheets)
    assert "10% of patches" in sheets[1]["alt"]


def test_every_chart_has_a_sentence_and_its_table(runs):
    read = Reader(html(runs, "now"))
    charts = [a for a in read.of("figure") if a.get("role") == "group"]
    assert len(charts) == 2 + 2 * 5
    assert all(chart["aria-label"] for chart in charts)
    assert read.text["summary"].count("The numbers as a table") == len(charts)


def test_equal_runs_make_equal_reports(runs):
    assert html(runs, "now") == html(runs, "now")


def test_both_themes_are_there(runs):
    style = html(runs, "now").split("</style>")[0]
    assert "prefers-color-scheme: dark" in style
    assert "color-scheme: light dark" in style


def test_no_label_of_an_axis_is_cut_off(runs):
    text = body(html(runs, "now"))
    assert text.count('"automargin":true') >= 2 * (2 + 2 * 5)


def test_it_has_the_predictions_of_p_and_q_and_their_disagreements(runs):
    read = Reader(html(runs[:1], "now"))
    assert "P recognises the intended class in 4 of 4 images" in read.text["summary"]
    assert "P and Q disagree on 35 of 500 images" in read.text["figcaption"]


def test_a_run_without_a_picture_or_curves_still_opens(runs):
    stored.without(runs[0].folder, "evidence.safetensors", "samples.safetensors")
    bare = replace(
        store.read(runs[0].folder),
        curves=runs[0].curves.head(0),
        result=replace(runs[0].result, tensors=stored.TENSORS[-1:]),
    )
    read = Reader(html([bare], "now"))
    assert read.of("img") == []
    assert "they were not stored" in read.text["p"]
    assert len([a for a in read.of("figure") if a.get("role") == "group"]) == 3


def test_long_tables_say_what_they_leave_out(runs):
    long = pd.DataFrame({"stage": "fit", "step": range(1500), "loss": 1.0})
    read = Reader(html([replace(runs[0], curves=long)], "now"))
    assert "Showing 1,000 of 1,500 rows." in read.text["p"]


def test_no_run_is_refused():
    with pytest.raises(RunError, match="at least one run"):
        html([], "now")
