"""The volume of enhancing tumour (ET), true and predicted, which scores have without its sign.

Of a run it is that of its first scored training, as pictures show it.
"""

from functools import lru_cache

import pandas as pd

from benchmarks.reporting.results import Results
from benchmarks.reporting.subgroups import scan_volumes, volume_ml
from benchmarks.scoring.overlap import largest_component
from benchmarks.scoring.regions import region_mask

COLUMNS = ["run", "subject", "true", "predicted"]


@lru_cache(maxsize=8)
def et_volumes(results: Results) -> pd.DataFrame:
    """Return one row per run that segments and subject; columns are `COLUMNS`, volumes in ml.

    A segmentation is its largest component, as it is scored; a subject's volume is the mean over
    its scans. The result is shared: do not write to it.
    """
    true, records = scan_volumes(results, "et"), []
    for row in results.rows:
        for patient in results.cohort.test if "segmentation" in row.tasks else ():
            classes = results.prediction(row.run, "seg", patient)
            if classes is not None:
                mask = region_mask(largest_component(classes), "et")
                predicted = volume_ml(mask, results.patients[patient].spacing)
                subject = results.cohort.test[patient]
                records.append([row.run, subject, true[patient], predicted])
    volumes = pd.DataFrame(records, columns=COLUMNS)
    return volumes.groupby(["run", "subject"], sort=False, as_index=False).mean()
