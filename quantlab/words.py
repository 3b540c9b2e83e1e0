"""Numbers as people read them: a real minus sign, no exponent where it can be helped, bytes in units."""

from math import floor, isinf, isnan, log10


def number(value: float, digits: int = 4) -> str:
    """`value` with so many significant digits."""
    words = f"{value:.{digits}g}"
    if 1e-7 < abs(value) < 1e-4:
        words = f"{value:.{digits - 1 - floor(log10(abs(value)))}f}".rstrip("0")
    return words.replace("-", "−")


def told(value: float, digits: int = 4) -> str:
    """`value` with so many significant digits, whatever it is: thousands in full, infinities, what is no
    number.
    """
    if isnan(value):
        return "NaN"
    if isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:,.0f}".replace("-", "−") if 1000 <= abs(value) < 1e9 else number(value, digits)


def size(nbytes: float) -> str:
    """Bytes in B, KB, MB or GB (thousands, as file managers and Ollama count)."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("KB", 1e3)):
        if nbytes >= factor:
            return f"{nbytes / factor:.3g} {unit}" if nbytes < 999.5 * factor else f"{nbytes / factor:,.0f} {unit}"
    return f"{nbytes:g} B"


def percent(share: float) -> str:
    """A share of 1 as a percentage; never "100 %" or "0 %" for what is not all or nothing."""
    if 0.9995 < share < 1:
        return "over 99.9 %"
    if 0 < share < 0.0005:
        return "under 0.1 %"
    return f"{100 * share:.3g} %" if share < 0.1 else f"{100 * share:.1f} %".replace(".0 ", " ")
