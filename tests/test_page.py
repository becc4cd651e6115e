"""The page of made-up patients: what its files hold, and what Chromium shows of them."""

import base64
import io
import json
import re
import shlex
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from made_up import stored_cohort
from made_up_scores import frame, made_up_results
from PIL import Image

from benchmarks.cohorts.replicate import Place, Replicate
from benchmarks.cohorts.store import Grid, Scan
from benchmarks.config import Page
from benchmarks.errors import InputError
from benchmarks.manifest import Check, Code, Data, Manifest
from benchmarks.reporting.catalogue import tables
from benchmarks.reporting.page import template
from benchmarks.reporting.page.columns import Column, column_of, columns, patients, shown_seeds
from benchmarks.reporting.page.files import nifti_files
from benchmarks.reporting.page.pictures import IMAGES, Volumes, describe, encode, runs, to_grey
from benchmarks.reporting.page.scores import INFINITY, measures
from benchmarks.reporting.page.selection import in_order_of_pictures, main_measure, worst_first
from benchmarks.reporting.page.write import write_page
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row
from benchmarks.reporting.sheet import Block, BlockRow, Cell, Sheet, write_sheet
from benchmarks.reporting.sheet import Column as Head
from workflow.dag import Dag

EVIL = '</script><img src=x onerror="globalThis.broken=1">'
SYNTHESIS, SEGMENTATION = ("synthesis",), ("segmentation",)
ROWS = [
    Row("cutgan", "CUTGAN", "method", tasks=SYNTHESIS),
    Row("cutgan+unet", "CUTGAN + UNet", "method", tasks=SEGMENTATION, upstream="cutgan"),
    Row("evil", EVIL, "method", tasks=SYNTHESIS),
    Row("drit", "DRIT++", "method", tasks=SYNTHESIS, failure=f"train: {EVIL}"),
    Row("copy_t1", "copy T1", "floor", tasks=SYNTHESIS),
    Row("copy_t1+unet", "copy T1 + UNet", "floor", tasks=SEGMENTATION, upstream="copy_t1"),
]
PATIENTS = ["P0", "P1", EVIL, "P3"]
# Worst first by SSIM: P1, then EVIL, then P0; P3 has none.
SSIM = dict(zip(PATIENTS, [0.9, 0.3, 0.6, np.nan], strict=True))
OF_COPIED_T1 = {"P1": 0.2, EVIL: -0.1}  # added to its SSIM
DESCRIPTION = "tiny phantom, 9 patients, 4 of them test. SIMULATED patients"


def scan(number=0, shape=(9, 40, 36)) -> Scan:
    """A brain with a tumour on the patient's right in front, largest in slice 5; T1ce bright."""
    z, y, x = np.indices(shape)
    brain = ((y - 20) / 17) ** 2 + ((x - 18) / 13) ** 2 < 1
    brain &= (z > 0) & (z < 8)
    radius = 6 - np.abs(z - 5)
    distance = np.hypot(y - 12, x - 12)
    labels = np.where(brain, np.where(distance < radius, 2, 0), -1)
    labels[brain & (distance < radius - 2)] = 3
    smooth = np.sin(y / 5 + number) * np.cos(x / 6) * 0.4 + 0.03 * z
    images = np.stack([np.where(brain, smooth + shift, -1) for shift in (-0.2, 0, 0.1, 0.2)])
    images[3][labels == 3] = 0.9
    return Scan(images, labels)


@dataclass(frozen=True)
class MadeUpPatient:
    """A StoredPatient without a store, of a grid that is no square."""

    number: int
    patient: str
    spacing = (3.0, 3.0, 3.0)
    grid = Grid(crop=40)

    @property
    def meta(self) -> SimpleNamespace:
        kinds = ("t1ce", "seg")
        files = {kind: SimpleNamespace(sha256=self.sha256(kind)) for kind in kinds}
        return SimpleNamespace(files=files)

    def sha256(self, kind: str) -> str:
        return f"{kind.encode().hex()}{self.number}".ljust(64, "0")

    def volume(self, crop: int) -> Scan:
        return scan(self.number)


STORED = {name: MadeUpPatient(number, name) for number, name in enumerate(PATIENTS)}


def predicted(run: str, seed: int, kind: str, patient: MadeUpPatient) -> np.ndarray:
    true = patient.volume(40)
    noise = np.random.default_rng(patient.number).normal(0, 0.1, true.labels.shape)
    return {
        "copy_t1": true.t1,
        "cutgan": np.clip(true.t1ce + noise * (true.labels >= 0), -1, 1),
        "evil": -true.t1ce,
        "copy_t1+unet": np.zeros(true.labels.shape, np.uint8),
        "cutgan+unet": np.maximum(true.labels, 0).astype(np.uint8),
    }[run]


def scores() -> pd.DataFrame:
    rows = []
    for row in ROWS:
        if row.failure:
            continue
        for patient in PATIENTS:
            ssim = SSIM[patient] + OF_COPIED_T1.get(patient, 0) * (row.run == "copy_t1")
            cells = [("synthesis", "ssim", "brain", ssim), ("synthesis", "psnr", "et", 20)]
            if "segmentation" in row.tasks:
                cells = [("segmentation", "assd", "wt", 10 * SSIM[patient])]
            shift = 0.01 * len(row.run)
            for task, metric, region, value in cells:
                after = "lcc" if task == "segmentation" else ""
                rows.append([row.run, 0, patient, "", "strict", task, region, metric, after,
                             value + shift, ""])  # fmt: skip
    return frame(rows)


def results(table: pd.DataFrame | None = None) -> Results:
    return made_up_results(
        scores() if table is None else table, ROWS, title=EVIL, description=DESCRIPTION,
        simulated=True, protocols=["paper", "strict"], patients=STORED, read_prediction=predicted,
    )  # fmt: skip


def volumes() -> Volumes:
    return next(patients(results(), PATIENTS))


def manifest() -> Manifest:
    return Manifest(
        benchmark="tiny",
        written="2026-01-01 00:00:00 UTC",
        command=["snakemake", EVIL],
        code=Code(commit="c0ffee", dirty=True, changed=["Snakefile"]),
        environment={"python": "3.11", "packages": {"torch": "2"}},
        machine={"cores": 2},
        settings={"title": EVIL},
        data=Data(folder="raw", files={}),
        runs={"drit": {"seed 0": {"scored": False, "reason": EVIL}}},
        checks=[
            Check(name="all is well", holds=True),
            Check(name="a sum", holds=False, found="3"),
            Check(name="learned", holds=False, critical=False),
        ],
        files={},
        arrays={},
        steps={},
        folders=[],
        shown=[],
    )


# One table of everything that a cell can be.
HEADS = [Head("n"), Head("SSIM whole", "higher"), Head("ASSD", "lower"), Head("verdict")]
CELLS = {
    "first": [Cell("4", 4), Cell("0.5", 0.5, best=True, interval=(0.4, 0.6), published=0.62,
              interval_text="0.40–0.60", published_text="0.62"), Cell("∞ [3]", np.inf), Cell("no")],
    "second": [Cell("3 of 4", 3), Cell("0.45*", 0.45, interval_text="–", published=0.7,
               published_text="0.7"), Cell("1,200", 1200.0), Cell("–")],
    "third": [Cell("failed", 0), Cell("–"), Cell("–"), Cell("best")],
    "fourth": [Cell("", 0), Cell("", published=0.1, published_text="0.1"), Cell("9", 9.0),
               Cell("a")],
}  # fmt: skip
STATUS = {"third": f"failed: {EVIL}", "fourth": "quoted"}
EVERYTHING = Sheet(
    f"Table IV. Everything: {DESCRIPTION}.",
    [Block("all", "All cells.", HEADS, [
        BlockRow(label, cells, status=STATUS.get(label, "")) for label, cells in CELLS.items()
    ])],
    ["A note."],
    pd.DataFrame({"cohort": [DESCRIPTION]}),
)  # fmt: skip


