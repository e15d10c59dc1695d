import re

import pytest

from maskaq.config import Coefficients
from maskaq.config.components import BACKENDS, TERMS
from maskaq.formulas import FORMULAS
from maskaq.quantization.numpy_reference import RULES

MASKAQ = "MaskAQ (Qian et al., ICML 2026, arXiv 2606.04373)"


@pytest.mark.parametrize("name", FORMULAS)
def test_every_formula_is_complete_and_has_a_source(name):
    formula = FORMULAS[name]
    assert formula.latex.count("{") == formula.latex.count("}")
    assert len(re.findall(r"\\left\b", formula.latex)) == len(
        re.findall(r"\\right\b", formula.latex)
    )
    assert len(re.findall(r"\\begin\b", formula.latex)) == formula.latex.count(r"\end")
    assert "$" not in formula.latex
    assert formula.meaning.endswith(".")
    assert formula.paper
    assert formula.source.startswith(formula.paper)


def test_every_learning_back_end_and_every_term_has_its_formulas():
    for backend in BACKENDS.values():
        assert bool(backend.formulas) == backend.learns
        assert set(backend.formulas) <= set(FORMULAS)
    assert set(TERMS) <= set(FORMULAS)


@pytest.mark.parametrize(
    "name, equation, part",
    [
        ("one_hot", "Eq. 1", "CE"),
        ("tv", "Eq. 2", "h+1"),
        ("inter_head", "Eq. 3", "SSIM"),
        ("patch similarity", "Eq. 5", r"\langle a_i, a_j"),
        ("entropy", "Eq. 10", "H_l"),
        ("informative mask", "Eq. 11 to 13", "alpha"),
        ("align", "Eq. 14", "A_l^p - A_l^q"),
        ("synthesis", "Eq. 15", "lambda"),
        ("calibration", "Eq. 16", "w_{l,n}"),
        ("quantization", "Eq. 26", "mathrm{clip}"),
    ],
)
def test_equations_of_maskaq_have_their_numbers(name, equation, part):
    assert FORMULAS[name].equation == equation
    assert FORMULAS[name].source == f"{MASKAQ}, {equation}"
    assert part in FORMULAS[name].latex


def test_every_term_and_every_rule_has_a_formula():
    terms = set(Coefficients.__dataclass_fields__)
    rules = {{"log2": "log-sqrt2"}.get(rule, rule) for rule in RULES}
    assert terms | rules | {"sqnr", "attention", "wilson", "ratio schedule"} <= set(FORMULAS)


def test_no_two_formulas_are_the_same():
    assert len({formula.latex for formula in FORMULAS.values()}) == len(FORMULAS)
