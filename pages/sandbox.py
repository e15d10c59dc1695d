"""Quantizer sandbox: what rounding to a few bits does to numbers, without any model."""

import streamlit as st

from maskaq.errors import OptionError
from maskaq.figures import sandbox
from maskaq.intervals import wilson
from maskaq.quantization import numpy_reference as reference
from maskaq.ui.shell import router
from maskaq.ui.state import url
from maskaq.ui.widgets import show

COUNT = 4096  # numbers that are drawn
SHAPES = ("symmetric", "asymmetric")
FORMULA = {"log2": "log-sqrt2"}  # of a rule, where its name is another one

choice = router.enter()

st.title("Quantizer sandbox")
st.markdown(
    """
A **quantizer** keeps a few **levels** and moves every number to one of them. Only the number of the
level is stored, its **code**: with 4 bits there are 16 codes. Fewer bits mean fewer levels, and
larger errors. Where the levels lie decides how large. Try it: nothing here needs a model.
"""
)
url.declare(
    values=url.one_of(reference.KINDS, "weights"),
    rule=url.one_of(reference.RULES, "minmax"),
    codes=url.one_of(SHAPES, "symmetric"),
)
left, right = st.columns(2, gap="large")
kind = left.radio(
    "Which numbers",
    list(reference.KINDS),
    key="values",
    bind="query-params",
    captions=list(reference.KINDS.values()),
)
rule = right.radio(
    "Where the levels lie",
    list(reference.RULES),
    key="rule",
    bind="query-params",
    captions=list(reference.RULES.values()),
)
even = rule not in ("log2", "adaptive-log")
shape = left.radio(
    "Codes",
    SHAPES,
    key="codes",
    bind="query-params",
    horizontal=True,
    disabled=not even,
    help="Symmetric: zero has the code 0 and as many codes lie below as above. Asymmetric: the "
    "codes begin at the smallest number. The logarithmic rules have no such choice.",
)
slider, bits = "Activation bits", choice.activation_bits
if kind == "weights":
    slider, bits = "Weight bits", choice.weight_bits
st.info(
    f"**{bits} bits, so {2**bits} codes**: *{slider}* in the sidebar sets them for these numbers. "
    f"The {COUNT:,} numbers are drawn at random; *Seed* in the sidebar draws others."
)

values = reference.draw(kind, COUNT, choice.seed)
try:
    grid = reference.grid(values, bits, shape == "symmetric", rule)
except OptionError as error:
    st.warning(f"{error} These numbers go below 0.", icon=":material/block:")
    router.stop()
found = reference.apply(values, grid)
errors = sandbox.error_frame(found)
share = errors["share"]

one, two, three = st.columns(3)
with one:
    signal = "Power of the numbers against power of the errors: higher is better."
    show.number("SQNR", found.sqnr_db, n=COUNT, help=signal, unit="dB")
with two:
    clipped = wilson(int(found.clipped.sum()), COUNT)
    beyond = "They lie beyond the last level and are moved to it."
    show.number("Clipped numbers", *clipped, beyond, digits=2)
with three:
    part = "Share of the squared error. The rest is due to rounding."
    show.number("Error due to clipping", share[1], n=COUNT, help=part)

st.header("The numbers and the levels")
table = sandbox.histogram_frame(values, grid)
show.figure(
    sandbox.histogram(values, grid),
    table,
    alt=sandbox.describe(table),
    key="histogram",
    name=f"sandbox-{kind}",
    note="Each upright tick is a level. A number between two ticks moves to the nearer one "
    "(rounding); a number beyond the last tick moves to that one (clipping).",
)
levels = sandbox.levels(grid)
show.figure(
    sandbox.staircase(grid),
    levels,
    alt=sandbox.describe_levels(levels),
    key="staircase",
    name=f"levels-{rule}",
    note="The nearer the stairs to the dotted line, the smaller the error.",
)
if even:
    show.formula("quantization")
show.formula(FORMULA.get(rule, rule))

st.header("The errors")
show.figure(
    sandbox.errors(found),
    errors,
    alt=sandbox.describe_errors(errors),
    key="errors",
    name=f"errors-{rule}",
    note="More room for the levels clips less and rounds more coarsely. A good rule finds the "
    "balance.",
)
show.formula("sqnr")

st.header("Every rule on these numbers")
rules = sandbox.rules(values, bits, shape == "symmetric")
best = rules["rule"][int(rules["SQNR, dB"].argmax())]
show.frame(
    rules.round(2),
    alt=f"SQNR of each rule on the same numbers; {best} has the highest.",
    key="rules",
    name=f"rules-{kind}",
)

st.header("Number by number")
codes, shown = sandbox.codes(found)
show.frame(codes, alt="Value, code, rounded value and error.", key="codes_table", name="codes")
st.caption(f"The first ones, {shown}.")
