"""Who imports whom, what planning and start-up may import, and what must stay in step."""

import ast
import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import yaml

from workflow.verbs import VERBS, module

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "benchmarks": {"benchmarks"},
    "methods": {"methods"},
    "workflow": {"workflow", "benchmarks", "methods"},
}
# Planning reads users' YAML as the judge does; the models that a job imports do not.
EXCEPTED = {
    "methods/registry.py": {"benchmarks"},
    "methods/params.py": {"benchmarks"},
    "methods/source.py": {"benchmarks"},
}
HEAVY = ("torch", "numpy", "pandas", "scipy", "nibabel", "skimage", "matplotlib", "seaborn")
FLOORS = 5


def imports(path: Path) -> set[str]:
    """The modules that a file imports, inside functions too, by their full names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("package", ALLOWED)
def test_arrows(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        allowed = ALLOWED[package] | EXCEPTED.get(path.relative_to(ROOT).as_posix(), set())
        others = ({name.split(".")[0] for name in imports(path)} & ALLOWED.keys()) - allowed
        assert not others, f"{path} imports {others}"


@cache
def workflow_graph() -> dict[str, set[str]]:
    """Which workflow modules each of them imports."""
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in (ROOT / "workflow").rglob("*.py")
    }
    return {name: (imports(path) & paths.keys()) - {name} for name, path in paths.items()}


def chain(name: str, above: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The longest chain of imports that begins with a module."""
    assert name not in above, f"a cycle: {' -> '.join([*above, name])}"
    below = [chain(other, (*above, name)) for other in workflow_graph()[name]]
    return (name, *max(below, key=len, default=()))


def test_workflow_has_few_floors_and_no_cycles():
    longest = max((chain(name) for name in workflow_graph()), key=len)
    assert 3 <= len(longest) <= FLOORS, " -> ".join(longest)


def test_no_command_imports_another():
    commands = {name for name in workflow_graph() if name.startswith("workflow.commands.")}
    assert commands == {module(verb) for verb in VERBS}
    for name, others in workflow_graph().items():
        assert not others & commands, f"{name} imports {others & commands}"


PLANNING = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {heavy!r}:
            raise ImportError(f"planning imported {{name}}")
sys.meta_path.insert(0, Refuse())
from workflow.dag import Dag
from workflow.machine import remember_command
dag = Dag({config!r})
rules = ["simulate", "prepare", "cohort", "split", "score", "tabulate", "draw", "manifest", "page"]
print(len(dag.targets()), [dag.digest(rule) for rule in rules])
for run in dag.plan.runs.values():
    dag.plan.digest(run, 0)
dag.reported("table"), dag.reported("figure"), dag.plan.rows()
"""


@pytest.mark.parametrize("source", ["phantom", "brats"])
def test_planning_needs_snakemake_alone(tmp_path, source):
    """Whatever planning imports comes with Snakemake; test_planning.py has a venv of that."""
    config = {"benchmark": "phantom"}
    if source == "brats":
        for number in range(1, 9):
            patient = tmp_path / f"BraTS20_Training_{number:03}"
            patient.mkdir()
            for kind in ("t1", "t2", "flair", "t1ce", "seg"):
                (patient / f"{patient.name}_{kind}.nii.gz").touch()
        mine = "title: mine\ncohort: {source: brats}\nresults: {split: {fractions: [4, 2, 2]}}\n"
        (tmp_path / "mine.yaml").write_text(mine)
        config = {"benchmark": str(tmp_path / "mine.yaml"), "data": str(tmp_path)}
    code = PLANNING.format(heavy=HEAVY, config=config)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr[-3000:]


@cache
def started(verb: str) -> list[str]:
    """The heavy packages that a job has imported when its command begins."""
    code = (
        "import json, sys, workflow.__main__, {}\n"
        "print(json.dumps([name for name in {!r} if name in sys.modules]))"
    ).format(module(verb), (*HEAVY, "scipy.stats", "scipy.ndimage", "scipy.special"))
    command = [sys.executable, "-c", code]
    return json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)


@pytest.mark.parametrize(
    ("verb", "without"),
    [
        ("simulate", ["numpy"]),
        ("prepare", ["torch", "pandas", "matplotlib"]),
        ("cohort", ["torch", "pandas", "scipy.ndimage"]),
        ("split", ["torch", "pandas", "scipy.ndimage"]),
        ("score", ["torch", "pandas", "matplotlib", "scipy.stats"]),
        ("export", ["torch", "pandas", "scipy.ndimage"]),
        ("tabulate", ["torch", "matplotlib", "scipy.stats", "scipy.special"]),
        ("draw", ["torch", "scipy.stats", "seaborn"]),
        ("manifest", ["torch", "matplotlib", "scipy.stats", "scipy.special"]),
        ("page", ["torch", "scipy.stats", "seaborn"]),
        ("show", ["numpy"]),
        ("status", ["torch", "matplotlib"]),
    ],
)
def test_a_job_starts_without_what_it_does_not_use(verb, without):
    assert not set(started(verb)) & set(without)
    assert "torch" in started("train")


def test_both_environments_hold_the_same_pins():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pip = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert conda[-1]["pip"] == pip
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", pin) for pin in pip)


def test_every_rule_names_the_environment_and_pastes_one_command():
    found = set()
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        rules = re.split(r"^\s*rule ", path.read_text(), flags=re.MULTILINE)[1:]
        assert rules
        for rule in rules:
            name = rule.split(":")[0]
            found.add(name)
            assert '"../../environment.yml"' in rule, f"{path.name}: {name} names no environment"
            assert re.search(rf'shell:\s+"python -m workflow {name} ', rule), f"{path.name}: {name}"
            for part in ("log:", "message:", "benchmark:"):
                assert part in rule, f"{path.name}: {name} has no {part}"
    assert found == VERBS.keys() - {"show", "status", "check"}  # which people run


def test_gpu_rules_take_the_gpu_resource():
    text = (ROOT / "workflow" / "rules" / "training.smk").read_text()
    assert text.count("gpu=dag.gpu") == text.count("\nrule ") == 3
    # A limit in the profile would win over the number of this machine's GPUs, and of a cluster's.
    for profile in (ROOT / "profiles").glob("*/config.yaml"):
        assert "resources" not in yaml.safe_load(profile.read_text()), profile


def test_the_snakefile_is_short():
    assert len((ROOT / "Snakefile").read_text().splitlines()) < 70
