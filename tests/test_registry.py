"""Discovery, parameters, and the messages that a wrong method folder gets."""

import subprocess
import sys
from pathlib import Path

import contract_checks as checks
import pytest
import torch
import yaml
from torch import nn

import methods
from methods import loading
from methods.__main__ import new
from methods.contract import Control, Segmentor, Synthesizer
from methods.errors import MethodError
from methods.registry import Method, discover
from methods.source import BASES, VERBS

CIRCLE = [("a", "b"), ("b", "a")]
GOOD = {"title": "Mine", "summary": "It copies.", "kind": "synthesis"}


def folder(tmp_path, description, name="mine"):
    path = tmp_path / name
    path.mkdir()
    text = description if isinstance(description, str) else yaml.safe_dump(description)
    (path / "method.yaml").write_text(text)
    return path


def fault(tmp_path, **changes) -> str:
    with pytest.raises(MethodError) as caught:
        Method(folder(tmp_path, GOOD | changes))
    return str(caught.value)


def test_a_folder_with_a_description_is_a_method(tmp_path):
    folder(tmp_path, GOOD)
    folder(tmp_path, GOOD, name="_template")
    (tmp_path / "layers").mkdir()
    assert list(discover(tmp_path)) == ["mine"]


def test_the_suites_own_methods():
    kinds = {name: method.description.kind for name, method in discover().items()}
    assert kinds["copy_t1"] == kinds["real_t1ce"] == "control"
    assert kinds["unet"] == "segmentation"
    assert kinds["cutgan"] == kinds["maf_net"] == "synthesis"


@pytest.mark.parametrize("method", discover().values(), ids=discover())
def test_every_method_loads(method):
    if method.description.kind == "external":
        pytest.skip("it has no code")
    bases = {"control": Control, "segmentation": Segmentor}
    method.check()
    assert issubclass(loading.load_class(method), bases.get(method.description.kind, Synthesizer))


def test_two_methods_of_one_title_are_refused(tmp_path):
    folder(tmp_path, GOOD)
    folder(tmp_path, GOOD, name="other")
    with pytest.raises(MethodError, match=r"methods/mine and methods/other have one `title`"):
        discover(tmp_path)


@pytest.mark.parametrize("name", ["My-Method", "my method", "2d", "a.b"])
def test_a_folders_name_must_fit_into_a_runs_name(tmp_path, name):
    folder(tmp_path, GOOD, name=name)
    with pytest.raises(MethodError, match=r"rename the folder"):
        discover(tmp_path)


def test_planning_imports_no_network():
    code = (
        "import sys, methods.registry as r, methods.__main__\n"
        "for method in r.discover().values(): method.check(), method.params('base', {})\n"
        "sys.exit(sorted({'torch', 'numpy', 'methods.contract'} & set(sys.modules)) or 0)"
    )
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == 0


CLASS = """
from methods.contract import Synthesizer

class Mine(Synthesizer):
    def build(self): pass
    def train_step(self, batch): return {}
    def synthesize(self, inputs): return inputs[:, :1]
"""


@pytest.fixture
def method_of(tmp_path, monkeypatch):
    """A function that makes methods/mine of a method.py's text."""
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])

    def make(code: str, **changes) -> Method:
        path = folder(tmp_path, GOOD | changes)
        (path / "method.py").write_text(code)
        return Method(path)

    yield make
    for name in [name for name in sys.modules if name.startswith("methods.mine")]:
        del sys.modules[name]


def checked(method: Method) -> str:
    """The message of planning's check."""
    with pytest.raises(MethodError) as caught:
        method.check()
    return str(caught.value)


def test_a_good_folder_passes_the_check(method_of):
    method = method_of(CLASS)
    method.check()
    assert loading.load_class(method).__name__ == "Mine"


