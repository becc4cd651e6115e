"""Which patients a mean is of, so that all rows of a column are of the same patients.

Where the reference lacks a region, a row that predicts none has no Dice and one that invents it has
0: averaged over whoever has a value, each row would be of patients of its own. So a metric that has
no value where both sides are empty is averaged over the patients who have the region in the
reference, and what is invented in the others is counted. Where a protocol charges a fixed length
for a missed region, that length would outweigh all distances, so a distance is averaged over the
patients in whom the region was found, and these are counted beside it.

A metric that has a value where both sides are empty, as BraTS's, is of all patients. The protocol
`paper` is averaged as papers do it, over whoever has a value.

The scores themselves are of every patient under the protocol's own rule; their notes say who lacks
a region, so that nothing is scored again.
"""

import pandas as pd

from benchmarks.scoring.protocol import EmptyRule, Protocol

PAPER = "paper"
VOLUME = "volume_difference"  # the volume of the prediction where the reference is empty

# Notes of scores: the patient lacks the region; it is predicted all the same; it is missed.
INVENTED, MISSED = "reference empty", "prediction empty"
LACKING = (INVENTED, "both empty", "region empty")


def _rules(protocol: Protocol) -> dict[str, EmptyRule]:
    return protocol.segmentation.metrics if protocol.segmentation else {}


def of_the_same(protocol: Protocol) -> set[str]:
    """Return the metrics that are averaged over the patients who have the region."""
    similar = set(protocol.synthesis.metrics) if protocol.synthesis else set()
    if protocol.name == PAPER:
        return similar
    rules = _rules(protocol)
    return similar | {name for name, rule in rules.items() if rule.both_empty == "undefined"}


def where_found(protocol: Protocol) -> set[str]:
    """Return the metrics that are averaged over the patients in whom the region was found."""
    rules = _rules(protocol)
    charged = {name for name, rule in rules.items() if rule.one_empty == "diagonal"}
    return charged & of_the_same(protocol)


def selective(protocol: Protocol) -> set[str]:
    """Return the metrics without a value for patients in whom a row misses the region.

    Rows that find easy tumours alone look better in them.
    """
    rules = _rules(protocol)
    missing = {name for name, rule in rules.items() if rule.one_empty == "undefined"}
    return missing | where_found(protocol)


def lacking(scores: pd.DataFrame, protocol: Protocol) -> pd.Series:
    """Return which scores of a protocol no mean is of, since the patient lacks the region."""
    return scores["metric"].isin(of_the_same(protocol)) & scores["note"].isin(LACKING)


def averaged(scores: pd.DataFrame, protocol: Protocol) -> pd.DataFrame:
    """Return the scores of a protocol with NaN in place of the values that no mean is of."""
    missed = scores["metric"].isin(where_found(protocol)) & (scores["note"] == MISSED)
    return scores.assign(value=scores["value"].mask(lacking(scores, protocol) | missed))


def invented(scores: pd.DataFrame) -> pd.DataFrame:
    """Return by run what is predicted in patients who lack a region.

    Parameters
    ----------
    scores : of one metric and region: `VOLUME`, or another, which has no volume.

    Returns
    -------
    Columns `without`, the number of patients who lack the region in all their scans; `invented`, in
    how many of them some is predicted in any training; and `invented_ml`, its mean volume over all
    of them, NaN of another metric than `VOLUME`.
    """
    marked = scores.assign(
        lacks=scores["note"].isin(LACKING),
        invents=scores["note"] == INVENTED,
        value=scores["value"].where(scores["metric"] == VOLUME),
    )
    by_subject = marked.groupby(["run", "subject"]).agg(
        lacks=("lacks", "all"), invents=("invents", "any"), ml=("value", "mean")
    )
    by_run = by_subject[by_subject["lacks"]].groupby("run")
    return by_run.agg(
        without=("lacks", "size"), invented=("invents", "sum"), invented_ml=("ml", "mean")
    )
