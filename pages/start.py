"""Start: what this is, with a stored result that is drawn before torch is imported."""

import streamlit as st

from maskaq.ui import catalog, library, results, router

choice = router.enter()

st.title("Quantize without data")
st.markdown(
    """
A Vision Transformer is a neural network that cuts a picture into patches and recognises what is
in it. Its numbers usually have 32 bits each. **Quantization** rounds them to a few bits, so that
the model needs less memory and less energy. To round well, one has to see which numbers occur,
and for that one normally needs the pictures the model was trained on.

Often nobody may use them any more: they are private, or lost. **MaskAQ** does without. It asks
the model itself to draw pictures, pays most attention to the patches that matter to the model,
and fits the rounding to these drawings.
"""
)
st.page_link(
    catalog.QUANTIZE.file,
    label="Try it with your own settings",
    icon=catalog.QUANTIZE.icon,
)

st.header("What it costs in accuracy")
stored = library.presets()
run = library.closest(choice)
if run is None:
    st.info("This copy of maskaq ships no stored result. The page Quantize makes one.")
    router.stop()
if run.result.spec.quantization.name != choice.bits:
    shipped = ", ".join(dict.fromkeys(one.result.spec.quantization.name for one in stored))
    st.info(
        f"No result for {choice.bits} ships with maskaq (there is {shipped}). "
        "The page Quantize computes it."
    )
numbers, drawings = st.columns([3, 2], gap="large")
with numbers:
    results.headline(run)
with drawings:
    results.images(run)

st.header("What you are looking at")
st.markdown(
    f"""
- **P** is the full-precision model `{run.result.spec.model}`: a small Vision Transformer that
  ships with maskaq. It names the garment in a 64x64 picture full of clutter.
- **Q** is the quantized model made from P. Both were tested on the same
  {run.result.evaluated:,} pictures, which were used for nothing else.
- The **whiskers** are 95 % intervals: another set of pictures would give a slightly different
  number, most likely inside them.
- **Simulated:** Q computes with rounded numbers that are stored as ordinary floats. Its accuracy
  is that of a low-bit model. Nothing on this page says that it is smaller or faster.
"""
)
