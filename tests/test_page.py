"""The page of made-up patients: what its files hold, and what Chromium makes of them."""

import base64
import io
import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.errors import InputError
from benchmarks.provenance import Check, Code, Data, Manifest
from benchmarks.reporting.figures import Cohort
from benchmarks.reporting.page import template
from benchmarks.reporting.page.grids import INFINITY, grid, sort_value
from benchmarks.reporting.page.pictures import MODALITIES, Volumes, describe, encode, runs, to_grey
from benchmarks.reporting.page.scores import measures
from benchmarks.reporting.page.write import Column, Figure, Page, write_page
from benchmarks.reporting.published import read_published
from benchmarks.reporting.tables import COLUMNS, System, write_table
from benchmarks.reporting.typesetting import Block, Bold, Sheet, markdown, read_markdown
from workflow.page import shown_seeds

EVIL = '</script><img src=x onerror="globalThis.broken=1">'
SYSTEMS = [
    System("copy_t1", "copy T1", "floor", tasks=("synthesis",)),
    System("copy_t1+unet", "copy T1 + UNet", "floor", tasks=("segmentation",)),
    System("cutgan", "CUTGAN", "entry", tasks=("synthesis",)),
    System("cutgan+unet", "CUTGAN + UNet", "entry", tasks=("segmentation",)),
    System("evil", EVIL, "entry", tasks=("synthesis",)),
    System("drit", "DRIT++", "entry", f"train: {EVIL}", tasks=("synthesis",)),
]
COLUMNS_SHOWN = [
    Column("floor: copy T1", "floor", "copy_t1", "copy_t1+unet", "copy T1 + UNet"),
    Column("CUTGAN", "entry", "cutgan", "cutgan+unet", "CUTGAN + UNet"),
    Column(EVIL, "entry", "evil"),
    Column("DRIT++", "entry", notes=[f"DRIT++ has no scores: train: {EVIL}"]),
]
PATIENTS = ["P0", "P1", EVIL, "P3"]
# Worst first by SSIM: P1, then EVIL, then P0; P3 has none.
SSIM = dict(zip(PATIENTS, [0.9, 0.3, 0.6, np.nan], strict=True))
DESCRIPTION = "tiny phantom, 9 patients, 4 of them test. SIMULATED patients"


def volumes(number=0, shape=(9, 40, 36)):
    """A brain with a tumour on the patient's right in front, largest in slice 5; T1ce bright."""
    rng = np.random.default_rng(number)
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
    t1ce = {
        "copy_t1": images[0],
        "cutgan": np.clip(images[3] + rng.normal(0, 0.1, shape) * brain, -1, 1),
        "evil": -images[3],
    }
    seg = {"copy_t1+unet": np.zeros(shape, np.uint8), "cutgan+unet": np.maximum(labels, 0)}
    return Volumes(PATIENTS[number], (3.0, 3.0, 3.0), images, labels, t1ce, seg)


def scores():
    rows = []
    for system in SYSTEMS[:5]:
        for patient in PATIENTS:
            cells = [("synthesis", "ssim", "brain", SSIM[patient]), ("synthesis", "psnr", "et", 20)]
            if "segmentation" in system.tasks:
                cells = [("segmentation", "assd", "wt", 10 * SSIM[patient])]
            shift = 0.01 * len(system.id)
            for task, metric, region, value in cells:
                after = "lcc" if task == "segmentation" else ""
                rows.append([system.id, 0, patient, "", "strict", task, region, metric, after,
                             value + shift, ""])  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


def manifest():
    return Manifest(
        benchmark="tiny", written="2026-01-01 00:00:00 UTC", command=["snakemake", EVIL],
        code=Code(commit="c0ffee", dirty=True, changed=["Snakefile"]),
        environment={"python": "3.11", "packages": {"torch": "2"}}, machine={"cores": 2},
        settings={"title": EVIL}, data=Data(folder="raw", files={}),
        runs={"drit": {"0": {"scored": False, "reason": EVIL}}}, files={}, volumes={}, groups={},
        steps={}, folders=[], shown=[], checks=[Check(name="all is well", holds=True)],
    )  # fmt: skip


