"""Measure what scoring under the conventions costs beside the protocols, on full volumes.

    python -m workflow.speed.conventions [--patient-folder brats/BraTS20_Training_001]

One synthesis and one segmentation are scored. Intensities are noise, since they cost the same as
any others; without a folder the tumour is made of ellipsoids of a usual size.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.cohorts.store import centre
from benchmarks.scoring.conventions import read_conventions
from benchmarks.scoring.protocol import Protocol, load_protocol, score_segmentation, score_synthesis
from workflow.speed.scoring import (
    DIAGONAL_MM,
    SPACING,
    imperfect,
    made_up_segmentation,
    read_segmentation,
    timed,
)
from workflow.speed.settings import Settings

CROP = (224, 224)


def measure(settings: Settings) -> list[dict]:
    """Scoring a patient's made-up synthesis and segmentation under each protocol.

    Returns
    -------
    A row each with the `seconds` it takes; those of the conventions are summed.
    """
    volumes = made_up_volumes(made_up_segmentation())
    rows = []
    for group, protocols in groups().items():
        took = [seconds(protocol, volumes, repeats=1) for protocol in protocols]
        names = [protocol.name for protocol in protocols]
        if group == "conventions":
            total = {task: sum(one[task] for one in took) for task in took[0]}
            names, took = [f"{len(took)} conventions together"], [total]
        rows += [
            {"name": f"{task}, {name}", "seconds": value}
            for name, one in zip(names, took, strict=True)
            for task, value in one.items()
        ]
    return rows


def groups() -> dict[str, list[Protocol]]:
    """What everything is scored under: the protocols, and the conventions that differ from them."""
    return {
        "protocols": [load_protocol(name) for name in ("paper", "strict")],
        "conventions": [c.protocol() for c in read_conventions() if c.change is not None],
    }


def made_up_volumes(labels: np.ndarray) -> dict[str, np.ndarray]:
    """All that a protocol asks for, (Z, Y, X) each, around these labels."""
    reference, synthesis = np.random.default_rng(0).uniform(-1, 1, (2, *labels.shape))
    return {
        "reference": reference.astype(np.float32),
        "synthesis": synthesis.astype(np.float32),
        "labels": labels,
        "classes": imperfect(labels),
    }


def seconds(
    protocol: Protocol, volumes: dict[str, np.ndarray], repeats: int = 3
) -> dict[str, float]:
    """How long a protocol takes for each task that it scores, the shortest of several times."""
    if protocol.frame == "crop":
        volumes = {name: centre(volume, CROP, fill=0) for name, volume in volumes.items()}
    took = {"synthesis": 0.0, "segmentation": 0.0}
    if protocol.synthesis:
        chosen = [volumes[name] for name in ("reference", "synthesis", "labels")]
        _, took["synthesis"] = timed(
            lambda *those: score_synthesis(protocol, *those), *chosen, repeats=repeats
        )
    if protocol.segmentation:
        chosen = [volumes[name] for name in ("labels", "classes")]
        _, took["segmentation"] = timed(
            lambda *those: score_segmentation(protocol, *those, SPACING, DIAGONAL_MM),
            *chosen,
            repeats=repeats,
        )
    return took


def main() -> None:
    """Print the seconds of each protocol and convention, both sums and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patient-folder", type=Path, help="a BraTS patient; made up if absent")
    folder = parser.parse_args().patient_folder

    labels = read_segmentation(folder) if folder else made_up_segmentation()
    volumes = made_up_volumes(labels)
    sums = {}
    print(f"{folder or 'made up'}, {labels.shape}; seconds of synthesis and of segmentation")
    for group, protocols in groups().items():
        sums[group] = np.zeros(2)
        for protocol in protocols:
            took = np.array(list(seconds(protocol, volumes).values()))
            sums[group] += took
            print(f"{protocol.name:20} {took[0]:6.2f} {took[1]:6.2f}")
    for group, took in sums.items():
        print(f"all {group:16} {took[0]:6.2f} {took[1]:6.2f}")
    print(f"{'ratio':20} {sums['conventions'].sum() / sums['protocols'].sum():6.2f}")


if __name__ == "__main__":
    main()
