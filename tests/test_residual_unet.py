"""ResEnc UNet and ResUNet L1 against official numbers, in `known_answers/residual_unet.json`."""

import numpy as np
import parity
import pytest
import torch
from contract_checks import batch, build
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from methods.contract import CLASSES, Batch
from methods.errors import MethodError
from methods.layers.residual_unet import ResidualUNet
from methods.res_unet import augmentation
from methods.res_unet.method import output_weights

ANSWERS = parity.read_answers("residual_unet")


def labels(seed: int, count: int, height: int, width: int) -> Tensor:
    """Squares of 8 px."""
    coarse = np.random.RandomState(seed).randint(0, CLASSES, (count, height // 8, width // 8))
    return torch.from_numpy(coarse.repeat(8, axis=1).repeat(8, axis=2)).long()


@pytest.mark.parametrize("case", ["batch", "slice"])
def test_nnunets_numbers(case, monkeypatch):
    answers = ANSWERS["res_unet"][case]
    setting = answers["setting"]
    # Where half precision is guarded against, float64 would be rounded too.
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    model = parity.make("res_unet", setting, torch.float64)
    side, losses = setting["side"], []
    for step, seeds in enumerate(setting["image_seeds"]):
        inputs = parity.image(seeds["inputs"], setting["batch"], 3, side, side).double()
        wanted = labels(seeds["labels"], setting["batch"], side, side)
        if step == 0:
            with torch.no_grad():
                outputs = {str(x.shape[-1]): x for x in model.unet(inputs)}
            parity.assert_outputs(outputs, answers["outputs"])
        model.progress = setting["progress"][step]
        losses.append(sum(model.train_step(Batch(inputs, inputs[:, :1], wanted)).values()))
    for ours, answer in zip(losses, answers["losses"], strict=True):
        parity.assert_losses({"all": ours}, {"all": answer})
    if "weights" in answers:
        parity.assert_weights(model, answers["weights"])


def test_nnunet_translations_numbers(monkeypatch):
    answers = ANSWERS["unet_l1"]
    setting = answers["setting"]
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    model = parity.make("unet_l1", setting, torch.float64)
    inputs, t1ce, unused = vars(parity.training_batch(setting, 0)).values()
    with torch.no_grad():
        (made,) = model.unet(inputs.double())
    parity.assert_outputs({"t1ce": made}, answers["outputs"])
    losses = model.train_step(Batch(inputs.double(), t1ce.double(), unused))
    parity.assert_losses(losses, answers["losses"][0])


def test_the_transforms_numbers():
    setting, answers = (ANSWERS["augmentation"][key] for key in ("setting", "outputs"))
    images = parity.image(*setting["image"])
    classes = labels(setting["labels"], *np.take(setting["image"], [1, 3, 4]))
    classes[:, :8] = classes[:, -8:] = classes[..., :8] = classes[..., -8:] = 0
    names = ("angles", "scales", "sigmas", "factors", "resolutions", "exponents")
    values = {name: torch.tensor(setting[name]) for name in names}
    moved, moved_labels = augmentation.move(images, classes, values["angles"], values["scales"])
    made = {
        "moved": moved,
        "moved_labels": moved_labels,
        "blurred": augmentation.blur(images, values["sigmas"]),
        "contrast": augmentation.change_contrast(images, values["factors"]),
        "low_resolution": augmentation.lower_resolution(images, values["resolutions"]),
        "gamma": augmentation.change_gamma(images, values["exponents"]),
    }
    parity.assert_outputs(made, answers)


def test_parameters_and_costs_at_the_papers_size():
    with torch.device("meta"):
        network = ResidualUNet(3, CLASSES, heads=4)
        with FlopCounterMode(display=False) as counter:
            outputs = network(torch.zeros(1, 3, 224, 224))
    unused = 512 * CLASSES + CLASSES  # the official head of 14 px, whose loss has weight 0
    assert sum(p.numel() for p in network.parameters()) == 71_819_156 - unused
    assert counter.get_total_flops() / 2e9 == pytest.approx(24.20, abs=0.01)
    assert [x.shape[-1] for x in outputs] == [224, 112, 56, 28]


@pytest.mark.parametrize("name", ["res_unet", "unet_l1"])
@pytest.mark.parametrize(("side", "halvings"), [(224, 5), (64, 5), (64, 4), (32, 1)])
def test_sizes(name, side, halvings):
    model = build(name, width=2, halvings=halvings, most_blocks=1)
    made = batch(model, count=1)
    made = Batch(*(x[..., :1, :1].expand(*x.shape[:-2], side, side) for x in vars(made).values()))
    model.train_step(made)
    verb = model.segment if name == "res_unet" else model.synthesize
    assert verb(made.inputs).shape[2:] == (side, side)


@pytest.mark.parametrize(("height", "width", "most"), [(60, 64, 2), (16, 16, 3), (7, 7, 0)])
def test_sizes_that_cannot_be_halved(height, width, most):
    with pytest.raises(MethodError, match=f"{height} x {width} px can be halved {most} times"):
        ResidualUNet(3, 1, width=2, halvings=4)(torch.zeros(1, 3, height, width))


def test_t1ce_is_clamped_at_prediction_only():
    model = build("unet_l1", width=2, halvings=2, learning_rate=0.0)
    torch.nn.init.constant_(model.unet.heads[0].bias, 5.0)
    torch.nn.init.zeros_(model.unet.heads[0].weight)
    made = batch(model)
    assert model.train_step(made)["L1"].item() == pytest.approx(5 - made.t1ce.mean().item())
    assert (model.synthesize(made.inputs) == 1).all()


def test_output_weights():
    assert output_weights(4) == pytest.approx([8 / 15, 4 / 15, 2 / 15, 1 / 15])
    assert output_weights(1) == [1]


def drawn(monkeypatch, chosen: bool) -> None:
    """Let every transform be drawn, or none."""
    monkeypatch.setattr(augmentation, "_chosen", lambda _, *shape: torch.full(shape, chosen))


def brains() -> tuple[Tensor, Tensor]:
    """Images of four channels, the last a synthesis with air that is not exactly -1; labels."""
    images = parity.image(1, 2, 4, 64, 64)
    air = images[:, 3] == -1
    images[:, 3][air] = -0.9
    return images, labels(2, 2, 64, 64)


def test_nothing_drawn_changes_nothing(monkeypatch):
    drawn(monkeypatch, False)
    images, classes = brains()
    made, made_classes = augmentation.augment(images, classes)
    torch.testing.assert_close(made, images, atol=1e-5, rtol=0)
    assert torch.equal(made_classes, classes)


def test_intensities_change_inside_the_brain_alone(monkeypatch):
    drawn(monkeypatch, True)
    images, _ = brains()
    air = ~augmentation.find_brain(images).expand_as(images)
    made = augmentation._change_intensities(images)
    assert torch.equal(made[air], images[air])
    changed = made != images
    assert changed[~air].float().mean() > 0.99 and made.isfinite().all()


def test_mirrored_labels_follow_the_images(monkeypatch):
    drawn(monkeypatch, True)
    images, classes = brains()
    images, mirrored = augmentation._mirror_some(images, classes)
    assert torch.equal(images, brains()[0].flip(2, 3))
    assert torch.equal(mirrored, classes.flip(1, 2))


def test_slices_without_brain_stay_finite():
    torch.manual_seed(0)
    empty = torch.full((4, 3, 32, 32), -1.0)
    for _ in range(10):
        made, _ = augmentation.augment(empty, labels(0, 4, 32, 32))
        assert torch.equal(made, empty)
