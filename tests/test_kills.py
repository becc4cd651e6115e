"""A few random kills of the whole DAG; `tests/kills.py` does it by the hundred."""

import random

from kills import Trial


def test_tables_are_the_same_after_kills_at_random_moments(tmp_path):
    trial = Trial(tmp_path, random.Random(1), mean=10)
    trial.round(most=4)
    assert trial.all_equal, trial.rounds
    assert sum(trial.killed.values()) == 4, trial.killed
