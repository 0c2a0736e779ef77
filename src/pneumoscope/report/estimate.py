"""Estimate with its 95 % confidence interval, and how numbers are written."""

from dataclasses import dataclass


def format_number(value: float | None, spec: str = "") -> str:
    """Return a number as reports write it, with a true minus sign; a dash where it is undefined.

    By default it has three decimals, or one from 10 on.

    Examples
    --------
    >>> format_number(0.98765), format_number(-12.3456), format_number(1234.5, ",.0f")
    ('0.988', '−12.3', '1,234')
    >>> format_number(None)
    '–'
    """
    if value is None:
        return "–"
    text = format(value, spec or (".3f" if abs(value) < 10 else ",.1f"))
    return text.replace("-", "−")  # a hyphen beside a dash or another number is misread


@dataclass(frozen=True, slots=True)
class Estimate:
    """Estimate of a quantity, None where undefined, with its 95 % confidence interval if any.

    Examples
    --------
    >>> str(Estimate(0.9, 0.85, 0.94)), str(Estimate(0.9)), str(Estimate(None))
    ('0.900 (0.850 to 0.940)', '0.900', 'undefined')
    >>> f"{Estimate(20.4, 10.2, 49.7):.0f}"
    '20 (10 to 50)'
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def interval_text(self, spec: str = "") -> str:
        """Return the interval in words; empty where there is none.

        Examples
        --------
        >>> Estimate(0.9, 0.85, 0.94).interval_text()
        '0.850 to 0.940'
        """
        return (
            ""
            if self.interval is None
            else " to ".join(format_number(end, spec) for end in self.interval)
        )

    def __format__(self, spec: str) -> str:
        """Return the value and its interval, each number by the format specification."""
        if self.value is None:
            return "undefined"
        value = format_number(self.value, spec)
        return value if self.interval is None else f"{value} ({self.interval_text(spec)})"

    def __str__(self) -> str:
        """Return the value and its interval as reports write them."""
        return format(self)
