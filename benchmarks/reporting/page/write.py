"""The page of a benchmark: one folder that opens from the file system and needs nothing else."""

import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template

import matplotlib
import yaml
from matplotlib.colors import to_hex

from benchmarks.files import write_atomically
from benchmarks.provenance import Manifest
from benchmarks.reporting.comparison import MAIN, PROTOCOL
from benchmarks.reporting.figures.pictures import CLASSES, CONTOURS, ERROR, ERROR_COLORS
from benchmarks.reporting.figures.style import Cohort
from benchmarks.reporting.page.grids import grid
from benchmarks.reporting.page.pictures import Volumes, describe, encode
from benchmarks.reporting.page.template import datatables, own
from benchmarks.reporting.rows import System
from benchmarks.scoring.regions import REGIONS


@dataclass(frozen=True)
class Column:
    """What the viewer shows of one method, beneath each other.

    Attributes
    ----------
    t1ce, seg : the systems whose T1ce, and whose masks, these are; None where it makes none.
    label, seg_label : what tables call them.
    notes : which seed is shown where there are several, and why something is missing.
    """

    label: str
    role: str
    t1ce: str | None = None
    seg: str | None = None
    seg_label: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Figure:
    """A figure's PNG, its other files, and its caption in reStructuredText."""

    picture: Path
    others: Sequence[Path]
    caption: str


@dataclass(frozen=True)
class Page:
    """All that a page shows, but for the patients' volumes.

    Attributes
    ----------
    tables : the .md files, with .csv and .tex beside them, and a caption each.
    description : the cohort as the tables' titles have it.
    scores : any other file of numbers that is handed out.
    measures : see `scores.measures`, in the order of the patients.
    """

    cohort: Cohort
    description: str
    systems: Sequence[System]
    columns: Sequence[Column]
    measures: Sequence[dict]
    tables: Sequence[tuple[Path, str]]
    figures: Sequence[Figure]
    scores: Sequence[Path]
    manifest: Manifest


def write_page(folder: Path, page: Page, patients: Iterable[Volumes]) -> Path:
    """Write `folder`/index.html and all that it needs beside it; the path is returned.

    index.html is written last, so that where it lies the page is whole; whatever else the folder
    holds, as of an earlier page, is then removed. `patients` are read one at a time.
    """
    index = folder / "index.html"
    index.unlink(missing_ok=True)
    kept = {index}

    def keep(name: str, content: bytes) -> None:
        with write_atomically(folder / name) as file:
            file.write(content)
        kept.add(folder / name)

    files = own() | datatables()
    shell = Template(files.pop("page.html").decode())
    for name, content in files.items():
        keep(name, content)
    described = []
    for number, volumes in enumerate(patients):
        described.append(describe(volumes))
        keep(f"patients/{number}.js", _script(f"receivePatient({number}, %s)", encode(volumes)))
    for path, _ in page.tables:
        for suffix in (".csv", ".md", ".tex"):
            keep(f"tables/{path.stem}{suffix}", path.with_suffix(suffix).read_bytes())
    for path in page.scores:
        keep(f"tables/{path.name}", path.read_bytes())
    for figure in page.figures:
        for path in (figure.picture, *figure.others):
            keep(f"figures/{path.name}", path.read_bytes())
    keep("manifest.json", page.manifest.model_dump_json(indent=1).encode())
    keep("data.js", _script("globalThis.pageData = %s", _data(page, described)))
    title = html.escape(page.cohort.heading("T1ce synthesis"))
    keep("index.html", shell.substitute(title=title).encode())
    _remove_others(folder, kept)
    return index


def _remove_others(folder: Path, kept: set[Path]) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        elif not path.is_dir() and path not in kept:
            path.unlink()


def _script(statement: str, content: object) -> bytes:
    """A statement with JSON in it that is safe inside HTML too."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return (statement % text.replace("<", "\\u003c") + ";\n").encode()


def _data(page: Page, patients: Sequence[dict]) -> dict:
    colors = matplotlib.colormaps[ERROR_COLORS]
    return {
        "title": page.cohort.title,
        "description": page.cohort.description,
        "simulated": page.cohort.simulated,
        "tables": [
            grid(path, page.description) | {"caption": _spans(c)} for path, c in page.tables
        ],
        "files": [path.name for path in page.scores],
        "figures": [
            {
                "picture": figure.picture.name,
                "others": [path.name for path in figure.others],
                "caption": _spans(figure.caption),
            }
            for figure in page.figures
        ],
        "patients": patients,
        "measures": page.measures,
        "main": "/".join([PROTOCOL, *MAIN["synthesis"][0]]),
        "labels": {system.id: system.label for system in page.systems},
        "columns": [asdict(column) for column in page.columns],
        "classes": {value: [name, color] for value, (name, color) in CLASSES.items()},
        "contours": {
            region: {"color": color, "classes": REGIONS[region].labels}
            for region, color in CONTOURS.items()
        },
        "error": {"limit": ERROR, "colors": [to_hex(colors(value)) for value in range(256)]},
        "provenance": _provenance(page.manifest),
    }


def _spans(caption: str) -> list[tuple[str, bool]]:
    """The first paragraph of reStructuredText, in parts that are strong or not."""
    paragraph = " ".join(caption.strip().partition("\n\n")[0].replace("`", "").split())
    return [(text, bool(place % 2)) for place, text in enumerate(paragraph.split("**")) if text]


def _provenance(manifest: Manifest) -> dict:
    """What the page says of how the numbers were made; the manifest itself lies beside it."""
    code, machine = manifest.code, manifest.machine
    commit = code.commit or f"unknown: {code.unknown}"
    if code.dirty:
        commit += f", with uncommitted changes in {', '.join(code.changed)}"
    facts = {
        "Written": manifest.written,
        "Command": " ".join(manifest.command) if manifest.command else "by hand",
        "Commit": commit,
        "Data": f"{manifest.data.folder}, {len(manifest.data.files)} files",
        "Python": manifest.environment.get("python"),
        "Packages": _listed(manifest.environment.get("packages", {})),
        "Machine": _listed(
            {
                "": machine.get("platform"),
                "CPU": machine.get("cpu"),
                "cores": machine.get("cores"),
                "memory GB": round(machine.get("memory_bytes", 0) / 1e9, 1),
                "GPU": " and ".join(machine.get("gpus", [])),
            }
        ),
    }
    failed = [
        f"{run}, seed {seed}: {state['reason']}"
        for run, seeds in manifest.runs.items()
        for seed, state in seeds.items()
        if not state.get("scored")
    ]
    return {
        "facts": {name: str(value) for name, value in facts.items()},
        "checks": [check.model_dump() for check in manifest.checks],
        "failed": failed,
        "settings": yaml.safe_dump(manifest.settings, sort_keys=False, allow_unicode=True),
    }


def _listed(values: dict) -> str:
    return ", ".join(f"{name} {value}".strip() for name, value in values.items() if value)
