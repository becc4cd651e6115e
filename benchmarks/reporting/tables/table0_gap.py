"""**What each synthesis is worth.** The share of the gap between no T1ce and the real T1ce that a
segmentor recovers with it, over the patients who have the region, and the enhancing tumour that is
invented where there is none."""

import numpy as np
import pandas as pd

from benchmarks.reporting.formatting import MISSING, interval, number, title
from benchmarks.reporting.gap import (
    NO_T1CE,
    Gap,
    gaps,
    invented,
    share_interval,
    share_text,
    shares,
)
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import marked
from benchmarks.reporting.sheet import Block, BlockRow, Cell, Sheet, stacked
from benchmarks.reporting.sheet import Column as Head
from benchmarks.reporting.tables._rows import (
    applying,
    invented_cell,
    invented_head,
    notes_on_rows,
)
from benchmarks.reporting.utilities import UTILITIES, segmentors

ORDER = 0

ABOUT = {
    "retrained": "trained on the synthesised T1ce",
    "frozen": "trained on the real T1ce, and given the synthesised one",
}

NOTHING = (
    "No gap: it is measured between a segmentor without T1ce and the same one on the real T1ce, "
    "and the benchmark lacks the scores of one of them."
)


def table(results: Results) -> Sheet:
    cohort, cells = results.cohort.description, shares(results)
    blocks = [
        _block(results, segmentor, name, utility, cells)
        for segmentor, name in segmentors(results).items()
        for utility in UTILITIES
        if ((cells["segmentor"] == segmentor) & (cells["utility"] == utility)).any()
    ]
    return Sheet(
        f"The gap between no T1ce and the real T1ce, and what each synthesis recovers: {cohort}.",
        blocks,
        _notes(results, cells) if blocks else [NOTHING],
        stacked({"shares": cells, "invented": invented(results)}, "block", results.cohort.name),
    )


def _block(results: Results, segmentor: str, name: str, utility: str, cells: pd.DataFrame) -> Block:
    """Return one row per synthesis, no T1ce and the ceiling among them, the highest Dice first."""
    of = cells[(cells["segmentor"] == segmentor) & (cells["utility"] == utility)]
    regions = list(dict.fromkeys(of["region"]))
    frames = {region: of[of["region"] == region].set_index("run") for region in regions}
    ordered = frames[regions[0]].sort_values("mean", ascending=False, kind="stable").index
    best = {
        region: frame.loc[frame["role"] == "method", "share"].max()
        for region, frame in frames.items()
    }
    made_up = invented(results).set_index("run")
    anchors = {
        (gap.region, run): Cell(text, value)
        for gap in gaps(results)
        for run, text, value in ((gap.start, "0 %", 0.0), (gap.end, "100 %", 1.0))
        if gap.clear and gap.segmentor == segmentor
    }
    rows = []
    for run in ordered:
        first = frames[regions[0]].loc[run]
        shown = [
            cell
            for region, frame in frames.items()
            for cell in (
                _dice(frame.loc[run]),
                anchors.get((region, run)) or _share(frame.loc[run], best[region]),
            )
        ]
        if len(made_up):
            shown.append(invented_cell(made_up.loc[run] if run in made_up.index else None))
        label = (
            first["label"] if first["label"] == NO_T1CE else marked(first["label"], first["role"])
        )
        rows.append(BlockRow(label, shown, run, first["role"], first["status"]))
    heads = [
        head
        for region, frame in frames.items()
        for head in (
            Head(f"{title('dice', region)}, n = {frame['n'].max():.0f}", "higher"),
            Head(f"share {region.upper()}", "higher"),
        )
    ]
    if len(made_up):
        volume = made_up["invented_ml"].notna().any()
        heads.append(invented_head("et", made_up["without"].max(), volume))
    heading = f"{name}, {utility}: {ABOUT[utility]}. Protocol {results.protocol}."
    return Block(f"{segmentor}_{utility}", heading, heads, rows)


def _dice(cell: pd.Series) -> Cell:
    if np.isnan(cell["mean"]):
        return Cell(cell["status"].partition(":")[0] or MISSING)
    low, high = cell["mean_low"], cell["mean_high"]
    known = None if np.isnan(low) else (float(low), float(high))
    return Cell(
        number(cell["mean"], "dice"),
        float(cell["mean"]),
        known,
        n=int(cell["n"]),
        interval_text=interval(low, high, "dice") if known else "",
    )


def _share(cell: pd.Series, best: float) -> Cell:
    if np.isnan(cell["share"]):
        return Cell(MISSING)
    ends = (float(cell["low"]), float(cell["high"]))
    return Cell(
        share_text(cell["share"]),
        float(cell["share"]),
        ends if np.isfinite(ends).all() else None,
        n=int(cell["pairs"]),
        best=share_text(cell["share"]) == share_text(best) and cell["role"] == "method",
        interval_text=share_interval(*ends),
    )


def _notes(results: Results, cells: pd.DataFrame) -> list[str]:
    found, no_share = gaps(results), invented(results).empty
    notes = {
        f"{NO_T1CE}: the segmentor on T1, T2 and FLAIR alone; ceiling: on the real T1ce. share: of "
        "the way from the one Dice to the other, as much as a synthesis recovers; 0 % is no better "
        "than no T1ce. Bold: the method with the largest share.": True,
        "All rows are of the same patients, those who have the region in the truth; n counts "
        "them.": True,
        "invented ET: in how many of the patients without enhancing tumour some is predicted, and "
        "its mean volume.": not no_share,
        "Every test patient has enhancing tumour, so that none can be invented.": no_share,
        "95 % interval of a share: all shares that these patients and trainings do not exclude "
        "(Fieller's construction with the intervals of docs/claims.md). It is not corrected for "
        "the number of rows.": (cells["low"].notna().any()),
        "One training of each row: its intervals are over patients, and do not cover another "
        "training.": (cells["trainings"] <= 1).all(),
    }
    return [
        *[_on_gap(results, one) for one in found],
        *applying(notes),
        *results.cohort.notes,
        *filter(None, [results.cohort.note]),
        *notes_on_rows(results, cells),
    ]


def _on_gap(results: Results, gap: Gap) -> str:
    """Say how large a gap is, and whether shares of it are defined."""
    names, found = segmentors(results), gap.found
    behind = f" behind {names[gap.segmentor]}" if len(names) > 1 else ""
    between = interval(found.low, found.high, "dice").replace("–", " to ")
    text = (
        f"Gap in {title('dice', gap.region)}{behind} of {found.pairs} patients: "
        f"{number(found.difference, 'dice')} (95 % interval {between})"
    )
    return f"{text}." if gap.clear else f"{text}, not clearly above 0, so that no share is defined."