GAP = Sheet(
    f"The gap, and what each synthesis recovers: {DESCRIPTION}.",
    [Block("unet_retrained", "UNet, retrained. Protocol strict.",
           [Head("Dice ET, n = 4", "higher"), Head("share ET", "higher")], [
        BlockRow("ceiling: real T1ce", [Cell("0.8", 0.8), Cell("100 %", 1.0)], role="ceiling"),
        BlockRow("CUTGAN", [Cell("0.6", 0.6, (0.5, 0.7), interval_text="0.5–0.7"),
                            Cell("+50 %", 0.5, (0.2, 0.9), interval_text="20 to 90 %")],
                 "cutgan+unet"),
        BlockRow("no T1ce", [Cell("0.4", 0.4), Cell("0 %", 0.0)], "unet"),
        BlockRow(EVIL, [Cell("0.3", 0.3), Cell("-20 %", -0.2, interval_text="-∞ to -5 %")], "evil"),
        BlockRow("DRIT++", [Cell("failed"), Cell("–")], status="failed: train"),
    ])],
    ["Gap in Dice ET of 4 patients: 0.4."],
    pd.DataFrame({"cohort": [DESCRIPTION]}),
)  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> tuple[Path, Path]:
    """The folders of tables and of figures."""
    made, figures = tmp_path_factory.mktemp("tables"), tmp_path_factory.mktemp("figures")
    strict = replace(results(), protocols=("strict",))
    for table in tables():
        if table.name in ("table2_synthesis", "table3_segmentation"):
            write_sheet(made, table.name, table.function(strict))
    write_sheet(made, "table4_cost", EVERYTHING)
    write_sheet(made, "table0_gap", GAP)
    (made / "scores.csv").write_text("run\n")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(figures / "ranks.png")
    (figures / "ranks.pdf").write_bytes(b"%PDF-")
    (figures / "ranks.md").write_text("**Ranks of\nthe methods.** A note.\n")
    (figures / "ranks.tex").touch()
    (figures / "of_another_catalogue.png").touch()
    return made, figures


@pytest.fixture(scope="module")
def written(tmp_path_factory, sources) -> Path:
    folder = tmp_path_factory.mktemp("a page & more")
    return write_page(folder / "page", results(), manifest(), *sources)


def content(script: Path):
    """What a script of the page passes on."""
    text = script.read_text(encoding="utf-8")
    return json.loads(re.sub(r"^[^{]*|\)?;\s*$", "", text))


# ------------------------------------------------------------------ pictures


def decoded(made: dict, name: str) -> np.ndarray:
    (width, height), tile = made["size"], made["tile"]
    row, column = divmod(made["tiles"][name], made["across"])
    slices = []
    for picture in made["pictures"]:
        sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("L"))
        y, x = row * tile[1], column * tile[0]
        slices.append(sheet[y : y + height, x : x + width])
    return np.stack(slices)


def decoded_classes(texts: list[str], size: list[int]) -> np.ndarray:
    made = np.zeros((len(texts), size[1] * size[0]), np.uint8)
    for classes, text in zip(made, texts, strict=True):
        at = 0
        for value, length in (run.split(":") for run in text.split()):
            classes[at : at + int(length, 36)] = int(value)
            at += int(length, 36)
    return made.reshape(len(texts), size[1], size[0])


def test_pictures_are_upright_and_close_to_the_volumes():
    patient = volumes()
    made = encode(patient)
    assert set(patient.images) == {*IMAGES.values(), "t1ce:copy_t1", "t1ce:cutgan", "t1ce:evil"}
    for name, volume in patient.images.items():
        # The brain's box, with a margin of two pixels: rows 4 to 36, columns 6 to 30.
        true = to_grey(volume[1:8, 2:39, 4:33]).astype(float)
        error = np.abs(decoded(made, name) - true)
        assert error.mean() < 3, name
        turned = np.abs(decoded(made, name)[:, :, ::-1] - true).mean()
        assert turned > 2 * error.mean(), name


def test_equal_volumes_share_their_pictures():
    made = encode(volumes())
    assert made["tiles"]["t1ce:copy_t1"] == made["tiles"]["t1"]
    assert len(set(made["tiles"].values())) == 6


def test_masks_come_back_as_they_were():
    patient = volumes()
    made = encode(patient)
    true = np.maximum(patient.scan.labels, 0)[1:8, 2:39, 4:33]
    assert (decoded_classes(made["truth"], made["size"]) == true).all()
    assert (decoded_classes(made["seg"]["cutgan+unet"], made["size"]) == true).all()
    assert set(made["seg"]["copy_t1+unet"]) == {""}


def test_runs_leave_out_the_last_zeros():
    assert runs(np.array([[0, 0, 3], [3, 1, 0]], np.uint8)) == "0:2 3:2 1:1"
    assert runs(np.full((6, 6), 2)) == "2:10"


def test_a_patient_starts_at_the_slice_with_the_most_enhancing_tumour():
    patient = volumes()
    described = describe(patient)
    assert [described[key] for key in ("first", "count", "slices", "start")] == [1, 7, 9, 5]
    for key, classes in {"tumour_ml": (1, 2, 3), "et_ml": (3,)}.items():
        voxels = np.isin(patient.scan.labels, classes).sum()
        assert described[key] == pytest.approx(voxels * 27 / 1000, abs=0.01)
    labels = patient.scan.labels.copy()
    labels[2, 10:12, 14:16] = 3
    labels[3:][labels[3:] == 3] = 2
    moved = replace(patient, scan=Scan(patient.scan.images, labels))
    assert (describe(moved)["start"], describe(moved)["et_ml"]) == (2, 0.14)
    healthy = replace(patient, scan=Scan(patient.scan.images, np.minimum(patient.scan.labels, 0)))
    assert describe(healthy)["start"] == 4


def test_the_zoom_is_the_tumour_and_15_mm_around_it():
    patient = volumes()
    # The brain's box starts at row 2 and column 4; the tumour is rows and columns 7 to 17.
    assert encode(patient)["tumour"] == [0, 0, 19, 21]
    healthy = replace(patient, scan=Scan(patient.scan.images, np.minimum(patient.scan.labels, 0)))
    assert encode(healthy)["tumour"] == [0, 0, 29, 37]


def test_a_volume_without_brain_is_shown_whole():
    patient = volumes()
    nothing = replace(
        patient, scan=Scan(patient.scan.images, np.full_like(patient.scan.labels, -1))
    )
    assert encode(nothing)["size"] == [36, 40]
    assert len(encode(nothing)["pictures"]) == 9


def test_stored_patients_are_read_with_the_largest_components(tmp_path):
    table = scores().query("patient in ('P0', 'P1')")

    def read(run: str, seed: int, kind: str, patient) -> np.ndarray:
        shape = (patient.shape[0], 48, 48)
        if kind == "t1ce":
            return np.full(shape, 0.5, np.float32)
        classes = np.zeros(shape, np.uint8)
        classes[2, 10:14, 10:14], classes[2, 30, 30] = 3, 1
        return classes

    stored = {one.patient: one for one in stored_cohort(tmp_path, 2, crop=48)}
    made = made_up_results(table, ROWS, patients=stored, read_prediction=read)
    first, second = patients(made, stored)
    assert (first.patient, second.patient) == ("P0", "P1")
    assert first.scan.labels.shape == (8, 48, 48)
    assert set(first.t1ce) == {"copy_t1", "cutgan", "evil"}
    assert {run: mask.sum() for run, mask in second.seg.items()} == {
        "copy_t1+unet": 16 * 3,
        "cutgan+unet": 16 * 3,
    }
    assert encode(second)["pixel"] == [1, 1]


# ------------------------------------------------------------------- columns


def test_a_column_is_a_method_and_the_segmentor_behind_it():
    assert columns(results()) == [
        Column("floor: copy T1", "floor", "copy_t1", "copy_t1+unet", "copy T1 + UNet"),
        Column("CUTGAN", "method", "cutgan", "cutgan+unet", "CUTGAN + UNet"),
        Column(EVIL, "method", "evil"),
        Column("DRIT++", "method", failures=(f"DRIT++ has no scores: train: {EVIL}",)),
    ]


def test_a_column_names_seeds_and_what_is_missing():
    rows = [
        Row("a", "A", "method", tasks=SYNTHESIS, failure="train: out of memory"),
        Row("a+unet", "A + UNet", "method", tasks=SEGMENTATION, upstream="a"),
        Row("joint", "J", "ceiling", "joint", tasks=(*SYNTHESIS, *SEGMENTATION)),
    ]
    scored = {"a": (Replicate(1),), "joint": (Replicate(0), Replicate(1))}
    joint, a = columns(replace(results(), rows=tuple(rows[::-1]), replicates=scored))[::-1]
    assert a == Column(
        "A", "method", "a", notes=("A: seed 1",),
        failures=("A lacks the scores of a seed: train: out of memory",
                  "A + UNet has no scores: not run here"),
    )  # fmt: skip
    assert joint == Column("ceiling: J", "ceiling", "joint", "joint", "J", ("J: seed 0",))


def test_the_seeds_that_are_shown_belong_together():
    group = [ROWS[0], ROWS[1]]
    assert shown_seeds(group, {"cutgan": (0, 1), "cutgan+unet": (1,)}) == {
        "cutgan": 1,
        "cutgan+unet": 1,
    }
    assert shown_seeds(group, {"cutgan": (0,), "cutgan+unet": (1,)}) == {
        "cutgan": 0,
        "cutgan+unet": 1,
    }
    assert shown_seeds(group, {"cutgan": (3, 4)}) == {"cutgan": 3}
    assert shown_seeds(group, {}) == {}


