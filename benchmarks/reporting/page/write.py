"""The page of a benchmark: one folder that opens from the file system and needs nothing else."""

import hashlib
import html
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from string import Template

import yaml

from benchmarks.config import Page
from benchmarks.errors import InputError
from benchmarks.files import write_atomically
from benchmarks.manifest import Manifest
from benchmarks.reporting.catalogue import Item, catalogue_for
from benchmarks.reporting.page.claims import claimed
from benchmarks.reporting.page.columns import column_of, columns, patients, truth
from benchmarks.reporting.page.files import Cases, nifti_files
from benchmarks.reporting.page.pictures import describe, encode
from benchmarks.reporting.page.scores import measures
from benchmarks.reporting.page.selection import (
    WORST,
    in_order_of_pictures,
    main_measure,
    worst_first,
)
from benchmarks.reporting.page.template import datatables, page_assets
from benchmarks.reporting.results import Results
from benchmarks.scoring.regions import REGIONS

ERROR_COLORS = "inferno"  # as in the figure of syntheses
SIGNED_COLORS = "bwr"  # blue: too dark, white: equal, red: too bright
# Of a predicted and a true region; three colours of Okabe and Ito that no class has.
AGREEMENT = {"both": "#009e73", "missed": "#e69f00", "invented": "#0072b2"}
LONG_TABLE = "scores.csv"  # all scores, beside the tables
CLAIMS = "table10_claims"  # the page has its sentences wherever it has the table


def write_page(
    folder: Path,
    results: Results,
    manifest: Manifest,
    tables_folder: Path,
    figures_folder: Path,
    settings: Page | None = None,
    cases: Cases | None = None,
) -> Path:
    """Write `folder`/index.html and everything that it loads; its path is returned.

    The page shows every table and figure of the catalogue whose files exist. index.html is written
    last, so if it exists the page is complete; then other files of the folder are removed.
    checksums.json holds the sha256 of every other file.

    Parameters
    ----------
    settings : which pictures are shown; the defaults if None.
    cases : where a replicate's predictions are exported; None if they are not.

    Raises
    ------
    InputError : a prediction or a table is damaged; itables is of an unknown version.
    """
    index = folder / "index.html"
    index.unlink(missing_ok=True)
    sha256: dict[str, str] = {}

    def write(name: str, content: bytes) -> None:
        with write_atomically(folder / name) as file:
            file.write(content)
        sha256[name] = hashlib.sha256(content).hexdigest()

    assets = page_assets() | datatables()
    shell = Template(assets.pop("page.html").decode())
    for name, content in assets.items():
        write(name, content)
    settings, listed = settings or Page(), measures(results)
    main = main_measure(listed)
    described = _described(results, settings)
    worst = [number for number in worst_first(main) if described[number]["et_ml"] > 0][:WORST]
    order = in_order_of_pictures(worst_first(main), worst, len(described))
    for number in _write_pictures(write, results, settings, order):
        described[number]["pictures"] = True
    sources = {"table": tables_folder, "figure": figures_folder}
    items = catalogue_for(results.conditions)
    shown = [item for item in items if (sources[item.kind] / _shown_file(item)).is_file()]
    for item in shown:
        for name in item.files:
            if not name.endswith(".rst"):
                write(f"{item.kind}s/{name}", (sources[item.kind] / name).read_bytes())
    long_table = tables_folder / LONG_TABLE
    if long_table.is_file():
        write(f"tables/{LONG_TABLE}", long_table.read_bytes())
    tables, figures = ([item for item in shown if item.kind == kind] for kind in sources)
    write("manifest.json", manifest.model_dump_json(indent=1).encode())
    data = {
        "title": results.cohort.title,
        "description": results.cohort.sentence,
        "simulated": results.cohort.simulated,
        "tables": [_table(item, results, tables_folder) for item in tables],
        "claims": claimed(results) if CLAIMS in {item.name for item in tables} else [],
        "longTable": LONG_TABLE if long_table.is_file() else None,
        "figures": [
            {
                "name": item.name,
                "caption": _spans((figures_folder / f"{item.name}.md").read_text("utf-8")),
            }
            for item in figures
        ],
        "patients": described,
        "shown": _shown(described, settings, main),
        "measures": listed,
        "main": main["key"] if main else None,
        "worst": worst,
        "nifti": nifti_files(results, manifest, cases),
        "columnOf": column_of(results),
        "labels": {row.run: row.label for row in results.whole.rows},
        "columns": [asdict(column) for column in columns(results)],
        "manifest": _summary(manifest),
        **_colors(),
    }
    write("data.js", _script("globalThis.pageData = %s", data))
    title = html.escape(results.cohort.heading("T1ce synthesis"))
    content = shell.substitute(title=title).encode()
    checksums = {"files": sha256 | {index.name: hashlib.sha256(content).hexdigest()}}
    write("checksums.json", json.dumps(checksums, indent=1).encode())
    write(index.name, content)
    _remove_others(folder, {folder / name for name in sha256})
    return index


def _described(results: Results, settings: Page) -> list[dict]:
    grades = results.scores.drop_duplicates("patient").set_index("patient")["grade"]
    return [
        describe(truth(results, name), settings.slices)
        | {"grade": grades.get(name, ""), "pictures": False}
        for name in results.patients
    ]


