"""Integer formats: the codes of a bit width."""

from dataclasses import dataclass

from maskaq.config import BITS
from maskaq.errors import OptionError


@dataclass(frozen=True)
class IntegerFormat:
    """Codes of b bits: -2^(b-1) .. 2^(b-1)-1 if signed, else 0 .. 2^b-1.

    Raises:
        OptionError: bits outside 2 to 8.

    >>> IntegerFormat(3, signed=True).codes
    range(-4, 4)
    """

    bits: int
    signed: bool

    def __post_init__(self) -> None:
        if self.bits not in BITS:
            raise OptionError(f"bits are {self.bits!r}; allowed: {BITS[0]} to {BITS[-1]}.")

    @property
    def codes(self) -> range:
        """All 2^bits codes, lowest first."""
        half = 2 ** (self.bits - 1) if self.signed else 0
        return range(-half, 2**self.bits - half)

    @property
    def qmin(self) -> int:
        """The lowest code."""
        return self.codes[0]

    @property
    def qmax(self) -> int:
        """The highest code."""
        return self.codes[-1]