def made_up_page(folder: Path) -> Page:
    tables, table = folder / "tables", scores()
    published = read_published()
    for name in ("table2_synthesis", "table3_segmentation"):
        write_table(tables, name, published, table, SYSTEMS, DESCRIPTION, ["strict"])
    figure = folder / "ranks.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(figure)
    figure.with_suffix(".pdf").write_bytes(b"%PDF-")
    (tables / "scores.csv").write_text("system\n")
    return Page(
        cohort=Cohort(EVIL, f"{DESCRIPTION}.", simulated=True),
        description=DESCRIPTION,
        systems=SYSTEMS,
        columns=COLUMNS_SHOWN,
        measures=measures(table, SYSTEMS, PATIENTS, ["paper", "strict"]),
        tables=[(tables / "table2_synthesis.md", "**What it is.** More."),
                (tables / "table3_segmentation.md", "Words.")],
        figures=[Figure(figure, [figure.with_suffix(".pdf")], "**Ranks**, of all.\n\n{% x %}")],
        scores=[tables / "scores.csv"],
        manifest=manifest(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a page & more")
    return write_page(folder / "page", made_up_page(folder), map(volumes, range(4)))


def content(script: Path):
    """What a script of the page hands over."""
    text = script.read_text()
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
    named = dict(zip(MODALITIES, patient.images, strict=True))
    for name, volume in [*named.items(), *((f"t1ce:{k}", v) for k, v in patient.t1ce.items())]:
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
    true = np.maximum(patient.labels, 0)[1:8, 2:39, 4:33]
    assert (decoded_classes(made["truth"], made["size"]) == true).all()
    assert (decoded_classes(made["seg"]["cutgan+unet"], made["size"]) == true).all()
    assert set(made["seg"]["copy_t1+unet"]) == {""}


def test_runs_leave_out_the_last_zeros():
    assert runs(np.array([[0, 0, 3], [3, 1, 0]], np.uint8)) == "0:2 3:2 1:1"
    assert runs(np.full((6, 6), 2)) == "2:10"


def test_a_patient_starts_at_the_slice_with_the_most_tumour():
    patient = volumes()
    told = describe(patient)
    assert (told["first"], told["count"], told["slices"], told["start"]) == (1, 7, 9, 5)
    voxels = (patient.labels > 0).sum()
    assert told["tumour_ml"] == pytest.approx(voxels * 27 / 1000, abs=0.01)
    healthy = replace(patient, labels=np.minimum(patient.labels, 0))
    assert describe(healthy)["start"] == 4


def test_a_volume_without_brain_is_shown_whole():
    patient = volumes()
    nothing = replace(patient, labels=np.full_like(patient.labels, -1))
    assert encode(nothing)["size"] == [36, 40]
    assert len(encode(nothing)["pictures"]) == 9


# -------------------------------------------------------------------- tables


def test_a_sheet_comes_back_from_markdown(tmp_path):
    rows = [["a | b", "1", Bold("0.5")], ["", "–", "0.1 [3]"]]
    sheet = Sheet("t", "Title", [Block("1", "First.", ["", "n", "x ↑"], rows),
                                 Block("2", "Second.", ["", "n"], [["z", "2"]])],
                  ["one note", "[k]: another"])  # fmt: skip
    path = tmp_path / "t.md"
    path.write_text(markdown(sheet))
    back = read_markdown(path)
    assert back == sheet
    assert [isinstance(cell, Bold) for cell in back.blocks[0].rows[0]] == [False, False, True]


def test_what_is_no_table_is_refused(tmp_path):
    path = tmp_path / "t.md"
    with pytest.raises(InputError, match=r"t\.md cannot be read"):
        read_markdown(path)
    path.write_text("# Title\n\nwords\n")
    with pytest.raises(InputError, match=r"t\.md is no table of this suite: found 'words'"):
        read_markdown(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.053 [3]", 0.053), ("-2.38", -2.38), ("+0.25", 0.25), ("1,480", 1480), ("<0.001*", 0.001),
     ("∞ [3]", INFINITY), ("–", None), ("n/a", None), ("– [0]", None), ("best", "best")],
)  # fmt: skip
def test_cells_sort_by_their_number(text, value):
    assert sort_value(text) == value


def test_published_numbers_and_intervals_join_their_row(tmp_path):
    table = scores()
    table = pd.concat([table, table.assign(protocol="paper", region="whole")])
    write_table(tmp_path, "table2_synthesis", read_published(), table, SYSTEMS, DESCRIPTION)
    made = grid(tmp_path / "table2_synthesis.md", DESCRIPTION)
    assert made["title"].startswith("Table II.")
    assert DESCRIPTION not in made["title"]
    paper, strict = made["blocks"]
    titles = [column["title"] for column in paper["columns"]]
    assert titles[2:4] == ["SSIM whole ↑", "SSIM whole published"]
    assert {column["better"] for column in paper["columns"][2:]} == {"higher"}
    by_label = {row["cells"][0]["text"]: row for row in paper["rows"]}
    assert 0.8879 in [row["cells"][3]["sort"] for row in paper["rows"]]
    assert "(published)" not in by_label and "(95 % interval)" not in by_label
    assert by_label["floor: copy T1"]["role"] == "floor"
    assert by_label["DRIT++"]["reason"].startswith("failed: train:")
    low_high = [c["below"] for r in strict["rows"] for c in r["cells"] if c["below"]]
    assert low_high and all("–" in text for text in low_high)


def test_every_table_of_the_suite_becomes_a_grid(written):
    data = content(written.parent / "data.js")
    for table in data["tables"]:
        for block in table["blocks"]:
            for row in block["rows"]:
                assert len(row["cells"]) == len(block["columns"])


# -------------------------------------------------------------------- scores


def test_the_seeds_that_are_shown_belong_together():
    first, second = (SimpleNamespace(name=name) for name in ("cutgan", "cutgan+unet"))
    group = [first, second]
    assert shown_seeds(group, [(first, 0), (first, 1), (second, 1)]) == {
        "cutgan": 1,
        "cutgan+unet": 1,
    }
    assert shown_seeds(group, [(first, 3), (first, 4)]) == {"cutgan": 3}
    assert shown_seeds(group, []) == {}


def test_scores_are_those_of_the_tables_a_value_a_patient():
    made = {one["key"]: one for one in measures(scores(), SYSTEMS, PATIENTS, ["strict", "paper"])}
    assert set(made) == {"strict/ssim/brain", "strict/psnr/et", "strict/assd/wt"}
    ssim = made["strict/ssim/brain"]
    assert ssim["values"]["cutgan"] == [0.96, 0.36, 0.66, None]
    assert ssim["better"], made["strict/assd/wt"]["better"] == ("higher", "lower")
    # Of the entries alone: the floor and what failed are not in the mean.
    assert ssim["mean"] == pytest.approx([0.95, 0.35, 0.65, None])


def test_infinite_scores_are_words_in_json():
    table = scores()
    table.loc[table["metric"] == "psnr", "value"] = np.inf
    _, made, _ = sorted(measures(table, SYSTEMS, PATIENTS, ["strict"]), key=lambda one: one["key"])
    assert set(made["values"]["cutgan"]) == {INFINITY}


# ----------------------------------------------------------------- the folder


def test_the_folder_is_whole_and_small(written):
    folder = written.parent
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {f"patients/{number}.js" for number in range(4)} <= names
    assert {"tables/scores.csv", "tables/table2_synthesis.tex", "manifest.json"} <= names
    assert {"figures/ranks.png", "figures/ranks.pdf", "datatables.js"} <= names
    named = re.findall(r'(?:src|href)="([^"#:,]+)"', written.read_text())
    assert len(named) == 5 and set(named) <= names
    sizes = sum(path.stat().st_size for path in folder.glob("patients/*"))
    assert sizes < 4 * 60_000


def test_no_file_holds_what_could_end_a_script(written):
    for path in written.parent.glob("**/*.js"):
        if path.name != "datatables.js":
            assert b"</script" not in path.read_bytes(), path
    assert EVIL not in written.read_text()
    assert "&lt;/script&gt;" in written.read_text()


def test_a_second_page_removes_what_the_first_left(tmp_path):
    page = made_up_page(tmp_path)
    index = write_page(tmp_path / "page", page, map(volumes, range(2)))
    (index.parent / "old").mkdir()
    (index.parent / "old/stale.js").touch()
    write_page(tmp_path / "page", replace(page, figures=[]), [volumes()])
    assert [path.name for path in (index.parent / "patients").iterdir()] == ["0.js"]
    assert not (index.parent / "old").exists() and not (index.parent / "figures").exists()


def test_a_page_that_is_not_finished_has_no_index(tmp_path):
    page = made_up_page(tmp_path)
    index = write_page(tmp_path / "page", page, [volumes()])

    def one_and_a_fault():
        yield volumes()
        raise InputError("damaged")

    with pytest.raises(InputError):
        write_page(tmp_path / "page", page, one_and_a_fault())
    assert not index.exists()


def test_the_same_input_gives_the_same_files(tmp_path):
    for name in "ab":
        write_page(tmp_path / name, made_up_page(tmp_path), [volumes()])
    for path in (path for path in (tmp_path / "a").rglob("*") if path.is_file()):
        other = tmp_path / "b" / path.relative_to(tmp_path / "a")
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
    """Opens the page at an address within it; at the end there must be nothing to complain of."""

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
        told = json.loads(entry["message"])["message"]
        if told["method"] == "Network.requestWillBeSent":
            url = told["params"]["request"]["url"]
            assert url.startswith(("file:", "data:", "blob:", "about:", "chrome:")), url


def until(browser, condition: str):
    """What a JavaScript expression is, once it holds."""
    script = f"""
        const done = arguments[0], end = performance.now() + 20000;
        const look = () => {{
          const found = {condition};
          if (found || performance.now() > end) done(found); else setTimeout(look, 5);
        }};
        look();"""
    found = browser.execute_async_script(script)
    assert found, f"never: {condition}"
    return found


def soon(look, wanted):
    """DataTables sorts a moment after the click."""
    end = time.monotonic() + 10
    while (found := look()) != wanted and time.monotonic() < end:
        time.sleep(0.05)
    assert found == wanted


def leaf(browser, action: str, shown: str):
    browser.execute_script(action)
    until(browser, f"document.getElementById('stage').dataset.shown === {shown!r}")


def press(browser, key: str, shown: str):
    event = f"new KeyboardEvent('keydown', {{key: '{key}', bubbles: true}})"
    leaf(browser, f"document.body.dispatchEvent({event})", shown)


def pixels(browser, name: str) -> np.ndarray:
    """A canvas as (rows, columns, 3) in 0..255."""
    told = browser.execute_script(
        "const all = [...document.querySelectorAll('canvas')];"
        "return all.find(one => one.ariaLabel === arguments[0]).toDataURL('image/png')",
        name,
    )
    image = Image.open(io.BytesIO(base64.b64decode(told.partition(",")[2])))
    return np.asarray(image.convert("RGB")).astype(float)


def column(browser, table: str, place: int) -> list[str]:
    """A column's cells without what stands small below them."""
    return browser.execute_script(
        "return [...document.querySelectorAll(`${arguments[0]} tbody tr`)].map(row => {"
        "const cell = row.cells[arguments[1]].cloneNode(true);"
        "cell.querySelectorAll('small').forEach(part => part.remove()); return cell.textContent})",
        table,
        place,
    )


def head(browser, table: str, place: int):
    return browser.find_elements("css selector", f"{table} thead th")[place]


@in_chromium
def test_tables_sort_and_filter(page):
    browser = page()
    table = "#table2_synthesis"
    heads = [th.text for th in browser.find_elements("css selector", f"{table} thead th")]
    ssim = next(place for place, text in enumerate(heads) if text.startswith("SSIM brain"))
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
def test_failed_rows_say_why_and_labels_stay_text(page):
    browser = page()
    row = browser.find_element("css selector", "#table2_synthesis tr.failed")
    assert "failed: train: </script>" in row.text
    assert EVIL in column(browser, "#table2_synthesis", 0)
    assert "SIMULATED" in browser.find_element("id", "warning").text
    assert EVIL in browser.title
    browser.execute_script("location.hash = '#provenance'")
    until(browser, "!document.getElementById('view-provenance').hidden")
    text = browser.find_element("id", "view-provenance").text
    assert "c0ffee, with uncommitted changes" in text and f"drit, seed 0: {EVIL}" in text


@in_chromium
def test_patients_stand_worst_first_and_sort_by_any_score(page):
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
def test_leafing_by_key_wheel_and_slider(page):
    browser = page("#patients")
    until(browser, "document.getElementById('stage').dataset.shown === '1/5'")
    before = pixels(browser, "true T1ce")
    press(browser, "ArrowUp", "1/6")
    assert browser.find_element("id", "slice-name").text == "slice 6 of 9"
    assert np.abs(pixels(browser, "true T1ce") - before).max() > 20
    press(browser, "ArrowDown", "1/5")
    assert (pixels(browser, "true T1ce") == before).all()
    turn = "document.getElementById('stage').dispatchEvent(new WheelEvent('wheel', {deltaY: %d}))"
    leaf(browser, turn % 100, "1/4")
    leaf(browser, turn % -100, "1/5")
    slide = "const s = document.getElementById('slice'); s.value = 2;"
    leaf(browser, slide + "s.dispatchEvent(new Event('input'))", "1/2")
    press(browser, "PageUp", "1/7")  # the last slice with brain
    press(browser, "Home", "1/5")
    press(browser, "ArrowRight", "2/5")
    press(browser, "ArrowRight", "0/5")
    press(browser, "ArrowLeft", "2/5")
    assert browser.find_element("id", "patient-name").text == EVIL


@in_chromium
def test_pictures_show_the_volumes_front_up_and_left_on_the_right(page):
    browser = page("#patients?patient=P0&slice=5")
    true = to_grey(volumes().images[3][5, 2:39, 4:33])
    shown = pixels(browser, "true T1ce")
    small = np.asarray(Image.fromarray(shown[..., 0].astype(np.uint8)).resize(true.shape[::-1]))
    assert np.abs(small - true.astype(float)).mean() < 8
    assert np.abs(small[:, ::-1] - true.astype(float)).mean() > 12
    error = pixels(browser, "CUTGAN: error")
    perfect = pixels(browser, f"{EVIL}: error")
    assert error.mean() < perfect.mean()  # the negative is further off than some noise


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
    leaf(browser, "location.hash = '#patients?patient=P0&slice=3'", "0/3")


@in_chromium
def test_a_missing_file_of_a_patient_is_said(browser, written, tmp_path):
    copy = shutil.copytree(written.parent, tmp_path / "copy")
    (copy / "patients/1.js").unlink()
    browser.get((copy / "index.html").as_uri() + "#patients")
    told = until(browser, "document.getElementById('slice-name').textContent.includes('missing')")
    assert told
    browser.get_log("browser")  # Chromium itself complains of the file
    browser.get_log("performance")
