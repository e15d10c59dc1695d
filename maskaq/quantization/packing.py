"""Integer codes of 2 to 8 bits as bytes: one stream of bits, the lowest bit of each code first.

Code i takes the bits from i * b to (i + 1) * b of the stream, and bit k of the stream is bit k % 8
of byte k // 8. Eight codes fill b bytes. The last byte is filled up with zeros.
"""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


def pack_codes(codes: Bytes, bits: int) -> Bytes:
    """Pack codes 0 .. 2^bits - 1, of any shape in row-major order, into ceil(n * bits / 8) bytes.

    >>> pack_codes(np.array([1, 2, 3], np.uint8), 4).tolist()
    [33, 3]
    """
    single = codes.reshape(-1, 1) >> np.arange(bits, dtype=np.uint8) & 1  # [n,bits]
    return np.packbits(single.astype(np.uint8), bitorder="little")  # [ceil(n*bits/8)]


def unpack_codes(packed: Bytes, bits: int, count: int) -> Bytes:
    """The first `count` codes of a stream, [count]: the inverse of `pack_codes`.

    >>> unpack_codes(np.array([33, 3], np.uint8), 4, 3).tolist()
    [1, 2, 3]
    """
    single = np.unpackbits(packed, bitorder="little", count=count * bits).reshape(count, bits)
    codes: Bytes = (single << np.arange(bits, dtype=np.uint8)).sum(1, dtype=np.uint8)  # [count]
    return codes


def packed_length(bits: int, count: int) -> int:
    """Bytes that `count` codes take."""
    return -(-bits * count // 8)
