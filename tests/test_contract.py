"""The contract tests: every method found, in every variant."""

import contract_checks as checks
import pytest

from benchmarks.config import load
from methods import loading
from methods.registry import Method
from workflow.fingerprint import sources

METHODS = checks.METHODS
# The demo's narrow networks, where it names them: the contract does not depend on widths.
NARROW = load("phantom").results.params
VARIANTS = [
    pytest.param(method, variant, id=f"{method.name}.{variant}")
    for method in METHODS.values()
    for variant in method.variants
]
TRAINED = [p for p in VARIANTS if p.values[0].kind(p.values[1]) != "control"]


def maker(method: Method, variant: str) -> checks.Make:
    params = method.params(variant, NARROW.get(method.name, {}))
    return lambda: loading.build(method, params, len(method.description.inputs))


@pytest.mark.parametrize(("method", "variant"), VARIANTS)
def test_predictions(method, variant):
    checks.check_predictions(maker(method, variant), method.kind(variant))


@pytest.mark.parametrize(("method", "variant"), TRAINED)
def test_losses(method, variant):
    checks.check_losses(maker(method, variant))


@pytest.mark.parametrize(("method", "variant"), TRAINED)
def test_reduced_precision(method, variant):
    checks.check_reduced_precision(maker(method, variant))


@pytest.mark.parametrize(("method", "variant"), TRAINED)
def test_gradients(method, variant):
    checks.check_gradients(maker(method, variant))


@pytest.mark.parametrize(("method", "variant"), TRAINED)
def test_no_peeking(method, variant):
    checks.check_no_peeking(maker(method, variant), method.kind(variant))


@pytest.mark.parametrize(("method", "variant"), VARIANTS)
def test_cases_apart(method, variant):
    checks.check_cases_apart(maker(method, variant), method.kind(variant))


@pytest.mark.parametrize(("method", "variant"), TRAINED)
def test_seeds(method, variant):
    checks.check_seeds(maker(method, variant))


@pytest.mark.parametrize(("method", "variant"), TRAINED)
def test_resuming(method, variant):
    checks.check_resuming(maker(method, variant))


@pytest.mark.parametrize(("method", "variant"), VARIANTS)
def test_writes_nothing(method, variant):
    checks.check_writes_nothing(maker(method, variant), method.kind(variant))


@pytest.mark.parametrize(("method", "variant"), [p for p in VARIANTS if p.values[1] != "base"])
def test_variant_differs_from_base(method, variant):
    trained = method.variant(variant).predicts_with
    make, kind = maker(method, variant), method.kind(variant)
    if trained is None:
        checks.check_variant(make, maker(method, "base"))
    else:
        checks.check_untrained_variant(make, maker(method, trained), kind)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_params(method):
    checks.check_params(method)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_no_method_imports_another(method):
    others = {m.folder for m in METHODS.values()} - {method.folder}
    files = sources([f"methods.{method.name}.method"])
    assert method.folder / "method.py" in files
    assert not [f for f in files if f.parent in others]


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_only_controls_read_t1ce(method):
    assert "t1ce" not in method.description.inputs or method.description.kind == "control"
