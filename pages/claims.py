"""Claims: the two claims that MaskAQ is based on, tested where the truth is known."""

import streamlit as st

from maskaq.ui.sections import claims
from maskaq.ui.shell import router
from maskaq.ui.state import url
from maskaq.ui.widgets import show

choice = router.enter()

st.title("Are the claims true?")
st.markdown(
    """
MaskAQ is based on two claims. **One:** a few *informative* patches carry the meaning of an image,
namely those to which the class token attends most. **Two:** these patches carry most of the mutual
information with the prediction of the quantized model. The foreground of scenes is known, so both
claims can be tested. On this page, **P** is the full-precision model and **Q** the quantized model.
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