@pytest.mark.parametrize(
    ("code", "changes", "parts"),
    [
        (CLASS.replace("synthesize", "synthesise"), {}, ["line 4: Mine lacks synthesize"]),
        (CLASS.replace("train_step", "step"), {}, ["line 4: Mine lacks train_step"]),
        (CLASS.replace("Synthesizer", "Segmentor"), {}, ["line 4", "`synthesis`", "Synthesizer"]),
        (CLASS + "class Other(Mine): pass\n", {}, ["holds 2 models"]),
        ("x = 1\n", {}, ["holds 0 models"]),
        ("def f(:\n", {}, ["line 1: this is not Python: invalid syntax: def f(:"]),
        ("x = \0\n", {}, ["not Python", "null bytes"]),
        (CLASS, {"variants": {"both": {"summary": "x", "kind": "joint"}}}, ["`segment`", "`both`"]),
    ],
)
def test_planning_finds_a_class_that_breaks_the_contract(method_of, code, changes, parts):
    message = checked(method_of(code, **changes))
    assert all(part in message for part in ["methods/mine/method.py", *parts]), message


def test_planning_knows_the_contract():
    classes = {"Synthesizer": Synthesizer, "Segmentor": Segmentor, "Control": Control}
    assert {name: set(x.__abstractmethods__) for name, x in classes.items()} == VERBS
    assert {kind: x.__name__ for kind, x in loading.BASES.items()} == BASES


def test_a_model_of_another_module_is_left_to_loading(method_of):
    """Planning cannot see its base, so it says nothing; loading does."""
    method = method_of("from methods.mine.base import Base\n\nclass Mine(Base): pass\n")
    (method.folder / "base.py").write_text(CLASS.replace("Mine", "Base").replace("build", "make"))
    method.check()
    with pytest.raises(MethodError, match=r"methods/mine/method.py: Mine lacks build"):
        loading.load_class(method)


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("import no_such_package\n" + CLASS, "no_such_package"),
        (CLASS + "1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_code_that_cannot_be_imported(method_of, code, part):
    method = method_of(code)
    method.check()
    with pytest.raises(MethodError, match=rf"method.py cannot be imported: .*{part}.*line \d"):
        loading.load_class(method)


OLD_PARAMS = """
class MineParams(Params):
    depth: int = 3


class Mine(Synthesizer):
    Params = MineParams
"""


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        (OLD_PARAMS, ["line 2", "class MineParams", "`depth: 3` below `params:`", "method.yaml"]),
        (CLASS + "    Params = dict\n", ["line 8", "`Params = dict`", "`width: 64` below"]),
        (CLASS + "    class Params: width = 3\n", ["line 8", "class Params"]),
        (CLASS.replace("import ", "import Params, "), ["line 2", "`Params`", "method.yaml"]),
        (CLASS.replace("(Synthesizer)", "(Entry)"), ["line 4", "`Entry`", "`Model`"]),
        (CLASS + "    def memory(self): pass\n", ["line 8", "`memory`", "`extra_state(self)`"]),
        (CLASS + "    def recall(self, x): pass\n", ["line 8", "`load_extra_state(self, state)`"]),
        (CLASS + "    def training(self, x): pass\n", ["line 8", "`train(self)` and `eval(self)`"]),
        (CLASS + "    def state(self): pass\n", ["line 8", "`state_dict(self)`"]),
        (CLASS + "    def restore(self, x): pass\n", ["line 8", "`load_state_dict(self, "]),
    ],
)
def test_names_of_the_earlier_contract(method_of, code, parts):
    message = checked(method_of(code))
    assert all(part in message for part in ["methods/mine/method.py", *parts]), message


def test_a_folder_without_code(tmp_path):
    message = checked(Method(folder(tmp_path, GOOD)))
    assert message.startswith("methods/mine/method.py is missing")


def test_a_variant_of_an_unknown_parameter_is_found_before_it_is_asked_for(method_of):
    variants = {"wide": {"summary": "x", "params": {"widht": 2}}}
    message = checked(method_of(CLASS, params={"width": 4}, variants=variants))
    parts = ["methods/mine/method.yaml, line ", "`variants.wide.params.widht`", "mean `width`?"]
    assert all(part in message for part in parts), message


def declared(tmp_path, declaration) -> Method:
    return Method(folder(tmp_path, GOOD | {"params": {"x": declaration}}))


