"""Reference bands: where the numbers of a new seed should be, given those of other seeds.

A number is the mean over patients of one seed's scores, for each run, the metrics of Tables I to
III, each protocol of `benchmarks/protocols` and its regions. Scores count as they are, with 0 for
an invented region and the fixed length for a missed one, other than in tables (see
`denominators`): a number then moves with whatever a row gets wrong. Patients that have no value do
not count; scans are averaged within a subject, folds and repeats within a seed.

Band
----
Of n seeds that have a finite value, it is Student's prediction interval for one more seed, which
misses 1 % of normal numbers: mean -+ t(n - 1, 0.995) sd sqrt(1 + 1/n). It is widened

- to the range of the n values, where a few stand apart from the others;
- by an sd of at least a quarter of the median sd of the same number of all trained runs: a Dice
  that is 0 in ten seeds may be 0.01 in the next;
- by ten units of the last digit that tables show (Dice 0.010, ASSD 0.10 mm), since another
  machine or torch rounds otherwise. Runs whose numbers are the same in all seeds, such as copied
  T1, are not trained and get one unit: the scoring alone could move them;

and cut at the metric's bounds. If some seeds are infinite (PSNR of the real T1ce), the band has no
upper end; if all are, a finite value is outside. If some seeds have no value, none is within; if
none has one, any value is outside; with one or two, any value is within.

Verdict
-------
The numbers of one training move together, and so do those of all runs behind one frozen segmentor,
so that numbers outside come in clusters and a binomial bound alone is too strict. Each seed of the
reference is therefore compared with bands of the other n - 1. Their counts outside give the number
that is `expected`, and the largest that is `allowed`: the upper end of the one-sided 99.9 %
prediction interval of a new seed's count, at least the binomial 99.9 % quantile.

More than that speak against the results. So does a row of which at least half of the numbers are
far outside: beyond a band twice as wide. However its numbers hang together, chance does that to one
row in less than 3e-4 of all seeds (ten seeds, normal numbers; Markov's inequality), to any of 30
rows in less than 1 %. So does a run that the benchmark has and that is not scored. A row with most
of its numbers outside is named, no more: that may be an unlucky seed.

Simulated with 354 numbers of 31 rows, 150 references of ten seeds and a new seed for each: of
normal numbers 0.7 to 0.3 % are outside, the less the more they hang together (correlation 0 to 0.9
within a training), and no new seed has more than allowed. Of numbers with heavy tails (Student's t
with 4 degrees of freedom, correlation 0.5) 1.7 % are outside; 3 % of new seeds have more than
allowed, 12 % more than the binomial quantile.

If the benchmark's settings differ from those of the reference, nothing is compared.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from pydantic import ValidationError

from benchmarks import config
from benchmarks.checksums import checksum
from benchmarks.errors import InputError
from benchmarks.files import write_atomically, write_csv
from benchmarks.manifest import Manifest, read_manifest
from benchmarks.plain_yaml import Document, Settings
from benchmarks.reporting.measures import columns_of, postprocessing_of
from benchmarks.reporting.published import read_published
from benchmarks.reporting.reading import read_files
from benchmarks.reporting.scores import read_scores, subject_values
from benchmarks.scoring.metric import read_metrics
from benchmarks.scoring.protocol import PROTOCOLS

FOLDER = Path(__file__).parents[1] / "reference"
CELL = ["run", "protocol", "metric", "region", "postprocessing"]
COLUMNS = [*CELL, "seeds", "undefined", "mean", "sd", "low", "high"]

OUTSIDE = 0.01  # the share of numbers that a band misses by chance
ALARM = 0.001  # the share of seeds whose count of numbers outside exceeds the allowed one by chance
FEWEST_VALUES = 3  # of which a band is made
FEWEST_SEEDS = 5  # of which a reference is made: each is compared with the others
LEAST_SD = 0.25  # of the median sd of the trained runs
UNITS, UNITS_UNTRAINED = 10, 1  # of the last digit shown, by which a band is wider
FAR = 0.5  # in widths of the band beyond its ends: a band twice as wide
ROUNDING = 1e-6  # sums over voxels round
SHOWN = 10  # the most numbers outside that a report lists
HEADER = """# Where the numbers in {} are from. Its bands are 99 % prediction intervals of a
# new seed, mean -+ t(n - 1, 0.995) sd sqrt(1 + 1/n), widened: see benchmarks/reporting/bands.py.
"""
# Settings of which numbers exist, not of what they are.
_EXTENT = ("seeds", "methods", "without", "segmentors", "protocols", "conventions")


class Source(Settings):
    """Where seeds of a reference come from; `changed` is whether the commit has local changes."""

    commit: str | None
    changed: bool | None
    command: str | None
    python: str
    torch: str
    platform: str
    cpu: str | None


class Reference(Settings):
    """The record beside a file of bands, `<name>.yaml`.

    Attributes
    ----------
    left_out : by seed, how many of its numbers are outside the bands of the other seeds.
    allowed : the most numbers outside that do not speak against a new seed.
    settings : `cohort` and `results` of the benchmark (see `settings_of`).
    """

    benchmark: str
    written: str
    left_out: dict[int, int]
    allowed: int
    sources: tuple[Source, ...]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """The numbers of one seed against the bands.

    Attributes
    ----------
    outside : columns CELL, `value`, `low`, `high` and `far`, the farthest outside first.
    compared : how many numbers were compared.
    expected, allowed : numbers outside (see the module).
    rows_far, rows_most : rows with at least half of their numbers far outside, or just outside;
        how many are, and of how many.
    failed : runs of the reference that the benchmark has and that are not scored.
    absent : runs of the reference that the benchmark does not have.
    unscored : numbers of other runs that are not scored, such as those of another protocol.
    new : runs without bands.
    """

    seed: int
    outside: pd.DataFrame
    compared: int
    expected: float
    allowed: int
    rows_far: Mapping[str, tuple[int, int]]
    rows_most: Mapping[str, tuple[int, int]]
    failed: tuple[str, ...]
    absent: tuple[str, ...]
    unscored: int
    new: tuple[str, ...]

    @property
    def plausible(self) -> bool:
        """Whether the numbers may be those of a new seed of the same benchmark."""
        many = len(self.outside) > self.allowed
        return not (many or self.rows_far or self.failed or not self.compared)


def numbers_of(scores: pd.DataFrame) -> pd.Series:
    """Return the mean over patients by the columns `CELL` and seed, NaN where none has a value."""
    published = read_published()
    shown = [
        (protocol, metric, region, postprocessing_of(read_metrics()[metric], protocol))
        for protocol in sorted(
            {*scores["protocol"]} & {path.stem for path in PROTOCOLS.glob("*.yaml")}
        )
        for name in published.names()
        for metric, region in columns_of(published.table(name), protocol)
    ]
    wanted = pd.DataFrame([*dict.fromkeys(shown)], columns=CELL[1:], dtype=str)
    values = subject_values(scores.merge(wanted, on=CELL[1:]), *CELL)
    # What a subject's folds and repeats have is averaged before subjects are, as in tables.
    by_subject = values.groupby(level=[*CELL, "seed", "subject"]).mean()
    return by_subject.groupby(level=[*CELL, "seed"]).mean()


def bands_of(numbers: pd.DataFrame) -> pd.DataFrame:
    """Return one row per number, with the columns `COLUMNS`, from (numbers, seeds).

    The index has the levels `CELL`; a value is NaN where that seed has none.
    """
    from scipy import stats

    values, metrics = numbers.astype(float), read_metrics()
    finite = values.where(np.isfinite(values))
    n, mean, sd = finite.count(axis=1), finite.mean(axis=1), finite.std(axis=1)
    least, largest = finite.min(axis=1), finite.max(axis=1)
    metric = values.index.get_level_values("metric")
    unit = np.array([10.0 ** -metrics[name].digits for name in metric])
    bounds = np.array([metrics[name].bounds for name in metric], float).reshape(-1, 2)

    alike = (largest - least).fillna(0) <= ROUNDING * largest.abs().fillna(1).clip(lower=1)
    alike &= n.isin([0, values.shape[1]])
    trained = ~alike.groupby(level="run").transform("all")
    usual = sd.where(trained).groupby(level=CELL[1:]).transform("median").fillna(0)
    half = stats.t.ppf(1 - OUTSIDE / 2, np.maximum(n - 1, 1)) * np.sqrt(1 + 1 / np.maximum(n, 1))
    half *= np.maximum(sd, LEAST_SD * usual.where(trained, 0))
    half = half.where(n >= FEWEST_VALUES)
    wider = unit * np.where(trained, UNITS, UNITS_UNTRAINED)
    low = np.clip(np.fmin(mean - half, least) - wider, *bounds.T)
    high = np.clip(np.fmax(mean + half, largest) + wider, *bounds.T)

    infinite = np.isinf(values).any(axis=1)
    high[infinite] = np.inf
    low[infinite & (n == 0)] = np.inf
    defined = values.count(axis=1)
    for end in (low, high):
        end[defined < FEWEST_VALUES] = np.nan
    mean[infinite] = np.inf
    columns = {"seeds": values.shape[1], "undefined": values.shape[1] - defined}
    columns |= {"mean": mean, "sd": sd, "low": low, "high": high}
    return pd.DataFrame(columns, index=values.index).reset_index()[COLUMNS]


def compare(bands: pd.DataFrame, numbers: pd.Series) -> pd.DataFrame:
    """Return the bands with the `value` of one seed, and whether it is `outside` and `far`.

    `scored` is false where the seed lacks the number, which is not the same as a number without
    value. The numbers' index has the levels `CELL`.
    """
    index = pd.MultiIndex.from_frame(bands[CELL])
    compared = bands.assign(
        value=numbers.reindex(index).to_numpy(float), scored=index.isin(numbers.index)
    )
    value, low, high = (compared[name] for name in ("value", "low", "high"))
    never, always = compared["undefined"] == 0, compared["undefined"] == compared["seeds"]
    # Of a number that has no value in some seeds, but in too few for a band, nothing is said.
    odd = (value.isna() & never) | (value.notna() & always)
    odd |= np.isfinite(value) & np.isinf(low)
    beyond = (low - value).where(value < low, value - high).fillna(0)
    width = (high - low).fillna(0)
    compared["outside"] = compared["scored"] & (odd | (beyond > ROUNDING))
    compared["far"] = compared["outside"] & (odd | (beyond > FAR * width))
    # Only orders the list, so that a width of 0 may be any small one.
    compared["distance"] = (beyond / width.clip(lower=ROUNDING)).where(~odd, np.inf)
    return compared


def judge(
    bands: pd.DataFrame, reference: Reference, numbers: pd.Series, seed: int, runs: Iterable[str]
) -> Verdict:
    """Compare the numbers of one seed of a benchmark that has these runs."""
    compared = compare(bands, numbers)
    scored = compared[compared["scored"]]
    by_run = scored.groupby("run")[["outside", "far"]].agg(["sum", "size"])

    def rows(which: str) -> dict[str, tuple[int, int]]:
        counts = by_run[which]
        half = counts[2 * counts["sum"] >= counts["size"]]
        return {run: (int(k), int(n)) for run, k, n in half.itertuples()}

    outside = scored[scored["outside"]].sort_values("distance", ascending=False, kind="stable")
    known, here = dict.fromkeys(bands["run"]), {*scored["run"]}
    missing = [run for run in known if run not in here]
    failed = tuple(run for run in missing if run in {*runs})
    far = rows("far")
    chance = sum(reference.left_out.values()) / len(reference.left_out) / len(bands)
    return Verdict(
        seed=seed,
        outside=outside[[*CELL, "value", "low", "high", "far"]],
        compared=len(scored),
        expected=chance * len(scored),
        allowed=reference.allowed,
        rows_far=far,
        rows_most={run: of for run, of in rows("outside").items() if run not in far},
        failed=failed,
        absent=tuple(run for run in missing if run not in failed),
        unscored=int((~compared["scored"] & compared["run"].isin(here)).sum()),
        new=tuple(sorted({*numbers.index.get_level_values("run")} - known.keys())),
    )


def report(verdict: Verdict) -> Iterable[str]:
    """Yield the lines of a verdict: what it is in the first, the numbers outside below."""
    within, expected = verdict.compared - len(verdict.outside), round(verdict.expected)
    chance = f"about {expected}" if expected else "fewer than one"
    sentences = [
        f"{within} of {verdict.compared} numbers are within their reference bands "
        f"({chance} outside {'are' if expected > 1 else 'is'} expected by chance)."
    ]
    if len(verdict.outside) > verdict.allowed:
        sentences.append(
            f"{len(verdict.outside)} outside are more than chance allows, which is "
            f"{verdict.allowed}."
        )
    sentences += [
        f"{run} is broken or another method: {k} of its {n} numbers are far outside."
        for run, (k, n) in verdict.rows_far.items()
    ]
    sentences += [
        f"{run} has {k} of its {n} numbers outside: an unlucky seed, or a fault."
        for run, (k, n) in verdict.rows_most.items()
    ]
    if verdict.failed:
        sentences.append(f"Not scored, so that it has no numbers: {', '.join(verdict.failed)}.")
    if verdict.absent:
        sentences.append(f"Not in this benchmark: {', '.join(verdict.absent)}.")
    if verdict.unscored:
        sentences.append(f"Not scored here: {verdict.unscored} numbers of the reference.")
    if verdict.new:
        sentences.append(f"Without bands: {', '.join(verdict.new)}.")
    yield " ".join(sentences)
    if len(verdict.outside):
        yield ""
        yield "Outside, the farthest first:"
        yield from _listed(verdict.outside[:SHOWN])
    if (more := len(verdict.outside) - SHOWN) > 0:
        yield f"  and {more} more"


def _listed(outside: pd.DataFrame) -> Iterable[str]:
    metrics = read_metrics()
    lines = [("row", "protocol", "metric", "region", "value", "band")]
    for one in outside.itertuples():
        digits = metrics[one.metric].digits
        value = "no value" if math.isnan(one.value) else f"{one.value:.{digits}f}"
        band = f"{one.low:.{digits}f} to {one.high:.{digits}f}"
        band = "no value" if math.isnan(one.low) else band
        lines.append((one.run, one.protocol, one.metric, one.region, value, band))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()


def settings_of(settings: Mapping[str, Any], runs: Iterable[str]) -> dict[str, Any]:
    """Return what of a manifest's settings affects the numbers of these runs, with all defaults.

    Which seeds, methods and protocols there are does not: numbers are compared one by one.

    Raises
    ------
    InputError : a key is unknown or missing.
    """
    try:
        given = {key: value for key, value in settings["results"].items() if key not in _EXTENT}
        results = config.Results.model_validate(given).model_dump(mode="json", exclude={*_EXTENT})
        # A folder is where each machine has it.
        cohort = {
            key: value
            for key, value in settings["cohort"].items()
            if key != "path" and value is not None
        }
    except (ValidationError, KeyError) as error:
        raise InputError(
            "The settings of the scores or of the reference are of another version of this suite "
            f"({error}). Make both anew."
        ) from error
    methods = {part.partition(".")[0] for run in runs for part in run.split("+")}
    results["params"] = {
        method: params for method, params in results["params"].items() if method in methods
    }
    return {"cohort": cohort, "results": results}


def differences(settings: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    """Return which keys differ, as `results.slices.crop is 96, not 64`."""
    one, other = _flat(settings), _flat(others)
    return [
        f"{key} is {one.get(key, 'not set')}, not {other.get(key, 'not set')}"
        for key in {**one, **other}
        if one.get(key) != other.get(key)
    ]


def _flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in settings.items():
        nested = isinstance(value, Mapping)
        flat |= _flat(value, f"{above}{key}.") if nested else {above + key: value}
    return flat


def manifest_of(scores: Path) -> Manifest:
    """Return the manifest of a long table, `results/tables/<benchmark>/scores.csv`.

    Raises
    ------
    InputError : there is none, or it is of other scores.
    """
    folder = scores.absolute().parent
    path = folder.parents[1] / "manifest" / f"{folder.name}.json"
    if not scores.is_file():
        raise InputError(f"There is no {scores}. Run the benchmark first.")
    if not path.is_file():
        raise InputError(
            f"There is no {path}, which has the settings of {scores}. Keep both at their places in "
            "a folder `results`, or write it: python -m workflow manifest --benchmark phantom"
        )
    manifest = read_manifest(path)
    known = {file.sha256 for name, file in manifest.files.items() if Path(name).name == scores.name}
    if checksum(scores) not in known:
        raise InputError(
            f"{path} is the manifest of other scores than {scores}. Rerun the snakemake command "
            "that made them."
        )
    return manifest


def verdicts(path: Path, reference: Path | None = None) -> tuple[list[Verdict], list[str]]:
    """Compare each seed of a long table with the bands of its benchmark.

    Returns
    -------
    The verdicts, none if the bands do not apply; and how the settings differ from the reference's.

    Raises
    ------
    InputError : a file is missing or invalid.
    """
    manifest = manifest_of(path)
    bands, known = read_bands(reference or FOLDER / f"{manifest.benchmark}.csv")
    settings = settings_of(manifest.settings, bands["run"])
    differing = differences(settings, settings_of(known.settings, bands["run"]))
    if differing:
        return [], differing
    numbers = numbers_of(read_scores([path]))
    seeds = numbers.index.get_level_values("seed").unique()
    return [
        judge(bands, known, numbers.xs(seed, level="seed"), int(seed), manifest.runs)
        for seed in sorted(seeds)
    ], []


def read_bands(path: Path) -> tuple[pd.DataFrame, Reference]:
    """Read a file of bands and the record beside it.

    Raises
    ------
    InputError : one of them is missing or invalid.
    """
    if not path.is_file():
        known = ", ".join(str(one) for one in sorted(FOLDER.glob("*.csv"))) or "none yet"
        raise InputError(
            f"There are no reference bands {path}. Existing: {known}. Make them of the scores of "
            f"{FEWEST_SEEDS} or more seeds: python -m benchmarks bands --write {path.name} SCORES"
        )
    numbers = dict.fromkeys(["seeds", "undefined"], "whole")
    numbers |= dict.fromkeys(["mean", "sd", "low", "high"], "optional")
    bands = read_files([path], "band", COLUMNS, CELL, numbers)
    return bands, Document(path.with_suffix(".yaml")).validated(Reference)


def write_bands(path: Path, files: Sequence[Path]) -> Reference:
    """Make bands of the scores of several seeds, as `path` and a record beside it, `.yaml`.

    Raises
    ------
    InputError : too few seeds, a seed twice, a run that not all seeds have, or files of several
        benchmarks or settings.
    """
    manifests = [manifest_of(file) for file in files]
    scores = read_scores(files)
    numbers = numbers_of(scores).reset_index(name="value")
    # Not by `unstack`, to which a number without value is the same as none.
    scored = numbers.groupby(CELL)["seed"].nunique()
    seeds = sorted(int(seed) for seed in numbers["seed"].unique())
    if len(seeds) < FEWEST_SEEDS:
        raise InputError(
            f"{len(seeds)} seeds are too few for bands: give the scores of {FEWEST_SEEDS} or more."
        )
    if len(partly := scored[scored < len(seeds)]):
        cell = partly.index[0]
        present = {*numbers.set_index(CELL).sort_index().loc[[cell], "seed"]}
        raise InputError(
            f"Numbers of {cell[0]} are missing in seeds {sorted({*seeds} - present)}. Score it in "
            "every seed, or in none."
        )
    first, runs = manifests[0], [*scores["run"].unique()]
    settings = settings_of(first.settings, runs)
    for file, other in zip(files, manifests, strict=True):
        differing = differences(settings_of(other.settings, runs), settings)
        if other.benchmark != first.benchmark:
            differing.insert(0, f"the benchmark is {other.benchmark}, not {first.benchmark}")
        if differing:
            raise InputError(
                f"{file} is of other settings than {files[0]}: {'; '.join(differing)}."
            )
    wide = numbers.set_index([*CELL, "seed"])["value"].unstack("seed")  # noqa: PD010
    left_out = count_left_out(wide)
    reference = Reference(
        benchmark=first.benchmark,
        written=max(one.written for one in manifests),
        left_out=left_out,
        allowed=allowed(list(left_out.values()), len(wide)),
        sources=tuple(dict.fromkeys(map(_source, manifests))),
        settings=settings,
    )
    bands = bands_of(wide)
    rows = [[_plain(value) for value in line] for line in bands.itertuples(index=False)]
    write_csv(path, COLUMNS, rows)
    content = yaml.safe_dump(reference.model_dump(mode="json"), sort_keys=False, width=100)
    with write_atomically(path.with_suffix(".yaml")) as file:
        file.write((HEADER.format(path.name) + content).encode())
    return reference


def count_left_out(numbers: pd.DataFrame) -> dict[int, int]:
    """Return by seed how many of its numbers are outside the bands of the others."""
    return {
        int(seed): int(
            compare(bands_of(numbers.drop(columns=seed)), numbers[seed])["outside"].sum()
        )
        for seed in numbers.columns
    }


def allowed(counts: Sequence[int], numbers: int) -> int:
    """Return the most numbers outside that chance allows a new seed (see the module)."""
    from scipy import stats

    n = len(counts)
    reach = stats.t.ppf(1 - ALARM, n - 1) * np.std(counts, ddof=1) * math.sqrt(1 + 1 / n)
    binomial = stats.binom.ppf(1 - ALARM, numbers, OUTSIDE)
    return math.ceil(max(np.mean(counts) + reach, binomial))


def _source(manifest: Manifest) -> Source:
    packages = manifest.environment.get("packages", {})
    return Source(
        commit=manifest.code.commit,
        changed=manifest.code.dirty,
        command=" ".join(manifest.command) if manifest.command else None,
        python=str(manifest.environment.get("python")),
        torch=str(packages.get("torch")),
        platform=str(manifest.machine.get("platform")),
        cpu=manifest.machine.get("cpu"),
    )


def _plain(value: Any) -> Any:
    """Return a number as text of six digits, empty for NaN."""
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.6g}"
