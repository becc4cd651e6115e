"""Discovery, and what a wrong method folder is told."""

import sys
from pathlib import Path

import contract_checks as checks
import pytest
import torch
import yaml
from torch import nn

import methods
from methods.__main__ import new
from methods.contract import Control, MethodError, Params, Segmentor, Synthesizer
from methods.registry import Method, discover

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


def test_a_folder_with_a_description_is_an_entry(tmp_path):
    folder(tmp_path, GOOD)
    folder(tmp_path, GOOD, name="_template")
    (tmp_path / "layers").mkdir()
    assert list(discover(tmp_path)) == ["mine"]


def test_the_suites_own_entries():
    kinds = {name: method.description.kind for name, method in discover().items()}
    assert kinds["copy_t1"] == kinds["real_t1ce"] == "control"
    assert kinds["unet"] == "segmentation"
    assert kinds["cutgan"] == kinds["maf_net"] == "synthesis"


@pytest.mark.parametrize("method", discover().values(), ids=discover())
def test_every_entry_loads(method):
    bases = {"control": Control, "segmentation": Segmentor}
    assert issubclass(method.entry, bases.get(method.description.kind, Synthesizer))
    for variant in method.variants:
        method.params(variant, {})


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


CLASS = """
from methods.contract import Params, Synthesizer

class Mine(Synthesizer):
    def build(self): pass
    def train_step(self, batch): return {}
    def synthesize(self, inputs): return inputs[:, :1]
"""


@pytest.fixture
def entry_of(tmp_path, monkeypatch):
    """A function that makes methods/mine of a method.py's text and finds its entry."""
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])

    def make(code: str, **changes) -> Method:
        path = folder(tmp_path, GOOD | changes)
        (path / "method.py").write_text(code)
        return Method(path)

    yield make
    for name in [name for name in sys.modules if name.startswith("methods.mine")]:
        del sys.modules[name]


def test_a_good_folder_passes_the_check(entry_of):
    entry_of(CLASS).check()


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        (CLASS.replace("synthesize", "synthesise"), ["Mine lacks synthesize", "contract.py"]),
        (CLASS.replace("train_step", "step"), ["Mine lacks train_step"]),
        (CLASS + "    Params = dict\n", ["Mine.Params", "subclass"]),
        (CLASS.replace("Synthesizer", "Segmentor"), ["kind `synthesis`", "Synthesizer"]),
        (CLASS + "class Other(Mine): pass\n", ["holds 2 entries"]),
        ("x = 1\n", ["holds 0 entries"]),
        ("import no_such_package\n", ["cannot be imported", "no_such_package", "line 1"]),
        ("def f(:\n", ["cannot be imported", "SyntaxError", "method.py"]),
    ],
)
def test_a_class_that_breaks_the_contract(entry_of, code, parts):
    with pytest.raises(MethodError) as caught:
        entry_of(code).check()
    message = str(caught.value)
    assert all(part in message for part in ["methods/mine/method.py", *parts]), message


def test_a_folder_without_code(tmp_path):
    with pytest.raises(MethodError, match=r"methods/mine/method.py cannot be imported"):
        Method(folder(tmp_path, GOOD)).check()


def test_a_variant_of_an_unknown_parameter_is_found_before_it_is_asked_for(entry_of):
    method = entry_of(CLASS, variants={"wide": {"summary": "x", "params": {"widht": 2}}})
    with pytest.raises(MethodError, match=r"methods/mine, variant `wide`.*`widht`"):
        method.check()


WITH_NETWORK = CLASS.replace(
    "build(self): pass", "build(self): self.net = nn.Linear(2, 1)"
).replace("from", "from torch import nn\nfrom", 1)


def test_pretrained_weights_are_loaded(entry_of):
    method = entry_of(WITH_NETWORK, pretrained="weights.pt", trained=False)
    weights = nn.Linear(2, 1).state_dict()
    torch.save({"net": weights}, method.folder / "weights.pt")
    method.check()
    entry = method.entry(Params(), 3)
    method.load_pretrained(entry)
    assert torch.equal(entry.net.weight, weights["weight"])


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
def test_pretrained_weights_that_do_not_fit(entry_of, content, parts):
    method = entry_of(WITH_NETWORK, pretrained="weights.pt")
    if content is not None:
        torch.save(content, method.folder / "weights.pt")
    with pytest.raises(MethodError) as caught:
        method.check()
        method.load_pretrained(method.entry(Params(), 3))
    message = str(caught.value)
    assert all(part in message for part in ["methods/mine/method.yaml", *parts]), message


def test_an_untrained_entry_needs_weights(tmp_path):
    assert "needs `pretrained`" in fault(tmp_path, trained=False)


def test_new_makes_an_entry_that_keeps_the_contract(tmp_path, monkeypatch):
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    made = Method(new("my_method", tmp_path))
    made.check()
    assert made.description.title == "My method"
    assert made.entry.__name__ == "MyMethod"
    assert sorted(path.name for path in made.folder.iterdir() if path.is_file()) == [
        "method.py",
        "method.yaml",
    ]
    checks.check_gradients(lambda: made.entry(made.entry.Params(), 3))


@pytest.mark.parametrize("name", ["My_method", "my-method", "../elsewhere", "", "1st"])
def test_new_refuses_what_is_no_name(tmp_path, name):
    with pytest.raises(MethodError, match="cannot be an entry's name"):
        new(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_new_overwrites_nothing(tmp_path):
    new("mine", tmp_path)
    with pytest.raises(MethodError, match="is there already"):
        new("mine", tmp_path)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"kind": "magic"}, ["methods/mine/method.yaml", "`kind`", "magic", "synthesis"]),
        ({"titel": "x"}, ["`titel`", "Extra inputs"]),
        ({"inputs": ["t1", "t1ce"]}, ["inputs", "control"]),
        ({"inputs": ["t1", "ct"]}, ["`inputs.1`", "ct"]),
        ({"variants": {"Big": {"summary": "x"}}}, ["`Big`", "lower_case"]),
        ({"variants": {"b": {"summary": "x", "continues": "c"}}}, ["variants.b.continues", "`c`"]),
        ({"variants": {"b": {}}}, ["`variants.b.summary`", "required"]),
    ],
)
def test_faults_name_folder_key_and_mend(tmp_path, changes, parts):
    message = fault(tmp_path, **changes)
    assert all(part in message for part in parts), message


def test_a_missing_key(tmp_path):
    with pytest.raises(MethodError, match=r"mine/method.yaml: `kind`: Field required"):
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