def test_masks_are_the_first_segmentors_retrained_else_its_frozen_ones():
    def behind(run, segmentor, frozen=False):
        name = f"{run}+{segmentor}{'.frozen' if frozen else ''}"
        return Row(name, name, "method", tasks=SEGMENTATION, upstream=run, segmentor=segmentor,
                   frozen=frozen)  # fmt: skip

    both = [(name, frozen) for frozen in (False, True) for name in ("unet", "res_unet")]
    rows = [
        Row("cutgan", "CUTGAN", "method", tasks=SYNTHESIS),
        Row("outside", "Outside", "method", "external", tasks=SYNTHESIS),
        *(behind("cutgan", *one) for one in both),
        *(behind("outside", *one) for one in both if one[1]),
    ]
    scored = frame([
        [row.run, 0, "P0", "", "strict", row.tasks[0], "wt", "dice", "lcc", 0.5, ""] for row in rows
    ])  # fmt: skip
    made = made_up_results(scored, rows)
    assert {one.t1ce: one.seg for one in columns(made)} == {
        "cutgan": "cutgan+unet", "outside": "outside+unet.frozen",
    }  # fmt: skip
    assert not any(one.failures for one in columns(made))


# -------------------------------------------------------------------- scores


def test_scores_are_those_of_the_tables_one_value_per_patient():
    listed = measures(results())
    assert [one["key"] for one in listed] == [
        "strict/ssim/brain",
        "strict/psnr/et",
        "strict/assd/wt",
    ]
    ssim, _, assd = listed
    assert ssim["values"]["cutgan"] == [0.96, 0.36, 0.66, None]
    assert (ssim["better"], assd["better"]) == ("higher", "lower")
    # Floors and failed methods are not in the mean.
    assert ssim["mean"] == pytest.approx([0.95, 0.35, 0.65, None])


def test_the_main_protocol_is_first_and_whole_slices_are_last():
    table = scores().query("metric == 'ssim'")
    whole = table.assign(region="whole")
    table = pd.concat([whole.assign(protocol="paper"), whole, table.assign(region="et"), table])
    assert [one["key"] for one in measures(results(table))] == [
        "strict/ssim/brain",
        "strict/ssim/et",
        "strict/ssim/whole",
        "paper/ssim/whole",
    ]


def test_infinite_scores_are_words_in_json():
    table = scores()
    table.loc[table["metric"] == "psnr", "value"] = np.inf
    psnr = next(one for one in measures(results(table)) if one["key"] == "strict/psnr/et")
    assert set(psnr["values"]["cutgan"]) == {INFINITY}


# ----------------------------------------------------------------- the folder


def test_the_folder_is_whole_and_small(written):
    folder = written.parent
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {f"patients/{number}.js" for number in range(4)} <= names
    assert {"tables/scores.csv", "tables/table2_synthesis.tex", "manifest.json"} <= names
    assert {"figures/ranks.png", "figures/ranks.pdf", "datatables.js"} <= names
    assert "figures/of_another_catalogue.png" not in names
    named = re.findall(r'(?:src|href)="([^"#:,]+)"', written.read_text())
    assert len(named) == 15 and set(named) <= names
    sizes = sum(path.stat().st_size for path in folder.glob("patients/*"))
    assert sizes < 4 * 60_000


def test_tables_come_with_their_captions_and_without_the_cohort(written):
    data = content(written.parent / "data.js")
    assert [table["name"] for table in data["tables"]] == [
        "table0_gap",
        "table2_synthesis",
        "table3_segmentation",
        "table4_cost",
    ]
    assert [figure["name"] for figure in data["figures"]] == ["ranks"]
    assert data["tables"][3]["title"] == "Table IV. Everything"
    for shown in (*data["tables"], *data["figures"]):
        assert any(strong for _, strong in shown["caption"])
        assert not re.search(r"[*`]", "".join(text for text, _ in shown["caption"]))


def test_a_damaged_table_is_refused(tmp_path, sources):
    damaged = tmp_path / "tables"
    shutil.copytree(sources[0], damaged)
    path = damaged / "table4_cost.json"
    path.write_text(path.read_text()[:-9])
    none = replace(results(), patients={})
    with pytest.raises(InputError, match=r"table4_cost\.json is damaged .* workflow tabulate"):
        write_page(tmp_path / "page", none, manifest(), damaged, sources[1])


def test_no_file_holds_what_could_end_a_script(written):
    for path in written.parent.glob("**/*.js"):
        if path.name != "datatables.js":
            assert b"</script" not in path.read_bytes(), path
    assert EVIL not in written.read_text()
    assert "&lt;/script&gt;" in written.read_text()


def test_a_second_page_removes_what_the_first_left(tmp_path, written, sources):
    folder = shutil.copytree(written.parent, tmp_path / "page")
    (folder / "old").mkdir()
    (folder / "old/stale.js").touch()
    one = replace(results(), patients={"P0": STORED["P0"]})
    write_page(folder, one, manifest(), sources[0], tmp_path)
    assert [path.name for path in (folder / "patients").iterdir()] == ["0.js"]
    assert not (folder / "old").exists() and not (folder / "figures").exists()


def test_a_page_that_is_not_finished_has_no_index(tmp_path, written, sources):
    folder = shutil.copytree(written.parent, tmp_path / "page")

    def fails_at_the_second(run, seed, kind, patient):
        if patient.number:
            raise InputError("damaged")
        return predicted(run, seed, kind, patient)

    broken = replace(results(), read_prediction=fails_at_the_second)
    with pytest.raises(InputError, match="damaged"):
        write_page(folder, broken, manifest(), *sources)
    assert not (folder / "index.html").exists()


def test_the_same_input_gives_the_same_files(tmp_path, written, sources):
    write_page(tmp_path, results(), manifest(), *sources)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        other = written.parent / path.relative_to(tmp_path)
        assert path.read_bytes() == other.read_bytes(), path


def test_another_itables_is_refused(tmp_path, monkeypatch):
    (tmp_path / "html").mkdir()
    (tmp_path / "html/dt_bundle.js").write_text("export default 1;")
    monkeypatch.setattr(template, "files", lambda package: tmp_path)
    with pytest.raises(InputError, match=r"pip install -r requirements\.txt"):
        template.datatables()


# ------------------------------------------------------------------ the bound


def test_any_first_part_of_the_patients_spans_their_range():
    order = in_order_of_pictures([*range(74)], [0, 1, 2, 4, 5], 76)
    assert order[:5] == [0, 1, 2, 4, 5] and order[5] == 73 and order[-2:] == [74, 75]
    assert sorted(order) == [*range(76)]
    assert all(max(np.diff(sorted(order[:shown]))) <= 2 * 73 / (shown - 5) for shown in (7, 20, 40))
    main = main_measure(measures(results()))
    assert main["key"] == "strict/ssim/brain" and worst_first(main) == [1, 2, 0]
    assert worst_first({**main, "better": "lower"}) == [0, 2, 1]
    assert main_measure([]) is None and worst_first(None) == []


def test_slices_with_tumour_alone():
    patient = volumes()
    described, made = describe(patient, "tumour"), encode(patient, "tumour")
    assert [described[key] for key in ("first", "count", "start")] == [1, 7, 5]
    labels = np.minimum(
        patient.scan.labels, np.where(np.isin(np.arange(9), (4, 5)), 3, 0)[:, None, None]
    )
    small = replace(patient, scan=Scan(patient.scan.images, labels))
    described, made = describe(small, "tumour"), encode(small, "tumour")
    assert [described[key] for key in ("first", "count", "start", "slices")] == [4, 2, 5, 9]
    assert (
        len(made["pictures"]) == len(made["truth"]) == 2 and made["size"] == encode(small)["size"]
    )
    assert described["et_ml"] == describe(small)["et_ml"]
    healthy = replace(patient, scan=Scan(patient.scan.images, np.minimum(patient.scan.labels, 0)))
    assert describe(healthy, "tumour") == describe(healthy)


def test_files_are_where_each_fold_has_them():
    folds = Place(0, 0), Place(0, 1)
    made = replace(
        results(),
        tested=dict(zip(folds, (("P0", "P1"), (EVIL, "P3")), strict=True)),
        replicates={"cutgan": tuple(Replicate(0, fold) for fold in folds),
                    "copy_t1": (Replicate(0, folds[0]),)},
    )  # fmt: skip
    found = nifti_files(made, manifest(), lambda run, one: Path("cases", run, str(one)))
    one, other = "cases/cutgan/seed0-fold0", "cases/cutgan/seed0-fold1"
    assert found["cases"]["cutgan"] == [one, one, other, other]
    assert found["cases"]["copy_t1"] == ["cases/copy_t1/seed0-fold0"] * 2 + [None] * 2
    assert nifti_files(made, manifest(), None) == {"read": [{}] * 4, "cases": {}}


