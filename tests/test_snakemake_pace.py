"""Snakemake's limit on job starts: the default is removed, a user's is kept."""

from types import SimpleNamespace

import pytest
from snakemake.cli import get_argument_parser
from snakemake.settings.types import MaxJobsPerTimespan, SchedulingSettings

from workflow.snakemake_pace import DEFAULT, start_jobs_without_limit


def limit_of(*arguments: str) -> MaxJobsPerTimespan:
    return get_argument_parser().parse_args(arguments).max_jobs_per_timespan


def executed_with(limit: MaxJobsPerTimespan | None) -> MaxJobsPerTimespan | None:
    """The limit under which `execute` is called, with its settings passed on."""
    seen = []
    workflow = SimpleNamespace(
        scheduling_settings=SchedulingSettings(max_jobs_per_timespan=limit),
        execute=lambda **settings: seen.append(settings) or "done",
    )
    start_jobs_without_limit(workflow)
    assert workflow.execute(updated_files=["x"]) == "done"
    assert seen == [{"updated_files": ["x"]}]
    return workflow.scheduling_settings.max_jobs_per_timespan


def test_the_default_is_snakemakes():
    limit = limit_of()
    assert (limit.max_jobs, limit.timespan) == DEFAULT


def test_the_default_is_removed():
    assert executed_with(limit_of()) is None
    assert executed_with(None) is None


@pytest.mark.parametrize("given", ["20/1m", "100/1m", "5/1s"])
def test_a_limit_of_the_user_is_kept(given):
    limit = limit_of("--max-jobs-per-timespan", given)
    assert executed_with(limit) is limit
