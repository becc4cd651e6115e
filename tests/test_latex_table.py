"""LaTeX tables: aligned numbers, their width, their notes, and that LaTeX takes them."""

import re
import shutil
import subprocess

import pandas as pd
import pytest
from made_up_scores import check_latex
from test_gap import results_of

from benchmarks.reporting.catalogue import tables
from benchmarks.reporting.latex_table import PACKAGES, table
from benchmarks.reporting.sheet import Block, BlockRow, Cell, Column, Sheet, latex

NUMBERS = [("One", [("0.843*", True), ("-5.34 [10] {3}", False)]), ("Two", [("–", False)] * 2)]
TITLES = ["Dice WT ↑", "ASSD ET ↓"]


def wide(columns, text="0.123–0.456"):
    heads = [f"Dice WT {i}: p ↑" for i in range(columns)]
    return heads, [("floor: an empty channel + UNet", [(text, False)] * columns)] * 5


def rows_of(text):
    return [line for line in text.splitlines() if line.endswith(r" \\")]


def test_numbers_stand_below_each_other_with_their_marks_beside():
    lines = [*NUMBERS, ("Three", [("1.2", False), ("7", False)])]
    head, one, two, three = rows_of(table("tab:a", "A.", TITLES, lines, []))
    assert r"\shortstack[r]{ASSD\\ET $\downarrow$}" in head
    assert one == (
        r"One & \textbf{0.843} & \textsuperscript{*} & $-$5.34 & \textsuperscript{[10] \{3\}} \\"
    )
    assert two == r"Two & \multicolumn{2}{r}{--} & \multicolumn{2}{r}{--} \\"
    assert three == r"Three & 1.2\phantom{00} &  & 7\phantom{.00} &  \\"


def test_only_a_narrow_table_is_in_one_column_and_the_widest_is_cut():
    assert r"\begin{table}" in table("tab:a", "A.", TITLES, NUMBERS, [])
    assert table("tab:a", "A.", *wide(4), []).count(r"\begin{table*}") == 1
    text = table("tab:a", "A.", *wide(20), ["A note."])
    assert len(re.findall(r"A\. Part \d of \d\.", text)) == text.count(r"\begin{table*}") > 2
    assert text.count("A note.") == 1 and r"\label{tab:a}" in text and r"\label{tab:a-2}" in text
    check_latex(text, tables=1)


def sheet():
    blocks = [
        Block(name, f"Table I. Protocol {name}.", [Column("Dice WT", "higher")], [
            BlockRow("floor: T1", [Cell(text, interval_text=interval)]),
        ])
        for name, text, interval in (("paper", "0.500 [3]", ""), ("strict", "0.400*", "0.3–0.5"))
    ]  # fmt: skip
    notes = ["[k]: of k patients.", "*: differs.", "95 % interval: of the mean.", "A remark."]
    title = "Table I. A title: 4 patients. SIMULATED patients: not real."
    return Sheet(title, blocks, [*notes, "strict: whole volumes."], pd.DataFrame())


def test_captions_have_no_number_and_notes_stand_where_their_mark_is_printed():
    text = latex("t", sheet())
    assert "Table" not in text.replace("tablenotes", "")
    paper, strict = text.split(r"\end{table}")[:2]
    assert r"\caption{A title: 4 patients. Protocol paper.}" in paper
    items = [re.findall(r"\\item \{\}(.*)", part) for part in (paper, strict)]
    simulated = "SIMULATED patients: not real."
    assert items[0] == [simulated, "[k]: of k patients."]
    assert items[1] == [
        simulated, "*: differs.", r"95 \% interval: of the mean.", "A remark.",
        "strict: whole volumes.",
    ]  # fmt: skip


def tall(rows):
    lines = [("[a row]", [("0.500", False)] * 2), ("(95 % interval)", [("0.4–0.6", False)] * 2)]
    return TITLES, [("A group", []), *lines * rows]


def test_a_table_that_is_too_high_is_cut_between_rows():
    text = table("tab:a", "A.", *tall(60), ["A note."])
    parts = text.split(r"\end{table}")[:-1]
    assert len(parts) == len(re.findall(r"A\. Part \d of \d\.", text)) > 1
    assert text.count("A note.") == 1 and "A note." in parts[-1]
    rows = [rows_of(part)[1:] for part in parts]
    assert sum(map(len, rows)) == 121 and max(map(len, rows)) - min(map(len, rows)) < 20
    assert rows[0][0] == r"\multicolumn{3}{@{}l@{}}{\textit{A group}} \\"
    assert all("interval" not in of[0] for of in rows), "an interval stays with its row"
    check_latex(text, tables=1)


def test_notes_without_room_stand_below_as_text():
    text = table("tab:a", "A.", TITLES, NUMBERS, ["word " * 60] * 20)
    inside, below = text.split(r"\end{table}")
    assert "word" not in inside and below.count(r"\noindent word") == 20
    assert r"Notes to Table~\ref{tab:a}" in below


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
@pytest.mark.parametrize("columns", ["onecolumn", "twocolumn"])
def test_latex_takes_tables_as_pasted_and_no_box_is_overfull(tmp_path, columns):
    results = results_of(seeds=(0, 1))
    texts = [
        *(latex(item.name, item.function(results)) for item in tables()),
        latex("t", sheet()),
        table("tab:a", "A.", TITLES, NUMBERS, ["A note."]),
        *(table(f"tab:{n}", "A.", *wide(n), ["A note."]) for n in (2, 3, 5, 8, 20)),
        table("tab:long", "A.", *wide(3, "not to be told apart from the best"), []),
        table("tab:high", "A.", *tall(60), ["A note."]),
        table("tab:notes", "A.", TITLES, NUMBERS, ["word " * 60] * 20),
    ]
    document = [
        rf"\documentclass[a4paper,{columns}]{{article}}",
        rf"\usepackage{{{','.join(PACKAGES)}}}",
        r"\begin{document}",
        *(f"{text}\n\\clearpage" for text in texts),
        r"\end{document}",
    ]
    (tmp_path / "tables.tex").write_text("\n".join(document))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "too large" not in done.stdout
    overfull = re.findall(r"Overfull \\hbox \((\d+\.\d+)pt", done.stdout)
    assert not [points for points in overfull if float(points) > 1]