def test_every_run_belongs_to_a_column():
    assert column_of(results()) == {
        "copy_t1": 0, "copy_t1+unet": 0, "cutgan": 1, "cutgan+unet": 1, "evil": 2, "drit": 3,
    }  # fmt: skip


RULES = ("prepare", "split", "score", "tabulate", "draw", "manifest", "page")


def test_the_setting_rewrites_the_page_alone():
    dag = Dag({})
    before = {rule: dag.digest(rule) for rule in RULES}
    dag.benchmark = dag.benchmark.model_copy(update={"page": Page(megabytes=1)})
    assert {rule for rule in RULES if dag.digest(rule) != before[rule]} == {"page"}


@pytest.fixture(scope="module")
def bounded(tmp_path_factory, written, sources) -> Path:
    """A page with the pictures of the two worst patients, and with the paths of files."""
    sizes = [(written.parent / f"patients/{number}.js").stat().st_size for number in (1, 2)]
    files = {f"{one.number}/{kind}.nii.gz": one.sha256(kind)
             for one in STORED.values() for kind in ("t1ce", "seg")}  # fmt: skip
    record = manifest().model_copy(update={"data": Data(folder="my data", files=files)})
    return write_page(
        tmp_path_factory.mktemp("bounded"), results(), record, *sources,
        settings=Page(megabytes=sum(sizes) / 1e6),
        cases=lambda run, one: Path("results/cases/tiny", run, str(one)),
    )  # fmt: skip


def test_pictures_are_bounded_and_scores_are_not(bounded, written, tmp_path, sources):
    folder = bounded.parent
    assert sorted(path.name for path in (folder / "patients").iterdir()) == ["1.js", "2.js"]
    data, whole = content(folder / "data.js"), content(written.parent / "data.js")
    assert [one["pictures"] for one in data["patients"]] == [False, True, True, False]
    assert data["shown"].startswith("Pictures of 2 of 4 test patients, as many as fit into 0.")
    assert data["measures"] == whole["measures"] and data["worst"] == [1, 2, 0]
    assert all(one["pictures"] for one in whole["patients"]) and whole["shown"] == ""
    unbounded = write_page(tmp_path, results(), manifest(), *sources, Page(megabytes=None))
    assert len([*(unbounded.parent / "patients").iterdir()]) == 4


# ------------------------------------------------------------------- Chromium

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
in_chromium = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="needs chromium and chromedriver: apt-get install chromium-driver",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--window-size=1400,1000",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_script_timeout(30)
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, written):
    """A function that opens the page at an address within it; afterwards nothing was reported."""

    def opened(at: str = "", index: Path = written):
        browser.get("about:blank")
        browser.get(f"{index.as_uri()}{at}")
        if at.startswith("#patients"):
            until(browser, "document.getElementById('stage').dataset.shown")
        return browser

    browser.get_log("performance")
    yield opened
    assert browser.execute_script("return globalThis.broken") is None
    assert browser.get_log("browser") == []
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            assert url.startswith(("file:", "data:", "blob:", "about:", "chrome")), url


def until(browser, condition: str):
    """Wait until a JavaScript expression holds."""
    script = f"""
        const done = arguments[0], end = performance.now() + 20000;
        const look = () => {{
          const found = {condition};
          if (found || performance.now() > end) done(found); else setTimeout(look, 5);
        }};
        look();"""
    found = browser.execute_async_script(script)
    assert found, f"never: {condition}"


def soon(look, wanted):
    """DataTables sorts a moment after the click."""
    end = time.monotonic() + 10
    while (found := look()) != wanted and time.monotonic() < end:
        time.sleep(0.05)
    assert found == wanted


def act(browser, action: str, shown: str):
    browser.execute_script(action)
    until(browser, f"document.getElementById('stage').dataset.shown === {shown!r}")


def press(browser, key: str, shown: str):
    event = f"new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}})"
    act(browser, f"document.body.dispatchEvent({event})", shown)


def choose(browser, select: str, option: str):
    browser.execute_script(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
        "s.dispatchEvent(new Event('change', {bubbles: true}))",
        select,
        option,
    )


def pixels(browser, name: str) -> np.ndarray:
    """A canvas as (rows, columns, 3) in 0..255."""
    url = browser.execute_script(
        "const all = [...document.querySelectorAll('canvas')];"
        "return all.find(one => one.ariaLabel === arguments[0]).toDataURL('image/png')",
        name,
    )
    image = Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    return np.asarray(image.convert("RGB")).astype(float)


def column(browser, table: str, place: int) -> list[str]:
    """A column's cells without the small text below them."""
    return browser.execute_script(
        "return [...document.querySelectorAll(`${arguments[0]} tbody tr`)].map(row => {"
        "const cell = row.cells[arguments[1]].cloneNode(true);"
        "cell.querySelectorAll('small').forEach(part => part.remove()); return cell.textContent})",
        table,
        place,
    )


def head(browser, table: str, place: int):
    return browser.find_elements("css selector", f"{table} thead th")[place]


def titles(browser, table: str) -> list[str]:
    return [
        th.get_property("textContent")
        for th in browser.find_elements("css selector", f"{table} thead th")
    ]


@in_chromium
def test_tables_sort_and_filter(page):
    browser = page("#tables?table=table2_synthesis")
    table = "#table2_synthesis"
    ssim = titles(browser, table).index("SSIM brain ↑")
    unsorted = column(browser, table, ssim)
    assert "–" in unsorted
    numbers = [text for text in unsorted if text != "–"]
    missing = ["–"] * unsorted.count("–")
    best_first = sorted(numbers, key=lambda text: float(text.split()[0]), reverse=True)
    for wanted in (best_first, best_first[::-1]):
        head(browser, table, ssim).click()
        soon(lambda: column(browser, table, ssim), wanted + missing)
    browser.find_element("css selector", f"{table} input[type=search]").send_keys("copy t1")
    soon(lambda: column(browser, table, 0), ["floor: copy T1"])


@in_chromium
def test_every_kind_of_cell_is_shown_and_sorted(page):
    browser = page("#tables?table=table2_synthesis")
    table = "#table4_cost"
    select = "[...document.querySelectorAll('nav.picks button')].find(one => one.textContent === "
    browser.execute_script(f"{select}'Table IV. Everything').click()")
    assert titles(browser, table) == [
        "row", "n", "SSIM whole ↑", "SSIM whole published", "ASSD ↓", "verdict",
    ]  # fmt: skip
    rows = {
        cells[0]: cells[1:]
        for cells in zip(*(column(browser, table, place) for place in range(6)), strict=True)
    }
    assert rows == {
        "first": ("4", "0.5", "0.62", "∞ [3]", "no"),
        "second": ("3 of 4", "0.45*", "0.7", "1,200", "–"),
        "third": ("failed", "–", "", "–", "best"),
        "fourth": ("", "", "0.1", "9", "a"),
    }
    small = [
        one.text for one in browser.find_elements("css selector", f"{table} :is(th, td) small")
    ]
    assert small == ["0.40–0.60", f"failed: {EVIL}", "quoted from the paper"]
    bold = [one.text for one in browser.find_elements("css selector", f"{table} td strong")]
    assert bold == ["0.5"]
    for place, best_first in {
        2: ["first", "second"],
        3: ["second", "first", "fourth"],
        4: ["fourth", "second", "first"],
        5: ["fourth", "third", "first"],
    }.items():
        head(browser, table, place).click()
        soon(lambda: column(browser, table, 0)[: len(best_first)], best_first)  # noqa: B023
    # Cells without a value stay last, whichever way the others are sorted.
    head(browser, table, 5).click()
    soon(lambda: column(browser, table, 0), ["first", "third", "fourth", "second"])


@in_chromium
def test_failed_rows_say_why_and_labels_stay_text(page):
    browser = page("#tables?table=table2_synthesis")
    row = browser.find_element("css selector", "#table2_synthesis tr.failed")
    assert "failed: train: </script>" in row.text
    assert EVIL in column(browser, "#table2_synthesis", 0)
    assert "SIMULATED" in browser.find_element("id", "warning").text
    assert EVIL in browser.title
    browser.execute_script("location.hash = '#manifest'")
    until(browser, "!document.getElementById('view-manifest').hidden")
    text = browser.find_element("id", "view-manifest").text
    assert "DOES NOT HOLD: a sum. Found: 3" in text and "warning, does not hold: learned" in text
    assert "1 of 3 checks hold" in text and "all is well" not in text
    browser.find_element("css selector", "#checks summary").click()
    assert browser.find_element("css selector", "#checks li").text == "holds: all is well"
    assert "c0ffee, with uncommitted changes" in text and f"drit, seed 0: {EVIL}" in text


