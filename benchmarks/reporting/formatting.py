"""How metrics and their values are printed in tables, figures and the page."""

import math

from benchmarks.scoring.metric import read_metrics

ABBREVIATED = ("wt", "et", "tc")  # regions printed in capitals
MISSING = "–"


def title(metric: str, region: str) -> str:
    """Return what a table calls a metric of a region, e.g. "Dice WT"."""
    name = read_metrics()[metric].title
    return f"{name} {region.upper() if region in ABBREVIATED else region.replace('_', '-')}"


def axis_title(metric: str, region: str) -> str:
    """Return the title with its unit, for the axis of a figure."""
    unit = read_metrics()[metric].unit
    return f"{title(metric, region)} ({unit})" if unit else title(metric, region)


def axis_arrow(metric: str) -> str:
    """Return which way along an axis is better."""
    return {"higher": "→ better", "lower": "← better"}[read_metrics()[metric].better]


def number(value: float, metric: str, digits: int | None = None) -> str:
    """Return a value as tables print it, with the metric's digits or with others."""
    if math.isnan(value):
        return MISSING
    digits = read_metrics()[metric].digits if digits is None else digits
    return "∞" if value == math.inf else f"{value:.{digits}f}"


def published_number(value: float, metric: str) -> str:
    """Return a number of the paper's tables with the digits that the paper prints."""
    if math.isnan(value):
        return ""
    # A numeral in YAML loses its last zeros. The paper's Dice is in percent, with one digit.
    return number(value, metric, {"ssim": 4, "psnr": 2, "dice": 3, "assd": 3}[metric])


def interval(low: float, high: float, metric: str, digits: int | None = None) -> str:
    """Return the ends of an interval as tables print them."""
    if math.isnan(low):
        return MISSING
    return f"{number(low, metric, digits)}–{number(high, metric, digits)}"
