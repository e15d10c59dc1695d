"""Quantizer sandbox: the effect of rounding to a few bits on numbers, without a model."""

import streamlit as st

from maskaq.errors import OptionError
from maskaq.figures import sandbox
from maskaq.intervals import wilson
from maskaq.quantization import numpy_reference as reference
from maskaq.ui.shell import router
from maskaq.ui.state import url
from maskaq.ui.widgets import show

COUNT = 4096  # sampled numbers
SHAPES = ("symmetric", "asymmetric")
FORMULA = {"log2": "log-sqrt2"}  # rules whose formula has another name

choice = router.enter()

st.title("Quantizer sandbox")
st.markdown(
    """
A **quantizer** has a few **levels** and rounds every number to one of them. It stores only the
index of the level, the **code**: 4 bits give 16 codes. Fewer bits mean fewer levels and larger
errors; the placement of the levels matters too. Try it out: this page needs no model.
"""
)
url.declare(
    values=url.one_of(reference.DISTRIBUTIONS, "weights"),
    rule=url.one_of(reference.RULES, "minmax"),
    codes=url.one_of(SHAPES, "symmetric"),
)
left, right = st.columns(2, gap="large")
kind = left.radio(
    "Which numbers",
    list(reference.DISTRIBUTIONS),
    key="values",
    bind="query-params",
    captions=list(reference.DISTRIBUTIONS.values()),
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
    help="Symmetric: zero has the code 0, with equally many codes below and above. Asymmetric: the "
    "codes start at the smallest number. The logarithmic rules do not have this option.",
)
slider, bits = "Activation bits", choice.activation_bits
if kind == "weights":
    slider, bits = "Weight bits", choice.weight_bits
st.info(
    f"**{bits} bits, so {2**bits} codes**: *{slider}* in the sidebar sets the bit width. The "
    f"{COUNT:,} numbers are random; *Seed* in the sidebar changes them."
)

values = reference.sample(kind, COUNT, choice.seed)
try:
    grid = reference.grid(values, bits, shape == "symmetric", rule)
except OptionError as error:
    st.warning(f"{error} Some of these numbers are negative.", icon=":material/block:")
    url.stop()
quantized = reference.apply(values, grid)
errors = sandbox.errors(quantized).with_suffix(rule)
clipping = errors.table["share"][1]

one, two, three = st.columns(3)
with one:
    signal = "Power of the numbers relative to the power of the errors: higher is better."
    show.number("SQNR", quantized.sqnr_db, n=COUNT, help=signal, unit="dB")
with two:
    clipped = wilson(int(quantized.clipped.sum()), COUNT)
    beyond = "They lie outside the levels and are moved to the nearest one."
    show.number("Clipped numbers", *clipped, beyond, digits=2)
with three:
    part = "Share of the squared error. The rest is due to rounding."
    show.number("Error due to clipping", clipping, n=COUNT, help=part)

st.header("The numbers and the levels")
show.chart(
    sandbox.histogram(values, grid).with_suffix(kind),
    key="histogram",
    note="Each tick is a level. A number between two ticks moves to the nearer one (rounding); a "
    "number outside the ticks moves to the first or last one (clipping).",
)
show.chart(
    sandbox.staircase(grid),
    key="staircase",
    note="The closer the steps are to the dotted line, the smaller the error.",
)
if even:
    show.formula("quantization")
show.formula(FORMULA.get(rule, rule))

st.header("The errors")
show.chart(
    errors,
    key="errors",
    note="A wider range of levels clips less but rounds more coarsely. A good rule balances the "
    "two.",
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
codes, shown = sandbox.codes(quantized)
show.frame(codes, alt="Value, code, rounded value and error.", key="codes_table", name="codes")
st.caption(f"The first numbers, {shown}.")
