"""In how many patients a segmentation finds the enhancing tumour (ET), or invents some."""

from functools import lru_cache

import numpy as np
import pandas as pd

from benchmarks.reporting.gap import invented
from benchmarks.reporting.measures import by_subject
from benchmarks.reporting.results import Results
from benchmarks.reporting.subgroups import NO_ET, THIRDS, et_groups, true_volumes
from benchmarks.scoring.statistics import proportion_interval

# The intersection over union from which nnDetection (Baumgartner et al., MICCAI 2021) and PI-CAI
# (Saha et al., Lancet Oncology 2024) count a lesion as detected, and the Dice that is the same.
OVERLAP = 0.1
FOUND = 2 * OVERLAP / (1 + OVERLAP)
ALL = "all"

COLUMNS = ["run", "group", "count", "n", "low", "high", "ml"]


@lru_cache(maxsize=8)
def detections(results: Results) -> pd.DataFrame:
    """Return one row per run that segments and group of patients; columns are `COLUMNS`.

    The groups are `ALL` patients who have ET, `THIRDS` of them by its volume, and those who have
    `NO_ET`. `count` of the `n` patients have their ET found (a Dice of at least `FOUND`, mean over
    scans and trainings), or some invented (in any training), with the share's 95 % interval from
    `low` to `high`; `ml` is the mean volume that is invented. The result is shared: do not write
    to it.
    """
    of, thirds = true_volumes(results, "et"), et_groups(results)
    groups = {ALL: of.index[of > 0]} | {name: thirds.index[thirds == name] for name in THIRDS}
    dice = by_subject(results.whole, "dice", "et", results.protocol)
    records = []
    for run, values in dice.items():
        for group, subjects in groups.items():
            known = values.reindex(subjects).dropna()
            found = int((known >= FOUND).sum())
            records.append([run, group, found, len(known), np.nan])
    records += [
        [one.run, NO_ET, one.invented, one.without, one.invented_ml]
        for one in invented(results).itertuples()
    ]
    ends = [proportion_interval(count, n) for _, _, count, n, _ in records]
    rows = [[*one[:4], *end, one[4]] for one, end in zip(records, ends, strict=True) if one[3]]
    return pd.DataFrame(rows, columns=COLUMNS)
