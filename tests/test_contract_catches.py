"""Each contract check can fail: for each, a model that is broken in just that way."""

import contract_checks as checks
import pytest
import torch
from torch import Tensor, nn

from methods.contract import Batch, Segmentor, Synthesizer
from methods.registry import Method


class Good(Synthesizer):
    """The smallest model that keeps the contract."""

    def build(self) -> None:
        self.network = nn.Sequential(nn.Conv2d(self.channels, 1, 3, padding=1), nn.Tanh())
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=0.01)

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        loss = (self.network(batch.inputs) - batch.t1ce).abs().mean()
        self.update(loss, self.optimizer)
        return {"L1": loss}

    def synthesize(self, inputs: Tensor) -> Tensor:
        return self.network(inputs)


class WrongShape(Good):
    def synthesize(self, inputs):
        return self.network(inputs)[:, 0]


class OutOfRange(Good):
    def synthesize(self, inputs):
        return 3 * self.network(inputs)


class NotFinite(Good):
    def synthesize(self, inputs):
        return self.network(inputs) * torch.nan


class NoLoss(Good):
    def train_step(self, batch):
        super().train_step(batch)
        return {}


class LossAMap(Good):
    def train_step(self, batch):
        return {"L1": (self.network(batch.inputs) - batch.t1ce).abs()}


class HalfLoss(Good):
    """A loss in the type that autocast chose, too coarse to average."""

    def train_step(self, batch):
        made = self.network(batch.inputs)
        loss = (made - batch.t1ce.to(made.dtype)).abs().sum() / made.numel()
        self.update(loss, self.optimizer)
        return {"L1": loss}


class DeadParameter(Good):
    def build(self):
        super().build()
        self.network.unused = nn.Parameter(torch.zeros(1))

    def train_step(self, batch):
        loss = (self.network[:2](batch.inputs) - batch.t1ce).abs().mean()
        self.update(loss, self.optimizer)
        return {"L1": loss}

    def synthesize(self, inputs):
        return self.network[:2](inputs)


class Forgotten(Good):
    """Computes gradients, but never steps."""

    def train_step(self, batch):
        loss = (self.network(batch.inputs) - batch.t1ce).abs().mean()
        loss.backward()
        return {"L1": loss}


class Peeking(Good):
    def train_step(self, batch):
        self.seen = batch.t1ce
        return super().train_step(batch)

    def synthesize(self, inputs):
        return getattr(self, "seen", inputs[:, :1])[: len(inputs)]


class Mixing(Good):
    """Batch statistics in prediction."""

    def synthesize(self, inputs):
        return self.network(inputs - inputs.mean(dim=0, keepdim=True))


class Unseeded(Good):
    def train_step(self, batch):
        noise = torch.randn(
            batch.inputs.shape, generator=torch.Generator().manual_seed(torch.seed() % 2**31)
        )
        return super().train_step(Batch(batch.inputs + noise, batch.t1ce, batch.labels))


class Constant(Good):
    """Weights that do not depend on the seed, trained on what does not either."""

    def build(self):
        super().build()
        for parameter in self.network.parameters():
            nn.init.constant_(parameter, 0.1)


class Halving(Good):
    """Trains as `Good` does, and predicts otherwise."""

    def synthesize(self, inputs):
        return super().synthesize(inputs) / 2


class Forgetful(Good):
    """A running mean that training depends on, kept out of `extra_state`."""

    def build(self):
        super().build()
        self.steps = 0

    def train_step(self, batch):
        self.steps += 1
        for group in self.optimizer.param_groups:
            group["lr"] = 0.01 / self.steps
        return super().train_step(batch)


class Writing(Good):
    def synthesize(self, inputs):
        with open("/dev/null", "w", encoding="utf-8") as file:
            file.write("peep")
        return super().synthesize(inputs)


class WrongClasses(Segmentor):
    def build(self):
        self.network = nn.Conv2d(self.channels, 3, 1)
        self.optimizer = torch.optim.Adam(self.network.parameters())

    def train_step(self, batch):
        loss = self.network(batch.inputs).mean()
        self.update(loss, self.optimizer)
        return {"loss": loss}

    def segment(self, inputs):
        return self.network(inputs)


def maker(model):
    return lambda: model(None, 3)


ALL = {
    "predictions": lambda make: checks.check_predictions(make, "synthesis"),
    "losses": checks.check_losses,
    "reduced_precision": checks.check_reduced_precision,
    "gradients": checks.check_gradients,
    "no_peeking": lambda make: checks.check_no_peeking(make, "synthesis"),
    "cases_apart": lambda make: checks.check_cases_apart(make, "synthesis"),
    "seeds": checks.check_seeds,
    "resuming": checks.check_resuming,
    "writes_nothing": lambda make: checks.check_writes_nothing(make, "synthesis"),
}


@pytest.mark.parametrize("check", ALL)
def test_a_good_model_passes(check):
    ALL[check](maker(Good))


@pytest.mark.parametrize(
    ("check", "model", "message"),
    [
        ("predictions", WrongShape, "synthesize gives"),
        ("predictions", OutOfRange, "leaves"),
        ("predictions", NotFinite, "NaN"),
        ("losses", NoLoss, "no loss"),
        ("losses", LossAMap, "loss L1"),
        ("reduced_precision", HalfLoss, "loss L1"),
        ("gradients", DeadParameter, "no gradient reaches network.unused"),
        ("gradients", Forgotten, "does not change network"),
        ("no_peeking", Peeking, "must not see"),
        ("cases_apart", Mixing, "differs by"),
        ("seeds", Unseeded, "the same seed"),
        ("seeds", Constant, "another seed"),
        ("resuming", Forgetful, "other weights"),
        ("writes_nothing", Writing, "/dev/null"),
    ],
)
def test_a_broken_model_is_caught(check, model, message):
    with pytest.raises(AssertionError, match=message):
        ALL[check](maker(model))


def test_variants_that_differ_in_the_wrong_thing_are_caught():
    good, halving, constant = map(maker, (Good, Halving, Constant))
    checks.check_variant(constant, good)
    with pytest.raises(AssertionError, match="trains as its base"):
        checks.check_variant(halving, good)
    checks.check_untrained_variant(halving, good, "synthesis")
    with pytest.raises(AssertionError, match="predicts the same"):
        checks.check_untrained_variant(good, good, "synthesis")
    with pytest.raises(AssertionError, match="other weights"):
        checks.check_untrained_variant(constant, good, "synthesis")


def test_a_segmentor_with_too_few_classes_is_caught():
    with pytest.raises(AssertionError, match="segment gives"):
        checks.check_predictions(maker(WrongClasses), "segmentation")


READS = """
class Mine(Synthesizer):
    def build(self):
        p = self.params
        self.size = p.width * self.params.depth
"""


@pytest.mark.parametrize(
    ("declared", "fault"),
    [
        ("{width: 2, depth: 3}", None),
        ("{width: 2, depth: 3, rate: 1.0}", "no code reads rate"),
        ("{width: 2}", "depth not in method.yaml"),
    ],
)
def test_parameters_that_are_not_read_or_not_declared_are_caught(tmp_path, declared, fault):
    folder = tmp_path / "mine"
    folder.mkdir()
    yaml = f"title: Mine\nsummary: x\nkind: synthesis\nparams: {declared}\n"
    (folder / "method.yaml").write_text(yaml)
    (folder / "method.py").write_text(READS)
    method = Method(folder)
    if fault is None:
        checks.check_params(method)
    else:
        with pytest.raises(AssertionError, match=fault):
            checks.check_params(method)
