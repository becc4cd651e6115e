# Which benchmark, which rules, what `all` asks for. See README.md for the commands.
import gc
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

sys.path.insert(0, workflow.basedir)
# Jobs take the Python that runs Snakemake, unless --use-conda puts another before it.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

from benchmarks.errors import InputError
from methods.errors import MethodError
from workflow.dag import Dag
from workflow.machine import remember_command

gc.freeze()  # else Python searches all imports for garbage before it ends
remember_command(sys.argv)
# --jobs is for executors that send jobs to other machines, and is set in what they run there.
elsewhere = workflow.global_resources["_nodes"].value is not None
try:
    dag = Dag(config, elsewhere)
except (InputError, MethodError) as error:
    raise WorkflowError(str(error)) from None

# Without a limit Snakemake starts as many GPU jobs as there are cores; --resources gpu=N wins.
if not elsewhere:
    workflow.global_resources.setdefault("gpu", dag.gpu_slots)


wildcard_constraints:
    patient=r"[^/]+",
    run=r"[a-z0-9_.+]+",
    seed=r"\d+",


report: "workflow/report/workflow.rst"


rule all:
    input:
        dag.targets(),
    default_target: True


onerror:
    dag.report_existing()


include: "workflow/rules/cohort.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/verdict.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/page.smk"