@in_chromium
def test_patients_are_listed_worst_first_and_sort_by_any_score(page):
    browser = page("#patients")
    assert column(browser, "#list", 0) == ["P1", EVIL, "P0", "P3"]
    assert column(browser, "#list", 2) == ["0.350", "0.650", "0.950", "–"]
    assert browser.find_element("id", "patient-name").text == "P1"
    choose(browser, "score", "strict/assd/wt")
    assert column(browser, "#list", 0) == ["P0", EVIL, "P1", "P3"]
    choose(browser, "of", "copy_t1+unet")
    assert column(browser, "#list", 2) == ["9.12", "6.12", "3.12", "–"]
    head(browser, "#list", 0).click()
    soon(lambda: column(browser, "#list", 0), sorted(PATIENTS))


@in_chromium
def test_slices_and_patients_change_by_key_wheel_and_slider(page):
    browser = page("#patients")
    until(browser, "document.getElementById('stage').dataset.shown === '1/5'")
    before = pixels(browser, "true T1ce")
    press(browser, "ArrowUp", "1/6")
    assert browser.find_element("id", "slice-name").text == "slice 6 of 9"
    assert np.abs(pixels(browser, "true T1ce") - before).max() > 20
    press(browser, "ArrowDown", "1/5")
    assert (pixels(browser, "true T1ce") == before).all()
    wheel = "document.getElementById('stage').dispatchEvent(new WheelEvent('wheel', {deltaY: %d}))"
    act(browser, wheel % 100, "1/4")
    act(browser, wheel % -100, "1/5")
    slide = "const s = document.getElementById('slice'); s.value = 2;"
    act(browser, slide + "s.dispatchEvent(new Event('input'))", "1/2")
    press(browser, "PageUp", "1/7")  # the last slice with brain
    press(browser, "Home", "1/5")
    press(browser, "ArrowRight", "2/5")
    press(browser, "ArrowRight", "0/5")
    press(browser, "ArrowLeft", "2/5")
    assert browser.find_element("id", "patient-name").text == EVIL


@in_chromium
def test_pictures_show_the_volumes_front_up_and_left_on_the_right(page):
    browser = page("#patients?patient=P0&slice=5")
    true = to_grey(scan().t1ce[5, 2:39, 4:33])
    shown = pixels(browser, "true T1ce")
    small = np.asarray(Image.fromarray(shown[..., 0].astype(np.uint8)).resize(true.shape[::-1]))
    assert np.abs(small - true.astype(float)).mean() < 8
    assert np.abs(small[:, ::-1] - true.astype(float)).mean() > 12
    press(browser, "e", "0/5")
    until(browser, "document.querySelectorAll('#columns canvas').length === 8")
    error = pixels(browser, "CUTGAN: error")
    negative = pixels(browser, f"{EVIL}: error")
    assert error.mean() < negative.mean()  # noise is a smaller error than the negative


@in_chromium
def test_overlays_rows_and_methods_can_be_switched_off(page):
    browser = page("#patients?patient=P0&slice=5")
    name = "CUTGAN: masks"
    with_all = pixels(browser, name)
    toggle = "const b = document.querySelector(arguments[0]); b.checked = !b.checked;"
    toggle += "b.dispatchEvent(new Event('change', {bubbles: true}))"

    def changed(selector: str) -> None:
        browser.execute_script("document.getElementById('stage').dataset.shown = ''")
        browser.execute_script(toggle, selector)
        until(browser, "document.getElementById('stage').dataset.shown === '0/5'")

    browser.execute_script(toggle, "#outlines")
    without_outlines = pixels(browser, name)
    assert (without_outlines != with_all).any()
    choose(browser, "mode", "none")
    plain = pixels(browser, name)
    assert (plain != without_outlines).any()
    assert (plain == plain[..., :1]).all(), "FLAIR alone is grey"
    count = "return document.querySelectorAll('#columns canvas').length"
    assert browser.execute_script(count) == 2 + 2 + 1, "copy T1 and the two best"
    changed("#rows [name=error]")
    assert browser.execute_script(count) == 3 + 3 + 2
    changed("#methods label:nth-of-type(1) input")
    assert browser.execute_script(count) == 3 + 2
    changed("#rows [name=inputs]")
    names = "return [...document.querySelectorAll('#references canvas')].map(one => one.ariaLabel)"
    truths = ["true T1ce", "true outlines", "true classes"]
    assert browser.execute_script(names) == [*truths, "T1", "T2", "FLAIR"]
    press(browser, "a", "0/5")
    press(browser, "a", "0/5")
    browser = page("#patients?patient=P0&slice=5&method=DRIT%2B%2B")
    reason = browser.find_element("css selector", "#columns .failed .reason").text
    assert reason == f"DRIT++ has no scores: train: {EVIL}"


@in_chromium
def test_the_address_leads_back_to_the_place(page):
    browser = page("#patients")
    press(browser, "ArrowRight", "2/5")
    press(browser, "ArrowUp", "2/6")
    at = browser.execute_script("return location.hash")
    browser = page(at)
    assert browser.execute_script("return document.getElementById('stage').dataset.shown") == "2/6"
    assert browser.execute_script("return location.hash") == at
    browser = page("#patients?patient=nobody&slice=x&score=none&of=none")
    assert browser.find_element("id", "patient-name").text == "P1"
    act(browser, "location.hash = '#patients?patient=P0&slice=3'", "0/3")


@in_chromium
def test_the_first_view_answers_the_question(page):
    browser = page()
    view = browser.find_element("id", "view-summary")
    assert "Can T1ce be synthesised well enough to segment a glioma?" in view.text
    assert "SIMULATED patients" in view.text
    assert browser.find_element("id", "verdict").text == (
        "Nothing is claimed here of a synthesis and no T1ce: Table X has no such pair."
    )
    assert browser.find_element("id", "intervals").text == (
        "The 95 % intervals of the share below are each of its row alone, not corrected for the 2 "
        "syntheses, so none is a claim by itself: 1 is above 0 %, 1 is below 0 %."
    )
    assert column(browser, "#gap", 0) == ["ceiling: real T1ce", "CUTGAN", "no T1ce", EVIL, "DRIT++"]
    assert column(browser, "#gap", 2) == ["100 %", "+50 %", "0 %", "-20 %", "–"]
    marks = "return [...document.querySelectorAll('#gap tbody tr')].map(row => ["
    marks += "row.querySelectorAll('circle').length, row.querySelectorAll('.interval').length])"
    assert browser.execute_script(marks) == [[1, 0], [1, 1], [1, 0], [1, 1], [0, 0]]
    worst = [one.text for one in browser.find_elements("css selector", "#worst a")]
    assert worst == ["P1", EVIL, "P0"]
    assert browser.title.startswith("Summary – ")
    browser.find_element("css selector", "#worst a").click()
    until(browser, "document.getElementById('stage').dataset.shown === '1/5'")
    assert browser.title.startswith("P1 – ")


@in_chromium
def test_table_sort_and_filter_are_in_the_address(page):
    browser = page("#tables?table=table2_synthesis")
    table = "#table2_synthesis"
    ssim = titles(browser, table).index("SSIM brain ↑")
    head(browser, table, ssim).click()
    until(browser, "location.hash.includes('sort=')")
    browser.find_element("css selector", f"{table} input[type=search]").send_keys("t")
    until(browser, "location.hash.includes('filter=t')")
    at, shown = browser.execute_script("return location.hash"), column(browser, table, 0)
    assert "strict%2FSSIM+brain" in at and browser.title.startswith("Table II")
    browser = page(at)
    assert column(browser, table, 0) == shown
    assert browser.execute_script("return location.hash") == at
    browser.execute_script("location.hash = '#tables?table=table4_cost'")
    until(browser, "document.title.startsWith('Table IV')")


@in_chromium
def test_a_cell_leads_to_its_patients(page):
    browser = page("#tables?table=table2_synthesis")
    row = "[...document.querySelectorAll('#table2_synthesis tbody tr')]"
    row += ".find(one => one.cells[0].textContent === 'CUTGAN')"
    links = browser.execute_script(f"return [...{row}.querySelectorAll('a')].map(a => a.hash)")
    assert "#patients?score=strict%2Fssim%2Fbrain&of=cutgan" in links
    browser.execute_script(f"{row}.querySelector('a').click()")
    until(browser, "document.getElementById('stage').dataset.shown")
    chosen = "return ['score', 'of'].map(id => document.getElementById(id).value)"
    assert browser.execute_script(chosen) == ["strict/ssim/brain", "cutgan"]
    assert column(browser, "#list", 2) == ["0.360", "0.660", "0.960", "–"]


