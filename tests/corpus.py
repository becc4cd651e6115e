"""Bad inputs: how each is made, which command meets it, and what that command must say.

A case starts in a copy of a small finished benchmark (`finished`): four patients in `data`, a floor
with a UNet behind it, scored and tabulated, and a pix2pix. Beside it lies a folder `outside`, which
no command may touch.
"""

import gzip
import hashlib
import json
import os
import pickle
import re
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from made_up import AFFINE, SHAPE, write_cohort

import methods
from benchmarks.__main__ import main as judge
from benchmarks.errors import InputError
from benchmarks.manifest import seal
from benchmarks.reporting.published import PUBLISHED, read_published
from methods.__main__ import main as list_methods
from methods.errors import MethodError
from methods.registry import discover
from workflow.__main__ import main as workflow
from workflow.dag import Dag

MINE = """\
title: made up
cohort: {source: brats, path: data}
results:
  methods: [copy_t1, pix2pix]
  split: {file: own.csv}
  slices: {crop: 32, downsample: 2, step: 1}
  training: {batch: 2, steps_per_epoch: 1, epochs: {synthesis: 1, segmentation: 1}}
  params: {unet: {width: 4}, pix2pix: {width: 2, halvings: 4}}
speed: {device: cpu}
"""
OWN = "patient,grade,split\nP0,,train\nP1,,train\nP2,,val\nP3,,test\n"
METHOD = "title: Mine\nsummary: x\nkind: synthesis\n"
CLASS = """
from torch import nn
from methods.contract import Synthesizer

class Mine(Synthesizer):
    def build(self): self.net = nn.Linear(2, 1)
    def train_step(self, batch): return {}
    def synthesize(self, inputs): return inputs[:, :1]
"""
RUNS = "results/runs/mine"
STORE = "results/store/mine"
MANIFEST = "results/manifest/mine.json"

SYNTHESIZE = "synthesize --run pix2pix --seed 0"
TRAIN = "train --run pix2pix --seed 0"
SEGMENT_BEHIND = "train --run copy_t1+unet --seed 0"
SCORE = "score --run copy_t1 --seed 0"
PREPARE = "prepare --patient P1"

Damage = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """One bad input.

    Attributes
    ----------
    name : what is wrong with it.
    damage : makes it, in the current folder.
    command : what is run: a verb of `python -m workflow`, `dag` for what the Snakefile asks before
        any job, `verify` of `python -m benchmarks`, or `list` of `python -m methods`.
    says : what its message must hold: the place, what was found, what to do.
    heavy : whether to run it in a process of its own that may have little memory.
    """

    name: str
    damage: Damage
    command: str
    says: tuple[str, ...]
    heavy: bool = False


def finished(folder: Path) -> Path:
    """The benchmark that cases begin with."""
    (folder / "mine.yaml").write_text(MINE)
    (folder / "own.csv").write_text(OWN)
    write_cohort(folder / "data", ["P0", "P1", "P2", "P3"])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for patient in range(4):
            run(f"prepare --patient P{patient}")
        run("cohort")
        run("split")
        run("synthesize --run copy_t1 --seed 0")
        for verb in ("train", "segment", "score"):
            run(f"{verb} --run copy_t1+unet --seed 0")
        for verb in ("train", "synthesize"):
            run(f"{verb} --run pix2pix --seed 0")
        # Else a training that is asked for would see that it has ended, and read nothing.
        for kept in Path(RUNS).rglob("checkpoints"):
            shutil.rmtree(kept)
        for verb in (SCORE, "tabulate", "manifest"):
            run(verb)
        # Else every damaged patient would be refused as one of another cohort.
        shutil.rmtree("results/origins")
    return folder


def run(command: str) -> int:
    """Run a case's command in the current folder, as its command line does; its exit code."""
    verb, *rest = command.split()
    if verb == "verify":
        return judge([verb, *rest])
    with _methods_of_the_case():
        if verb == "list":
            return list_methods([verb])
        if verb == "dag":
            return _dag(dict(word.split("=", 1) for word in rest))
        if "--benchmark" not in rest:
            rest = ["--benchmark", "mine.yaml", *rest]
        try:
            return workflow([verb, *rest])
        except SystemExit as refused:
            return refused.code


def _dag(config: dict[str, str]) -> int:
    """What the Snakefile does before any job; Snakemake's own part is in test_pipeline.py."""
    try:
        Dag({"benchmark": "mine.yaml"} | config)
    except (InputError, MethodError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


@contextmanager
def _methods_of_the_case() -> Iterator[None]:
    """Where a case has a folder `entries` or a published.yaml, they stand for the suite's own."""
    with pytest.MonkeyPatch.context() as patch:
        if Path("entries").is_dir():
            folder = Path("entries").absolute()
            patch.setattr("workflow.plan.discover", partial(discover, folder))
            patch.setattr("methods.__main__.discover", partial(discover, folder))
            patch.setattr(methods, "__path__", [*methods.__path__, str(folder)])
        if Path("published.yaml").exists():
            own = partial(read_published, Path("published.yaml"))
            patch.setattr("workflow.results.read_published", own)
        yield
    for name in [name for name in sys.modules if name.startswith("methods.mine")]:
        del sys.modules[name]


# Making them


def nifti(kind: str = "t2", patient: str = "P1") -> Path:
    return Path(f"data/{patient}/{patient}_{kind}.nii.gz")


def voxels(kind: str) -> np.ndarray:
    return np.asanyarray(nib.load(nifti(kind)).dataobj)


def image(kind: str, array: np.ndarray, affine: np.ndarray = AFFINE, **fields: float) -> None:
    """Write P1's file anew."""
    made = nib.Nifti1Image(array, affine)
    for name, value in fields.items():
        made.header[name] = value
    nib.save(made, nifti(kind))


def voxel(kind: str, value: float, dtype: type = np.float32) -> Damage:
    """One voxel of P1's file holds `value`."""

    def damage() -> None:
        array = voxels(kind).astype(dtype)
        array[32, 32, 4] = value
        image(kind, array)

    return damage


def header(place: int, form: str, *values: float, kinds: tuple[str, ...] = ("t2",)) -> Damage:
    """Other values at a place of the header of P1's files."""

    def damage() -> None:
        for kind in kinds:
            data = bytearray(gzip.decompress(nifti(kind).read_bytes()))
            struct.pack_into(f"<{form}", data, place, *values)
            nifti(kind).write_bytes(gzip.compress(bytes(data), mtime=0))

    return damage


def nifti_2(**fields: int) -> None:
    """Write P1's T2 anew, as NIfTI-2."""
    made = nib.Nifti2Image(voxels("t2"), AFFINE)
    nib.save(made, nifti())


def nifti_2_of_huge_dimensions() -> None:
    nifti_2()
    data = bytearray(gzip.decompress(nifti().read_bytes()))
    struct.pack_into("<q", data, 24, 2**40)
    nifti().write_bytes(gzip.compress(bytes(data), mtime=0))


ALL = ("t1", "t2", "flair", "t1ce", "seg")
DIM, DATATYPE, VOX_OFFSET, SLOPE, UNITS, SROW = 40, 70, 108, 112, 123, 280


def affine(matrix: np.ndarray) -> Damage:
    """Another affine of P1's T2."""
    return lambda: image("t2", voxels("t2"), matrix)


def turned(degrees: float) -> np.ndarray:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.eye(4)
    turn[:2, :2] = [[cos, -sin], [sin, cos]]
    return AFFINE @ turn


def put(path: str, content: str | bytes) -> Damage:
    """A file of that content."""

    def damage() -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content.encode() if isinstance(content, str) else content)

    return damage


