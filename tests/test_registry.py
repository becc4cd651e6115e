"""Discovery, and what a wrong method folder is told."""

import pytest
import yaml

from methods.contract import Control, MethodError, Segmentor, Synthesizer
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
