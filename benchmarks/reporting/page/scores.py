"""Each patient's score of each run, by which the page sorts patients."""

import numpy as np
import pandas as pd

from benchmarks.reporting.formatting import title
from benchmarks.reporting.measures import by_patient
from benchmarks.reporting.results import Results
from benchmarks.scoring.metric import Metric, read_metrics
from benchmarks.scoring.regions import REGIONS

INFINITY = "Infinity"  # JSON has no such number; JavaScript's Number() reads the word


def measures(results: Results) -> list[dict]:
    """Return each scored metric of each region and protocol as plain JSON, the main protocol first.

    `values` holds, by run, one value per patient of `results.patients`: the mean over the seeds
    that have one, else None. `mean` is over the methods, without floors, ceilings and frozen
    segmentors.
    """
    methods, whole = {row.run for row in results.rows if row.role == "method"}, results.whole
    listed = []
    for protocol in sorted(results.protocols, key=lambda name: name != results.protocol):
        for metric in read_metrics().values():
            for region in _regions(whole.scores, metric, protocol):
                values = by_patient(whole, metric.name, region, protocol)
                values = values.reindex(list(results.patients))
                if values.isna().all(axis=None):
                    continue
                ranked = values[[run for run in values.columns if run in methods]]
                listed.append(
                    {
                        "key": f"{protocol}/{metric.name}/{region}",
                        "protocol": protocol,
                        "task": metric.task,
                        "title": title(metric.name, region),
                        "unit": metric.unit,
                        "better": metric.better,
                        "digits": metric.digits,
                        "values": {run: _plain(values[run]) for run in values.columns},
                        "mean": _plain(ranked.mean(axis=1)),
                    }
                )
    return listed


def _regions(scores: pd.DataFrame, metric: Metric, protocol: str) -> list[str]:
    """Return the scored regions in the order of tables, then others, then whole slices.

    These come last since they are mostly air.
    """
    of = scores[(scores["protocol"] == protocol) & (scores["metric"] == metric.name)]
    scored = set(of["region"].unique())
    regions = [region for region in dict.fromkeys([*metric.shown, *REGIONS]) if region in scored]
    return sorted(regions, key=lambda region: region == "whole")


def _plain(values: pd.Series) -> list[float | str | None]:
    return [
        None if np.isnan(value) else INFINITY if np.isinf(value) else round(float(value), 6)
        for value in values
    ]
