"""Snakemake starts jobs without its default limit of 100 per second."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

# What `--max-jobs-per-timespan` is where nobody gives it: jobs and seconds.
DEFAULT = (100, 1)


def start_jobs_without_limit(workflow: "Workflow") -> None:
    """Remove the default limit on job starts; a limit on the command line or in a profile stays.

    With a limit, Snakemake 9.27 looks for ready jobs once per second for every job that has ended
    (`JobScheduler._schedule_reevalutation`), and each time looks up all of their input files. After
    some hundred jobs this keeps half a core busy, for the days that the last trainings take.
    """
    execute = workflow.execute

    def execute_without_limit(**settings: Any) -> None:
        scheduling = workflow.scheduling_settings
        limit = scheduling.max_jobs_per_timespan
        if limit and (limit.max_jobs, limit.timespan) == DEFAULT:
            scheduling.max_jobs_per_timespan = None
        return execute(**settings)

    workflow.execute = execute_without_limit
