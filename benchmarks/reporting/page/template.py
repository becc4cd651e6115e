"""What the page consists of beside the data: our own files, and DataTables out of `itables`."""

import re
from importlib.resources import files
from pathlib import Path

from benchmarks.errors import InputError

FOLDER = Path(__file__).parent
OWN = ("page.html", "page.css", "page.js")
"""Files of this folder; their bytes decide, beside the code, what a page looks like."""


def own() -> dict[str, bytes]:
    """Our files by name."""
    return {name: (FOLDER / name).read_bytes() for name in OWN}


def datatables() -> dict[str, bytes]:
    """DataTables as two files that a page loads from the file system, by name.

    itables carries it as an ECMAScript module, which browsers do not load from `file:`. Its one
    export becomes the global `dataTables`, in a function so that its other names stay its own.

    Raises InputError where the installed itables carries it in another form.
    """
    folder = files("itables") / "html"
    source = (folder / "dt_bundle.js").read_text(encoding="utf-8")
    exports = re.findall(r"\bexport\{([^{}]*)\};?", source)
    names = (
        dict(reversed(item.split(" as ")) for item in exports[0].split(",") if " as " in item)
        if len(exports) == 1
        else {}
    )
    if "jQuery" not in names:
        raise InputError(
            f"{folder}/dt_bundle.js does not export `jQuery` as it did in the itables of "
            "requirements.txt. Install that version: pip install -r requirements.txt"
        )
    made = f"globalThis.dataTables={{jQuery:{names['jQuery']}}};"
    script = re.sub(r"\bexport\{[^{}]*\};?", lambda _: made, source)
    return {
        "datatables.js": f'(() => {{"use strict";\n{script}\n}})();\n'.encode(),
        "datatables.css": (folder / "dt_bundle.css").read_bytes(),
    }