def edit(path: str, change: Callable[[bytes], bytes]) -> Damage:
    def damage() -> None:
        before = Path(path).read_bytes()
        after = change(before)
        assert after != before
        Path(path).write_bytes(after)

    return damage


def swap(path: str, old: str, new: str) -> Damage:
    return edit(path, lambda data: data.replace(old.encode(), new.encode(), 1))


def cut(path: str | Path, keep: float) -> Damage:
    return edit(path, lambda data: data[: int(keep * len(data))])


def flip(path: str | Path, place: float) -> Damage:
    def change(data: bytes) -> bytes:
        at = int(place * len(data))
        return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]

    return edit(path, change)


def config(old: str, new: str) -> Damage:
    return swap("mine.yaml", old, new)


def replaced(path: str | Path, make: Callable[[Path], object]) -> Damage:
    """Something else in a file's place."""

    def damage() -> None:
        Path(path).unlink()
        make(Path(path))

    return damage


def patient_named(name: str | bytes) -> Damage:
    """P1's folder, and its files, under another name."""

    def damage() -> None:
        folder = Path("data", os.fsdecode(name))
        Path("data/P1").rename(folder)
        for path in list(folder.iterdir()):
            path.rename(folder / path.name.replace("P1", folder.name))

    return damage


def gzip_bomb() -> None:
    data = gzip.decompress(nifti().read_bytes())
    with gzip.open(nifti(), "wb", compresslevel=1) as file:
        file.write(data)
        for _ in range(3000):
            file.write(bytes(10**6))


class Payload:
    """What unpickling it does must not happen."""

    def __reduce__(self):
        return Path.touch, (Path("../outside/executed"),)


def array(path: str, made: np.ndarray) -> Damage:
    return lambda: np.save(path, made, allow_pickle=True)


def padded_to(path: str, make: Damage) -> Damage:
    """What `make` makes, brought to the size of the file before."""

    def damage() -> None:
        size = Path(path).stat().st_size
        make()
        data = Path(path).read_bytes()
        Path(path).write_bytes(data[:size].ljust(size, b"\0"))

    return damage


def npy_header(path: str, text: str) -> Damage:
    """Another text in the header of a .npy file, of the same length."""

    def change(data: bytes) -> bytes:
        length = int.from_bytes(data[8:10], "little")
        return data[:10] + text.encode().ljust(length - 1) + b"\n" + data[10 + length :]

    return edit(path, change)


def meta(**changes: object) -> Damage:
    def damage() -> None:
        path = Path(STORE, "P1.json")
        path.write_text(
            json.dumps(json.loads(path.read_text(encoding="utf-8")) | changes), encoding="utf-8"
        )

    return damage


def weights(change: Callable[[dict], object], run: str = "pix2pix") -> Damage:
    """The weights of a run, after `change`, which edits them or returns others."""

    def damage() -> None:
        path = Path(RUNS, run, "seed0/weights.pt")
        content = torch.load(path, weights_only=True)
        changed = change(content)
        torch.save(content if changed is None else changed, path)

    return damage


def not_a_number(content: dict) -> None:
    for state in content["model"]["networks"].values():
        next(iter(state.values())).fill_(float("nan"))


def other_network(content: dict) -> None:
    for state in content["model"]["networks"].values():
        state["stranger"] = state.pop(next(iter(state)))


def manifest(change: Callable[[dict], object]) -> Damage:
    """The manifest after `change`, sealed as if its writer had written it so."""

    def damage() -> None:
        content = json.loads(Path(MANIFEST).read_text(encoding="utf-8"))
        change(content)
        Path(MANIFEST).write_text(json.dumps(content | {"seal": seal(content)}), encoding="utf-8")

    return damage


def method(text: str, code: str = CLASS, folder: str = "mine") -> Damage:
    def damage() -> None:
        put(f"entries/{folder}/method.yaml", text)()
        put(f"entries/{folder}/method.py", code)()

    return damage


def both(*damages: Damage) -> Damage:
    def damage() -> None:
        for one in damages:
            one()

    return damage


EXECUTES = "!!python/object/apply:os.system ['touch ../outside/executed']"
SCORES = f"{RUNS}/copy_t1/seed0/scores.csv"
SCORED = "results/records/mine/score/copy_t1/seed0.json"
SEVENS = hashlib.sha256(np.full((8, 32, 32), 7, np.uint8)).hexdigest()
MADE = f"{RUNS}/copy_t1/seed0/t1ce/P3.npy"
UPSTREAM = [f"{RUNS}/copy_t1/seed0/t1ce/{patient}.npy" for patient in ("P0", "P1")]
SEGMENTED = f"{RUNS}/copy_t1+unet/seed0/seg/P3.npy"
WEIGHTS = f"{RUNS}/pix2pix/seed0/weights.pt"
STORED = f"{STORE}/P1.npy"
IN_STORE = ("Patient P1", "cannot be used", "Delete it and run prepare")
UNREADABLE = ("Patient P1", "P1_t2.nii.gz cannot be read as NIfTI", "copy or download it again")
ORIGINAL = ("Patient P1", "P1_t2.nii.gz", "Replace it by the original")
AT_MINE = ("mine.yaml", "line")