@in_chromium
@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("#nowhere", "There is no view “nowhere”."),
        ("#tables?table=table99", "There is no table “table99”."),
        (
            "#tables?table=table2_synthesis&sort=strict/beauty/asc",
            "The table cannot be sorted by “strict/beauty/asc”.",
        ),
        ("#patients?patient=nobody", "There is no patient “nobody”."),
        ("#patients?patient=P0&slice=99", "There is no slice “99”."),
        ("#patients?patient=P0&slice=x", "There is no slice “x”."),
        ("#patients?patient=P0&method=CUTGAN&method=no", "There is no method “no”."),
        ("#patients?patient=P0&rows=t1ce,t9&size=7",
         "There is no row “t1ce,t9”. There is no size “7”."),
        ("#patients?score=none&of=none",
         "There is no score “none”. There is no scored run “none”."),
        ("#patients?patient=P0&slice=3&score=strict/ssim/brain&of=mean", ""),
    ],
)  # fmt: skip
def test_what_the_address_names_wrongly_is_said(page, at, said):
    browser = page(at)
    assert browser.find_element("id", "notice").text == said


@in_chromium
def test_pictures_are_large_and_zoom_to_the_tumour(page):
    browser = page("#patients?patient=P0&slice=5")
    widths = "return [...document.querySelectorAll('#stage canvas')].map(one => one.clientWidth)"
    assert min(browser.execute_script(widths)) >= 200
    press(browser, "z", "0/5")
    until(browser, "location.hash.includes('zoom=tumour')")
    first = "document.querySelector('#stage canvas')"
    until(browser, f"(one => Math.abs(one.width / one.height - 19 / 21) < 0.02)({first})")
    true = to_grey(scan().t1ce[5, 2:23, 4:23])
    shown = pixels(browser, "true T1ce")[..., 0].astype(np.uint8)
    small = np.asarray(Image.fromarray(shown).resize(true.shape[::-1])).astype(float)
    assert np.abs(small - true).mean() < 8
    browser = page(browser.execute_script("return location.hash"))
    assert browser.find_element("id", "zoom").get_attribute("aria-pressed") == "true"


