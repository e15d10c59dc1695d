"""Claims: what MaskAQ rests on, tested where the truth is known."""

import streamlit as st

from maskaq.ui.sections import claims
from maskaq.ui.shell import router
from maskaq.ui.state import url
from maskaq.ui.widgets import show

choice = router.enter()

st.title("Are the claims true?")
st.markdown(
    """
MaskAQ rests on two claims. **One:** the meaning of a picture sits in few *informative* patches,
those to which the class token attends most. **Two:** these patches carry most of the mutual
information with the quantized model's answer. Scenes have a foreground that is known, so both can
be tested.
"""
)
show.demo()
url.declare(test=url.one_of(claims.SECTIONS, next(iter(claims.SECTIONS))))
test = st.segmented_control(
    "Test",
    list(claims.SECTIONS),
    default=next(iter(claims.SECTIONS)),
    required=True,
    key="test",
    bind="query-params",
)
st.header(claims.HEADERS[test])
claims.SECTIONS[test](choice)
