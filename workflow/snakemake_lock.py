"""One Snakemake at a time works on a benchmark; a second one waits for its end."""

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from snakemake.exceptions import WorkflowError

from benchmarks.errors import InputError
from workflow.dag import Dag
from workflow.locks import exclusive
from workflow.origin import record_origin

if TYPE_CHECKING:
    from snakemake.workflow import Workflow


def lock_benchmark(workflow: "Workflow", dag: Dag) -> None:
    """Let `workflow` execute jobs only while no other Snakemake executes those of this benchmark.

    It waits before it plans, so that what the other one made is not made again. Dry runs, reports
    and the like wait for nobody, and neither does a Snakemake that an executor starts for one job.
    """
    execute = workflow.execute

    def execute_alone(*, executor_plugin: Any, **settings: Any) -> None:
        if executor_plugin.common_settings.dryrun_exec or not workflow.is_main_process:
            return execute(executor_plugin=executor_plugin, **settings)
        doing = f"running snakemake on benchmark `{dag.benchmark.name}` here"
        with ExitStack() as stack:
            try:
                stack.enter_context(exclusive(dag.layout.lock, doing))
                record_origin(dag.benchmark)
            except InputError as error:
                raise WorkflowError(str(error)) from None
            except KeyboardInterrupt:
                raise WorkflowError("Interrupted before any job was started.") from None
            return execute(executor_plugin=executor_plugin, **settings)

    workflow.execute = execute_alone
