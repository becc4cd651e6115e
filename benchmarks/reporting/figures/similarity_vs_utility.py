"""**Does a more similar T1ce segment better?** Similarity to the true T1ce against the Dice of the
segmentation that is made from it, both inside the enhancing tumour.
"""

import pandas as pd
from matplotlib.figure import Figure

from benchmarks.reporting.drawing.axes import label_runs, scatter
from benchmarks.reporting.drawing.canvas import Canvas, empty, finish, missing
from benchmarks.reporting.drawing.style import COLUMN, styled, styles
from benchmarks.reporting.formatting import axis_arrow, axis_title
from benchmarks.reporting.measures import by_subject
from benchmarks.reporting.results import Results
from benchmarks.reporting.utilities import coefficient, first_segmentor
from benchmarks.scoring.statistics import rank_correlation

ORDER = 6


@styled()
def figure(results: Results) -> Figure:
    """Draw one point per synthesis that is segmented; lines for the ceiling and without T1ce."""
    results, segmentor = first_segmentor(results)
    similarity = by_subject(results, "ssim", "et", results.protocol)
    utility = by_subject(results, "dice", "et", results.protocol)
    utility = utility.reindex(similarity.dropna(how="all").index)
    expected = [row for row in results.rows if "synthesis" in row.tasks]
    # The run that segments the T1ce of each: another one, or itself.
    behind = {row.upstream: row.run for row in results.rows if row.upstream}
    behind |= {row.run: row.run for row in expected if "segmentation" in row.tasks}
    points, counts = {}, set()
    for row in expected:
        if row.run in similarity and behind.get(row.run) in utility:
            both = pd.concat([similarity[row.run], utility[behind[row.run]]], axis=1).dropna()
            if len(both):
                points[row.run] = tuple(both.mean())
                counts.add(len(both))
    n = " to ".join(str(count) for count in sorted({min(counts), max(counts)})) if counts else "0"
    caption = results.cohort.caption(
        "Does similarity predict segmentation quality?",
        f"Protocol {results.protocol}. Means over the patients who have both values: n\xa0=\xa0{n}."
        " Dice is of the segmentor behind each synthesis, or of the run itself if it is trained "
        "jointly. Dashed: segmentation with the real T1ce, whose SSIM is 1, and without any T1ce. "
        "rho: Spearman's rank correlation over the methods, floors and ceiling left out, with its "
        "95 % interval over patients.",
        missing(expected, points, "value of both"),
        segmentor,
    )
    if not points:
        reason = "No run has both an SSIM and a Dice inside the enhancing tumour"
        return empty(caption, f"{reason} ({results.protocol}).")
    canvas = Canvas(COLUMN, 2.9, caption)
    ax = canvas.arrange().subplots()
    ceilings = [row.run for row in results.rows if row.role == "ceiling" and row.run in points]
    levels = {run: points.pop(run)[1] for run in ceilings}
    for row in results.rows:
        alone = row.tasks == ("segmentation",) and not row.upstream
        if alone and row.run in utility and utility[row.run].notna().any():
            levels[row.run] = utility[row.run].mean()
    scatter(ax, points, levels, styles(results.rows))
    methods = [row.run for row in expected if row.role == "method" and row.run in points]
    both = similarity.loc[utility.index, methods], utility[[behind[run] for run in methods]]
    found = rank_correlation(*(of.to_numpy(float).T[None] for of in both))
    ax.set_title(coefficient(found), loc="left")
    ax.set_xlabel(f"{axis_title('ssim', 'et')} of the synthesis  {axis_arrow('ssim')}")
    ax.set_ylabel(f"{axis_title('dice', 'et')} of the segmentation  {axis_arrow('dice')}")
    finish(canvas.figure)
    label_runs(ax, points, levels, {row.run: row.title for row in results.rows})
    return canvas.figure