NIFTI = [
    Case("gzip cut short", cut(nifti(), 0.5), PREPARE, UNREADABLE),
    Case("gzip without its checksum", cut(nifti(), 0.9999), PREPARE, UNREADABLE),
    Case("gzip of a flipped byte", flip(nifti(), 0.5), PREPARE, UNREADABLE),
    Case("gzip of a flipped checksum", flip(nifti(), 0.9999), PREPARE, UNREADABLE),
    Case("gzip magic alone", put(str(nifti()), b"\x1f\x8b"), PREPARE, UNREADABLE),
    Case("flipped first byte of the header", header(0, "B", 0xA3), PREPARE, UNREADABLE),
    Case("empty file", put(str(nifti()), b""), PREPARE, UNREADABLE),
    Case("text in place of an image", put(str(nifti()), "404 not found\n" * 99), PREPARE,
         UNREADABLE),
    Case("huge dimensions", header(DIM, "4h", 3, 32767, 32767, 32767), PREPARE,
         (*UNREADABLE, "[32767, 32767, 32767] voxels"), heavy=True),
    Case("seven huge dimensions", header(DIM, "8h", 7, *[32767] * 7), PREPARE,
         (*UNREADABLE, "32767, 32767] voxels"), heavy=True),
    Case("dimensions beyond the file", header(DIM, "4h", 3, 64, 64, 200), PREPARE,
         (*UNREADABLE, "bytes in place of")),
    Case("a dimension of zero", header(DIM, "4h", 3, 64, 0, 8), PREPARE,
         (*UNREADABLE, "[64, 0, 8]")),
    Case("a negative dimension", header(DIM, "4h", 3, 64, -64, 8), PREPARE,
         (*UNREADABLE, "[64, -64, 8]")),
    Case("no dimension", header(DIM, "h", 0), PREPARE, UNREADABLE),
    Case("unknown type of voxels", header(DATATYPE, "h", 12345), PREPARE, UNREADABLE),
    Case("voxels begin nowhere", header(VOX_OFFSET, "f", float("nan")), PREPARE, UNREADABLE),
    Case("voxels begin at infinity", header(VOX_OFFSET, "f", float("inf")), PREPARE, UNREADABLE),
    Case("voxels begin at a trillion", header(VOX_OFFSET, "f", 1e12), PREPARE, UNREADABLE,
         heavy=True),
    Case("gzip bomb behind the voxels", gzip_bomb, PREPARE,
         (*UNREADABLE, "goes on long after its voxels"), heavy=True),
    Case("four dimensions", lambda: image("t2", np.ones((*SHAPE, 2), np.int16)), PREPARE,
         (*ORIGINAL, "(64, 64, 8, 2)", "not one 3-D volume")),
    Case("two dimensions", lambda: image("t2", np.ones(SHAPE[:2], np.int16)), PREPARE,
         (*ORIGINAL, "(64, 64)", "not one 3-D volume")),
    Case("complex voxels", lambda: image("t2", voxels("t2").astype(np.complex64)), PREPARE,
         (*ORIGINAL, "complex64")),
    Case("colours", lambda: image("t2", np.zeros(SHAPE, np.dtype("u1,u1,u1").newbyteorder("="))
         .view([("R", "u1"), ("G", "u1"), ("B", "u1")])), PREPARE, (*ORIGINAL, "not one 3-D")),
    Case("not skull-stripped", lambda: image("t2", voxels("t2") + np.arange(64 * 64 * 8).reshape(
         SHAPE).astype(np.int16) % 30), PREPARE,
         ("Patient P1: t2 is not skull-stripped", "30 values from 0 to 29", "set all air to 0")),
    Case("brain almost everywhere", lambda: image("t2", np.pad(voxels("t1")[1:-1, 1:-1] + 9,
         [(1, 1), (1, 1), (0, 0)])), PREPARE,
         ("Patient P1: t2 is not skull-stripped", "94 % of the volume", "13 to 19 %")),
    Case("T1ce is T1", lambda: shutil.copy(nifti("t1"), nifti("t1ce")), PREPARE,
         ("Patient P1", str(nifti("t1")), str(nifti("t1ce")), "one image")),
    Case("T1ce is T1, scaled", lambda: image("t1ce", 2 * voxels("t1")), PREPARE,
         ("Patient P1", str(nifti("t1")), str(nifti("t1ce")), "one image")),
    Case("NaN", voxel("t2", np.nan), PREPARE, (*ORIGINAL, "NaN or infinite")),
    Case("infinity", voxel("t2", np.inf), PREPARE, (*ORIGINAL, "NaN or infinite")),
    Case("minus infinity", voxel("t2", -np.inf), PREPARE, (*ORIGINAL, "NaN or infinite")),
    Case("beyond float32", voxel("t2", 1e300, np.float64), PREPARE, (*ORIGINAL, "NaN or inf")),
    Case("a scale without an offset", header(SLOPE, "2f", 2.0, float("nan")), PREPARE, UNREADABLE),
    Case("a scale beyond float32", header(SLOPE, "2f", 1e38, 0), PREPARE,
         (*ORIGINAL, "NaN or inf")),
    Case("constant volume", lambda: image("t2", np.full(SHAPE, 7, np.int16)), PREPARE,
         (*ORIGINAL, "every voxel", "is 7")),
    Case("no contrast in the brain",
         lambda: image("t2", np.where(voxels("t2") > 0, 40, 0).astype(np.int16)), PREPARE,
         ("Patient P1", "t2 is 40 in 99 % of the brain", "Replace the file by the original")),
    Case("empty brain", lambda: image("t1", np.zeros(SHAPE, np.int16)), PREPARE,
         ("Patient P1", "P1_t1.nii.gz", "there is no image in it", "Replace it by the original")),
    Case("axes of one modality swapped", lambda: image("t2", voxels("t2").transpose(2, 0, 1)),
         PREPARE, ("P1_t2.nii.gz has shape (8, 64, 64)", "P1_t1.nii.gz has (64, 64, 8)")),
    Case("shifted affine", affine(AFFINE + np.eye(4, k=3) * 2.5), PREPARE,
         ("P1_t2.nii.gz lies elsewhere in space", "up to 2.5", "co-registered")),
    Case("affine shifted by half a voxel", affine(AFFINE + np.eye(4, k=3) * 0.5), PREPARE,
         ("P1_t2.nii.gz lies elsewhere in space", "up to 0.5 voxels")),
    Case("affine turned by a degree", affine(turned(1)), PREPARE,
         ("P1_t2.nii.gz lies elsewhere in space", "voxels")),
    Case("affine turned by 30 degrees", affine(turned(30)), PREPARE,
         ("P1_t2.nii.gz lies elsewhere in space", "co-registered")),
    Case("affine turned by 90 degrees", affine(turned(90)), PREPARE,
         ("P1_t2.nii.gz lies elsewhere in space", "co-registered")),
    Case("singular affine of all files", header(SROW, "12f", *[0] * 12, kinds=ALL), PREPARE,
         ("Patient P1", "P1_t1.nii.gz", "no place or no size", "Replace it by the original")),
    Case("flat affine of all files", header(SROW, "12f", *[1, 0, 0, 0] * 3, kinds=ALL), PREPARE,
         ("Patient P1", "P1_t1.nii.gz", "no place or no size")),
    Case("affine of NaN", header(SROW, "12f", *[float("nan")] * 12, kinds=ALL), PREPARE,
         ("Patient P1", "P1_t1.nii.gz", "no place or no size")),
    Case("voxels of a kilometre", lambda: [image(k, voxels(k), AFFINE * 1e6) for k in ALL], PREPARE,
         ("Patient P1", "P1_t1.nii.gz", "no place or no size")),
    Case("NIfTI-2 cut short", both(nifti_2, cut(nifti(), 0.5)), PREPARE, UNREADABLE),
    Case("NIfTI-2 of huge dimensions", nifti_2_of_huge_dimensions, PREPARE,
         (*UNREADABLE, "[1099511627776, 64, 8] voxels"), heavy=True),
    Case("measured in metres", header(UNITS, "B", 1), PREPARE, (*ORIGINAL, "than millimetres")),
    Case("measured in an unknown unit", header(UNITS, "B", 7), PREPARE,
         (*ORIGINAL, "than millimetres")),
]  # fmt: skip
LABELS = [
    Case(f"label {name}", damage, PREPARE, ("Patient P1", "P1_seg.nii.gz", *parts))
    for name, damage, parts in [
        ("out of range", voxel("seg", 5), ("5 (1 voxels)", "1 core, 2 oedema, 4 enhancing")),
        ("negative", voxel("seg", -1), ("-1 (1 voxels)", "replace the file by the original")),
        ("of 255", voxel("seg", 255, np.uint8), ("255 (1 voxels)",)),
        ("not whole", voxel("seg", 1.5), ("1.5 (1 voxels)",)),
        ("not whole by more than rounding", voxel("seg", 3.99), ("3.99 (1 voxels)",)),
        ("of NaN", voxel("seg", np.nan), ("nan (1 voxels)", "replace the file by the original")),
        ("infinite", voxel("seg", np.inf), ("inf (1 voxels)",)),
        ("3 beside label 4", voxel("seg", 3), ("`brats2021`", "--config release=gli2024")),
        ("3 in place of label 4",
         lambda: image("seg", np.minimum(voxels("seg"), 3)), ("--config release=brats2023",)),
        ("images of probabilities",
         lambda: image("seg", np.linspace(0, 1, 32768, dtype=np.float32).reshape(SHAPE)),
         ("0.001007111 (1 voxels)", "more", "by the original")),
    ]
] + [
    Case("tumour outside of the brain", lambda: image("seg", _corner()), PREPARE,
         ("Patient P1", "tumour", "outside the brain", "by the original")),
    Case("segmentation of another shape",
         lambda: image("seg", np.zeros((64, 64, 9), np.uint8)), PREPARE,
         ("P1_seg.nii.gz has shape (64, 64, 9)",)),
    Case("no tumour in any test patient",
         lambda: both(lambda: nib.save(nib.Nifti1Image(np.zeros(SHAPE, np.uint8), AFFINE),
                                       nifti("seg", "P3")),
                      lambda: run("prepare --patient P3"))(),
         "split", ("No test patient has a tumour", "segmentation")),
]  # fmt: skip