@in_chromium
def test_pictures_are_magnified_where_the_pointer_is_and_moved_by_dragging(page):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser = page("#patients?patient=P0&slice=5")
    shown = "return shownRectangle(scene.content)"
    whole = browser.execute_script(shown)
    before = pixels(browser, "true T1ce")
    truth = canvas(browser, "true T1ce")
    corner = (-truth.size["width"] // 2 + 1, -truth.size["height"] // 2 + 1)
    ActionChains(browser).move_to_element_with_offset(truth, *corner).perform()
    press(browser, "+", "0/5")
    press(browser, "+", "0/5")
    left, top, right, bottom = browser.execute_script(shown)
    assert (left, top) == pytest.approx((0, 0), abs=0.2), "the pointer's place stays"
    assert (right, bottom) == pytest.approx([side / 1.25**2 for side in whole[2:]], abs=0.2)
    # The same pixels are there, larger.
    height, width = before.shape[:2]
    part = before[: round(height / 1.25**2), : round(width / 1.25**2), 0].astype(np.uint8)
    larger = np.asarray(Image.fromarray(part).resize((width, height))).astype(float)
    assert np.abs(pixels(browser, "true T1ce")[..., 0] - larger).mean() < 4

    drag = ActionChains(browser).key_down(Keys.SHIFT)
    drag.drag_and_drop_by_offset(truth, -40, -20).key_up(Keys.SHIFT).perform()
    moved = browser.execute_script(shown)
    by = 40 / truth.size["width"] * (right - left), 20 / truth.size["height"] * (bottom - top)
    assert moved[:2] == pytest.approx((left + by[0], top + by[1]), abs=0.1)
    assert browser.find_element("id", "window").text == "", "the window is as it was"
    for _ in range(20):
        press(browser, "-", "0/5")
    assert browser.execute_script(shown) == pytest.approx(whole)
    press(browser, "+", "0/5")
    press(browser, "0", "0/5")
    assert browser.execute_script(shown) == whole
    wheel = (
        "new WheelEvent('wheel', {deltaY: -100, ctrlKey: true, bubbles: true, cancelable: true})"
    )
    browser.execute_script(f"document.getElementById('stage').dispatchEvent({wheel})")
    left, _, right, _ = browser.execute_script(shown)
    assert right - left < 0.8 * whole[2]
    act(browser, "go({patient: 2})", "2/5")
    assert browser.execute_script(shown) == whole, "another patient is whole"


@in_chromium
def test_rows_and_size_are_in_the_address(page):
    browser = page("#patients?patient=P0&slice=5")
    press(browser, "e", "0/5")
    press(browser, "m", "0/5")
    choose(browser, "size", "200")
    at = browser.execute_script("return location.hash")
    assert "rows=t1ce%2Cerror" in at and "size=200" in at
    browser = page(at)
    names = "return [...document.querySelectorAll('#references canvas')].map(one => one.ariaLabel)"
    assert browser.execute_script(names) == ["true T1ce", "true outlines"]
    assert canvas(browser, "true T1ce").size["width"] == 200
    press(browser, "e", "0/5")
    press(browser, "m", "0/5")
    choose(browser, "size", "fit")
    at = browser.execute_script("return location.hash")
    assert "rows" not in at and "size" not in at


@in_chromium
def test_a_click_enlarges_a_picture_beside_the_truth(page):
    from selenium.webdriver import ActionChains

    browser = page("#patients?patient=P0&slice=5")
    names = "[...document.querySelectorAll('#stage canvas')].map(one => one.ariaLabel)"
    before = browser.execute_script(f"return {names}")
    ActionChains(browser).click(canvas(browser, "CUTGAN: t1ce")).perform()
    until(browser, f"{names}.join() === 'true T1ce,CUTGAN: t1ce'")
    assert canvas(browser, "CUTGAN: t1ce").size["width"] > 400
    press(browser, "Escape", "0/5")
    until(browser, f"{names}.length === {len(before)}")
    ActionChains(browser).click(canvas(browser, "CUTGAN: masks")).perform()
    until(browser, f"{names}.join() === 'true classes,CUTGAN: masks'")


def canvas(browser, name: str):
    return browser.find_element("css selector", f"canvas[aria-label='{name}']")


@in_chromium
def test_dragging_sets_the_window_and_a_double_click_resets_it(page):
    from selenium.webdriver import ActionChains

    browser = page("#patients?patient=P0&slice=5")
    before = pixels(browser, "true T1ce")
    truth = canvas(browser, "true T1ce")
    ActionChains(browser).drag_and_drop_by_offset(truth, -80, -40).perform()
    narrow = pixels(browser, "true T1ce")
    assert narrow.std() > before.std() and narrow.mean() > before.mean()
    assert browser.find_element("id", "window").text == "window 1.37, level -0.31"
    assert (pixels(browser, "CUTGAN: masks") != 0).any()
    ActionChains(browser).double_click(truth).perform()
    soon(lambda: bool((pixels(browser, "true T1ce") == before).all()), True)
    assert browser.find_element("id", "window").text == ""
    time.sleep(0.4)
    assert len(browser.find_elements("css selector", "#stage canvas")) > 2, "nothing is enlarged"


@in_chromium
def test_space_shows_the_truth_in_every_picture_while_it_is_held(page):
    browser = page("#patients?patient=P0&slice=5")
    before = pixels(browser, "CUTGAN: t1ce")
    key = "document.body.dispatchEvent(new KeyboardEvent(arguments[0], {key: ' ', bubbles: true}))"
    browser.execute_script(key, "keydown")
    assert (pixels(browser, "CUTGAN: t1ce") == pixels(browser, "true T1ce")).all()
    assert (pixels(browser, "CUTGAN: masks") == pixels(browser, "true classes")).all()
    browser.execute_script(key, "keyup")
    assert (pixels(browser, "CUTGAN: t1ce") == before).all()
    assert (before != pixels(browser, "true T1ce")).any()


@in_chromium
def test_every_picture_tells_its_value_below_the_pointer(page):
    from selenium.webdriver import ActionChains

    browser = page("#patients?patient=P0&slice=5")
    ActionChains(browser).move_to_element(canvas(browser, "CUTGAN: masks")).perform()
    read = "return [...document.querySelectorAll('#stage figure')].map(one => "
    read += "[one.querySelector('canvas').ariaLabel, one.querySelector('output').textContent])"
    told = dict(browser.execute_script(read))
    # The middle of the box of rows 2 to 38 and columns 4 to 32.
    assert float(told["true T1ce"]) == pytest.approx(scan().t1ce[5, 20, 18], abs=0.12)
    assert float(told["floor: copy T1: t1ce"]) == pytest.approx(scan().t1[5, 20, 18], abs=0.12)
    assert told["true classes"] == "no tumour"
    assert browser.find_element("css selector", "#stage figure output").is_displayed()


@in_chromium
def test_masks_show_where_they_agree_and_errors_their_sign(page):
    browser = page("#patients?patient=P0&slice=5")
    choose(browser, "opacity", "1")
    choose(browser, "mode", "agreement et")

    def colors(name: str) -> set[tuple]:
        shown = pixels(browser, name).reshape(-1, 3)
        return {tuple(map(int, one)) for one in np.unique(shown, axis=0) if len(set(one)) > 1}

    both, missed = (0x00, 0x9E, 0x73), (0xE6, 0x9F, 0x00)
    assert colors("CUTGAN: masks") == {both}
    assert colors("floor: copy T1: masks") == {missed}
    press(browser, "e", "0/5")
    until(browser, "document.querySelectorAll('#columns canvas').length === 8")
    error = pixels(browser, f"{EVIL}: error")
    assert len(colors("CUTGAN: error") & {(0x56, 0xB4, 0xE9)}) == 0, "no outlines on errors"
    press(browser, "s", "0/5")
    signed = pixels(browser, f"{EVIL}: error")
    assert (signed != error).any()
    assert signed[0, 0].tolist() == [255, 0, 0], "the negative's air is too bright"
    assert (pixels(browser, "CUTGAN: error")[0, 0] > 240).all(), "no error is white"


@in_chromium
def test_the_scores_of_a_patient_are_below_the_pictures(page):
    browser = page("#patients?patient=P0&slice=5")
    table = "#patient-scores"
    caption = browser.find_element("css selector", f"{table} caption").text
    assert re.fullmatch(
        r"P0: \d+\.\d ml tumour in the truth, \d+\.\d ml of it enhancing \(ET\)\.", caption
    )
    assert column(browser, table, 0) == ["floor: copy T1", "CUTGAN", EVIL, "DRIT++"]
    browser.execute_script("PATIENT_SCORES.push('ssim/brain'); showPatientScores()")
    assert titles(browser, table) == ["method", "SSIM brain ↑"]
    assert column(browser, table, 1) == ["0.970", "0.960", "0.940", "–"]


@in_chromium
def test_keys_belong_to_the_control_that_has_the_focus(page):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser = page("#patients?patient=P0&slice=5")

    def typed(focus: str, key: str):
        browser.execute_script("document.getElementById(arguments[0]).focus()", focus)
        ActionChains(browser).send_keys(key).perform()

    typed("slice", Keys.ARROW_RIGHT)
    until(browser, "document.getElementById('stage').dataset.shown === '0/6'")
    typed("slice", Keys.HOME)
    until(browser, "document.getElementById('stage').dataset.shown === '0/1'")
    typed("slice", "z")
    typed("zoom", "e")
    assert "zoom" not in browser.execute_script("return location.hash")
    assert not browser.find_elements("css selector", "canvas[aria-label$=error]")
    typed("stage", "z")
    until(browser, "location.hash.includes('zoom=tumour')")


@in_chromium
def test_methods_are_in_the_address(page):
    browser = page("#patients?patient=P0&slice=5&method=CUTGAN&method=DRIT%2B%2B")
    shown = "return [...document.querySelectorAll('#columns h3')].map(one => one.textContent)"
    assert browser.execute_script(shown) == ["CUTGAN", "DRIT++"]
    assert "method=DRIT%2B%2B" in browser.execute_script("return location.hash")
    browser.find_element("id", "all-methods").click()
    until(browser, "!location.hash.includes('method=')")
    soon(lambda: browser.execute_script(shown), ["floor: copy T1", "CUTGAN", EVIL])


@in_chromium
def test_a_narrow_screen_shows_one_method_at_a_time(page):
    browser = page()
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser = page("#patients?patient=P0&slice=5")
        shown = "[...document.querySelectorAll('#columns h3')].map(one => one.textContent).join()"
        assert browser.execute_script(f"return {shown}") == "floor: copy T1"
        swipe = "for (const [type, x] of [['pointerdown', 300], ['pointerup', 200]]) document"
        swipe += ".getElementById('stage').dispatchEvent(new PointerEvent(type, {clientX: x, "
        browser.execute_script(f"{swipe}bubbles: true, pointerType: 'touch'}}))")
        until(browser, f"{shown} === 'CUTGAN'")
        wide = "return document.documentElement.scrollWidth"
        assert browser.execute_script(wide) <= 390
        page()
        assert browser.execute_script(wide) <= 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@in_chromium
def test_print_has_no_controls_and_tables_have_names(page):
    browser = page("#tables?table=table2_synthesis")
    grid = "#table2_synthesis table"
    assert browser.find_elements("css selector", f"{grid} caption")
    assert browser.find_elements("css selector", f"{grid} tbody th[scope=row]")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        shown = "return [...document.querySelectorAll(arguments[0])].filter(one => "
        shown += "one.offsetParent).length"
        controls = "button, nav, input, select, summary"
        assert browser.execute_script(shown, controls) == 0
        assert browser.execute_script(shown, grid) > 0
        browser.execute_script("location.hash = '#patients?method=all'")
        until(browser, "document.querySelectorAll('#columns h3').length === 4")
        assert browser.execute_script(shown, controls) == 0
        assert browser.execute_script(shown, "#stage canvas, #key i") > 7
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@in_chromium
def test_figures_load_when_they_are_looked_at(page):
    browser = page("#figures")
    images = browser.find_elements("css selector", "#view-figures img")
    assert [one.get_attribute("loading") for one in images] == ["lazy"]
    assert browser.title.startswith("Figures – ")


@in_chromium
def test_a_blinded_reading_hides_names_and_saves_the_ratings(page):
    browser = page("#reading")
    browser.find_element("id", "reading-start").click()
    for number in range(2 * len(PATIENTS)):
        place = f"Picture {number + 1} of {2 * len(PATIENTS)}"
        shown = "document.getElementById('reading-picture').dataset.shown"
        until(browser, f"{shown} === '{number}/5'")
        text = browser.find_element("id", "view-reading").text
        assert place in text and not any(name in text for name in [*PATIENTS, "CUTGAN"])
        browser.find_element("css selector", "[name=answer][value=real]").click()
        browser.find_element("css selector", f"[name=rating][value='{number % 5 + 1}']").click()
        browser.find_element("css selector", "#reading-form [type=submit]").click()
    assert not browser.find_element("id", "reading-form").is_displayed()
    assert browser.find_element("id", "reading-save").is_displayed()
    table = pd.read_csv(io.StringIO(browser.execute_script("return ratingsText()")))
    assert list(table) == ["order", "patient", "slice", "picture", "answer", "rating"]
    assert sorted(table["patient"]) == sorted(2 * PATIENTS)
    assert (table["picture"] == "real T1ce").sum() == len(PATIENTS)
    assert set(table["picture"]) <= {"real T1ce", "cutgan", "evil"}
    assert list(table["rating"]) == [1, 2, 3, 4, 5, 1, 2, 3]


@in_chromium
def test_a_patient_without_pictures_shows_its_scores_and_how_to_get_them(page, bounded):
    browser = page("#patients", bounded)
    assert browser.find_element("id", "patient-name").text == "P1"
    assert (
        browser.find_element("css selector", "#shown summary").text == "Pictures of 2 of 4 patients"
    )
    press(browser, "ArrowRight", "2/5")
    press(browser, "ArrowRight", "0/")
    view = browser.find_element("id", "viewer")
    assert "page: {megabytes: null}" in view.text and "P0: " in view.text
    assert not browser.find_element("id", "stage").is_displayed()
    assert not browser.find_element("id", "slice").is_displayed()
    assert browser.find_element("css selector", "#list .chosen").text.startswith("P0")
    for key in ("ArrowUp", "z", "e", "Home", "Escape"):
        press(browser, key, "0/")
    press(browser, "ArrowLeft", "2/5")
    assert canvas(browser, "true T1ce").is_displayed()
    assert not browser.find_element("id", "no-pictures").is_displayed()
    # A link to a score opens the worst patient who has pictures.
    page("#patients?score=strict/assd/wt&of=cutgan%2Bunet", bounded)
    assert browser.find_element("id", "patient-name").text == EVIL
    page("#reading", bounded)
    assert browser.execute_script(
        "return shuffledCases().map(one => one.patient).sort().join()"
    ) == ("1,1,2,2")


@in_chromium
def test_the_files_of_a_patient_open_in_itk_snap(page, bounded):
    browser = page(f"#patients?patient={quote(EVIL)}", bounded)
    browser.find_element("css selector", "#nifti summary").click()
    command = browser.find_element("id", "nifti-command").text
    cases = "results/cases/tiny"
    assert shlex.split(command) == [
        "itksnap", "-g", f"{cases}/cutgan/seed0/{EVIL}_t1ce.nii.gz",
        "-s", f"{cases}/cutgan+unet/seed0/{EVIL}_seg.nii.gz",
    ]  # fmt: skip
    paths = browser.find_element("id", "nifti-paths").text
    assert "my data/2/t1ce.nii.gz" in paths and "my data/2/seg.nii.gz" in paths
    choose(browser, "nifti-method", "floor: copy T1")
    assert "copy_t1+unet/seed0" in browser.find_element("id", "nifti-command").text
    browser.find_element("id", "nifti-copy").click()
    until(browser, "/Copied|Selected/.test(document.getElementById('nifti-copy').textContent)")


@in_chromium
def test_patients_are_sorted_by_the_difference_of_two_runs(page):
    at = "#patients?score=strict/ssim/brain&of=cutgan&minus=copy_t1"
    browser = page(at)
    assert column(browser, "#list", 0) == ["P1", "P0", EVIL, "P3"]
    assert column(browser, "#list", 2) == ["-0.210", "-0.010", "+0.090", "–"]
    assert "CUTGAN minus copy T1" in browser.find_element("id", "ordering").text
    assert browser.find_element("id", "claim").text == (
        "Table X does not compare this pair, so nothing can be claimed of it."
    )
    shown = "return [...document.querySelectorAll('#columns h3')].map(one => one.textContent)"
    assert {"CUTGAN", "floor: copy T1"} <= set(browser.execute_script(shown))
    address = browser.execute_script("return location.hash")
    assert "minus=copy_t1" in address
    browser.execute_script(
        "data.claims.push({key: 'strict/ssim/brain', runs: ['cutgan', 'copy_t1'], "
        "pairs: [[1, 0, 'A is better', 'Copied T1 is better.']]}); tellOrder()"
    )
    assert browser.find_element("id", "claim").text.startswith(
        "Copied T1 is better. The verdict is"
    )
    browser = page(address)
    assert column(browser, "#list", 0) == ["P1", "P0", EVIL, "P3"]
    choose(browser, "score", "strict/assd/wt")
    assert browser.find_element("id", "minus").get_property("value") == ""
    assert not browser.find_element("id", "claim").is_displayed()
    choose(browser, "of", "cutgan+unet")
    choose(browser, "minus", "copy_t1+unet")
    assert column(browser, "#list", 2) == ["-0.01", "-0.01", "-0.01", "–"]


@in_chromium
def test_one_filter_of_methods_acts_on_every_view_and_is_in_the_address(page):
    browser = page("#tables?table=table2_synthesis")
    rows = "return [...document.querySelectorAll(arguments[0])].filter(one => one.offsetParent)"
    rows += ".map(one => one.cells[0].firstChild.textContent)"
    table = "#table2_synthesis table:first-of-type tbody tr"
    assert {"CUTGAN", EVIL, "DRIT++"} <= set(browser.execute_script(rows, table))
    browser.find_element("css selector", "#methods-menu summary").click()
    for box in browser.find_elements("css selector", "#methods input"):
        if box.get_property("value") != "CUTGAN":
            box.click()
    left = browser.execute_script(rows, table)
    assert "CUTGAN" in left and not {EVIL, "DRIT++", "floor: copy T1"} & set(left)
    until(browser, "location.hash.endsWith('method=CUTGAN')")
    assert browser.find_element("id", "methods-name").text == "Methods 1/4 ▾"
    browser.execute_script("location.hash = '#patients'")
    until(browser, "document.getElementById('stage').dataset.shown")
    shown = "return [...document.querySelectorAll('#columns h3')].map(one => one.textContent)"
    assert browser.execute_script(shown) == ["CUTGAN"]
    assert browser.execute_script(rows, "#patient-scores tbody tr") == ["CUTGAN"]
    assert len(browser.find_elements("css selector", "#of option")) == 2
    browser.execute_script("location.hash = '#summary'")
    until(browser, "location.hash === '#summary?method=CUTGAN'")
    assert browser.execute_script(rows, "#gap tbody tr")[:2] == ["ceiling: real T1ce", "CUTGAN"]
    browser = page("#summary?method=CUTGAN&method=DRIT%2B%2B")
    assert EVIL not in browser.execute_script(rows, "#gap tbody tr")
    browser.execute_script("document.getElementById('methods-reset').click()")
    assert EVIL in browser.execute_script(rows, "#gap tbody tr")
    page("#tables?table=table2_synthesis&method=nobody")
    assert browser.find_element("id", "notice").text == "There is no method “nobody”."
    assert EVIL in browser.execute_script(rows, table)


@in_chromium
def test_menus_close_on_escape_and_on_a_click_outside(page):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser = page("#patients?patient=P0&slice=5")
    opened = "return [...document.querySelectorAll('details.menu')].map(one => one.open)"
    ActionChains(browser).click(canvas(browser, "CUTGAN: t1ce")).perform()
    until(browser, "document.querySelectorAll('#stage canvas').length === 2")
    for menu in ("#methods-menu", "#options"):
        browser.find_element("css selector", f"{menu} summary").click()
        assert browser.execute_script(opened) == [menu == "#methods-menu", menu == "#options"]
        ActionChains(browser).send_keys(Keys.ESCAPE).perform()
        assert browser.execute_script(opened) == [False, False]
        assert len(browser.find_elements("css selector", "#stage canvas")) == 2, "still enlarged"
        browser.find_element("css selector", f"{menu} summary").click()
        browser.find_element("id", "patient-name").click()
        assert browser.execute_script(opened) == [False, False]
    browser.execute_script("document.getElementById('skip').click()")
    assert browser.execute_script("return document.activeElement.id") == "main"
    assert browser.execute_script("return location.hash").startswith("#patients")


@in_chromium
def test_tables_are_dark_where_the_reader_wants_it(page):
    browser = page("#tables?table=table2_synthesis")
    colors = r"""return ['', ' table', ' thead th', ' tbody th', ' caption'].map(at => {
      const style = getComputedStyle(document.querySelector('#table2_synthesis' + at));
      const level = (text) => Math.min(...text.match(/[\d.]+/g).slice(0, 3));
      const clear = /, 0\)$/.test(style.backgroundColor);
      return [level(style.color), clear ? null : level(style.backgroundColor)]; })"""
    for scheme, dark in (("dark", True), ("light", False)):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        for ink, paper in browser.execute_script(colors):
            assert (ink > 128) == dark
            assert paper is None or (paper < 80) == dark
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@in_chromium
def test_the_verdict_is_that_of_the_corrected_pairs(page):
    browser = page()
    browser.execute_script("""
      const dice = {key: 'strict/dice/et', protocol: 'strict', title: 'Dice ET', values: {}};
      data.measures.unshift(dice);
      data.claims.push({key: 'strict/dice/et', runs: ['unet', 'cutgan+unet', 'evil'], pairs: [
        [1, 0, 'A is better', ''], [0, 2, 'cannot be told apart', '']]});""")
    said = "return verdict(gapBlock())"
    start = "Of 2 syntheses, by Dice ET: "
    end = " (Table X: p corrected for all pairs of rows)."
    assert browser.execute_script(said) == (
        f"{start}1 beats no T1ce, 1 cannot be told from no T1ce{end}"
    )
    change = "data.claims[0].pairs[0] = [0, 1, 'A is better', '']; data.claims[0].pairs[1][2] = "
    browser.execute_script(f"{change}'too few patients'")
    assert browser.execute_script(said) == (
        f"{start}1 is worse than no T1ce, 1 has too few patients for any claim{end}"
    )


@in_chromium
def test_a_benchmark_without_any_score_has_a_page(page, tmp_path, sources):
    failed = [replace(row, failure="train: out of memory") for row in ROWS]
    empty = made_up_results(
        None, failed, title="all failed", description=DESCRIPTION, patients=STORED
    )
    index = write_page(tmp_path / "page", empty, manifest(), tmp_path, tmp_path)
    for view in ("", "#tables", "#reading", "#figures", "#manifest", "#patients"):
        browser = page(view, index)
    assert browser.find_element("id", "ordering").text == "No scores."
    browser.find_element("id", "all-methods").click()
    until(browser, "document.querySelectorAll('#columns .failed .reason').length > 2")
    assert canvas(browser, "true T1ce").is_displayed()


@in_chromium
def test_a_missing_file_of_a_patient_is_reported(browser, written, tmp_path):
    copy = shutil.copytree(written.parent, tmp_path / "copy")
    (copy / "patients/1.js").unlink()
    browser.get((copy / "index.html").as_uri() + "#patients")
    until(browser, "document.getElementById('slice-name').textContent.includes('missing')")
    browser.get_log("browser")  # Chromium itself reports the file
    browser.get_log("performance")
