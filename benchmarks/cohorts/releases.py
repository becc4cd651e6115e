"""Releases of BraTS and of data sets named like it: which tissue each label stands for.

Label 4 is enhancing tumour in one release, oedema in another and a resection cavity in a third, and
one patient's file need not hold the label that would tell them apart. So a patient's release
follows from names, or from `cohort.release`, and never from the labels.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.errors import InputError

CORE, OEDEMA, ENHANCING = 1, 2, 3
CAVITY = "resection cavity"
# The classes of `benchmarks.cohorts.patient.Patient.labels`; 0 is background everywhere.
CLASS_NAMES = {CORE: "core", OEDEMA: "oedema", ENHANCING: "enhancing"}
_NO_NAME = r"(?!)"


@dataclass(frozen=True)
class Release:
    """The labels of a release, and the names of its patients.

    Attributes
    ----------
    name : as `cohort.release` has it.
    labels : by value in the segmentation, the class, or the name of a tissue outside all classes.
    example : a patient's name.
    names : regular expression of the names that are read as this release by default.
    others : of names that are read as it where `cohort.release` says so.
    """

    name: str
    title: str
    labels: Mapping[int, int | str]
    example: str
    names: str = _NO_NAME
    others: str = _NO_NAME

    @property
    def tissues(self) -> str:
        """The labels in words, such as "1 core, 2 oedema, 4 enhancing"."""
        return ", ".join(f"{label} {_tissue(of)}" for label, of in self.labels.items())

    def label(self, of: int) -> int:
        """Return the first label of a class; 0 of background."""
        return next((label for label, tissue in self.labels.items() if tissue == of), 0)

    def voxels(self, found: Mapping[float, int]) -> str:
        """Return the voxels by tissue in words, from those by label, all of which it must have."""
        tissues = {tissue: 0 for tissue in CLASS_NAMES.values()}
        for label, count in found.items():
            tissue = _tissue(self.labels[label])
            tissues[tissue] = tissues.get(tissue, 0) + count
        return ", ".join(f"{tissue} {count}" for tissue, count in tissues.items())


def _tissue(of: int | str) -> str:
    return CLASS_NAMES.get(of, of)


RELEASES = {
    release.name: release
    for release in (
        Release(
            "brats2015",
            "BraTS 2013 to 2015",
            {1: CORE, 2: OEDEMA, 3: CORE, 4: ENHANCING},
            example="brats_tcia_pat101_1",
            names=r"brats_(2013|tcia)_pat.*",
            # The data of 2012 have these names too, and other labels.
            others=r"brats_[hl]g\d+",
        ),
        Release(
            "brats2021",
            "BraTS 2017 to 2021, FeTS, UCSF-PDGM, UPENN-GBM",
            {1: CORE, 2: OEDEMA, 4: ENHANCING},
            example="BraTS2021_00002",
            names=r"(brats(20)?(17|18|19|20|21)|fets(20)?2\d)_.*|(ucsf-pdgm|upenn-gbm)-.*",
        ),
        Release(
            "brats2023",
            "BraTS 2023 (GLI, MEN, MET, PED, SSA) and GoAT",
            {1: CORE, 2: OEDEMA, 3: ENHANCING},
            example="BraTS-GLI-00000-000",
            names=r"brats-(gli|men|met|ssa|goat)-\d.*",
            others=r"brats-ped-.*",
        ),
        Release(
            "gli2024",
            "BraTS 2024 GLI (post-treatment)",
            {1: CORE, 2: OEDEMA, 3: ENHANCING, 4: CAVITY},
            example="BraTS-GLI-00005-100",
            others=r"brats-gli-.*",
        ),
        Release(
            "met2025",
            "BraTS 2025 MET",
            {1: CORE, 2: OEDEMA, 3: ENHANCING, 4: CAVITY},
            example="BraTS-MET-00001-000",
            others=r"brats-met-.*",
        ),
        Release(
            "ped2024",
            "BraTS 2024 PED",
            {1: ENHANCING, 2: CORE, 3: CORE, 4: OEDEMA},
            example="BraTS-PED-00001-000",
            others=r"brats-ped-.*",
        ),
        Release(
            "msd",
            "Medical Segmentation Decathlon, Task01_BrainTumour, as 3-D files",
            {1: OEDEMA, 2: CORE, 3: ENHANCING},
            example="BRATS_001",
            names=r"brats_\d{3}",
        ),
    )
}

# Of patients whose source names no release.
CLASSES = Release(
    "classes",
    "this suite",
    {CORE: CORE, OEDEMA: OEDEMA, ENHANCING: ENHANCING},
    example="",
)


def labels_of(release: str | None) -> Release:
    """Return the labels in which a patient's segmentations are exchanged, by `Meta.release`."""
    return RELEASES.get(release, CLASSES)