def _corner() -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[:2, :2, 0] = 1
    return labels


def odd_name(name: str, *parts: str, shown: str | None = None) -> Case:
    said = (shown or f"{name!r} cannot", "Rename it", *parts)
    return Case(f"patient named {name!r:.30}", patient_named(name), "dag", said)


RELEASES = [
    Case("release that is unknown", lambda: None, "dag release=gli2042",
         ("no `gli2042`", "Did you mean `gli2024`?", "`ped2024` (BraTS 2024 PED)")),
    Case("release that a name needs", patient_named("BraTS-PED-00001-000"), "dag",
         ("Patient BraTS-PED-00001-000", "`brats2023`", "`ped2024`", "--config release=NAME")),
    Case("release that is another one's", config("source: brats", "source: phantom, release: msd"),
         "dag", (*AT_MINE, "`cohort.release`", "takes patients and seed")),
    Case("release that is a number", config("path: data", "path: data, release: 2024"), "dag",
         (*AT_MINE, "`cohort.release`", "2024")),
]  # fmt: skip
FOLDERS = [
    Case("no such folder", lambda: None, "dag data=nowhere", ("no folder nowhere", "Give the")),
    Case("a file for a folder", lambda: None, "dag data=own.csv", ("no folder own.csv",)),
    Case("an empty folder", lambda: Path("empty").mkdir(), "dag data=empty",
         ("empty holds no patient", "A patient is a folder such as")),
    Case("all files in one folder, one missing",
         both(lambda: [path.rename(Path("data", path.name)) for path in nifti().parent.iterdir()],
              lambda: [path.rename(Path("data", path.name)) for path in Path("data/P2").iterdir()],
              lambda: Path("data/P1_t2.nii.gz").unlink()), "dag",
         ("Patient P1 lacks its t2", "data has neither P1_t2.nii.gz")),
    Case("the folder of one patient", lambda: None, "dag data=data/P1",
         ("P1 is the folder of one patient", "Give the folder above")),
    Case("missing modality", lambda: nifti().unlink(), "dag",
         ("Patient P1 lacks its t2", "P1_t2.nii.gz", "Add the file or remove the folder")),
    Case("missing segmentation", lambda: nifti("seg").unlink(), "dag",
         ("Patient P1 lacks its seg", "give the training set")),
    Case("modality twice", put("data/P1/P1_t2.nii", b""), "dag",
         ("Patient P1 has more than one t2", "P1_t2.nii.gz, P1_t2.nii", "Keep one")),
    Case("modality twice, by the names of two years", put("data/P1/P1-t2w.nii.gz", b""), "dag",
         ("Patient P1 has more than one t2", "P1-t2w.nii.gz", "Keep one")),
    Case("patient in two folders", lambda: shutil.copytree("data/P1", "data/LGG/P1"), "dag",
         ("Patient P1 lies twice", "data/LGG", "Remove or rename")),
    Case("patient that was emptied", lambda: Path("data/BraTS20_Training_007").mkdir(), "dag",
         ("Patient BraTS20_Training_007 lacks its t1", "remove the folder")),
    odd_name("P 1"),
    odd_name("P..1;touch executed", "data"),
    odd_name("$(touch executed)"),
    odd_name("-rf"),
    odd_name("Pätient", shown="'Pätient' cannot"),
    odd_name("P\n1", shown="'P\\n1' cannot"),
    odd_name("P{seed}1"),
    odd_name("患者1"),
    odd_name("P" * 150),
    Case("patient of no text", patient_named(b"P\xff1"), "dag", ("\\udcff", "Rename it")),
    Case("patient with `..` in the name of a command", lambda: None,
         "prepare --patient ../../outside", ("no patient '../../outside'", "P0, P1, P2, P3")),
    Case("file that links to nothing",
         replaced(nifti(), lambda path: path.symlink_to("P1_gone.nii.gz")), "dag",
         ("Patient P1", "P1_t2.nii.gz is no file", "Put the original in its place")),
    Case("file that links to itself", replaced(nifti(), lambda path: path.symlink_to(path.name)),
         "dag", ("Patient P1", "P1_t2.nii.gz is no file")),
    Case("folder that links to the folder around it",
         lambda: Path("data/again").symlink_to(Path("data").absolute()), "dag",
         ("lies twice", "data/again", "Remove or rename")),
    Case("a pipe for a file", replaced(nifti(), os.mkfifo), "dag",
         ("Patient P1", "P1_t2.nii.gz is no file: a folder, a pipe")),
    Case("a pipe for a file, to prepare", replaced(nifti(), os.mkfifo), PREPARE,
         ("Patient P1", "P1_t2.nii.gz is no file")),
    Case("a folder for a file", replaced(nifti(), Path.mkdir), "dag",
         ("Patient P1", "P1_t2.nii.gz is no file")),
    Case("a device for a file", replaced(nifti(), lambda path: path.symlink_to("/dev/zero")),
         PREPARE, ("Patient P1", "P1_t2.nii.gz is no file: a folder, a pipe, a device")),
    Case("mapping of grades in no UTF-8", put("data/name_mapping.csv", b"Grade,\xff\xfe\n"), "dag",
         ("name_mapping.csv cannot be read as CSV", "Copy it again, or remove it")),
    Case("mapping of grades of one endless cell",
         put("data/name_mapping.csv", 'Grade\n"' + "x" * 200_000), "dag",
         ("name_mapping.csv cannot be read as CSV", "field")),
    Case("phantom patient that leads out", put("sim.yaml", "title: x\ncohort: {source: phantom}\n"),
         "simulate --benchmark sim.yaml --patient ../../../../outside",
         ("no patient '../../../../outside'", "Phantom_001")),
    Case("simulating a real cohort", lambda: None, "simulate --patient P1",
         ("`mine`", "nothing to simulate")),
]  # fmt: skip


