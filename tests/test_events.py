"""TensorBoard's curves of a training: which points they hold, and what is said without the package.

The package is optional: without it, the tests that read event files are skipped.
"""

import sys
from dataclasses import replace

import pytest
from contract_checks import same, weights
from made_up import stored_cohort
from test_loop import CPU, Painter, Thresholder, job, made, output

from workflow.training.checkpoint import Checkpoints
from workflow.training.loop import fit
from workflow.training.progress import Progress


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return stored_cohort(tmp_path_factory.mktemp("cohort"), 4)


@pytest.fixture
def reader():
    return pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def run(model, job, folder):
    return fit(model, job, CPU, replace(output(folder), events=folder / "events"))


def stopped(cohort, folder, dies_at, **changes):
    model = made()
    model.dies_at = dies_at
    with pytest.raises(KeyboardInterrupt):
        run(model, job(cohort, **changes), folder)


def points(reader, folder, purge=True) -> dict[str, list[tuple[int, float]]]:
    read = reader.EventAccumulator(str(folder / "events"), purge_orphaned_data=purge).Reload()
    return {
        tag: [(point.step, point.value) for point in read.Scalars(tag)]
        for tag in read.Tags()["scalars"]
    }


def curve(history, name):
    return [(epoch["epoch"], pytest.approx(epoch[name])) for epoch in history]


def test_each_epoch_has_a_point_of_its_losses_scores_and_rates(reader, cohort, tmp_path):
    history = run(made(Thresholder), job(cohort, validated=True), tmp_path)
    assert points(reader, tmp_path) == {
        "loss/loss": curve(history, "loss"),
        "validation/dice": curve(history, "val_dice"),
        "learning_rate/optimizer": [(epoch, pytest.approx(0.001)) for epoch in (1, 2, 3)],
    }


def test_a_resumed_training_goes_on_without_double_points(reader, cohort, tmp_path, monkeypatch):
    """Also if it was killed between the event and the checkpoint of the second epoch."""

    def killed(self, history, content):
        if len(history) == 2:
            raise KeyboardInterrupt
        save(self, history, content)

    save = Checkpoints.save
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "save", killed)
        stopped(cohort, tmp_path, dies_at=None)
    assert [step for step, _ in points(reader, tmp_path)["loss/L1"]] == [1, 2]
    history = run(made(), job(cohort), tmp_path)
    assert points(reader, tmp_path)["loss/L1"] == curve(history, "L1")
    assert [step for step, _ in points(reader, tmp_path, purge=False)["loss/L1"]] == [1, 2, 2, 3]


def test_another_training_has_points_of_its_own_alone(reader, cohort, tmp_path):
    stopped(cohort, tmp_path, dies_at=9, digest="d0")
    history = run(made(), job(cohort, epochs=1), tmp_path)
    assert points(reader, tmp_path)["loss/L1"] == curve(history, "L1")


def test_epochs_before_the_setting_have_their_points_too(reader, cohort, tmp_path):
    model = made()
    model.dies_at = 9
    with pytest.raises(KeyboardInterrupt):
        fit(model, job(cohort), CPU, output(tmp_path))
    history = run(made(), job(cohort), tmp_path)
    assert points(reader, tmp_path)["loss/L1"] == curve(history, "L1")


def test_weights_do_not_depend_on_it(reader, cohort, tmp_path):
    plain, watched = made(), made()
    fit(plain, job(cohort), CPU, output(tmp_path / "plain"))
    run(watched, job(cohort), tmp_path / "watched")
    assert same(weights(plain), weights(watched))
    a, b = (tmp_path / name / "weights.pt" for name in ("plain", "watched"))
    assert a.read_bytes() == b.read_bytes()


def test_without_the_package_a_training_says_so_once_and_ends(cohort, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(Progress, "say", lambda self, text: said.append(text))
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    history = run(made(Painter), job(cohort), tmp_path)
    assert len(history) == 3
    (line,) = said
    assert line.startswith("no curves for `speed.tensorboard`") and "\n" not in line
    assert line.endswith("Install it: python -m pip install tensorboard")
    assert not (tmp_path / "events").exists()
