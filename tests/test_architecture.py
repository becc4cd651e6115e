"""Who imports whom, and what must stay in step."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
ALLOWED = {
    "benchmarks": {"benchmarks"},
    "methods": {"methods"},
    "workflow": {"workflow", "benchmarks", "methods"},
}
# It reads YAML that people wrote as the judge does; the entries that it finds do not.
EXCEPTED = {"methods/registry.py": {"benchmarks"}}


def imported(path: Path) -> set[str]:
    """The first names of all modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", ALLOWED)
def test_arrows(package):
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        allowed = ALLOWED[package] | EXCEPTED.get(path.relative_to(ROOT).as_posix(), set())
        strangers = (imported(path) & ALLOWED.keys()) - allowed
        assert not strangers, f"{path} imports {strangers}"


def test_both_environments_hold_the_same_pins():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pip = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert conda[-1]["pip"] == pip
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+", pin) for pin in pip)


def test_every_rule_names_the_environment_and_pastes_one_command():
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        rules = re.split(r"^\s*rule ", path.read_text(), flags=re.MULTILINE)[1:]
        assert rules
        for rule in rules:
            name = rule.split(":")[0]
            assert '"../../environment.yml"' in rule, f"{path.name}: {name} names no environment"
            assert re.search(rf'shell:\s+"python -m workflow {name} ', rule), f"{path.name}: {name}"
            assert "log:" in rule and "message:" in rule, f"{path.name}: {name}"


def test_gpu_rules_take_the_gpu_resource():
    text = (ROOT / "workflow" / "rules" / "training.smk").read_text()
    assert text.count("gpu=dag.gpu") == text.count("\nrule ") == 3
    # A limit in the profile would win over the number of this machine's GPUs, and of a cluster's.
    for profile in (ROOT / "profiles").glob("*/config.yaml"):
        assert "resources" not in yaml.safe_load(profile.read_text()), profile


def test_preparing_a_patient_imports_no_torch():
    code = "import sys, workflow.cohort; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_the_snakefile_is_short():
    assert len((ROOT / "Snakefile").read_text().splitlines()) < 60
