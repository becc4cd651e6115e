"""Every patient's score of every system, as the page sorts patients by it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.reporting.figures.values import by_patient, task
from benchmarks.reporting.page.grids import INFINITY
from benchmarks.reporting.rows import System
from benchmarks.reporting.tables import title
from benchmarks.scoring.protocol import METRICS


def measures(
    scores: pd.DataFrame,
    systems: Sequence[System],
    patients: Sequence[str],
    protocols: Sequence[str],
) -> list[dict]:
    """Each metric of each region under each protocol, strict first, as plain JSON.

    `values` holds, by system, a value a patient, in the order of `patients`: the mean over the
    seeds that have one, of what the tables show; None without any. `mean` is that of the entries.
    """
    entries = [system.id for system in systems if system.role == "entry"]
    made = []
    for protocol in sorted(protocols, key=lambda name: name != "strict"):
        of = scores[scores["protocol"] == protocol]
        for metric, region in of[["metric", "region"]].drop_duplicates().itertuples(index=False):
            values = by_patient(scores, systems, metric, region, protocol).reindex(list(patients))
            if values.empty or values.isna().all(axis=None):
                continue
            shown = [system for system in entries if system in values.columns]
            made.append(
                {
                    "key": f"{protocol}/{metric}/{region}",
                    "protocol": protocol,
                    "task": task(metric),
                    "title": title(metric, region),
                    "unit": METRICS[metric].unit,
                    "better": METRICS[metric].better,
                    "digits": METRICS[metric].digits,
                    "values": {name: _plain(values[name]) for name in values.columns},
                    "mean": _plain(values[shown].mean(axis=1)),
                }
            )
    return made


def _plain(values: pd.Series) -> list[float | str | None]:
    return [
        None if np.isnan(value) else INFINITY if np.isinf(value) else round(float(value), 6)
        for value in values
    ]
