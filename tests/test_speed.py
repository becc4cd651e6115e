"""The measurements run, and measure what they say; how long anything takes is tested nowhere."""

import json
import math

import pytest

from workflow.speed import dag, growth


def test_exponents_are_those_of_powers():
    sizes = [10, 100, 369]
    assert growth.exponent(sizes, [0.1 * n**2 for n in sizes]) == pytest.approx(2)
    assert math.isnan(growth.exponent([3], [1.0]))


def test_work_is_measured_in_a_process_of_its_own():
    kept = []
    seconds, gigabytes = growth.measured(lambda: kept.append(1))
    assert seconds >= 0 and gigabytes > 0
    assert not kept


def test_made_up_scores_make_tables(tmp_path):
    paths = growth.made_up_scores(tmp_path, patients=2, entries=2, seeds=2)
    assert len(paths) == 4
    growth.tabulate(paths, tmp_path, 2)
    assert (tmp_path / "table7_conventions.csv").is_file()


def test_overhead_is_the_time_in_which_no_job_works(tmp_path):
    kept = tmp_path / ".snakemake" / "metadata"
    kept.mkdir(parents=True)
    times = {"a": (0.0, 4.0), "b": (2.0, 6.0), "b again": (2.0, 6.0), "c": (7.0, 9.0)}
    for name, (began, ended) in times.items():
        job = {
            "rule": name[0],
            "shellcmd": name[0],
            "starttime": began + 1e9,
            "endtime": ended + 1e9,
        }
        (kept / name).write_text(json.dumps(job))
    jobs = dag.finished_jobs(tmp_path)
    assert [rule for rule, _, _ in jobs] == ["a", "b", "c"]
    assert dag.overhead(jobs) == {"jobs": 10, "busy": 8, "idle": 1, "share": 1 / 8}
