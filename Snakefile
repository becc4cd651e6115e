# Which benchmark, which rules, what `all` asks for. See README.md for the commands.
import gc
import sys

from snakemake.exceptions import WorkflowError

sys.path.insert(0, workflow.basedir)

from benchmarks.errors import InputError
from methods.errors import MethodError
from workflow.dag import Dag
from workflow.job_shell import IMAGE, JobShell
from workflow.machine import remember_command
from workflow.snakemake_lock import lock_benchmark
from workflow.snakemake_pace import start_jobs_without_limit

gc.freeze()  # else Python searches all imports for garbage before it ends
remember_command(sys.argv)
# --jobs is for executors that send jobs to other machines, and is set in what they run there.
elsewhere = workflow.global_resources["_nodes"].value is not None
job_shell = JobShell(workflow)
shell.prefix(job_shell.prefix())
try:
    dag = Dag(config, elsewhere)
    job_shell.check()
except (InputError, MethodError) as error:
    raise WorkflowError(str(error)) from None
lock_benchmark(workflow, dag)
start_jobs_without_limit(workflow)

# Without a limit Snakemake starts as many GPU jobs as there are cores; --resources gpu=N wins.
if not elsewhere:
    workflow.global_resources.setdefault("gpu", dag.gpu_slots)


wildcard_constraints:
    patient=r"[^/]+",
    run=r"[a-z0-9_.+@]+",
    replicate=dag.replicates,


report: "workflow/report/workflow.rst"


if job_shell.apptainer:

    container: str(IMAGE)


rule all:
    input:
        dag.targets(),
    message:
        "All of {dag.benchmark.name} is made"


onerror:
    shell("{command}", command=dag.report_command(), **job_shell.environment())


include: "workflow/rules/cohort.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/external.smk"
include: "workflow/rules/verdict.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/page.smk"
