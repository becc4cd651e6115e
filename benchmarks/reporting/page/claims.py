"""The sentences of the page: what may be claimed of each pair of rows."""

from benchmarks.reporting.claims import claims, compared_columns, variation
from benchmarks.reporting.results import Results


def claimed(results: Results) -> list[dict]:
    """Return each column that has pairs as plain JSON, in the order of Table X.

    `key` is that of the measure (see `scores.measures`) that the column is of. `runs` and `rows`
    are the runs and the labels of the rows, `best` is the number of the best method among them or
    None. A pair of `pairs` is the numbers of A and B, the verdict, and the sentence; those of the
    best method come first.
    """
    every, rows, listed = claims(results), variation(results), []
    for column in compared_columns(results):
        pairs, of = column.of(every), column.of(rows)
        if pairs.empty:
            continue
        number = {run: place for place, run in enumerate(column.runs)}
        labels = {line.run: line.label for line in column.lines}
        best = next(iter(of.loc[of["best"], "run"]), None)
        with_best = (pairs["a"] == best) | (pairs["b"] == best)
        ordered = pairs.assign(later=~with_best).sort_values("later", kind="stable")
        listed.append(
            {
                "key": f"{column.protocol}/{column.metric}/{column.region}",
                "title": column.title,
                "runs": column.runs,
                "rows": [labels[run] for run in column.runs],
                "best": number.get(best),
                "pairs": [
                    [number[pair.a], number[pair.b], pair.verdict, pair.sentence]
                    for pair in ordered.itertuples()
                ],
            }
        )
    return listed
