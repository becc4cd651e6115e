"""Files whose modalities look otherwise than they are named; real patients are in test_real.py."""

from itertools import permutations

import numpy as np
import pytest
from made_up import stored_cohort

from benchmarks.cohorts.patient import MODALITIES
from benchmarks.cohorts.plausibility import suspicious
from benchmarks.cohorts.store import Scan
from benchmarks.scoring.regions import BRAIN, CORE, ENHANCING, OEDEMA


@pytest.fixture(scope="module")
def scan(tmp_path_factory):
    (patient,) = stored_cohort(tmp_path_factory.mktemp("cohort"), 1)
    return patient.volume()


def without(scan, *labels):
    """The same scan with those tissues outside of the brain."""
    return Scan(scan.images, np.where(np.isin(scan.labels, labels), -1, scan.labels))


def named(scan, *names):
    """The same images under other names."""
    return Scan(scan.select(names), scan.labels)


def test_images_as_they_are_named_raise_no_doubt(scan):
    assert suspicious(scan) == []
    assert suspicious(without(scan, ENHANCING)) == []
    assert suspicious(without(scan, CORE, OEDEMA, ENHANCING)) == []


@pytest.mark.parametrize("names", [*permutations(MODALITIES)][1:])
def test_every_other_order_of_the_names_raises_one(scan, names):
    (doubt,) = suspicious(named(scan, *names))
    for name, image in zip(MODALITIES, names, strict=True):
        assert (f"{name} like {image}" in doubt) == (name != image)


def test_t1_and_t1ce_cannot_be_told_apart_where_nothing_enhances(scan):
    assert suspicious(named(without(scan, ENHANCING), "t1ce", "t2", "flair", "t1")) == []


def test_of_equally_likely_exchanges_the_smallest_is_named(scan):
    """Without enhancing tumour T1 and T1ce could be exchanged besides."""
    (doubt,) = suspicious(named(without(scan, ENHANCING), "t1", "flair", "t2", "t1ce"))
    assert "named: flair like t2, t2 like flair (" in doubt


def test_some_slices_suffice(scan):
    some = Scan(scan.images[:, 2:6:2], scan.labels[2:6:2])
    assert suspicious(some) == []
    assert suspicious(named(some, "t2", "t1", "flair", "t1ce"))


def test_scans_that_show_nothing_raise_no_doubt(scan):
    assert suspicious(Scan(scan.images[:, :0], scan.labels[:0])) == []
    assert suspicious(without(scan, BRAIN)) == []
    flat = scan.images.copy()
    flat[1] = 0.5
    assert suspicious(Scan(flat, scan.labels)) == []
