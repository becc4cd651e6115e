"""The files of the page beside its data: its own files, and DataTables from `itables`."""

import re
from importlib.resources import files
from pathlib import Path

from benchmarks.errors import InputError

FOLDER = Path(__file__).parent
ASSETS = ("*.html", "*.css", "*.js")


def page_assets() -> dict[str, bytes]:
    """Return the page's own files by name; a change of them changes every page."""
    paths = sorted(path for pattern in ASSETS for path in FOLDER.glob(pattern))
    return {path.name: path.read_bytes() for path in paths}


def datatables() -> dict[str, bytes]:
    """Return DataTables as two files, by name, that a page loads from the file system.

    itables ships it as an ECMAScript module, which browsers do not load from `file:`. Its one
    export becomes the global `dataTables`, inside a function that hides its other names.

    Raises
    ------
    InputError : the installed itables ships it in another form.
    """
    folder = files("itables") / "html"
    source = (folder / "dt_bundle.js").read_text(encoding="utf-8")
    exports = list(re.finditer(r"\bexport\{([^{}]*)\};?", source))
    items = exports[0][1].split(",") if len(exports) == 1 else []
    names = dict(reversed(item.split(" as ")) for item in items if " as " in item)
    if "jQuery" not in names:
        raise InputError(
            f"{folder}/dt_bundle.js does not export `jQuery` as it did in the itables of "
            "requirements.txt. Install that version: pip install -r requirements.txt"
        )
    global_name = f"globalThis.dataTables={{jQuery:{names['jQuery']}}};"
    script = source.replace(exports[0][0], global_name)
    return {
        "datatables.js": f'(() => {{"use strict";\n{script}\n}})();\n'.encode(),
        "datatables.css": (folder / "dt_bundle.css").read_bytes(),
    }