def yaml(name: str, text: str | bytes, *says: str, heavy: bool = False) -> Case:
    """A benchmark file of that text."""
    says = says or ("is not valid",)
    return Case(f"YAML: {name}", put("mine.yaml", text), "split", ("mine.yaml", *says), heavy)


def setting(name: str, old: str, new: str, *says: str, command: str = "dag") -> Case:
    """A benchmark file of another setting."""
    return Case(f"setting: {name}", config(old, new), command, (*AT_MINE, *says))


BENCHMARKS = [
    yaml("empty", "", "expected keys", "None"),
    yaml("a list", "- 1\n- 2\n", "expected keys", "[1, 2]"),
    yaml("binary", bytes(range(128, 256)), "byte 0 is not UTF-8 text"),
    yaml("zeros", bytes(1000), "is not valid", "position 0"),
    yaml("cut short", MINE[:150], "is not valid", "line 6"),
    yaml("tabs", "results:\n\tseeds: [0]\n", "is not valid", "line 2"),
    yaml("code", f"title: {EXECUTES}\n", "is not valid", "line 1", "python/object/apply"),
    yaml("tag that fails", "title: !!int x\n", "'x'", "put it in quotes"),
    yaml("key twice", MINE + "speed: {device: cuda}\n", "line 10", "`speed`", "line 9", "keep one"),
    yaml("key twice, deep", MINE.replace("crop: 32", "crop: 32, crop: 64"), "line 6", "`crop`",
         "keep one"),
    yaml("two documents", MINE + "---\n" + MINE, "is not valid", "line 10", "another document"),
    yaml("date that is none", "title: 2020-99-99\n", "month must be in 1..12", "put it in quotes"),
    yaml("key that is no text", MINE + "5: 6\n", "line 10", "`5`"),
    yaml("key that is a list", MINE + "? [a]\n: 6\n", "is not valid", "line 10"),
    setting("old key", "methods: [", "entries: [", "`results.entries`", "`results.methods`"),
    setting("unknown source", "source: brats", "source: bratz", "`cohort.source`", "`brats`?",
            "Known sources: brats, phantom"),
    setting("source that leads out", "source: brats", "source: ../../outside/kept",
            "no such source", "brats, phantom"),
    setting("key of another source", "path: data", "path: data, seed: 1", "`cohort.seed`",
            "`brats` takes path"),
    setting("source without its path", ", path: data", "", "`cohort.path` is missing", "data="),
    setting("unknown key", "batch: 2", "bacth: 2", "`results.training.bacth`", "`batch`?"),
    setting("wrong type", "batch: 2", "batch: many", "`results.training.batch`", "'many'"),
    setting("NaN", "batch: 2", "batch: .nan", "`results.training.batch`", "nan"),
    setting("infinity", "batch: 2", "batch: .inf", "`results.training.batch`", "inf"),
    setting("out of range", "batch: 2", "batch: 0", "found 0", "greater than or equal to 1"),
    setting("a trillion", "batch: 2", "batch: 1000000000000", "less than or equal to 1000000"),
    setting("a list for a mapping", "{device: cpu}", "[cpu]", "`speed`", "['cpu']"),
    setting("nothing for a mapping", "{source: brats, path: data}", "", "`cohort`", "None"),
    setting("crop no multiple of 16", "crop: 32", "crop: 40", "found 40", "multiple of 16"),
    setting("crop of a million", "crop: 32", "crop: 1000000", "less than or equal to 512"),
    setting("seed twice", "results:\n", "results:\n  seeds: [0, 0]\n", "0 is listed twice"),
    setting("negative seed", "results:\n", "results:\n  seeds: [-1]\n", "found -1", "equal to 0"),
    setting("huge seed", "results:\n", "results:\n  seeds: [9999999999999999999999]\n", "seeds"),
    setting("seed of NaN", "results:\n", "results:\n  seeds: [.nan]\n", "seeds", "nan"),
    setting("protocol twice", "results:\n", "results:\n  protocols: [paper, paper]\n",
            "paper is listed twice"),
    setting("no protocol", "results:\n", "results:\n  protocols: []\n", "at least 1 item"),
    setting("title of two lines", "made up", '"made\\nup"', "`title`", "one line of text"),
    setting("title of nothing", "made up", '" "', "`title`", "one line of text"),
    setting("name in the file", "title", "name: ../../x\ntitle", "`name`", "its file's name"),
    setting("unknown method", "copy_t1,", "copy_t2,", "no methods/copy_t2", "`copy_t1`?"),
    setting("method that leads out", "copy_t1,", "../../outside,", "no methods/", "cutgan"),
    setting("method under two names", "copy_t1,", "copy_t1.base,", "write `copy_t1`"),
    setting("method with a dot", "copy_t1,", '"copy_t1.",', "write `copy_t1`"),
    setting("unknown segmentor", "results:\n", "results:\n  segmentors: [unnet]\n", "`unet`?"),
    setting("segmentor that is none", "results:\n", "results:\n  segmentors: [pix2pix]\n",
            "not of kind `segmentation`"),
    setting("parameters of nobody", "unet: {width", "unnet: {width", "`unet`?"),
    setting("unknown parameter", "unet: {width", "unet: {widht", "no parameter `widht`",
            "Did you mean `width`?"),
    setting("wrong kind of parameter", "unet: {width: 4", "unet: {width: wide", ".unet.width`",
            "'wide'", "valid integer"),
    Case("setting: unknown variant", config("copy_t1,", "copy_t1.x,"), "dag",
         ("methods/copy_t1 has no variant `x`", "it has base")),
    Case("setting: parameter that builds no network", config("unet: {width: 4", "unet: {width: -4"),
         "train --run copy_t1+unet --seed 0",
         ("methods/unet cannot be built", "width=-4", "`results.params.unet`")),
    Case("setting: parameter beyond memory",
         config("unet: {width: 4", "unet: {width: 1000000"), "train --run copy_t1+unet --seed 0",
         ("methods/unet cannot be built", "width=1000000", "`results.params.unet`"), heavy=True),
    Case("benchmark that does not exist", lambda: None, "dag benchmark=../../etc/x.yaml",
         ("There is no ../../etc/x.yaml", "phantom")),
    Case("benchmark whose name leads out", put("...yaml", MINE), "dag benchmark=...yaml",
         ("...yaml", "'..'", "Rename the file")),
    Case("benchmark with an odd name", put("a;b$(x).yaml", MINE), "dag benchmark=a;b$(x).yaml",
         ("'a;b$(x)'", "Rename the file")),
    Case("benchmark that is a folder", lambda: Path("dir.yaml").mkdir(), "dag benchmark=dir.yaml",
         ("There is no dir.yaml", "phantom")),
    Case("benchmark that is a pipe", lambda: os.mkfifo("pipe.yaml"), "dag benchmark=pipe.yaml",
         ("There is no pipe.yaml", "phantom")),
    Case("unknown scale", lambda: None, "dag scale=three_cores",
         ("three_cores.yaml", "two_cores")),
    Case("unknown option of the DAG", lambda: None, "dag dta=data", ("dta", "data=")),
    Case("run that there is not", lambda: None, "train --run ../../outside --seed 0",
         ("no run `../../outside`", "pix2pix")),
    Case("seed that there is not", lambda: None, "train --run pix2pix --seed 7",
         ("`results.seeds`", "7 is none of the seeds, 0")),
    Case("negative seed of a command", lambda: None, "train --run pix2pix --seed -1",
         ("-1 is none of the seeds",)),
    Case("training what is not trained", lambda: None, "train --run copy_t1 --seed 0",
         ("`copy_t1` is not trained", "control")),
]  # fmt: skip