def possible_releases(patient: str) -> list[str]:
    """Return the names of the releases that a patient's name can be of; [] if it tells nothing."""
    return [name for name, one in RELEASES.items() if _fits(f"{one.names}|{one.others}", patient)]


def _fits(names: str, patient: str) -> bool:
    return re.fullmatch(names, patient, re.IGNORECASE) is not None


def release_of(patient: str, hyphens: bool, declared: str | None = None) -> str:
    """Return the name of a patient's release.

    Parameters
    ----------
    hyphens : whether files are named `<patient>-t1c`, as from 2023 on, and not `<patient>_t1ce`. It
        decides where neither the patient's name nor `declared` does.
    declared : `cohort.release`, which decides where the patient's name leaves it open.

    Raises
    ------
    InputError : `declared` is no release; or the name is of releases that need to be declared.
    """
    if declared not in (None, *RELEASES):
        close = difflib.get_close_matches(declared, RELEASES, n=1)
        hint = f" Did you mean `{close[0]}`?" if close else ""
        known = "; ".join(f"`{one.name}` ({one.title})" for one in RELEASES.values())
        raise InputError(f"`cohort.release`: there is no `{declared}`.{hint} Known: {known}.")
    possible = possible_releases(patient)
    if declared in (possible or RELEASES):
        return declared
    if not possible:
        return "brats2023" if hyphens else "brats2021"
    for name in possible:
        if _fits(RELEASES[name].names, patient):
            return name
    choices = [f"`{name}` ({RELEASES[name].title}: {RELEASES[name].tissues})" for name in possible]
    raise InputError(
        f"Patient {patient}: the name does not tell what the labels of its segmentation stand for. "
        f"Write {_declaration('NAME')}, where NAME is {' or '.join(choices)}."
    )


def explain_misfit(patient: str, release: str, found: Mapping[float, int]) -> str:
    """Explain labels that a release lacks: what it has, what others make of them, what to write.

    Parameters
    ----------
    found : voxels by label, without background.
    """
    own = RELEASES[release]
    read_as = f"It is read as `{release}` ({own.title}), which has {own.tissues}."
    fitting = [one for one in RELEASES.values() if found.keys() <= one.labels.keys()]
    if not fitting:
        advice = "No release has these labels: replace the file by the original."
        return f"{read_as} {advice}"
    lines = [f"{read_as} Choose the release that it comes from:"]
    for one in fitting:
        advice = []
        if one.name not in (possible_releases(patient) or RELEASES):
            advice.append(f"rename the folder and its files as there, e.g. {one.example}")
        if not advice or one.names == _NO_NAME:
            advice.append(f"write {_declaration(one.name)}")
        lines.append(
            f"  `{one.name}` ({one.title}) gives {one.voxels(found)}: {', and '.join(advice)}."
        )
    return "\n".join(lines)


def _declaration(name: str) -> str:
    return f"`cohort: {{release: {name}}}` in the benchmark file or `--config release={name}`"
