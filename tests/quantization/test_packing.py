import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskaq.quantization.packing import pack_codes, packed_length, unpack_codes


def twin(codes: list[int], bits: int) -> bytes:
    """One integer with all codes, the first in its lowest bits."""
    whole = sum(code << bits * place for place, code in enumerate(codes))
    return whole.to_bytes(-(-bits * len(codes) // 8), "little")


@given(
    st.integers(2, 8).flatmap(lambda b: st.tuples(st.just(b), st.lists(st.integers(0, 2**b - 1))))
)
def test_codes_are_packed_as_one_number_would_be_and_come_back(case):
    bits, codes = case
    packed = pack_codes(np.array(codes, np.uint8), bits)
    assert packed.tobytes() == twin(codes, bits)
    assert len(packed) == packed_length(bits, len(codes))
    assert unpack_codes(packed, bits, len(codes)).tolist() == codes


@pytest.mark.parametrize("bits", range(2, 9))
def test_eight_codes_fill_as_many_bytes_as_they_have_bits(bits):
    assert len(pack_codes(np.zeros((2, 4), np.uint8), bits)) == bits
