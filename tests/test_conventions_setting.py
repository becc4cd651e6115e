"""The setting `results.conventions`: what it scores, and what it reruns."""

import pytest

from benchmarks.config import load
from benchmarks.errors import InputError
from benchmarks.scoring.conventions import read_conventions
from workflow.dag import Dag
from workflow.plan import Plan

RULES = (
    "simulate", "prepare", "cohort", "split", "score", "tabulate", "draw", "manifest", "page",
)  # fmt: skip
SCORED = [convention.name for convention in read_conventions() if convention.change is not None]


def without(benchmark):
    results = benchmark.results.model_copy(update={"conventions": False})
    return benchmark.model_copy(update={"results": results})


def test_switched_off_none_is_scored():
    benchmark = load("phantom")
    assert [p.name for p in Plan(benchmark).protocols] == ["paper", "strict", *SCORED]
    assert [p.name for p in Plan(without(benchmark)).protocols] == ["paper", "strict"]


def test_conventions_rescore_but_never_retrain(monkeypatch):
    on = load("phantom")
    off = without(on)
    plans = Plan(on), Plan(off)
    for run in plans[0].runs:
        assert len({plan.digest(plan[run], 0) for plan in plans}) == 1
    monkeypatch.setattr("workflow.dag.load", lambda **_: on)
    before = {rule: Dag({}).digest(rule) for rule in RULES}
    monkeypatch.setattr("workflow.dag.load", lambda **_: off)
    after = {rule: Dag({}).digest(rule) for rule in RULES}
    changed = {rule for rule in RULES if before[rule] != after[rule]}
    assert changed == {"score", "tabulate", "draw", "page"}


def test_conventions_are_no_benchmark():
    with pytest.raises(InputError) as error:
        load("no_such")
    assert "phantom" in str(error.value) and "conventions" not in str(error.value)