def described(name: str, text: str, *says: str, **options: str) -> Case:
    folder = options.get("folder", "mine")
    said = (f"methods/{folder}", *says)
    return Case(f"method: {name}", method(text, **options), "list", said)


def coded(name: str, code: str, *says: str) -> Case:
    return Case(f"method: {name}", method(METHOD, code), "dag", ("methods/mine/method.py", *says))


METHODS = [
    described("empty", "", "expected keys", "None"),
    described("no YAML", "title: [", "is not valid", "line 1"),
    described("code", METHOD + f"reference: {EXECUTES}\n", "line 4", "tag", "object/apply"),
    described("key twice", METHOD + "title: Other\n", "line 4", "`title`", "line 1"),
    described("unknown key", METHOD + "titel: x\n", "line 4, `titel`", "Did you mean `title`?"),
    described("missing key", "title: x\nsummary: x\n", "`kind`: this key is missing", "add it"),
    described("unknown kind", METHOD.replace("synthesis", "magic"), "`kind`", "'magic'"),
    described("sees T1ce", METHOD + "inputs: [t1, t1ce]\n", "line 4, `inputs`", "t1ce",
              "remove it"),
    described("sees nothing", METHOD + "inputs: []\n", "`inputs`", "at least 1 item"),
    described("sees T1 twice", METHOD + "inputs: [t1, t1]\n", "inputs", "list it once"),
    described("title of two lines", METHOD.replace("Mine", '"a\\nb"'), "`title`", "one line"),
    described("variant of an odd name", METHOD + "variants: {../x: {summary: x}}\n", "`../x`",
              "lower_case"),
    described("variants in a circle", METHOD + "variants: {a: {summary: x, continues: b}, "
              "b: {summary: x, continues: a}}\n", "line 4", "a, b continue each other",
              "start without it"),
    described("odd folder", METHOD, "rename the folder", folder="Mine-2"),
    coded("no class", "x = 1\n", "holds 0 models", "exactly one"),
    coded("two classes", CLASS + "class Other(Mine): pass\n", "holds 2 models", "exactly one"),
    coded("class of another kind", CLASS.replace("Synthesizer", "Segmentor"), "kind `synthesis`"),
    coded("missing verb", CLASS.replace("synthesize", "synthesise"), "Mine lacks synthesize"),
    coded("no Python", "def f(:\n", "line 1", "this is not Python", "def f(:"),
    Case("method: no code", put("entries/mine/method.yaml", METHOD), "dag",
         ("methods/mine/method.py is missing", "holds the method's model")),
    Case("method: missing weights", method(METHOD + "pretrained: gone.pt\n"), "dag",
         ("methods/mine/method.yaml, line 4, `pretrained`", "no ", "gone.pt")),
]  # fmt: skip
SPLITS = [
    Case(f"split: {name}", put("own.csv", text), "dag", ("own.csv", *says))
    for name, text, *says in [
        ("empty file", "", "line 1", "missing"),
        ("no patient", "patient,grade,split\n", "lists no patient"),
        ("other columns", OWN.replace("grade", "age"), "line 1", "patient,age,split"),
        ("missing patient", OWN.replace("P1,,train\n", ""), "does not list P1", "every patient"),
        ("unknown patient", OWN + "P9,,test\n", "lacks, P9", "every patient"),
        ("patient twice", OWN + "P1,,train\n", "line 6", "P1 is already", "Keep one"),
        ("patient in two splits", OWN + "P1,,test\n", "line 6", "P1 is already", "Keep one"),
        ("unknown split", OWN.replace("val", "dev"), "line 4", "dev is no split", "train, val"),
        ("unknown grade", OWN.replace("P1,,", "P1,IV,"), "line 3", "IV is no grade", "HGG, LGG"),
        ("missing cell", OWN.replace("P1,,", "P1,"), "line 3", "Write patient, grade, split"),
        ("nobody to test", OWN.replace("test", "val"), "no patient to test", "at least one"),
        ("name that leads out", OWN + "../../x,,test\n", "line 6", "'../../x'"),
        ("binary", bytes(range(128, 256)), "cannot be read as CSV"),
        ("endless cell", OWN + '"' + "x" * 200_000, "cannot be read as CSV", "field"),
        ("cut short", OWN[:-3], "line 5", "te is no split", "train, val, test"),
    ]
] + [
    Case("split: no such file", lambda: Path("own.csv").unlink(), "dag",
         ("There is no split file own.csv",)),
    Case("split: no share for anybody", config("{file: own.csv}", "{fractions: [0, 1, 2]}"), "dag",
         ("split.fractions", "found 0")),
    Case("split: a seed that leaves a split empty",
         config("{file: own.csv}", "{fractions: [98, 1, 1]}"), "dag",
         ("leaves no patient for", "et")),
    Case("split: prepared one in no UTF-8", put(f"{STORE}/split.csv", b"\xff\xfe"), TRAIN,
         (f"{STORE}/split.csv cannot be read",)),
    Case("split: prepared one is gone", lambda: Path(STORE, "split.csv").unlink(), TRAIN,
         (f"no split file {STORE}/split.csv", "split command")),
]  # fmt: skip
STORES = [
    Case("store: array cut short", cut(STORED, 0.5), TRAIN, (*IN_STORE, "bytes instead of")),
    Case("store: array is gone", lambda: Path(STORED).unlink(), TRAIN, (*IN_STORE, "0 bytes")),
    Case("store: array of pickled objects",
         padded_to(STORED, array(STORED, np.array([Payload()] * 3, object))), TRAIN, IN_STORE),
    Case("store: array of another type",
         padded_to(STORED, lambda: np.save(STORED, np.load(STORED).view(np.uint16))), TRAIN,
         (*IN_STORE, "changed after it was written")),
    Case("store: array of another shape",
         padded_to(STORED, lambda: np.save(STORED, np.load(STORED).swapaxes(0, 1))), TRAIN,
         (*IN_STORE, "changed after it was written")),
    Case("store: array with a huge header", npy_header(STORED, "{'descr': '<i2', 'fortran_order': "
         "False, 'shape': (99999999, 5, 9999, 9999)}"), TRAIN, IN_STORE, heavy=True),
    Case("store: array whose header is code", npy_header(STORED, "__import__('pathlib').Path("
         "'../outside/executed').touch()"), TRAIN, IN_STORE),
    Case("store: array without its magic", flip(STORED, 0), TRAIN, IN_STORE),
    Case("store: description cut short", cut(f"{STORE}/P1.json", 0.5), TRAIN,
         (*IN_STORE, "not JSON")),
    Case("store: description is gone", lambda: Path(STORE, "P1.json").unlink(), TRAIN,
         ("Patient P1 is not in the store", "Run prepare")),
    Case("store: description too deep", put(f"{STORE}/P1.json", "[" * 200_000), TRAIN,
         (*IN_STORE, "not JSON")),
    Case("store: description of another version", meta(format=0), TRAIN,
         (*IN_STORE, "`format` is 0", "should be 3")),
    Case("store: description with an unknown key", meta(colour=1), TRAIN, (*IN_STORE, "`colour`")),
    Case("store: description of another type", meta(shape="big"), TRAIN, (*IN_STORE, "`shape`")),
    Case("store: description of another shape", meta(shape=[1, 2, 3]), TRAIN,
         (*IN_STORE, "`shape` (1, 2, 3)")),
    Case("store: box beyond the volume", meta(box=[[0, 99], [0, 9], [0, 9]]), TRAIN,
         (*IN_STORE, "`box`")),
    Case("store: spacing of NaN", meta(spacing=[float("nan")] * 3), TRAIN,
         (*IN_STORE, "`spacing")),
    Case("store: description of a patient that leads out", meta(patient="../../../outside/x"),
         TRAIN, (*IN_STORE, "../../../outside/x")),
    Case("store: prepared for another grid", config("downsample: 2", "downsample: 1"), TRAIN,
         ("Patient P0", "another `results.slices`", "downsample=2", "Run prepare")),
    Case("store: prepared for another crop", config("crop: 32", "crop: 64"), "split",
         ("Patient P0", "another `results.slices`", "crop=32", "Run prepare")),
    Case("store: input checksums are gone", lambda: Path(STORE, "input_checksums.csv").unlink(),
         TRAIN, (f"no {STORE}/input_checksums.csv", "cohort command")),
]  # fmt: skip
CHECKPOINTS = [
    Case("weights: code", weights(lambda _: {"digest": "x", "model": Payload()}), SYNTHESIZE,
         (WEIGHTS, "such as code", "Delete it")),
    Case("weights: bare pickle", put(WEIGHTS, pickle.dumps(Payload(), protocol=2)), SYNTHESIZE,
         (WEIGHTS, "Delete it")),
    Case("weights: cut short", cut(WEIGHTS, 0.7), SYNTHESIZE, (WEIGHTS, "cannot be read", "Del")),
    Case("weights: empty", put(WEIGHTS, b""), SYNTHESIZE, (WEIGHTS, "cannot be read", "Delete it")),
    Case("weights: text", put(WEIGHTS, "hello"), SYNTHESIZE, (WEIGHTS, "Delete it")),
    Case("weights: gone", lambda: Path(WEIGHTS).unlink(), SYNTHESIZE,
         (f"There is no {WEIGHTS}", "run the training")),
    Case("weights: a list", weights(lambda _: [1, 2]), SYNTHESIZE, (WEIGHTS, "list", "Delete it")),
    Case("weights: nothing in them", weights(lambda c: {"digest": c["digest"]}), SYNTHESIZE,
         (WEIGHTS, "model", "train `pix2pix` again")),
    Case("weights: of another network", weights(other_network), SYNTHESIZE,
         (f"{WEIGHTS} does not fit", "stranger", "train `pix2pix` again")),
    Case("weights: NaN", weights(not_a_number), SYNTHESIZE,
         (f"{WEIGHTS} holds weights that are NaN", "train `pix2pix` again")),
    Case("weights: of other settings", config("batch: 2", "batch: 1"), SYNTHESIZE,
         (f"{WEIGHTS} holds the weights of another training", "train `pix2pix` again")),
    Case("weights: of another run", lambda: shutil.copy(
        Path(RUNS, "copy_t1+unet/seed0/weights.pt"), WEIGHTS), SYNTHESIZE,
         (f"{WEIGHTS} holds the weights of another training", "train `pix2pix` again")),
]  # fmt: skip
PREDICTIONS = [
    Case(f"prediction: {name}", damage, SCORE, (MADE, "cannot be used", *says, "with synthesize"),
         name.startswith("huge"))
    for name, damage, *says in [
        ("cut short", cut(MADE, 0.5)),
        ("gone", lambda: Path(MADE).unlink()),
        ("pickled objects", array(MADE, np.array([Payload()], object))),
        ("of another shape", lambda: np.save(MADE, np.load(MADE)[1:]), "(7, 32, 32)"),
        ("of NaN", array(MADE, np.full((8, 32, 32), np.nan, np.float32)), "float32"),
        ("huge header", npy_header(MADE, "{'descr': '<i2', 'fortran_order': False, 'shape': "
                                   "(999999, 99999, 9999)}")),
    ]
] + [
    Case("prediction: of another run", array(MADE, np.zeros((8, 32, 32), np.int16)), SCORE,
         (MADE, "its content was changed", "Delete", "seed0/t1ce.json", "with synthesize")),
    Case("prediction: edited, to train on",
         both(*[array(path, np.zeros((8, 32, 32), np.int16)) for path in UPSTREAM]),
         SEGMENT_BEHIND, ("seed0/t1ce/P", "its content was changed", "with synthesize")),
    Case("prediction: unknown class", both(
        array(SEGMENTED, np.full((8, 32, 32), 7, np.uint8)),
        edit(f"{RUNS}/copy_t1+unet/seed0/seg.json", lambda data: re.sub(
            rb'"P3": "[0-9a-f]{64}"', b'"P3": "%s"' % SEVENS.encode(), data, count=1))),
         "score --run copy_t1+unet --seed 0", (SEGMENTED, "class 7", "with segment")),
    Case("prediction: of another shape, to train on",
         both(*[partial(np.save, path, np.zeros((7, 32, 32), np.int16)) for path in UPSTREAM]),
         SEGMENT_BEHIND, ("seed0/t1ce/P", "(7, 32, 32)", "synthesize")),
    Case("prediction: pickled objects, to train on",
         both(*[array(path, np.array([Payload()], object)) for path in UPSTREAM]), SEGMENT_BEHIND,
         ("seed0/t1ce/P", "cannot be used", "synthesize")),
]  # fmt: skip


