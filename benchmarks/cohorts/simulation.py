"""The phantom: simulated glioma patients in BraTS format, the default cohort of the suite.

Anatomy comes from the MNI152 tissue maps that nilearn ships, warped anew for each patient; a
glioma with oedema, solid tumour and necrosis is grown into it; contrast agent leaks into the
tumour; the four contrasts follow from the signal equations of spin echo and inversion recovery.
The plan is that of Prastawa et al., Med Image Anal 13:297 (2009), made small.

What a synthesis method can and cannot know: uptake of contrast agent follows about half from
the cellularity of the solid tumour, which also sets its T1 and T2, and half from random fields that
leave no trace in T1, T2 or FLAIR.

All arrays have BraTS's axes: first towards the left, second towards the back, third upwards (LPS),
with voxels of 1 mm. Lengths are in mm, times in ms, concentrations in mmol/L.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from scipy.ndimage import (
    binary_fill_holes,
    gaussian_filter,
    gaussian_filter1d,
    map_coordinates,
    zoom,
)
from skimage.graph import MCP_Geometric

from benchmarks.files import write_gzip

SHAPE = (240, 240, 155)
AFFINE = np.array([[-1, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=float)
NECROSIS, OEDEMA, ENHANCING = 1, 2, 4

# The part of the frame that can hold brain; everything is computed in it alone.
BOX = (slice(40, 200), slice(32, 228), slice(0, 152))
BOX_SHAPE = tuple(part.stop - part.start for part in BOX)
# Centre of the average brain of BraTS within BOX, and of the template within its own grid.
BRAIN_CENTRE = np.array([119.5, 129.0, 71.0]) - [part.start for part in BOX]
SKULL_HALF_AXES = np.array([69.0, 86.0, 71.0])
TEMPLATE_CENTRE = np.array([98.0, 115.0, 77.0])
# The MNI152 brain has 1.89 L, the brains of BraTS have 1.2 to 1.7 L.
MEAN_SCALE = 0.925


class Tissue(NamedTuple):
    """Proton density (water's is 1), T1 and T2 (ms); in disease from dense to watery tissue."""

    density: float
    t1: float | tuple[float, float]
    t2: float | tuple[float, float]


# Keyed by field strength in tesla.
# White and grey matter, 1.5 T: T1 Rooney et al., MRM 57:308 (2007); T2 Stanisz et al., MRM 54:507
# (2005). 3 T: Wansapura et al., JMRI 9:531 (1999). Proton density: Whittall et al., MRM 37:34
# (1997). CSF: T1 Rooney 2007, the same at all fields; T2 about 2 s, Piechnik et al., MRM 61:579
# (2009).
# Blood: T1 Sharma et al., JMRI 23:323 (2006); its T2 is shortened to 45 ms to stand for flow voids.
# Oedema: T1 at 3 T between the peritumoural values of low-grade glioma and of glioblastoma, Badve
# et al., AJNR 38:492 (2017). Tumour: T1 at 3 T from the mean of all to that of high-grade gliomas,
# de Blank et al., J Neurosurg Pediatr (2022); T2 around the 105 ms (metastases) to 172 ms (low
# grade) of Badve 2017, dense tissue below. Chosen, not published: necrosis between tumour and CSF,
# overlapping with tumour as it does in BraTS; T1 at 1.5 T as 0.87 of that at 3 T, about the ratio
# of grey matter; density of diseased tissue between those of grey matter and CSF.
TISSUES = {
    1.5: {
        "white": Tissue(0.71, 656, 72),
        "grey": Tissue(0.83, 1188, 95),
        "csf": Tissue(1.00, 4300, 2000),
        "blood": Tissue(0.90, 1580, 45),
        "oedema": Tissue(0.84, (930, 1370), (105, 200)),
        "tumour": Tissue(0.86, (1260, 1620), (85, 150)),
        "necrosis": Tissue(0.93, (1400, 2200), (100, 260)),
    },
    3.0: {
        "white": Tissue(0.71, 832, 79.6),
        "grey": Tissue(0.83, 1331, 110),
        "csf": Tissue(1.00, 4300, 2000),
        "blood": Tissue(0.90, 1660, 45),
        "oedema": Tissue(0.84, (1066, 1578), (105, 200)),
        "tumour": Tissue(0.86, (1444, 1863), (85, 150)),
        "necrosis": Tissue(0.93, (1600, 2500), (100, 260)),
    },
}

# Gadobutrol in plasma, L/(mmol s): Rohrer et al., Invest Radiol 40:715 (2005). Szomolanyi et al.,
# Invest Radiol 54:559 (2019), find the same r1 at 3 T and 4.8 at 1.5 T.
RELAXIVITY = {1.5: (5.2, 6.1), 3.0: (5.0, 7.1)}
# Share of blood in white and grey matter, Leenders et al., Brain 113:27 (1990).
BLOOD_VOLUME = {"white": 0.027, "grey": 0.052}
# Concentration in blood minutes after 0.1 mmol/kg, mmol/L. Chosen, as is all uptake in `draw_plan`.
BLOOD_UPTAKE = (0.6, 1.1)
# Uptake above which a reader of T1ce would call tumour enhancing.
VISIBLE_UPTAKE = 0.07


class Sequence(NamedTuple):
    """Ranges of one contrast's times (ms) and of the blur of its thick slices (mm)."""

    times: dict[str, tuple[float, float]]
    blur: tuple[float, float]
    noise: tuple[float, float]  # standard deviation, as a share of the signal of white matter


_T1 = {"repetition": (400, 600), "echo": (8, 12)}
_T2 = {"repetition": (4500, 6000), "echo": (85, 105)}
_FLAIR = {"repetition": (8500, 10000), "echo": (100, 125), "inversion": (2250, 2480)}
SEQUENCES = {
    "t1": Sequence(_T1, (0.5, 1.6), (0.04, 0.09)),
    "t1ce": Sequence(_T1, (0.4, 1.0), (0.04, 0.09)),
    "t2": Sequence(_T2, (0.8, 1.8), (0.04, 0.08)),
    "flair": Sequence(_FLAIR, (0.8, 1.8), (0.05, 0.11)),
}


@dataclass(frozen=True)
class Anatomy:
    """A patient's healthy brain: maps over BOX, float32, of fractions in [0, 1]."""

    white: np.ndarray
    grey: np.ndarray
    csf: np.ndarray
    inside: np.ndarray  # the smoothed brain mask, 0.5 at the brain's surface
    atlas: np.ndarray  # (3, *BOX_SHAPE), the template voxel that each voxel came from

    @property
    def brain(self) -> np.ndarray:
        """The skull-stripped brain, boolean."""
        return self.inside > 0.55


@dataclass(frozen=True)
class Plan:
    """What is drawn about a tumour before it grows: volumes in mL, lengths in mm."""

    grade: str  # HGG or LGG
    centre: np.ndarray  # voxel of BOX
    solid: float
    oedema: float
    rim: float  # mean thickness of the viable tumour around the necrosis
    uptake: float  # typical concentration of contrast agent in viable tumour
    patchiness: float  # in standard deviations: at 0 half of the rim leaks, at 2 nearly all does


@dataclass(frozen=True)
class Tumour:
    """A grown tumour: maps over BOX, float32; the first three are fractions of the voxel."""

    oedema: np.ndarray
    viable: np.ndarray
    necrosis: np.ndarray
    water: np.ndarray  # from the dense (0) to the watery (1) end of `Tissue`
    t2_factor: np.ndarray  # multiplies the T2 found there
    uptake: np.ndarray  # mmol/L


def simulate(patient: str, folder: Path, seed: int) -> None:
    """Write one patient as a BraTS folder, `folder/patient/patient_{t1,t1ce,t2,flair,seg}.nii.gz`.

    Images are int16 with background 0, the segmentation uint8 with labels 0, 1, 2 and 4; all have
    240 x 240 x 155 voxels of 1 mm, and the grade as the description in their headers. The files
    depend on `seed` and `patient` alone. A folder that is there already is replaced.
    """
    rng = _generator(seed, patient)
    plan = draw_plan(rng)
    anatomy = warp_template(plan, rng)
    tumour = grow_tumour(plan, anatomy, rng)
    volumes = {**scan(anatomy, tumour, rng), "seg": label(tumour, anatomy.brain)}
    for name, volume in volumes.items():
        frame = np.zeros(SHAPE, volume.dtype)
        frame[BOX] = volume
        image = nib.Nifti1Image(frame, AFFINE)
        image.header.set_xyzt_units("mm")
        image.header["descrip"] = plan.grade
        write_gzip(Path(folder) / patient / f"{patient}_{name}.nii.gz", image.to_bytes())


def _generator(seed: int, patient: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}/{patient}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest, "big"))


