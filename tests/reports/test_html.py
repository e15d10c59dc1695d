import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from PIL import Image
from plotly.offline import get_plotlyjs

from maskaq.config.overrides import command_of
from maskaq.config.presets import spec_of
from maskaq.errors import RunError
from maskaq.reports.html import _table, html
from maskaq.results import store
from tests.support import stored

CHARTS = 4  # of each run
HOSTILE = "</script><script>alert('x')</script><img src=http://evil onerror=alert(1)>&\""


class Reader(HTMLParser):
    """Collects tags with attributes and text by tag, and checks that every tag is closed."""

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


def two_runs(folder):
    for number, bits in enumerate([(4, 4), (3, 3)]):
        stored.write(folder / str(number), spec_of("maskaq", bits))
    return [store.read(folder / str(number)) for number in range(2)]


@pytest.fixture
def runs(tmp_path):
    return two_runs(tmp_path)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The report of two runs."""
    return html(two_runs(tmp_path_factory.mktemp("runs")), "now")


def body(text: str) -> str:
    """The report without Plotly's script."""
    return text.replace(get_plotlyjs(), "")


def test_the_file_needs_nothing_else(report):
    read = Reader(report)
    assert read.open == []
    for _, attributes in read.tags:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert not read.of("link")
    assert "@import" not in report.split("</style>")[0]
    assert "url(" not in report.split("</style>")[0]
    assert report.count(get_plotlyjs()) == 1
    assert "</script" not in get_plotlyjs()


def test_hostile_text_is_escaped(runs, report):
    spec = replace(runs[0].result.spec, weights=HOSTILE, model=HOSTILE)
    result = replace(runs[0].result, spec=spec, device=HOSTILE, versions={HOSTILE: HOSTILE})
    metrics = pd.DataFrame({"stage": [HOSTILE] * 2, "step": [1, 2], HOSTILE: [1.0, 2.0]})
    bad = replace(runs[0], result=result, curves=metrics)
    text = html([bad, runs[1]], HOSTILE)
    clean, read = Reader(report), Reader(text)
    # The accuracy, and for each run a sheet of samples and, for a known model, one with P's mask.
    assert (len(read.of("img")), len(clean.of("img"))) == (4, 5)
    assert not any("onerror" in attributes for _, attributes in read.tags)
    # In the scripts of the charts it is part of a string, where `<` is escaped.
    assert not re.search(r"<script>alert|</script><script>alert|<img src=http", body(text))
    assert len(read.of("script")) == len(clean.of("script"))
    assert "&lt;/script&gt;&lt;script&gt;" in text
    assert read.open == []


def test_what_was_left_out_is_on_the_first_page(runs, report):
    assert "Decided or left out" not in report
    notes = (f"left out 2 broken links: {HOSTILE}", "3 files are not images: 3 .txt")
    noted = replace(runs[0], result=replace(runs[0].result, notes=notes))
    text = html([noted, noted], "Made for a test.")
    page, _, _ = text.partition("Technical appendix")
    assert page.count("<li>3 files are not images: 3 .txt</li>") == 1
    assert "<li>left out 2 broken links: &lt;/script&gt;" in page


def test_it_has_settings_command_versions_limitations_and_images(runs):
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
    pictures = read.of("img")
    assert len(pictures) == 3
    assert all(picture["src"].startswith("data:image/png;base64,") for picture in pictures)
    assert "10% of patches" in pictures[2]["alt"]


def test_every_chart_has_a_sentence_and_its_table(report):
    read = Reader(report)
    charts = [a for a in read.of("figure") if a.get("role") == "group"]
    assert len(charts) == 2 + 2 * CHARTS
    assert all(chart["aria-label"] for chart in charts)
    assert read.text["summary"].count("The numbers as a table") == len(charts)


def test_equal_runs_make_equal_reports(runs, report):
    assert html(runs, "now") == report


def test_both_themes_are_there(report):
    style = report.split("</style>")[0]
    assert "prefers-color-scheme: dark" in style
    assert "color-scheme: light dark" in style


def test_axes_make_room_for_their_labels(report):
    text = body(report)
    assert text.count('"automargin":true') >= 2 * (2 + 2 * CHARTS)


def test_it_has_the_predictions_of_p_and_q_and_their_disagreements(runs):
    read = Reader(html(runs[:1], "now"))
    assert "P recognises the intended class in 4 of 4 images" in read.text["summary"]
    assert "P and Q disagree on 35 of 500 images" in read.text["figcaption"]


def test_a_run_without_images_or_metrics_can_be_reported(runs):
    stored.without(runs[0].folder, "evidence.safetensors", "samples.safetensors")
    bare = replace(
        store.read(runs[0].folder),
        curves=runs[0].curves.head(0),
        result=replace(runs[0].result, tensors=stored.TENSORS[-1:]),
    )
    read = Reader(html([bare], "now"))
    assert len(read.of("img")) == 1  # the accuracy
    assert "they were not stored" in read.text["p"]
    assert len([a for a in read.of("figure") if a.get("role") == "group"]) == 3


def test_long_tables_say_how_many_rows_are_shown(runs):
    long = pd.DataFrame({"stage": "fit", "step": range(1500), "loss": 1.0})
    read = Reader(html([replace(runs[0], curves=long)], "now"))
    assert "Showing 1,000 of 1,500 rows." in read.text["p"]


def test_it_starts_with_one_page_in_plain_words_that_needs_no_javascript(runs):
    text = html(runs[:1], "now")
    page = text.partition("<main>")[2].partition("</main>")[0]
    inside = Reader(page)
    assert inside.text["h1"] == "Vision Transformer scenes_vit in 4 bits, without its training data"
    assert f"<title>{inside.text['h1']}</title>" in text
    headings = ("What", "How good", "How sure", "How small", "Do not claim", "How to repeat")
    assert inside.text["dt"] == "".join(headings)
    assert inside.text["strong"].startswith(
        "At W4A4 the quantized model keeps 97.8 % of the accura"
    )
    assert inside.text["pre"] == command_of(runs[0].result.spec)
    assert not inside.of("script")
    assert "Highest" not in page
    (image,) = inside.of("img")
    data = base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))
    assert Image.open(io.BytesIO(data)).width > 800
    assert "Q is right on 88.0 %" in image["alt"]


def test_the_appendix_is_folded_and_not_printed(report):
    appendix = report.partition("</main>")[2]
    assert appendix.strip().startswith('<details class="appendix">')
    assert body(appendix).count("<details") > 2  # all others are inside it
    assert ".appendix { display: none; }" in report.partition("@media print")[2]


def test_numbers_are_rounded_aligned_and_empty_if_missing():
    columns = {"name": ["<b>", None], "value": [1 / 3, float("nan")], "n": [2, 10**7]}
    text = str(_table(pd.DataFrame(columns)))
    assert Reader(text).of("table")[0]["class"].split()[1:] == ["number-2", "number-3"]
    assert re.findall("<td>(.*?)</td>", text) == ["&lt;b&gt;", "0.333333", "2", "", "", "10000000"]


def test_a_report_without_runs_is_refused():
    with pytest.raises(RunError, match="at least one run"):
        html([], "now")
