"""Figures: arrays and tables in, matplotlib figures out. `save` makes files of them."""

from benchmarks.reporting.figures.bumps import conventions
from benchmarks.reporting.figures.charts import (
    cost_vs_quality,
    distributions,
    ranks,
    similarity_vs_utility,
    training_curves,
)
from benchmarks.reporting.figures.pictures import (
    Case,
    Gaze,
    attention,
    fig4_synthesis,
    fig5_segmentation,
)
from benchmarks.reporting.figures.style import ENDS, Cohort, looks, save
from benchmarks.reporting.figures.values import choose, hours, mean_of_entries

__all__ = [
    "ENDS",
    "Case",
    "Cohort",
    "Gaze",
    "attention",
    "choose",
    "conventions",
    "cost_vs_quality",
    "distributions",
    "fig4_synthesis",
    "fig5_segmentation",
    "hours",
    "looks",
    "mean_of_entries",
    "ranks",
    "save",
    "similarity_vs_utility",
    "training_curves",
]
