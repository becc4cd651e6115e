"""Measure what scoring under the conventions costs beside the protocols, on full volumes.

    python -m workflow.speed.conventions [--patient-folder brats/BraTS20_Training_001]

One synthesis and one segmentation are scored. Intensities are noise, since they cost the same as
any others; without a folder the tumour is made of ellipsoids of a usual size.
"""

import argparse
import statistics
from pathlib import Path

import numpy as np

from benchmarks.cohorts.store import centre
from benchmarks.scoring.conventions import read_conventions
from benchmarks.scoring.protocol import Protocol, load_protocol, score_segmentation, score_synthesis
from workflow.speed.scoring import (
    DIAGONAL_MM,
    SPACING,
    contrasts,
    imperfect,
    made_up_segmentation,
    read_segmentation,
    timed,
)

CROP = (224, 224)


def score(protocols: list[Protocol], volumes: list[np.ndarray]) -> None:
    """Score reference, synthesis, labels and classes as the benchmark does, frame by frame."""
    for frame in ("crop", "volume"):
        cut = [centre(v, CROP, fill=0) for v in volumes] if frame == "crop" else volumes
        reference, synthesis, labels, classes = cut
        alike = [protocol for protocol in protocols if protocol.frame == frame]
        if similar := [protocol for protocol in alike if protocol.synthesis]:
            score_synthesis(similar, reference, synthesis, labels)
        if overlapping := [protocol for protocol in alike if protocol.segmentation]:
            score_segmentation(overlapping, labels, classes, SPACING, DIAGONAL_MM)


def measure(folder: Path | None = None, repeats: int = 3) -> dict[str, float]:
    """Seconds of processor time without and with conventions, in turns, and what these add.

    `ratio` is what the conventions add over what the protocols take, the median over the turns.
    """
    labels = read_segmentation(folder) if folder else made_up_segmentation()
    volumes = [*contrasts(labels), labels, imperfect(labels)]
    protocols = [load_protocol(name) for name in ("paper", "strict")]
    everything = protocols + [c.protocol() for c in read_conventions() if c.change is not None]
    without, with_them = [], []
    for _ in range(repeats):
        timed(score, (protocols, volumes), without)
        timed(score, (everything, volumes), with_them)
    pairs = list(zip(without, with_them, strict=True))
    return {
        "protocols_seconds": statistics.median(without),
        "all_seconds": statistics.median(with_them),
        "ratio": statistics.median((b - a) / a for a, b in pairs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patient-folder", type=Path, help="a BraTS patient; made up if absent")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    found = measure(options.patient_folder, options.repeats)
    print(f"protocols                  {found['protocols_seconds']:6.2f} s")
    print(f"protocols and conventions  {found['all_seconds']:6.2f} s")
    print(f"the conventions add        {found['ratio']:6.2f} times the protocols' time")


if __name__ == "__main__":
    main()
