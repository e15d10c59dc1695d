"""The tab Sandbox: the effect of rounding to a few bits on numbers, without a model."""

import zlib
from typing import Any, NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from maskaq.config import BITS
from maskaq.errors import DataError, OptionError
from maskaq.figures import sandbox
from maskaq.quantization import level_list
from maskaq.quantization import numpy_reference as reference
from maskaq.quantization.level_list import LevelList
from maskaq.ui.sandbox import component, pasted
from maskaq.ui.state import url
from maskaq.ui.widgets import show, spotlight

COUNT = 4096  # random numbers
OWN = "my own"
KINDS = {**reference.DISTRIBUTIONS, OWN: "Numbers that you type or paste"}
SHAPES = ("symmetric", "asymmetric")
FORMULA = {"log2": "log-sqrt2"}  # rules whose formula has another name
KEY = "sandbox"  # of the component
_HAND = "_sandbox_hand"  # in the session: settings and levels that the visitor has dragged
_SEEDS = 9999

Floats = NDArray[np.float32]


class Settings(NamedTuple):
    """What the controls say. values: the numbers, float32 [n]. name: of all settings together."""

    kind: str
    values: Floats
    bits: int
    rule: str
    shape: str
    name: str

    @property
    def symmetric(self) -> bool:
        """Whether zero has the code 0. The logarithmic rules do not have this option."""
        return self.shape == "symmetric" and _even(self.rule)


def draw() -> None:
    """Draw the tab."""
    st.markdown(
        "A **quantizer** rounds every number to one of a few **levels** and stores only the number "
        "of the level, its **code**. SQNR compares the power of the numbers with the power of the "
        "errors: 6 dB more means errors half as large."
    )
    left, right = st.columns([1, 3], gap="medium")
    with left:
        settings = _controls()
    if settings is None:
        url.stop()
    rules = _candidates(settings.values, settings.bits, settings.shape == "symmetric")
    with right:
        used = _figure(settings, rules)
    if used is not None:
        _charts(settings, used, rules)


def _controls() -> Settings | None:
    """The controls, and what they say; None if the visitor's numbers cannot be read."""
    url.declare(
        bits=url.whole(BITS.start, BITS.stop - 1, 4),
        values=url.one_of(KINDS, "weights"),
        rule=url.one_of(reference.RULES, "minmax"),
        codes=url.one_of(SHAPES, "symmetric"),
        sample=url.whole(0, _SEEDS, 0),
    )
    with spotlight.on("bits"):
        bits = st.slider("Bits", BITS.start, BITS.stop - 1, 4, key="bits", bind="query-params")
    with spotlight.on("values"):
        kind = st.selectbox("Which numbers", list(KINDS), key="values", bind="query-params")
        st.caption(KINDS[kind])
    own = _own() if kind == OWN else None
    with spotlight.on("rule"):
        rule = st.selectbox(
            "Where the levels lie", list(reference.RULES), key="rule", bind="query-params"
        )
        st.caption(reference.RULES[rule])
    shape = st.radio(
        "Codes",
        SHAPES,
        key="codes",
        bind="query-params",
        horizontal=True,
        disabled=not _even(rule),
        help="Symmetric: zero has the code 0, with equally many codes below and above. Asymmetric: "
        "the codes start at the smallest number. The logarithmic rules do not have this option.",
    )
    values = own if kind == OWN else _random(kind)
    if values is None:
        return None
    name = f"{bits} {rule} {shape} {zlib.crc32(values.tobytes())}"
    return Settings(kind, values, bits, rule, shape, name)


def _even(rule: str) -> bool:
    return rule not in ("log2", "adaptive-log")


def _random(kind: str) -> Floats:
    seed = st.number_input(
        "Seed",
        0,
        _SEEDS,
        0,
        key="sample",
        bind="query-params",
        help=f"The {COUNT:,} numbers are random. Another seed gives others.",
    )
    return reference.sample(kind, COUNT, int(seed))


