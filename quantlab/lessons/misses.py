"""What is wrong with a wrong number: rounded too far, the decimal point elsewhere, turned over, a factor too
much. A check that knows no better hint asks here before it says which way the number is off.
"""

import math
from collections.abc import Iterator

from ..words import counted, told

ENOUGH = 3              # significant digits from which on a rounded number is as good as the number itself
NEAR = 2e-3             # how near a number must be to a factor of the right one
#: Factors by which any number is off: (times, in words, and why).
FACTORS = (
    (2, "twice", "something is counted two times"),
    (1 / 2, "half", "something comes twice, and is counted once"),
    (4, "4 times", "a factor of two is in it twice too often"),
    (1 / 4, "a quarter of", "twice a factor of two is missing"))
#: Factors by which bits and bytes are off.
OF_STORAGE = (
    (8, "8 times", "a byte has 8 bits"), (1 / 8, "an eighth of", "a byte has 8 bits"),
    (32, "32 times", "that is for 32 weights, a block"), (1 / 32, "one 32nd of", "that was shared among 32"),
    (256, "256 times", "that is for 256 weights, a super-block"),
    (1 / 256, "one 256th of", "that was shared among 256 weights"),
    (1024, "1,024 times", "other units are asked for, and 1,024 make the next one"),
    (1 / 1024, "one 1,024th of", "other units are asked for, and 1,024 make the next one"),
    (2**20, "1,048,576 times", "other units are asked for; twice 1,024 lies between"),
    (2**-20, "one 1,048,576th of", "other units are asked for; twice 1,024 lies between"),
    (2**30 / 1e9, "1.074 times", "a GiB has 2³⁰ bytes, a GB 10⁹"),
    (1e9 / 2**30, "0.931 times", "a GiB has 2³⁰ bytes, a GB 10⁹"))


def digits_of(value: float, expected: float) -> int:
    """How many significant digits of `expected` a rounded value has: 3 for 6.56 of 6.5625; 0 where it is no
    rounded form of it.
    """
    found = [digits for digits in range(1, 16) if value == float(f"{expected:.{digits}g}")]
    return max(found, default=0)


def is_cut(value: float, expected: float) -> bool:
    """Whether `value` is the beginning of `expected`, cut off instead of rounded."""
    if not value or not expected or (value < 0) != (expected < 0) or abs(value) >= abs(expected):
        return False
    places = next((places for places in range(12) if round(value, places) == value), 12)
    factor = 10**places
    return math.floor(abs(expected) * factor) == round(abs(value) * factor)


def diagnosis(value: float, expected: float, exact: bool, *, storage: bool = True) -> str:
    """What is wrong with a wrong number, in a sentence; "" where nothing that happens often fits.

    exact: every digit counts.  storage: it is a number of bits or bytes.
    """
    return next(_found(value, expected, exact, storage), "")


def _found(value: float, expected: float, exact: bool, storage: bool) -> Iterator[str]:
    said = told(value, 15)
    if digits := digits_of(value, expected):
        count = "every digit counts here" if exact else "give at least three"
        yield f"{said} is right, but rounded to {counted(digits, 'digit')}: {count}."
    if is_cut(value, expected):
        yield f"{said} begins rightly and is cut off there: round it, or give more digits."
    if not value or not expected:
        return
    if math.isclose(-value, expected, rel_tol=NEAR):
        yield "The number is right, its sign is not."
    shift = round(math.log10(abs(value / expected)))
    if shift and math.isclose(value, expected * 10.0**shift, rel_tol=NEAR):
        way = "right" if shift > 0 else "left"
        yield (f"The digits are right, the decimal point stands {counted(abs(shift), 'place')} too far to "
               f"the {way}.")
    if math.isclose(value * expected, 1, rel_tol=NEAR):
        yield "That is the right number turned over: divide the other way round."
    for ratio, words, why in FACTORS + (OF_STORAGE if storage else ()):
        if math.isclose(value, expected * ratio, rel_tol=NEAR):
            yield f"That is {words} the right number: {why}."


def side(value: float, expected: float) -> str:
    """Which way a number is off, and about how far."""
    way = "small" if value < expected else "large"
    ratio = value / expected if expected else 0.0
    if abs(ratio - 1) < 0.005:
        return f"too {way} by {told(abs(value - expected), 3)}"
    if ratio > 1.5:
        return f"too {way}, {told(ratio, 2 if ratio < 100 else 3)} times as much as it should be"
    if 0 < ratio < 1 / 1.5:
        return f"too {way}, {told(100 * ratio, 2)} % of what it should be"
    if ratio > 0:
        return f"too {way} by {told(100 * abs(ratio - 1), 2)} %"
    return f"too {way}: nothing here is {'negative' if value < 0 else 'zero'}"
