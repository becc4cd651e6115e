"""`python -m benchmarks VERB`: check results that exist, and print the settings' schema.

Exit code 0: everything agrees. 1: something does not. 2: a file is missing or invalid.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from benchmarks.config import schema
from benchmarks.errors import InputError
from benchmarks.manifest import DATA, EXTERNAL, LARGE, Verdict, compare, read_manifest

FOLDER = Path("results/manifest")
SHOWN = 12  # the most names that a list in the report has


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    comparing = "Compare results with what was recorded of them."
    verify = verbs.add_parser("verify", help=comparing, description=comparing)
    verify.add_argument("manifests", nargs="*", type=Path, help=f"all of {FOLDER} if none is given")
    verify.add_argument("--data", type=Path, help="where the input data is now")
    quick = f"do not read files above {LARGE // 10**6} MB"
    verify.add_argument("--quick", action="store_true", help=quick)
    placing = "Compare the numbers of one seed with those of other seeds."
    bands = verbs.add_parser("bands", help=placing, description=placing)
    bands.add_argument("scores", nargs="+", type=Path, help="results/tables/<benchmark>/scores.csv")
    which = bands.add_mutually_exclusive_group()
    which.add_argument("--reference", type=Path, help="other bands than the benchmark's")
    which.add_argument("--write", type=Path, help="make such a file of the scores of several seeds")
    printing = "Print the JSON schema of a benchmark file."
    verbs.add_parser("schema", help=printing, description=printing)
    chosen = parser.parse_args(arguments)
    if chosen.verb == "schema":
        print(json.dumps(schema(), indent=1))
        return 0
    try:
        if chosen.verb == "bands":
            if chosen.write:
                return _write_bands(chosen.write, chosen.scores)
            plausible = [_compare_bands(path, chosen.reference) for path in chosen.scores]
            return 0 if all(plausible) else 1
        manifests = chosen.manifests or sorted(FOLDER.glob("*.json"))
        if not manifests:
            raise InputError(
                f"There is no manifest in {FOLDER}. Write it: python -m workflow manifest "
                "--benchmark phantom"
            )
        agree = [_verify(path, chosen.data, chosen.quick) for path in manifests]
    except InputError as error:
        print(f"\n{error}\n", file=sys.stderr)
        return 2
    return 0 if all(agree) else 1


def _verify(path: Path, data: Path | None, quick: bool) -> bool:
    manifest, begun = read_manifest(path), time.monotonic()
    # Its paths begin in the folder of its `results`, or else in the current one.
    folder = path.absolute().parent
    root = folder.parents[1] if folder.parts[-2:] == FOLDER.parts else Path()
    verdict = compare(manifest, root, data or root / manifest.data.folder, quick)
    print("\n".join(_report(path, verdict, time.monotonic() - begun)))
    return verdict.agrees


def _compare_bands(path: Path, reference: Path | None) -> bool:
    from benchmarks.reporting import bands  # pandas takes half a second to import

    verdicts, differing = bands.verdicts(path, reference)
    if differing:
        names = "; ".join(differing[:SHOWN])
        more = f"; and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
        print(f"The reference bands do not apply, so nothing was compared: {names}{more}.")
    for verdict in verdicts:
        seed = f"Seed {verdict.seed}: " if len(verdicts) > 1 else ""
        print(seed + "\n".join(bands.report(verdict)))
    return all(verdict.plausible for verdict in verdicts)


def _write_bands(path: Path, scores: list[Path]) -> int:
    from benchmarks.reporting import bands

    reference = bands.write_bands(path, scores)
    counts = ", ".join(f"{seed}: {count}" for seed, count in reference.left_out.items())
    print(
        f"Wrote {path} and {path.with_suffix('.yaml')}. Numbers of each seed outside the bands of "
        f"the other seeds: {counts}. A new seed may have {reference.allowed}."
    )
    return 0


def _report(path: Path, verdict: Verdict, seconds: float) -> Iterable[str]:
    manifest, code = verdict.manifest, verdict.manifest.code
    commit = f"commit {code.commit[:12]}" if code.commit else f"an unknown commit ({code.unknown})"
    dirty = ", with changes of its own" if code.dirty else ""
    yield f"{path}: written {manifest.written} from {commit}{dirty}."
    yield f"{verdict.compared} files compared in {seconds:.1f} s."
    yield from _list("Changed", verdict.changed)
    yield from _list("Missing", verdict.missing)
    yield from _list("New, so that no record says what it was made from", verdict.new)
    outdated = [f"{step}: {_plain(name)}" for step, name in verdict.outdated]
    yield from _list("Took another version of a file than the one that is here", outdated)
    yield from _consequences(verdict)
    failed = [f"{check.name}: {check.found}" for check in verdict.failed_checks]
    yield from _list("Did not hold when the manifest was written", failed)
    warnings = [f"{check.name}: {check.found}" for check in verdict.warnings]
    yield from _list("Worth a look, though no number is wrong for it", warnings)
    unscored = [
        f"{run}, {replicate}: {known.get('reason')}"
        for run, replicates in manifest.runs.items()
        for replicate, known in replicates.items()
        if not known.get("scored")
    ]
    yield from _list("Runs without scores, rows without numbers", unscored)
    if verdict.skipped:
        yield f"Not read: {len(verdict.skipped)} files above {LARGE // 10**6} MB, as --quick asks."
    if absent := [name for name in verdict.absent if name.startswith(DATA)]:
        yield (
            f"Not compared: {len(absent)} of {len(manifest.data.files)} files of input "
            f"data, which are not in {manifest.data.folder}; --data PATH gives another folder."
        )
    if absent := [name for name in verdict.absent if name.startswith(EXTERNAL)]:
        folders = ", ".join(sorted({one.folder for one in manifest.external.values()}))
        yield (
            f"Not compared: {len(absent)} volumes that were predicted elsewhere, which are not in "
            f"{folders}."
        )
    yield ""
    yield _conclusion(verdict)


def _consequences(verdict: Verdict) -> Iterable[str]:
    by_causes: dict[tuple[str, ...], list[str]] = {}
    for name in verdict.unfounded:
        by_causes.setdefault(tuple(sorted(verdict.causes[name])), []).append(name)
    for causes, names in by_causes.items():
        because = ", ".join(_plain(cause) for cause in causes[:3])
        because += f" and {len(causes) - 3} more" if len(causes) > 3 else ""
        yield from _list(f"No longer follow from their inputs, because of {because}", names)
    yield from _list(
        "Changed, though none of their inputs did (edited by hand, or written by other code)",
        verdict.edited,
    )
    steps = [step for step in verdict.stale if not step.startswith(("tabulate", "draw"))]
    # One command predicts all patients, though not all may have to be predicted again.
    commands = list(dict.fromkeys(step.partition(" (")[0] for step in steps))
    yield from _list("Steps to run again before the tables", commands)


def _conclusion(verdict: Verdict) -> str:
    tables, damaged = len(verdict.tables), (*verdict.changed, *verdict.missing)
    if verdict.agrees:
        return f"Everything agrees: {tables} tables and figures follow from their inputs."
    good = [x for x in verdict.tables if x not in verdict.causes and x not in damaged]
    summary = (
        f"{len(good)} of {tables} tables and figures are as recorded and follow from their inputs."
    )
    if not (damaged or verdict.new or verdict.outdated):
        return summary
    return " ".join(
        [
            summary,
            "To make files again, delete them, and run the snakemake command that made them.",
            *_exceptions(verdict),
            "If the files here are the right ones, write the manifest again: python -m workflow "
            f"manifest --benchmark {verdict.manifest.benchmark}",
        ]
    )


def _exceptions(verdict: Verdict) -> Iterable[str]:
    """Say for which files it does not help to delete them, and what does."""
    damaged = {*verdict.changed, *verdict.missing}
    if volumes := sorted(damaged & verdict.manifest.arrays.keys()):
        indices = dict.fromkeys(f"{PurePosixPath(name).parent}.json" for name in volumes)
        yield f"For predicted volumes delete their index: {', '.join(indices)}."
    if folders := verdict.damaged_copies:
        yield f"For the page and exported cases delete their folder: {', '.join(folders)}."
    if any(name.startswith((DATA, EXTERNAL)) for name in damaged):
        yield "For changed input data delete nothing: the command sees that it changed."


def _list(heading: str, names: list[str]) -> Iterable[str]:
    if not names:
        return
    yield ""
    yield f"{heading} ({len(names)}):"
    yield from (f"  {_plain(name)}" for name in names[:SHOWN])
    if len(names) > SHOWN:
        yield f"  and {len(names) - SHOWN} more"


def _plain(name: str) -> str:
    for prefix, kind in ((DATA, "input data"), (EXTERNAL, "predicted elsewhere")):
        if name.startswith(prefix):
            return f"{name.removeprefix(prefix)} ({kind})"
    return name


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # what the locale has no bytes for
    sys.exit(main())
