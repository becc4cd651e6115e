"""What a table has to know about a metric. Each metric's entry stands beside its code."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """A metric's name in tables, which way is better, and how to print it."""

    title: str
    better: Literal["higher", "lower"]
    unit: str
    """Empty for a pure number."""
    bounds: tuple[float, float]
    """Smallest and largest possible value; the latter may be infinite."""
    digits: int
    """Digits after the point in tables."""
    source: str
    """Who defined it, and whose definition is taken where several exist."""
