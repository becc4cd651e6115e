"""Benchmark files: what is read, and which messages faults get."""

import json
from pathlib import Path

import pytest

from benchmarks.config import FOLDER, load, schema
from benchmarks.errors import InputError

GOOD = "title: mine\ncohort: {source: phantom}\n"


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return str(path)


def fault(tmp_path: Path, text: str, **options: str) -> str:
    with pytest.raises(InputError) as caught:
        load(write(tmp_path, text), **options)
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(p.stem for p in (FOLDER / "scales").glob("*.yaml")))
def test_every_scale_fits_the_papers_benchmark(name):
    scaled = load("brats2020", data="somewhere", scale=name)
    assert scaled.name == f"brats2020-{name}"
    assert scaled.results.slices.crop < 224
    # A scale for few patients may test more of them.
    assert scaled.results.split.seed == load("brats2020", data="somewhere").results.split.seed


def test_brats2020_is_the_papers_size():
    results = load("brats2020", data="somewhere").results
    assert results.slices.model_dump() == {"crop": 224, "downsample": 1, "step": 1}
    assert results.training.batch == 4
    epochs = results.training.epochs
    assert (epochs.synthesis, epochs.joint, epochs.segmentation) == (10, 100, 100)
    assert results.split.fractions == (7, 1, 2)
    assert results.params == {}


def test_name_is_the_files_stem(tmp_path):
    assert load(write(tmp_path, GOOD)).name == "mine"


def test_unknown_key_names_file_line_key_and_fix(tmp_path):
    message = fault(tmp_path, GOOD + "results:\n  training:\n    bacth: 4\n")
    assert "mine.yaml, line 5, `results.training.bacth`" in message
    assert "Did you mean `batch`?" in message


def test_value_out_of_range_names_what_was_found(tmp_path):
    message = fault(tmp_path, GOOD + "results:\n  training: {epochs: {joint: 0}}\n")
    assert "mine.yaml, line 4, `results.training.epochs.joint`: found 0." in message
    assert "greater than or equal to 1" in message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("title: [\n", ["mine.yaml is not valid", "line 2"]),
        ("just words\n", ["expected keys", "just words"]),
        ("title: mine\n", ["`cohort`", "missing"]),
        (GOOD + "results: {slices: {crop: 100}}\n", ["line 3", "crop", "100", "multiple of 16"]),
        (GOOD + "results: {seeds: []}\n", ["results.seeds", "at least 1 item"]),
        (GOOD + "speed: {compile: off}\n", ["line 3", "speed.compile", "False", "'none'"]),
        (GOOD + "speed: {resident: yes}\n", ["speed.resident", "True", "'always'"]),
        (GOOD + "speed: {precision: float8}\n", ["speed.precision", "float8", "bf16"]),
        (GOOD + "page: {megabytes: 0}\n", ["line 3", "page.megabytes", "0"]),
        ("title: mine\ncohort: {source: brats}\n", ["cohort.path", "data=/path/to/BraTS"]),
        ("title: mine\ncohort: {source: mri}\n", ["cohort.source", "'mri'", "phantom"]),
    ],
)
def test_faults(tmp_path, text, parts):
    message = fault(tmp_path, text)
    assert all(part in message for part in parts), message


def test_all_faults_are_reported_at_once(tmp_path):
    message = fault(tmp_path, GOOD + "results: {slices: {crop: 1}, seeds: x}\nspeed: {gpu: 1}\n")
    assert len(message.splitlines()) == 3


def test_data_for_the_phantom_is_refused(tmp_path):
    assert "benchmark=brats2020" in fault(tmp_path, GOOD, data="somewhere")


def test_unknown_benchmark_lists_the_known_ones():
    names = "brats2020, brats2020_all, brats2020_leak, brats2020_scarcity, leak, phantom"
    with pytest.raises(InputError, match=names):
        load("brats2021")


def test_a_scales_fault_names_the_scales_file(tmp_path):
    scale = tmp_path / "tiny.yaml"
    scale.write_text("results:\n  slices: {crop: 7}\n")
    message = fault(tmp_path, GOOD, scale=str(scale))
    assert "tiny.yaml, line 2" in message


def test_a_scale_replaces_single_settings(tmp_path):
    scale = tmp_path / "tiny.yaml"
    scale.write_text("results: {slices: {crop: 64}, params: {unet: {width: 4}}}\n")
    base = GOOD + "results: {slices: {step: 2}, params: {unet: {learning_rate: 0.1}}}\n"
    results = load(write(tmp_path, base), scale=str(scale)).results
    assert results.slices.model_dump() == {"crop": 64, "downsample": 1, "step": 2}
    assert results.params == {"unet": {"width": 4, "learning_rate": 0.1}}


def test_where_names_the_nearest_line_that_exists(tmp_path):
    benchmark = load(write(tmp_path, GOOD + "results:\n  params:\n    unet: {width: 4}\n"))
    assert "line 5" in benchmark.where("results", "params", "unet", "width")
    assert "line 3" in benchmark.where("results", "segmentors")


def test_a_benchmark_extends_another(tmp_path):
    (tmp_path / "base.yaml").write_text(GOOD + "results: {slices: {step: 2}, seeds: [1]}\n")
    path = write(tmp_path, f"extends: {tmp_path / 'base.yaml'}\nresults: {{seeds: [7]}}\n")
    scale = tmp_path / "tiny.yaml"
    scale.write_text("results: {slices: {crop: 64}}\n")
    benchmark = load(path, scale=str(scale))
    assert benchmark.results.seeds == (7,)
    assert (benchmark.results.slices.step, benchmark.results.slices.crop) == (2, 64)
    assert benchmark.name == "mine-tiny" and benchmark.family == ["base", "mine"]
    assert "base.yaml, line" in benchmark.where("results", "slices", "step")


def test_a_benchmark_does_not_extend_itself(tmp_path):
    (tmp_path / "base.yaml").write_text(f"extends: {tmp_path / 'mine.yaml'}\n{GOOD}")
    message = fault(tmp_path, f"extends: {tmp_path / 'base.yaml'}\n")
    assert "base.yaml, line 1, `extends`" in message and "Remove one" in message


def test_what_is_extended_exists(tmp_path):
    message = fault(tmp_path, f"extends: phantum\n{GOOD}")
    assert "mine.yaml, line 1, `extends`" in message and "phantom_all" in message


def test_an_old_key_is_named_with_its_new_name(tmp_path):
    message = fault(tmp_path, GOOD + "results:\n  entries: [cutgan]\n")
    assert "mine.yaml, line 4, `results.entries`: this key is now called" in message
    assert "`results.methods`" in message


@pytest.mark.parametrize("protocols", ["[lose]", "[strict, lose]"])
def test_an_unknown_protocol_lists_the_known_ones(tmp_path, protocols):
    message = fault(tmp_path, GOOD + f"results:\n  protocols: {protocols}\n")
    assert "mine.yaml, line 4" in message and "'lose'" in message and "paper, strict" in message
    assert len(message.splitlines()) == 1


def test_the_committed_schema_is_the_models():
    """Else write it: python -m benchmarks schema > benchmarks/benchmark.schema.json"""
    committed = json.loads((FOLDER / "benchmark.schema.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(schema()))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_editors_find_the_schema_of_every_benchmark_file(path):
    if path.stem not in ("conventions", "published"):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first == "# yaml-language-server: $schema=benchmark.schema.json"
