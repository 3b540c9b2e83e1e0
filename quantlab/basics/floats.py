"""What a floating-point number is made of: one sign bit, a few exponent bits, the rest mantissa. Lesson: 01.

    value = (-1)^sign * 2^(exponent - bias) * (1 + mantissa / 2^mantissa_bits)

FP32, FP16 and BF16 as IEEE 754 and Google have them; FP8 E4M3 and E5M2 as in "FP8 Formats for Deep Learning"
(Micikevicius et al. 2022, arXiv 2209.05433): E5M2 has infinities, E4M3 gives them up for one more power of
two.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

from ..words import one_of


@dataclass(frozen=True)
class FloatFormat:
    """A binary float: bits of exponent and mantissa.  finite: no infinities, and only all-ones means NaN
    (E4M3).
    """

    name: str
    exponent_bits: int
    mantissa_bits: int
    finite: bool = False

    @property
    def bits(self) -> int:
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def bias(self) -> int:
        return 2 ** (self.exponent_bits - 1) - 1

    @property
    def largest(self) -> float:
        """The largest finite number."""
        top = self.infinity - 1 if not self.finite else 2 ** (self.bits - 1) - 2
        return self.decode(top)

    @property
    def smallest(self) -> float:
        """The smallest positive number, a subnormal."""
        return self.decode(1)

    @property
    def infinity(self) -> int:
        """The code of +infinity, or where it would be: exponent all ones, mantissa zero."""
        return (2**self.exponent_bits - 1) << self.mantissa_bits

    def decode(self, code: int) -> float:
        """The exact value of a bit pattern (0 to 2^bits - 1)."""
        if not 0 <= code < 2**self.bits:
            raise ValueError(f"{self.name} has codes from 0 to {2**self.bits - 1}, got {code}")
        sign, exponent, mantissa = self.fields(code)
        factor = -1.0 if sign else 1.0
        if exponent == 2**self.exponent_bits - 1:
            if not self.finite:
                return math.nan if mantissa else factor * math.inf
            if mantissa == 2**self.mantissa_bits - 1:
                return math.nan
        if exponent == 0:                   # subnormal: no hidden 1, evenly spaced down to zero
            return factor * math.ldexp(mantissa, 1 - self.bias - self.mantissa_bits)
        power = exponent - self.bias - self.mantissa_bits
        return factor * math.ldexp(mantissa + 2**self.mantissa_bits, power)

    def encode(self, value: float) -> int:
        """The nearest bit pattern, ties to the even mantissa; too large becomes infinity (in E4M3: NaN)."""
        sign = (math.copysign(1.0, value) < 0) << (self.bits - 1)
        if math.isnan(value):
            return sign | (2 ** (self.bits - 1) - 1 if self.finite
                           else self.infinity | 1 << (self.mantissa_bits - 1))
        over = 2 ** (self.bits - 1) - 1 if self.finite else self.infinity
        if math.isinf(value):
            return sign | over
        # of the leading bit; subnormals share the smallest
        power = max(math.frexp(value)[1] - 1, 1 - self.bias)
        # exact, ties to even
        steps = round(abs(Fraction(value)) / Fraction(2) ** (power - self.mantissa_bits))
        return sign | min((power + self.bias - 1 << self.mantissa_bits) + steps, over) if steps else sign

    def fields(self, code: int) -> tuple[int, int, int]:
        """(sign, exponent, mantissa) as the whole numbers that are stored."""
        return (code >> (self.bits - 1), code >> self.mantissa_bits & (2**self.exponent_bits - 1),
                code & (2**self.mantissa_bits - 1))


#: name -> FloatFormat, widest first.
FLOATS = {f.name: f for f in (FloatFormat("FP32", 8, 23), FloatFormat("BF16", 8, 7),
                              FloatFormat("FP16", 5, 10), FloatFormat("FP8 E4M3", 4, 3, finite=True),
                              FloatFormat("FP8 E5M2", 5, 2))}


@dataclass(frozen=True)
class StoredFloat:
    """One number in one float format.  bits: "0"/"1" text; sign, exponent, mantissa: its three parts."""

    format: FloatFormat
    wanted: float
    code: int
    value: float

    @property
    def bits(self) -> str:
        return f"{self.code:0{self.format.bits}b}"

    @property
    def sign(self) -> str:
        return self.bits[0]

    @property
    def exponent(self) -> str:
        return self.bits[1 : 1 + self.format.exponent_bits]

    @property
    def mantissa(self) -> str:
        return self.bits[1 + self.format.exponent_bits :]

    @property
    def error(self) -> float:
        """What storing the number changed."""
        return self.value - self.wanted


def float_anatomy(value: float, name: str = "FP32") -> StoredFloat:
    """Store `value` in the float format `name` and take it apart.  ValueError for a name that is not in
    FLOATS.
    """
    form = FLOATS[one_of("float format", name, FLOATS)]
    code = form.encode(float(value))
    return StoredFloat(form, float(value), code, form.decode(code))
