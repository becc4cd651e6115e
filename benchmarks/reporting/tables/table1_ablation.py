"""**The ablation of MAF-Net.** What segmentation gains as encoders, their fusion and joint learning
are added, between a floor (T1 submitted as T1ce) and a ceiling (the real T1ce)."""

from benchmarks.reporting.results import Results
from benchmarks.reporting.sheet import Sheet
from benchmarks.reporting.tables._means import paper_table

ORDER = 1


def table(results: Results) -> Sheet:
    return paper_table(results, "table1_ablation")