def _write_pictures(
    write: Callable[[str, bytes], None], results: Results, settings: Page, order: Sequence[int]
) -> list[int]:
    """Write the patients in this order until the next would not fit; return their numbers."""
    names, written = list(results.patients), []
    room = math.inf if settings.megabytes is None else 1e6 * settings.megabytes
    volumes = patients(results, (names[number] for number in order))
    for number, one in zip(order, volumes, strict=True):
        script = _script(f"receivePatient({number}, %s)", encode(one, settings.slices))
        room -= len(script)
        if room < 0:
            break
        write(f"patients/{number}.js", script)
        written.append(number)
    return written


def _shown(described: Sequence[dict], settings: Page, main: dict | None) -> str:
    """Say which patients and slices are shown, "" if all are."""
    count, sentences = sum(one["pictures"] for one in described), []
    if count < len(described):
        of = f"{main['title']}, mean of the methods" if main else "their score"
        sentences.append(
            f"Pictures of {count} of {len(described)} test patients, as many as fit into "
            f"{settings.megabytes:g} MB in this order: the {WORST} worst with enhancing tumour by "
            f"{of}, the best, then always the one in the middle of the widest gap. Lists and "
            "tables have all patients."
        )
    if settings.slices == "tumour":
        sentences.append("Of each the slices between the first and the last with tumour.")
    return " ".join(sentences)


def _shown_file(item: Item) -> str:
    return f"{item.name}.{'json' if item.kind == 'table' else 'png'}"


def _remove_others(folder: Path, written: set[Path]) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        elif not path.is_dir() and path not in written:
            path.unlink()


def _script(statement: str, content: object) -> bytes:
    """Return a statement with JSON in it that is safe inside HTML too."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return (statement % text.replace("<", "\\u003c") + ";\n").encode()


def _table(item: Item, results: Results, folder: Path) -> dict:
    """Return the JSON of a sheet (see `sheet.as_json`) with its name and caption.

    Its title loses the cohort, which the page names at its head.
    """
    path = folder / _shown_file(item)
    try:
        sheet = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"{path} is damaged ({error}). Delete it and run `python -m workflow tabulate` again."
        ) from None
    title = sheet["title"].removesuffix(f": {results.cohort.description}.")
    return {**sheet, "title": title, "name": item.name, "caption": _spans(item.caption)}


def _spans(caption: str) -> list[tuple[str, bool]]:
    """Split reStructuredText into parts that are strong or not."""
    parts = caption.replace("`", "").split("**")
    return [(text, bool(place % 2)) for place, text in enumerate(parts) if text]


def _colors() -> dict:
    """Return the colours of masks, outlines and errors: those of the figures, and the viewer's."""
    # matplotlib takes most of a second to import.
    import matplotlib
    from matplotlib.colors import to_hex

    from benchmarks.reporting.drawing.pictures import CONTOURS
    from benchmarks.reporting.figures.segmentation import CLASSES
    from benchmarks.reporting.figures.synthesis import ERROR

    def scale(name: str) -> list[str]:
        return [to_hex(matplotlib.colormaps[name](value)) for value in range(256)]

    return {
        "classes": {value: [name, color] for value, (name, color) in CLASSES.items()},
        "contours": {
            region: {"color": color, "classes": REGIONS[region].labels}
            for region, color in CONTOURS.items()
        },
        "agreement": AGREEMENT,
        "regions": {region: REGIONS[region].labels for region in ("et", "tc", "wt")},
        "error": {
            "limit": ERROR,
            "colors": scale(ERROR_COLORS),
            "signed": scale(SIGNED_COLORS),
        },
    }


def _summary(manifest: Manifest) -> dict:
    """Return what the page shows of the manifest, which is also in its folder."""
    code, machine = manifest.code, manifest.machine
    commit = code.commit or f"unknown: {code.unknown}"
    if code.dirty:
        commit += f", with uncommitted changes in {', '.join(code.changed)}"
    hardware = {
        "": machine.get("platform"),
        "CPU": machine.get("cpu"),
        "cores": machine.get("cores"),
        "memory GB": round(machine.get("memory_bytes", 0) / 1e9, 1),
        "GPU": " and ".join(machine.get("gpus", [])),
    }
    facts = {
        "Written": manifest.written,
        "Command": " ".join(manifest.command) if manifest.command else "by hand",
        "Commit": commit,
        "Data": f"{manifest.data.folder}, {len(manifest.data.files)} files",
        "Patients": " ".join(manifest.data.read_as),
        "Python": manifest.environment.get("python"),
        "Packages": _listed(manifest.environment.get("packages", {})),
        "Machine": _listed(hardware),
    }
    return {
        "facts": {name: str(value) for name, value in facts.items()},
        "checks": [check.model_dump() for check in manifest.checks],
        "failed": [
            f"{run}, {replicate}: {state['reason']}"
            for run, replicates in manifest.runs.items()
            for replicate, state in replicates.items()
            if not state.get("scored")
        ],
        "settings": yaml.safe_dump(manifest.settings, sort_keys=False, allow_unicode=True),
    }


def _listed(values: dict) -> str:
    return ", ".join(f"{name} {value}".strip() for name, value in values.items() if value)