def _own() -> Floats | None:
    text = st.text_area(
        "Your numbers",
        pasted.EXAMPLE,
        max_chars=pasted.MOST_CHARACTERS,
        key="own_numbers",
        height=100,
        persist_state="session",
        help=f"Up to {pasted.MOST:,} numbers, separated by spaces, commas or line breaks.",
    )
    try:
        return pasted.parse(text)
    except DataError as error:
        st.error(str(error), icon=":material/block:")
        return None


def _figure(settings: Settings, rules: list[LevelList]) -> LevelList | None:
    """The component. Returns the levels in use; None if the rule refuses the numbers."""
    levels = next((one for one in rules if one.rule == settings.rule), None)
    if levels is None:
        st.warning(
            f"{settings.rule} with values down to {settings.values.min():.3g}; allowed: values "
            "from 0, such as softmax. Choose another rule, or other numbers.",
            icon=":material/block:",
        )
        return None
    hand = _by_hand(settings, levels)
    shown = component.Shown(
        settings=settings.name,
        values=settings.values,
        random=settings.kind != OWN,
        levels=levels,
        hand=hand,
        symmetric=settings.symmetric,
        rules={one.rule: level_list.apply(settings.values, one).sqnr_db for one in rules},
    )
    component.mount(shown, key=KEY, on_levels=_receive)
    return hand or levels


def _charts(settings: Settings, used: LevelList, rules: list[LevelList]) -> None:
    """Every rule on these numbers, and the staircase of the levels in use."""
    if used.rule == level_list.BY_HAND:
        rules = [*rules, used]
    one, two = st.columns(2, gap="medium")
    with one:
        show.verdict(verdict(settings.values, rules, sampled=settings.kind != OWN))
        show.chart(
            sandbox.rules(sandbox.rules_frame(settings.values, rules), used.rule),
            key="rules",
            note="A wider range clips less but rounds more coarsely. Click a bar to use its rule.",
            pick=_pick,
        )
    with two:
        show.verdict(f"**{len(used.levels)} levels**, {sandbox.spacing(used)}.")
        show.chart(sandbox.staircase(used, settings.values), key="staircase")
    first = ("quantization",) if _even(settings.rule) else ()
    show.details(*first, FORMULA.get(settings.rule, settings.rule), "sqnr")


def verdict(values: Floats, rules: list[LevelList], *, sampled: bool) -> str:
    """Which levels err least on the values [n], and by how much. Markdown.

    sampled: whether the values are a random sample, so that the lead has an interval.
    """
    results = [level_list.apply(values, levels) for levels in rules]
    order = sorted(range(len(rules)), key=lambda place: results[place].sqnr_db, reverse=True)
    best, second = (rules[place].rule for place in order[:2])
    first, other = (results[place] for place in order[:2])
    if not np.isfinite(first.sqnr_db):
        return f"**{best} is exact** on these {values.size:,} numbers."
    lead = level_list.gain(first, other)
    if lead.value < 0.05 or (sampled and lead.low <= 0):
        return f"**{best} and {second} err least**, and cannot be told apart (n = {values.size:,})."
    interval = f"95 % interval {lead.low:.1f} to {lead.high:.1f}, " if sampled else ""
    return (
        f"**{best} errs least**: {lead.value:.1f} dB ahead of {second} ({interval}"
        f"n = {values.size:,})."
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _candidates(values: Floats, bits: int, symmetric: bool) -> list[LevelList]:
    return sandbox.candidates(values, bits, symmetric)


def _pick(rule: Any) -> None:
    if rule in reference.RULES:
        st.session_state["rule"] = rule
        st.session_state.pop(_HAND, None)


def _receive() -> None:
    """Keep the levels that the browser sends; they are checked when they are used."""
    sent = getattr(st.session_state.get(KEY), "levels", None)
    st.session_state[_HAND] = sent if isinstance(sent, dict) and sent.get("levels") else None


def _by_hand(settings: Settings, levels: LevelList) -> LevelList | None:
    """The visitor's levels, if they belong to these settings."""
    sent = st.session_state.get(_HAND)
    if not sent or sent.get("settings") != settings.name:
        return None
    try:
        return level_list.by_hand(sent["levels"], sent["edges"], levels)
    except (OptionError, KeyError, TypeError, ValueError):  # not sent by our script
        return None
