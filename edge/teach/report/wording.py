"""Figures as a person reads them, and as a program finds them: `<data value="0.0061">0.6 %</data>`."""

from collections.abc import Sequence
from math import floor, isfinite, log10

from edge.teach.report.markup import Markup, element, join

UNKNOWN = "unknown"
METHODS = {
    "memory_bank": "memory bank",
    "gaussian": "Gaussian",
    "position_gaussian": "Gaussian per place",
    "one_class_svm": "one-class SVM",
    "autoencoder": "autoencoder",
}


def figure(value: float, shown: str) -> Markup:
    """A figure as it is shown, with its full value behind it. What is no number is `unknown`."""
    return element("data", shown if isfinite(value) else UNKNOWN, value=repr(float(value)))


def fixed(value: float, digits: int, unit: str = "") -> Markup:
    """With so many digits after the point."""
    return figure(value, f"{value:.{digits}f}{_after(unit)}".replace("-", "−"))


def rounded(value: float, unit: str = "") -> Markup:
    """To three digits in all; whole from 100."""
    return figure(value, f"{significant(value, 3)}{_after(unit)}")


def count(value: int) -> Markup:
    """A whole number."""
    return figure(value, f"{value:,}")


def percent(share: float) -> Markup:
    """A share (0…1) to two digits: 0.061 % to 100 %."""
    return figure(share, percent_text(share))


def percent_text(share: float) -> str:
    """As `percent`, without the markup. Only all is 100 %, and only nothing 0 %."""
    if not isfinite(share):
        return UNKNOWN
    if 0.99 < share < 1:  # noqa: PLR2004 - two digits would round it to all
        return f"{floor(share * 1000) / 10:g}\N{NO-BREAK SPACE}%"
    return f"{float(significant(100 * share, 2)):.12g}\N{NO-BREAK SPACE}%"


def one_in(share: float) -> str:
    """`1 in 170`, two digits; nothing where that says nothing."""
    if not isfinite(share) or not 0 < share < 1:
        return ""
    return f"1 in {float(f'{1 / share:.2g}'):,.0f}"


def significant(value: float, digits: int) -> str:
    """Rounded to so many digits in all, but no whole number's digits are lost; without an exponent."""
    if not isfinite(value) or value == 0:
        return f"{value:g}"
    places = digits - 1 - floor(log10(abs(value)))
    return f"{round(value, max(0, places)):.{max(0, places)}f}"


def several(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 part`, `20 parts`."""
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def listed(parts: Sequence[str]) -> Markup:
    """`a, b and c`."""
    if len(parts) < 2:  # noqa: PLR2004 - nothing to join
        return join(parts)
    return join([join(parts[:-1], ", "), parts[-1]], " and ")


def method(name: str) -> str:
    """The method's name for a reader."""
    return METHODS.get(name, name.replace("_", " "))


def _after(unit: str) -> str:
    return f"\N{NO-BREAK SPACE}{unit}" if unit else ""