@pytest.mark.parametrize(
    ("declaration", "value", "expected"),
    [
        (1, 2, 2),
        (1.0, 2, 2.0),
        (1.0, 2.5, 2.5),
        (True, False, False),
        ("a", "b", "b"),
        ([0.5, 0.9], [0, 0.99], (0.0, 0.99)),
        ({"default": "a", "choices": ["a", "b"], "help": "x"}, "b", "b"),
        ({"default": 0, "minimum": 0}, 5, 5),
        ({"default": None, "type": "float"}, 2, 2.0),
        ({"default": None, "type": "float"}, None, None),
    ],
)
def test_values_of_a_parameter(tmp_path, declaration, value, expected):
    (given,) = declared(tmp_path, declaration).params("base", {"x": value}).model_dump().values()
    assert given == expected and type(given) is type(expected)


@pytest.mark.parametrize(
    ("declaration", "value", "part"),
    [
        (1, 2.0, "integer"),
        (1, True, "integer"),
        (1, "2", "integer"),
        (1, None, "integer"),
        (1.0, True, "number"),
        (1.0, float("nan"), "finite"),
        (1.0, "1e-3", "write a number with a point, such as 1.0e-3"),
        (True, 1, "boolean"),
        ("a", 1, "string"),
        ([0.5, 0.9], [0.5], "required"),
        ([0.5, 0.9], [0.5, "b"], "number"),
        ({"default": 1, "choices": [1, 3]}, 2, "write one of 1, 3"),
        ({"default": 1, "choices": [1, 3]}, True, "integer"),
        ({"default": 0, "minimum": 0}, -1, "greater than or equal to 0"),
    ],
)
def test_values_that_are_refused(tmp_path, declaration, value, part):
    method = declared(tmp_path, declaration)
    with pytest.raises(MethodError) as caught:
        method.params("base", {"x": value}, lambda name: f"mine.yaml, line 7, `{name}`")
    message = str(caught.value)
    assert message.startswith("mine.yaml, line 7, `x`: found ") and part in message


@pytest.mark.parametrize(
    ("params", "parts"),
    [
        ({"x": {"default": 1, "choices": [2, 3]}}, ["`params.x", "1 is not allowed"]),
        ({"x": {"default": "a", "choices": ["a", 1]}}, ["`params.x", "1 is not allowed"]),
        ({"x": {"default": [1, 2], "choices": [1, 2]}}, ["`params.x", "cannot have `choices`"]),
        ({"x": {"default": -1, "minimum": 0}}, ["`params.x", "-1 is not allowed"]),
        ({"x": {"default": "a", "minimum": 0}}, ["`params.x", "`minimum`"]),
        ({"x": []}, ["`params.x", "must be a bool"]),
        ({"x": {"default": 1, "type": "int"}}, ["`params.x", "`type`"]),
        ({"x": None}, ["`params.x", "`type`"]),
        ({"x": "1e-3"}, ["`params.x", "1.0e-3"]),
        ({"x": {"deflaut": 1}}, ["`params.x.default`", "missing"]),
        ({"x": {"default": {"a": 1}}}, ["`params.x", "must be a bool"]),
        ({"model_dump": 1}, ["`params`", "`model_dump` cannot be"]),
        ({"a b": 1}, ["`params`", "`a b` cannot be"]),
        ({"lambda": 1}, ["`params`", "`lambda` cannot be"]),
    ],
)
def test_declarations_that_are_refused(tmp_path, params, parts):
    message = fault(tmp_path, params=params)
    assert all(part in message for part in ["methods/mine/method.yaml, line ", *parts]), message


def test_parameters_are_frozen():
    params = discover()["unet"].params("base", {"width": 8})
    assert params.width == 8
    with pytest.raises(ValueError, match="frozen"):
        params.width = 9


WITH_NETWORK = CLASS.replace(
    "build(self): pass", "build(self): self.net = nn.Linear(2, 1)"
).replace("from", "from torch import nn\nfrom", 1)


