"""The number that chooses a segmentor's weights: mean validation Dice of WT, TC and ET.

Not the scoring protocols' Dice, on purpose: mending a metric of the tables must not retrain a
network. A test holds the two equal.
"""

import numpy as np
import torch

from benchmarks.cohorts.store import StoredPatient
from methods.contract import Segmentor
from workflow.inference import segment
from workflow.training.data import View

REGIONS = {"wt": (1, 2, 3), "tc": (1, 3), "et": (3,)}


def mean_dice(
    entry: Segmentor,
    patients: list[StoredPatient],
    view: View,
    device: torch.device,
    batch: int,
) -> float:
    """Mean over regions of the mean over patients, whole volumes; in [0, 1].

    A patient in whom a region is neither present nor predicted is not counted for it.
    """
    predicted = [segment(entry, p, view, device, batch) for p in patients]
    labels = [p.volume(view.crop)[1] for p in patients]
    pairs = list(zip(labels, predicted, strict=True))
    table = np.array([[_dice(y, x, region) for y, x in pairs] for region in REGIONS.values()])
    counted = table[~np.isnan(table).all(axis=1)]
    return float(np.nanmean(counted, axis=1).mean())


def _dice(labels: np.ndarray, predicted: np.ndarray, region: tuple[int, ...]) -> float:
    truth, guess = np.isin(labels, region), np.isin(predicted, region)
    size = truth.sum() + guess.sum()
    return 2 * (truth & guess).sum() / size if size else np.nan
