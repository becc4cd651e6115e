"""**Segmentation behind each synthesis.** The same segmentor behind every method's T1ce. A method
that does not beat the floor has learned nothing that helps to find the tumour."""

from benchmarks.reporting.results import Results
from benchmarks.reporting.sheet import Sheet
from benchmarks.reporting.tables._means import paper_table

ORDER = 3


def table(results: Results) -> Sheet:
    return paper_table(results, "table3_segmentation")
