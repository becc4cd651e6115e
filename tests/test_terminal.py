"""Tables in a terminal: nothing is lost or wider than it, and `show` says what to run."""

import json
import subprocess
import sys

import pytest
from made_up_scores import sheet_of
from test_gap import results_of

from benchmarks.reporting import terminal
from benchmarks.reporting.sheet import as_json
from workflow.fingerprint import ROOT
from workflow.layout import Layout

NAMES = ("table0_gap", "table1_ablation", "table3_segmentation", "table10_claims")


@pytest.fixture(scope="module")
def sheets():
    results = results_of(seeds=(0, 1))
    return {name: json.loads(json.dumps(as_json(sheet_of(name, results)))) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("columns", [40, 60])
def test_a_table_is_aligned_in_a_narrow_terminal(sheets, name, columns, encoding):
    """No line of a grid has a letter where its ruler has none."""
    text = terminal.table(sheets[name], columns, encoding)
    text.encode(encoding)
    assert max(map(len, text.splitlines())) <= columns
    for part in text.split("\n\n"):
        lines = part.splitlines()
        if ruler := next((line for line in lines if line.startswith("---")), None):
            assert max(map(len, lines)) <= len(ruler)
            gaps = [place for place, letter in enumerate(ruler) if letter == " "]
            assert not {line[gap] for line in lines for gap in gaps if gap < len(line)} - {" "}


def test_rows_of_the_same_label_are_told_apart_in_every_part(sheets):
    block = sheets["table10_claims"]["blocks"][0]
    text = terminal.table(sheets["table10_claims"] | {"blocks": [block]}, 80)
    rows = [(row["label"], row["cells"][0]["text"]) for row in block["rows"]]
    assert len(set(rows)) == len(rows) > len(set(dict(rows)))
    grids = [part.split() for part in text.split("\n\n") if "-----" in part]
    assert len(grids) > 1 and {words[0] for words in grids} == {block["columns"][0]["title"]}


def test_long_labels_and_cells_are_wrapped_where_they_do_not_fit():
    lines = [["floor: empty channel", "-38 %  (-79 to -12 %), see the note"], ["x", "1"]]
    (grid,) = terminal._grids(["share"], lines, 40)
    assert max(map(len, grid.splitlines())) <= 40
    assert "\n  channel" in grid and all(word in grid for word in lines[0][1].split())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("columns", [60, 100, 200])
def test_a_table_has_all_its_cells_and_fits(sheets, name, columns):
    sheet = sheets[name]
    text = terminal.table(sheet, columns)
    assert max(map(len, text.splitlines())) <= columns
    words = " ".join(text.split())
    for block in sheet["blocks"]:
        for row in block["rows"]:
            for cell in row["cells"]:
                assert " ".join(cell["text"].split()) in words
    for note in sheet["notes"]:
        assert note.split()[-1] in words


def test_the_headline_is_short_and_says_how_large_the_gap_is(sheets):
    text = terminal.headline(sheets["table0_gap"], 100)
    assert len(text.splitlines()) <= 15
    assert "Gap in Dice ET of 10 patients: 0." in text
    assert "100 %" in text and "invented, ml" in text
    assert "Dice TC" not in text
    lines = text.splitlines()
    first = next(line for line in lines if line.startswith("ceiling"))
    assert lines.index(first) < next(
        i for i, line in enumerate(lines) if line.startswith("no T1ce")
    )


def test_the_headline_says_why_there_is_none():
    sheet = as_json(sheet_of("table0_gap", results_of(without={"unet"})))
    assert "No gap" in terminal.headline(sheet, 80)


def test_letters_that_an_encoding_lacks_are_written_out():
    assert terminal.plain("Dice ↑ 0.1–0.2 ∞", "ascii") == "Dice (higher) 0.1-0.2 inf"
    assert terminal.plain("Dice ↑", "utf-8") == "Dice ↑"


def show(folder, *arguments, **settings):
    command = [sys.executable, "-m", "workflow", "show", *arguments]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "", "COLUMNS": "80", **settings}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)


@pytest.fixture
def written(tmp_path, sheets):
    folder = tmp_path / Layout("phantom").tables
    folder.mkdir(parents=True)
    for name, sheet in sheets.items():
        (folder / f"{name}.json").write_text(json.dumps(sheet))
    return tmp_path


def test_show_prints_the_headline_and_what_to_open(written):
    done = show(written)
    assert done.returncode == 0 and not done.stderr
    lines = done.stdout.decode().splitlines()
    assert len(lines) <= 22 and lines[-4].startswith("Open ")
    assert "show 0 ... 11)" in lines[-3]
    page = written / Layout("phantom").page
    page.parent.mkdir(parents=True)
    page.touch()
    assert f"file://{page}" in show(written).stdout.decode()


@pytest.mark.parametrize("table", ["1", "table1_ablation"])
def test_show_prints_one_table_by_number_or_name(written, table):
    text = show(written, table).stdout.decode()
    assert text.startswith("Table I. ") and "Table X." not in text


def test_show_writes_ascii_where_the_terminal_has_no_more(written):
    done = show(written, "1", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0 and "(higher)" in done.stdout.decode("ascii")
    assert "\\u" not in done.stdout.decode("ascii")


@pytest.mark.parametrize(
    ("table", "said"), [("99", "There is no table 99"), ("2", "Run `snakemake` on benchmark")]
)
def test_show_says_what_to_run(written, table, said):
    done = show(written, table)
    assert done.returncode == 2 and said in done.stderr.decode() and not done.stdout


def test_show_ends_quietly_if_nobody_reads_on(written):
    command = f"{sys.executable} -m workflow show 10 | head -n 1"
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=written, env=environment,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 and not done.stderr