def test_pretrained_weights_are_loaded(method_of):
    method = method_of(WITH_NETWORK, pretrained="weights.pt", trained=False)
    weights = nn.Linear(2, 1).state_dict()
    torch.save({"net": weights}, method.folder / "weights.pt")
    method.check()
    model = loading.build(method, method.params("base", {}), 3)
    assert torch.equal(model.net.weight, weights["weight"])


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (None, ["there is no", "weights.pt"]),
        ({"network": {}}, ["'network'", "has the networks net"]),
        ({"net": {"weight": torch.zeros(3, 3)}}, ["does not fit", "size mismatch"]),
        ("no state", ["does not fit"]),
        ({"net": Path("/")}, ["does not fit", "Weights only load failed"]),
    ],
)
def test_pretrained_weights_that_do_not_fit(method_of, content, parts):
    method = method_of(WITH_NETWORK, pretrained="weights.pt")
    if content is not None:
        torch.save(content, method.folder / "weights.pt")
    with pytest.raises(MethodError) as caught:
        method.check()
        loading.build(method, method.params("base", {}), 3)
    message = str(caught.value)
    assert all(part in message for part in ["methods/mine/method.yaml", *parts]), message


def test_an_untrained_method_needs_weights(tmp_path):
    assert "needs `pretrained`" in fault(tmp_path, trained=False)


def test_new_creates_a_method_that_keeps_the_contract(tmp_path, monkeypatch):
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    method = Method(new("my_method", tmp_path))
    method.check()
    assert method.description.title == "My method"
    assert loading.load_class(method).__name__ == "MyMethod"
    assert sorted(path.name for path in method.folder.iterdir() if path.is_file()) == [
        "method.py",
        "method.yaml",
    ]
    checks.check_params(method)
    checks.check_gradients(lambda: loading.build(method, method.params("base", {}), 3))


@pytest.mark.parametrize("name", ["My_method", "my-method", "../elsewhere", "", "1st"])
def test_new_refuses_what_is_no_name(tmp_path, name):
    with pytest.raises(MethodError, match="cannot be a method's name"):
        new(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_new_overwrites_nothing(tmp_path):
    new("mine", tmp_path)
    with pytest.raises(MethodError, match="exists already"):
        new("mine", tmp_path)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"kind": "magic"}, ["`kind`", "magic", "synthesis"]),
        ({"titel": "x"}, ["`titel`", "no such key", "mean `title`?"]),
        ({"inputs": ["t1", "t1ce"]}, ["`inputs`", "control"]),
        ({"inputs": ["t1", "t1"]}, ["`inputs`", "listed twice"]),
        ({"inputs": ["t1", "ct"]}, ["`inputs.1`", "ct"]),
        ({"variants": {"Big": {"summary": "x"}}}, ["`Big`", "lower_case"]),
        (
            {"variants": {"b": {"summary": "x", "continues": "c"}}},
            ["`variants.b.continues`", "`c`"],
        ),
        ({"variants": {"b": {}}}, ["`variants.b.summary`", "missing"]),
        (
            {"variants": {name: {"summary": "x", "continues": other} for name, other in CIRCLE}},
            ["`variants.a.continues`", "a, b continue each other"],
        ),
    ],
)
def test_faults_name_file_line_key_and_fix(tmp_path, changes, parts):
    message = fault(tmp_path, **changes)
    assert all(part in message for part in ["methods/mine/method.yaml, line ", *parts]), message


def test_a_missing_key(tmp_path):
    with pytest.raises(MethodError, match=r"mine/method.yaml, `kind`: this key is missing"):
        Method(folder(tmp_path, {"title": "Mine", "summary": "x"}))


@pytest.mark.parametrize("text", ["- a list", "title: [", ""])
def test_not_a_description(tmp_path, text):
    with pytest.raises(MethodError, match=r"mine/method.yaml"):
        Method(folder(tmp_path, text))


def test_an_unknown_parameter_lists_the_known_ones():
    method = discover()["cutgan"]
    with pytest.raises(MethodError, match=r"methods/cutgan.*`widht`.*width, encoder_blocks"):
        method.params("base", {"widht": 8})


def test_an_unknown_variant_lists_the_known_ones():
    with pytest.raises(MethodError, match="base, average, joint"):
        discover()["maf_net"].variant("jiont")


def test_a_variants_parameters_win_over_the_benchmarks():
    params = discover()["maf_net"].params("average", {"fusion": "attention", "width": 4})
    assert (params.fusion, params.width) == ("average", 4)
