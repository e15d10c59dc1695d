"""Look inside never shows other bit widths than the chosen ones, whatever they are."""

import re

import pytest

from maskaq.config import BITS
from maskaq.ui.sections.look_inside import attention, proof, similarity
from maskaq.ui.state import pages

VIEWS = [
    *({"look": "Attention", "about": view} for view in attention.VIEWS),
    *({"look": "Similarity", "pairs": view} for view in similarity.VIEWS),
    *(
        {"look": "Proof", "test": test, f"part_{test.lower()}": view}
        for test, (_, views, _) in proof.TESTS.items()
        for view in views
    ),
]


SOME = ((4, 4), (3, 4), (6, 6))  # stored for scenes; not stored; stored for photographs
# Every number of bits once for weights and once for activations.
OTHERS = tuple(zip(BITS, (*BITS[3:], *BITS[:3]), strict=True))


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize("pairs", [SOME, pytest.param(OTHERS, marks=pytest.mark.slow)], ids=len)
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: "-".join(view.values()))
def test_no_other_bits_are_named(view, pairs, open_page, charts_and_words):
    app = open_page(pages.LOOK_INSIDE, look=view["look"])
    for name, value in view.items():
        app.session_state[name] = value
    app.session_state["claim_model"] = "Q"
    for pair in pairs:
        chosen = "W{}A{}".format(*pair)
        app.session_state["weight_bits"], app.session_state["activation_bits"] = pair
        app.run()
        assert not app.exception
        named = set(re.findall(r"W\dA\d", charts_and_words(app)))
        assert named <= {chosen}, f"{named} for {chosen}"