def last_line(change: Callable[[list[bytes]], list[bytes]]) -> Damage:
    return edit(SCORES, lambda data: b"\n".join(change(data.splitlines())) + b"\n")


def value(text: bytes) -> Damage:
    """Another value of the first Dice or SSIM."""

    def change(data: bytes) -> bytes:
        lines = data.splitlines()
        cells = lines[1].split(b",")
        cells[12] = text
        lines[1] = b",".join(cells)
        return b"\n".join(lines) + b"\n"

    return edit(SCORES, change)


KNOWN = {"bytes": 1, "sha256": "0" * 64}
TABLES = [
    Case("scores: edited", value(b"0.5"), "tabulate",
         (f"{SCORES} was changed after", "score copy_t1, seed 0", "Delete it")),
    Case("scores: edited, for figures", value(b"0.5"), "draw", (f"{SCORES} was changed after",)),
    Case("scores: edited, for the manifest", value(b"0.5"), "manifest",
         (f"{SCORES} was changed after",)),
] + [
    # As if the job had written it so: else only its checksum would be wrong.
    Case(f"scores: {name}", both(damage, Path(SCORED).unlink), "tabulate", says)
    for name, damage, *says in [
        ("empty", put(SCORES, b""), f"{SCORES}: cannot be read as a score table"),
        ("binary", put(SCORES, bytes(range(128, 256))), f"{SCORES}: cannot be read"),
        ("cut in a line", edit(SCORES, lambda data: data[: data.rindex(b",") - 3]),
         SCORES, "line", "cut short", "again"),
        ("a cell too many", edit(SCORES, lambda data: data[:-1] + b",x\n"), SCORES,
         "found 15 cells instead of 14"),
        ("a cell too many in every line",
         edit(SCORES, lambda data: data.replace(b"\n", b",x\n").replace(b",x\n", b"\n", 1)),
         SCORES, "cells"),
        ("missing column", swap(SCORES, "seed,", ""), f"{SCORES}"),
        ("unknown column", swap(SCORES, "seed,", "sede,"), f"{SCORES}, line 1", "sede"),
        ("line twice", last_line(lambda lines: [*lines, lines[-1]]), SCORES, "is already in",
         "Remove one"),
        ("not a number", value(b"good"), f"{SCORES}, line 2", "'good'", "not a number"),
        ("infinite SSIM", value(b"inf"), "copy_t1", "ssim of inf", "Score the run again"),
        ("SSIM of 7", value(b"7"), "copy_t1", "P3", "ssim of 7.0", "[-1.0, 1.0]"),
        ("unknown metric", swap(SCORES, "ssim", "beauty"), "copy_t1", "'beauty'", "dice"),
        ("seed that is none", swap(SCORES, "copy_t1,0,", "copy_t1,0.5,"), f"{SCORES}, line 2",
         "'0.5'", "whole number"),
        ("seed beyond counting", swap(SCORES, "copy_t1,0,", "copy_t1,1e300,"), f"{SCORES}, line 2",
         "'1e300'", "whole number"),
    ]
] + [
    Case(f"published numbers: {name}", put("published.yaml", text), "tabulate",
         ("published.yaml", *says))
    for name, text, *says in [
        ("empty", "", "expected keys", "None"),
        ("binary", bytes(range(128, 256)), "byte 0 is not UTF-8 text"),
        ("code", f"paper: {EXECUTES}\n", "line 1", "object/apply"),
        ("Dice of 7", PUBLISHED.read_text().replace("wt: 0.880", "wt: 7", 1), "less than or equal"),
        ("key twice", PUBLISHED.read_text() + "paper: {}\n", "`paper`", "keep one"),
    ]
] + [
    Case(f"manifest: {name}", damage, f"verify {MANIFEST}", (MANIFEST, *says, "Write it anew"))
    for name, damage, *says in [
        ("cut short", cut(MANIFEST, 0.5), "not JSON, or cut short"),
        ("too deep", put(MANIFEST, "[" * 200_000), "not JSON"),
        ("binary", put(MANIFEST, bytes(range(128, 256))), "not JSON"),
        ("edited", swap(MANIFEST, '"bytes": 1', '"bytes": 2'), "`seal`", "edited"),
        ("file that leads out",
         manifest(lambda c: c["files"].update({"../outside/kept": KNOWN})),
         "without `..`"),
        ("absolute file",
         manifest(lambda c: c["files"].update({"/etc/passwd": KNOWN})),
         "relative"),
        ("folder that leads out", manifest(lambda c: c["folders"].append("../outside")),
         "without `..`"),
        ("data that leads out", manifest(lambda c: c["data"]["files"].update({"../x": "0" * 64})),
         "without `..`"),
        ("no checksum",
         manifest(lambda c: c["files"].update({"x": {"bytes": 1, "sha256": "short"}})), "sha256"),
    ]
] + [
    Case("manifest: none", lambda: None, "verify nowhere.json", ("There is no nowhere.json",)),
]  # fmt: skip

CASES = [
    *NIFTI, *LABELS, *RELEASES, *FOLDERS, *BENCHMARKS, *METHODS, *SPLITS, *STORES, *CHECKPOINTS,
    *PREDICTIONS, *TABLES,
]  # fmt: skip
