"""**Synthesis of T1ce.** How similar each method's T1ce is to the real one. Under the protocol
`strict`, the scores inside the tumour stand beside those of the whole volume, which is mostly air.
"""

from benchmarks.reporting.results import Results
from benchmarks.reporting.sheet import Sheet
from benchmarks.reporting.tables._means import paper_table

ORDER = 2


def table(results: Results) -> Sheet:
    return paper_table(results, "table2_synthesis")
