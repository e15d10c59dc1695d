import pytest

from maskaq.errors import OptionError
from maskaq.quantization.quantizers.integer_format import IntegerFormat


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("signed", [True, False])
def test_b_bits_have_2_to_the_b_codes(bits: int, signed: bool) -> None:
    form = IntegerFormat(bits, signed)
    assert len(form.codes) == 2**bits
    assert (form.qmin, form.qmax) == (form.codes[0], form.codes[-1])
    assert form.qmin == (-(2 ** (bits - 1)) if signed else 0)


@pytest.mark.parametrize("bits", [1, 9, 32])
def test_other_bit_widths_raise(bits: int) -> None:
    with pytest.raises(OptionError, match=f"bits are {bits}; allowed: 2 to 8"):
        IntegerFormat(bits, signed=True)
