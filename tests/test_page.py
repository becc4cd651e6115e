"""The page of made-up patients: what its files hold, and what Chromium shows of them."""

import base64
import io
import json
import re
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up import stored_cohort
from made_up_scores import frame, made_up_results
from PIL import Image

from benchmarks.cohorts.replicate import Replicate
from benchmarks.cohorts.store import Grid, Scan
from benchmarks.errors import InputError
from benchmarks.manifest import Check, Code, Data, Manifest
from benchmarks.reporting.catalogue import tables
from benchmarks.reporting.page import template
from benchmarks.reporting.page.columns import Column, columns, patients, shown_seeds
from benchmarks.reporting.page.pictures import IMAGES, Volumes, describe, encode, runs, to_grey
from benchmarks.reporting.page.scores import INFINITY, measures
from benchmarks.reporting.page.write import write_page
from benchmarks.reporting.results import Results
from benchmarks.reporting.rows import Row
from benchmarks.reporting.sheet import Block, BlockRow, Cell, Sheet, write_sheet
from benchmarks.reporting.sheet import Column as Head

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
            cells = [("synthesis", "ssim", "brain", SSIM[patient]), ("synthesis", "psnr", "et", 20)]
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
    return next(patients(results()))


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


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> tuple[Path, Path]:
    """The folders of tables and of figures."""
    made, figures = tmp_path_factory.mktemp("tables"), tmp_path_factory.mktemp("figures")
    strict = replace(results(), protocols=("strict",))
    for table in tables():
        if table.name in ("table2_synthesis", "table3_segmentation"):
            write_sheet(made, table.name, table.function(strict))
    write_sheet(made, "table4_cost", EVERYTHING)
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


def test_a_patient_starts_at_the_slice_with_the_most_tumour():
    patient = volumes()
    described = describe(patient)
    assert [described[key] for key in ("first", "count", "slices", "start")] == [1, 7, 9, 5]
    voxels = (patient.scan.labels > 0).sum()
    assert described["tumour_ml"] == pytest.approx(voxels * 27 / 1000, abs=0.01)
    healthy = replace(patient, scan=Scan(patient.scan.images, np.minimum(patient.scan.labels, 0)))
    assert describe(healthy)["start"] == 4


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
    first, second = patients(made_up_results(table, ROWS, patients=stored, read_prediction=read))
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
    assert len(named) == 5 and set(named) <= names
    sizes = sum(path.stat().st_size for path in folder.glob("patients/*"))
    assert sizes < 4 * 60_000


def test_tables_come_with_their_captions_and_without_the_cohort(written):
    data = content(written.parent / "data.js")
    assert [table["name"] for table in data["tables"]] == [
        "table2_synthesis",
        "table3_segmentation",
        "table4_cost",
    ]
    assert [figure["name"] for figure in data["figures"]] == ["ranks"]
    assert data["tables"][2]["title"] == "Table IV. Everything"
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

    def opened(at: str = ""):
        browser.get("about:blank")
        browser.get(f"{written.as_uri()}{at}")
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
    browser = page()
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
    browser = page()
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
    small = [one.text for one in browser.find_elements("css selector", f"{table} td small")]
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
    browser = page()
    row = browser.find_element("css selector", "#table2_synthesis tr.failed")
    assert "failed: train: </script>" in row.text
    assert EVIL in column(browser, "#table2_synthesis", 0)
    assert "SIMULATED" in browser.find_element("id", "warning").text
    assert EVIL in browser.title
    browser.execute_script("location.hash = '#manifest'")
    until(browser, "!document.getElementById('view-manifest').hidden")
    text = browser.find_element("id", "view-manifest").text
    assert "holds: all is well" in text and "DOES NOT HOLD: a sum. Found: 3" in text
    assert "warning, does not hold: learned" in text
    assert "c0ffee, with uncommitted changes" in text and f"drit, seed 0: {EVIL}" in text


@in_chromium
def test_patients_are_listed_worst_first_and_sort_by_any_score(page):
    browser = page("#patients")
    assert column(browser, "#list", 0) == ["P1", EVIL, "P0", "P3"]
    assert column(browser, "#list", 2) == ["0.350", "0.650", "0.950", "–"]
    assert browser.find_element("id", "patient-name").text == "P1"
    pick = "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
    pick += "s.dispatchEvent(new Event('change'))"
    browser.execute_script(pick, "score", "strict/assd/wt")
    assert column(browser, "#list", 0) == ["P0", EVIL, "P1", "P3"]
    browser.execute_script(pick, "of", "copy_t1+unet")
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

    def changed(selector: str) -> np.ndarray:
        browser.execute_script("document.getElementById('stage').dataset.shown = ''")
        browser.execute_script(toggle, selector)
        until(browser, "document.getElementById('stage').dataset.shown === '0/5'")
        return pixels(browser, name)

    without_outlines = changed("#outlines")
    assert (without_outlines != with_all).any()
    plain = changed("#predicted")
    assert (plain != without_outlines).any()
    assert (plain == plain[..., :1]).all(), "FLAIR alone is grey"
    count = "return document.querySelectorAll('#columns canvas').length"
    assert browser.execute_script(count) == 3 + 3 + 2
    changed("#rows [name=error]")
    assert browser.execute_script(count) == 2 + 2 + 1
    changed("#methods label:nth-of-type(1) input")
    assert browser.execute_script(count) == 2 + 1
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
def test_a_missing_file_of_a_patient_is_reported(browser, written, tmp_path):
    copy = shutil.copytree(written.parent, tmp_path / "copy")
    (copy / "patients/1.js").unlink()
    browser.get((copy / "index.html").as_uri() + "#patients")
    until(browser, "document.getElementById('slice-name').textContent.includes('missing')")
    browser.get_log("browser")  # Chromium itself reports the file
    browser.get_log("performance")