# Anatomy


@lru_cache(maxsize=1)
def _template() -> dict[str, np.ndarray]:
    """MNI152 maps of nilearn's wheel in LPS: `white`, `grey`, `inside`, float32 in [0, 1].

    Fonov et al., NeuroImage 54:313 (2011). The files are read without importing nilearn, which
    would take as long as a third of a patient.
    """
    data = Path(find_spec("nilearn").submodule_search_locations[0]) / "datasets" / "data"

    def load(kind: str) -> np.ndarray:
        image = nib.load(data / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz")
        return np.asarray(image.dataobj)[::-1, ::-1].astype(np.float32) / 255

    inside = gaussian_filter(binary_fill_holes(load("t1") > 0).astype(np.float32), 2.5)
    return {"white": load("wm"), "grey": load("gm"), "inside": inside}


@lru_cache(maxsize=64)
def _bumps(size: int, length: float) -> np.ndarray:
    """Gaussian bumps every `length` mm along an axis, (size, bumps); rows have unit norm."""
    centres = np.arange(-2 * length, size + 2 * length, length)
    bumps = np.exp(-0.5 * ((np.arange(size)[:, None] - centres) / (0.7 * length)) ** 2)
    return (bumps / np.linalg.norm(bumps, axis=1, keepdims=True)).astype(np.float32)


def smooth_field(length: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian random field over BOX, mean 0, variance 1, float32, varying over `length` mm."""
    x, y, z = (_bumps(size, length) for size in BOX_SHAPE)
    weights = rng.standard_normal((x.shape[1], y.shape[1], z.shape[1]), dtype=np.float32)
    return np.einsum("xi,yj,zk,ijk->xyz", x, y, z, weights, optimize=True)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * values))


def _distance(centre: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Distance (mm) from a voxel of BOX in an ellipsoidal metric of the given half-axes."""
    grid = np.ogrid[tuple(slice(size) for size in BOX_SHAPE)]
    squares = [((g - c) / a) ** 2 for g, c, a in zip(grid, centre, axes, strict=True)]
    return np.sqrt(squares[0] + squares[1] + squares[2]).astype(np.float32)


def warp_template(plan: Plan, rng: np.random.Generator) -> Anatomy:
    """Return a brain like no other: the template posed, warped, and pushed by the tumour."""
    offset = _mass_effect(plan, strength=rng.uniform(0.5, 0.9))
    offset += (plan.centre - BRAIN_CENTRE)[:, None, None, None].astype(np.float32)
    # Size and proportions of the head, and its tilt.
    scale = MEAN_SCALE * rng.normal(1, 0.025) * rng.normal(1, 0.015, 3)
    x, y, z = np.radians(rng.normal(0, 2.5, 3))
    pose = np.array([[1, -z, y], [z, 1, -x], [-y, x, 1]]) / scale
    atlas = np.einsum("ij,jxyz->ixyz", pose.astype(np.float32), offset)
    for axis in range(3):
        atlas[axis] += TEMPLATE_CENTRE[axis]
        for length, amplitude in ((60, 2.5), (22, 1.2), (10, 0.9)):
            atlas[axis] += amplitude * smooth_field(length, rng)

    template = {
        name: map_coordinates(volume, atlas, order=1, output=np.float32)
        for name, volume in _template().items()
    }
    # Sulci are as wide as the patient's age. The template averages 152 brains; squaring the
    # fractions undoes part of that blur.
    atrophy = rng.uniform(1.2, 2.6) * np.exp(0.3 * smooth_field(18, rng))
    white, grey = template["white"] ** 2, template["grey"] ** 2
    csf = (atrophy * np.clip(1 - template["white"] - template["grey"], 0, 1)) ** 2
    total = white + grey + csf
    return Anatomy(white / total, grey / total, csf / total, template["inside"], atlas)


def _mass_effect(plan: Plan, strength: float) -> np.ndarray:
    """Offset (mm) from the tumour's centre to where the tissue of a voxel was before, (3, ...).

    Tissue is pushed outwards without being compressed: a ball of `strength` radii of the solid
    tumour displaces it. The push fades towards the skull, an ellipsoid, which does not yield.
    """
    grid = np.meshgrid(*(np.arange(size, dtype=np.float32) for size in BOX_SHAPE), indexing="ij")
    offset = np.stack([g - np.float32(c) for g, c in zip(grid, plan.centre, strict=True)])
    radius = float(np.cbrt(plan.solid * 1000 * 3 / (4 * np.pi)))
    cubed = (_distance(plan.centre, np.ones(3)) + 1e-3) ** 3
    pushed = np.cbrt(np.clip(1 - (strength * radius) ** 3 / cubed, 0, None))
    yields = np.clip(1 - _distance(BRAIN_CENTRE, SKULL_HALF_AXES) ** 3, 0, 1)
    return offset * (1 - yields * (1 - pushed))


# Tumour


def draw_plan(rng: np.random.Generator) -> Plan:
    """Draw place, size and kind of a glioma, in the proportions of BraTS."""
    low_grade = rng.random() < 0.18
    necrotic = not low_grade and rng.random() < 0.85
    solid = np.clip(rng.lognormal(np.log(40 if low_grade else 28), 0.55), 9, 75)
    oedema = np.clip(rng.lognormal(np.log(25 if low_grade else 42), 0.5), 12, 95)
    # The centre is in white matter, above the cerebellum and the brain stem, off the midline.
    template = _template()
    deep = (template["white"] > 0.6) & (template["inside"] > 0.95)
    deep[:, :, :66] = False
    deep[88:109] = False
    voxels = np.argwhere(deep)
    centre = voxels[rng.integers(len(voxels))]
    return Plan(
        grade="LGG" if low_grade else "HGG",
        centre=BRAIN_CENTRE + MEAN_SCALE * (centre - TEMPLATE_CENTRE),
        solid=solid,
        oedema=oedema,
        rim=rng.uniform(3, 8) if necrotic else 30.0,
        uptake=rng.uniform(0.1, 0.25) if low_grade else rng.uniform(0.2, 0.45),
        patchiness=rng.uniform(-3.5, -1) if low_grade else rng.uniform(0, 2),
    )


def _threshold(values: np.ndarray, mask: np.ndarray, millilitres: float) -> float:
    """The value that `millilitres` of the voxels of `mask` are below."""
    candidates = values[mask]
    rank = min(round(millilitres * 1000), candidates.size - 1)
    return float(np.partition(candidates, rank)[rank])


def grow_tumour(plan: Plan, anatomy: Anatomy, rng: np.random.Generator) -> Tumour:
    """Grow solid tumour with a necrotic core, oedema around it, contrast agent within it."""
    radius = _distance(plan.centre, rng.uniform(0.8, 1.25, 3))
    radius *= np.exp(0.22 * smooth_field(20, rng) + 0.11 * smooth_field(7, rng))
    # CSF, in the ventricles and around the brain, stops the growth.
    radius *= 1 + gaussian_filter(anatomy.csf, 2)
    depth = _threshold(radius, anatomy.brain, plan.solid) - radius  # about mm
    solid = _sigmoid(depth / 0.6)
    rim = plan.rim * np.exp(0.45 * smooth_field(13, rng))
    core = _sigmoid((depth - rim + 2 * smooth_field(4, rng)) / 0.6)
    oedema, nearness = _oedema(plan, anatomy, depth > 0, rng)
    cellularity = _sigmoid(1.3 * smooth_field(10, rng) + 0.9 * smooth_field(4, rng))
    within = (1 - core) * (1 - cellularity) + core * 0.4
    tissue = np.where(solid > 0.5, within, 0.25 + 0.6 * nearness)
    patient = rng.normal(0, 0.1)
    texture = 0.12 * smooth_field(6, rng) + 0.1 * smooth_field(2.5, rng)
    t2_factor = np.exp(0.12 * smooth_field(10, rng) + 0.06 * smooth_field(3, rng))
    # About half of the uptake follows the cellularity, half a field that leaves no other trace; the
    # barrier leaks in places.
    hidden = _sigmoid(1.3 * smooth_field(10, rng) + 0.9 * smooth_field(4, rng))
    leaky = _sigmoid((smooth_field(11, rng) + plan.patchiness) / 0.25)
    return Tumour(
        oedema=oedema * (1 - solid),
        viable=solid * (1 - core),
        necrosis=solid * core,
        water=np.clip(patient + texture + tissue, 0, 1),
        t2_factor=t2_factor,
        uptake=plan.uptake * leaky * (0.2 + 0.9 * cellularity + 0.7 * hidden),
    )


def _oedema(
    plan: Plan, anatomy: Anatomy, solid: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Fraction of oedema, and how near the solid tumour it is (1 at its surface, 0 at its end).

    A front leaves the tumour and runs along white matter eight times as fast as through grey; it is
    stopped when it has swept the planned volume. It runs on a 2 mm grid.
    """
    speed = anatomy.white + 0.12 * anatomy.grey + 0.02
    cost = np.exp(0.5 * smooth_field(14, rng)) / speed
    coarse = np.where(anatomy.brain, cost, 1e3)[::2, ::2, ::2]
    arrival, _ = MCP_Geometric(coarse).find_costs(np.argwhere(solid[::2, ::2, ::2]))
    arrival = zoom(np.minimum(arrival, 1e3).astype(np.float32), 2, order=1, grid_mode=False)
    arrival = gaussian_filter(arrival, 0.7)
    end = _threshold(arrival, anatomy.brain & ~solid, plan.oedema)
    reached = _sigmoid((end - arrival) / (0.08 * end))
    return reached * (1 - 0.8 * anatomy.csf - 0.4 * anatomy.grey), np.clip(1 - arrival / end, 0, 1)


def label(tumour: Tumour, brain: np.ndarray) -> np.ndarray:
    """Return BraTS labels, uint8: 1 necrosis and non-enhancing core, 2 oedema, 4 enhancing."""
    solid = tumour.viable + tumour.necrosis
    enhancing = (tumour.viable > tumour.necrosis) & (tumour.uptake > VISIBLE_UPTAKE)
    labels = np.zeros(BOX_SHAPE, np.uint8)
    labels[tumour.oedema > 0.5] = OEDEMA
    labels[solid > 0.5] = np.where(enhancing, ENHANCING, NECROSIS)[solid > 0.5]
    return labels * brain


# Signal


def spin_echo(density, t1, t2, repetition: float, echo: float):
    """Signal of a spin echo, in units of water's equilibrium signal; times in ms."""
    return density * (1 - np.exp(-repetition / t1)) * np.exp(-echo / t2)


def inversion_recovery(density, t1, t2, repetition: float, echo: float, inversion: float):
    """Magnitude signal of an inversion-recovery spin echo, units as in `spin_echo`."""
    recovered = 1 - 2 * np.exp(-inversion / t1) + np.exp(-repetition / t1)
    return density * np.abs(recovered) * np.exp(-echo / t2)


def with_contrast_agent(t1, t2, concentration, relaxivity: tuple[float, float]):
    """Relaxation times (ms) once contrast agent (mmol/L) is there: 1/T' = 1/T + r C."""
    r1, r2 = (value / 1000 for value in relaxivity)
    return 1 / (1 / t1 + r1 * concentration), 1 / (1 / t2 + r2 * concentration)


def scan(anatomy: Anatomy, tumour: Tumour, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the four contrasts over BOX, int16, background 0, each with its own scanner gain."""
    field = float(rng.choice(list(TISSUES)))
    blood = _blood(anatomy, rng)
    blood_uptake = rng.uniform(*BLOOD_UPTAKE)
    images = {}
    for name, sequence in SEQUENCES.items():
        times = {name: rng.uniform(*span) for name, span in sequence.times.items()}
        equation = inversion_recovery if "inversion" in times else spin_echo
        signal = partial(equation, **times)  # of density, t1 and t2
        agent = name == "t1ce"
        image = _healthy(anatomy, blood, signal, field, blood_uptake * agent)
        _add_tumour(image, tumour, signal, field, tumour.uptake * agent)
        images[name] = _acquire(image, anatomy, sequence, rng)
    return images


def _healthy(
    anatomy: Anatomy, blood: np.ndarray, signal: Callable, field: float, blood_uptake: float
) -> np.ndarray:
    """Signal of the healthy brain: its tissues' and its blood's, weighted by their fractions."""

    def of(name: str, uptake: float = 0.0) -> np.float32:
        tissue = TISSUES[field][name]
        times = with_contrast_agent(tissue.t1, tissue.t2, uptake, RELAXIVITY[field])
        return np.float32(signal(tissue.density, *times))

    image = anatomy.white * of("white") + anatomy.grey * of("grey") + anatomy.csf * of("csf")
    return image + blood * (of("blood", blood_uptake) - image)


def _add_tumour(
    image: np.ndarray, tumour: Tumour, signal: Callable, field: float, uptake: np.ndarray
) -> None:
    """Replace, in place, the share of each voxel that is oedema, tumour or necrosis."""
    parts = {"oedema": tumour.oedema, "tumour": tumour.viable, "necrosis": tumour.necrosis}
    diseased = sum(parts.values())
    where = np.nonzero(diseased > 0.01)
    image[where] *= 1 - diseased[where]
    for name, fraction in parts.items():
        tissue = TISSUES[field][name]
        t1 = np.interp(tumour.water[where], (0, 1), tissue.t1)
        t2 = np.interp(tumour.water[where], (0, 1), tissue.t2) * tumour.t2_factor[where]
        if name == "tumour":
            t1, t2 = with_contrast_agent(t1, t2, uptake[where], RELAXIVITY[field])
        image[where] += fraction[where] * signal(tissue.density, t1, t2)


def _blood(anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Fraction of blood in each voxel, [0, 1]: what enhances in a healthy brain.

    Capillaries fill grey matter more than white. Veins run in the sulci, on the
    random curves along which two random fields are both near zero.
    """
    off_curve = smooth_field(11, rng) ** 2 + smooth_field(11, rng) ** 2
    sulcal = np.clip(3 * gaussian_filter(anatomy.csf, 1.5), 0, 1)
    veins = sulcal * np.exp(-off_curve / 0.08)
    x, y, z = anatomy.atlas
    midline = np.exp(-(((x - 98) / 1.2) ** 2)) * (z > 85) * anatomy.csf
    falx = 0.5 * midline * _sigmoid(4 * smooth_field(15, rng))
    sinus = np.exp(-(((x - 98) / 3) ** 2)) * ((y > 150) | (z > 130)) * (anatomy.inside < 0.8)
    dura = 0.5 * (anatomy.inside < 0.72) * _sigmoid(6 * (smooth_field(15, rng) - 1))
    plexus_at = (((np.abs(x - 98) - 22) / 6) ** 2) + ((y - 134) / 9) ** 2 + ((z - 82) / 8) ** 2
    plexus = 0.8 * anatomy.csf * np.exp(-(plexus_at**2)) * _sigmoid(4 * smooth_field(4, rng))
    capillaries = sum(share * getattr(anatomy, name) for name, share in BLOOD_VOLUME.items())
    return np.maximum.reduce([capillaries, veins, falx, sinus, dura, plexus]).astype(np.float32)


def _acquire(
    image: np.ndarray, anatomy: Anatomy, sequence: Sequence, rng: np.random.Generator
) -> np.ndarray:
    """What a scanner makes of the signal: coil sensitivity, Rician noise, blur of thick slices.

    Integers of a random gain, bright tissue at 300 to 3000, 0 outside of the brain.
    """
    white = float(image[anatomy.white > 0.95].mean())
    sensitivity = np.exp(rng.uniform(0.03, 0.12) * smooth_field(70, rng))
    sigma = np.float32(rng.uniform(*sequence.noise) * white)
    real, imaginary = (sigma * rng.standard_normal(BOX_SHAPE, dtype=np.float32) for _ in "ri")
    image = np.hypot(image * sensitivity + real, imaginary)
    for axis, blur in enumerate((0.5, 0.5, rng.uniform(*sequence.blur))):
        image = gaussian_filter1d(image, blur, axis=axis, truncate=3)
    bright = np.percentile(image[anatomy.brain][::7], 99)
    gain = np.exp(rng.uniform(np.log(300), np.log(3000))) / bright
    return np.where(anatomy.brain, np.clip(np.rint(image * gain), 1, 32767), 0).astype(np.int16)
