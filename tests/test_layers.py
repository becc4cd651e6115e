"""The shared layers, against hand-computed values and the counts of the official networks."""

import math

import contract_checks as checks
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from methods.contract import Batch, Synthesizer, frozen
from methods.layers import arranged
from methods.layers.blur import BlurDown, BlurUp
from methods.layers.init import initialise, xavier
from methods.layers.patchgan import PatchDiscriminator, discriminator_loss, gan_loss
from methods.layers.patchnce import (
    PatchHeads,
    draw_positions,
    identical_share,
    info_nce,
    patch_nce,
    sample,
)
from methods.layers.resnet import TAPS, Decoder, Encoder
from methods.layers.unet import UNet
from methods.maf_net.fusion import Average, MAFBlock

PAPER = 224


def parameters(*networks: nn.Module) -> int:
    return sum(p.numel() for network in networks for p in network.parameters())


@pytest.fixture(scope="module")
def cutgan():
    return checks.build("cutgan")


@pytest.fixture(scope="module")
def maf_net():
    return checks.build("maf_net", "joint")


def test_cutgan_has_the_official_networks_parameters(cutgan):
    assert parameters(cutgan.encoder, cutgan.decoder) == 11_378_179
    assert parameters(cutgan.heads) == 560_384
    assert parameters(cutgan.discriminator) == 2_764_737


def test_cutgan_taps_the_official_layers(cutgan):
    assert cutgan.encoder.taps == TAPS == (0, 4, 8, 12, 16)
    with torch.inference_mode():
        code, features = cutgan.encoder(torch.zeros(1, 3, PAPER, PAPER))
    assert [tuple(f.shape[1:]) for f in features] == [
        (3, 230, 230),
        (128, 224, 224),
        (256, 112, 112),
        (256, 56, 56),
        (256, 56, 56),
    ]
    assert tuple(code.shape) == (1, 256, 56, 56)
    assert torch.equal(features[-1], code)


def test_cutgan_costs_what_the_official_generator_costs(cutgan, monkeypatch):
    monkeypatch.setattr(arranged, "_as_torch", lambda x: True)  # as anywhere but on a CPU
    image = torch.zeros(1, 3, PAPER, PAPER)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as encoder:
            code, _ = cutgan.encoder(image)
        with FlopCounterMode(display=False) as decoder:
            cutgan.decoder(code)
        with FlopCounterMode(display=False) as discriminator:
            cutgan.discriminator(image)
    macs = [counter.get_total_flops() / 2e9 for counter in (encoder, decoder, discriminator)]
    assert macs[0] == pytest.approx(26.39, abs=0.01)
    assert macs[0] + macs[1] == pytest.approx(49.10, abs=0.01)
    assert macs[2] == pytest.approx(4.90, abs=0.01)


def test_discriminator_sees_patches(cutgan):
    with torch.inference_mode():
        assert tuple(cutgan.discriminator(torch.zeros(1, 3, PAPER, PAPER)).shape) == (1, 1, 26, 26)


def test_discriminators_receptive_field_is_84_pixels():
    torch.manual_seed(0)
    network = PatchDiscriminator(1, width=2)
    # Instance norm lets every pixel reach every score, so it is left out.
    layers = [x for x in network.layers if not isinstance(x, nn.InstanceNorm2d)]
    image = torch.randn(1, 1, PAPER, PAPER, requires_grad=True)
    nn.Sequential(*layers)(image)[0, 0, 13, 13].backward()
    touched = image.grad[0, 0].abs().sum(dim=0).nonzero()
    assert touched.max() - touched.min() + 1 == 84


def test_maf_net_at_the_papers_size(maf_net):
    assert parameters(maf_net.heads) == 559_872  # as CUT's, but one input channel
    assert parameters(maf_net.unet) > 31e6
    image = torch.zeros(1, 3, PAPER, PAPER)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        codes, taps = maf_net.encode(image)
        made = maf_net.decoder(maf_net.fusion(codes))
    assert counter.get_total_flops() / 2e9 == pytest.approx(101, abs=1)
    assert [tuple(code.shape) for code in codes] == [(1, 256, 56, 56)] * 3
    assert [f.shape[1] for f in taps[0]] == [1, 128, 256, 256, 256]
    assert tuple(made.shape) == (1, 1, PAPER, PAPER)


def test_unet_goes_from_64_to_1024_channels(maf_net):
    assert [block[-3].out_channels for block in maf_net.unet.down] == [64, 128, 256, 512, 1024]


def test_unet_keeps_the_size():
    assert UNet(4, width=2)(torch.zeros(2, 4, 48, 32)).shape == (2, 4, 48, 32)


@pytest.mark.parametrize(("layer", "factor"), [(BlurDown(2), 0.5), (BlurUp(2), 2)])
def test_resampling_keeps_a_constant(layer, factor):
    made = layer(torch.full((1, 2, 8, 12), 3.0))
    assert made.shape == (1, 2, 8 * factor, 12 * factor)
    torch.testing.assert_close(made, torch.full_like(made, 3.0))


def test_blur_down_is_1_2_1_with_reflection():
    # Along x [0, 4, 0, 0, ...]: at 0 (4 + 0 + 4) / 4 = 2 by reflection, at 2 (4 + 0 + 0) / 4 = 1.
    row = torch.tensor([0.0, 4, 0, 0, 0, 0])
    made = BlurDown(1)(row.expand(1, 1, 6, 6))
    torch.testing.assert_close(made[0, 0], torch.tensor([2.0, 1, 0]).expand(3, 3))


def test_blur_up_is_linear_interpolation():
    # [1, 3, 3, 1] of stride 2: a quarter towards the neighbour, replicated at the ends.
    row = torch.tensor([0.0, 4, 8])
    made = BlurUp(1)(row.expand(1, 1, 3, 3))
    torch.testing.assert_close(made[0, 0], torch.tensor([0.0, 1, 3, 5, 7, 8]).expand(6, 6))


def test_blurs_add_no_parameters():
    assert parameters(BlurDown(4), BlurUp(4)) == 0
    assert not BlurDown(4).state_dict()


def test_info_nce_by_hand():
    # Orthogonal unit vectors: own position 1, the other 0.
    vectors = torch.eye(2)[None]
    expected = -math.log(math.exp(2) / (math.exp(2) + 1))
    assert info_nce(vectors, vectors, temperature=0.5).item() == pytest.approx(expected)


def test_info_nce_is_the_official_one():
    """Which has -10 on the diagonal, and the positive as one more class."""
    torch.manual_seed(0)
    queries, keys = (F.normalize(torch.randn(2, 64, 8).double(), dim=2) for _ in range(2))
    queries.requires_grad_()
    positive = (queries * keys).sum(dim=2, keepdim=True)
    negatives = (queries @ keys.transpose(1, 2)).masked_fill(torch.eye(64).bool(), -10.0)
    logits = torch.cat([positive, negatives], dim=2).flatten(0, 1) / 0.07
    official = F.cross_entropy(logits, torch.zeros(128, dtype=torch.long))
    ours = info_nce(queries, keys, 0.07).mean()
    torch.testing.assert_close(ours, official, rtol=1e-14, atol=0)
    gradients = (torch.autograd.grad(loss, queries)[0] for loss in (ours, official))
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-15)


def test_info_nce_never_takes_negatives_from_another_image():
    torch.manual_seed(0)
    queries, keys = (F.normalize(torch.randn(3, 5, 8), dim=2) for _ in range(2))
    together = info_nce(queries, keys, 0.07)
    alone = torch.stack(
        [info_nce(q[None], k[None], 0.07)[0] for q, k in zip(queries, keys, strict=True)]
    )
    torch.testing.assert_close(together, alone)


def test_no_gradient_reaches_the_keys():
    heads = PatchHeads((3,), features=4)
    queries, keys = (torch.randn(1, 16, 3, requires_grad=True) for _ in range(2))
    patch_nce(heads, [queries], [keys], 0.07).sum().backward()
    assert keys.grad is None and queries.grad.abs().sum() > 0


def test_heads_give_unit_vectors():
    vectors = PatchHeads((3, 5), 8)([torch.randn(2, 4, 3), torch.randn(2, 9, 5)])
    assert [tuple(v.shape) for v in vectors] == [(2, 4, 8), (2, 9, 8)]
    for v in vectors:
        torch.testing.assert_close(v.norm(dim=2), torch.ones(v.shape[:2]))


def test_a_vector_of_zeros_has_a_gradient():
    heads = PatchHeads((3,), features=4)
    for parameter in heads.parameters():
        nn.init.zeros_(parameter)
    samples = torch.randn(1, 5, 3, requires_grad=True)
    (vectors,) = heads([samples])
    vectors.sum().backward()
    assert samples.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in heads.parameters())


def test_each_part_of_a_batch_is_sampled_at_its_own_positions():
    maps = torch.randn(4, 3, 5, 6, requires_grad=True)
    drawn = [draw_positions([maps], 7) for _ in range(2)]
    (made,) = sample([maps], drawn)
    for image, sampled in enumerate(made):
        where = drawn[image // 2][0]
        assert torch.equal(sampled, maps[image].flatten(1)[:, where].T)
    made.sum().backward()
    assert maps.grad.sum() == 4 * 3 * 7 and maps.grad.max() == 1


def test_positions_are_drawn_without_replacement():
    small, large = draw_positions([torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 30, 30)], 256)
    assert sorted(small.tolist()) == list(range(16))
    assert len(large) == len(set(large.tolist())) == 256


def test_gan_losses_by_hand():
    scores = torch.tensor([1.0, 3.0])
    assert gan_loss(scores, 0.0).item() == 5
    assert gan_loss(scores, 1.0).item() == 2
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-3))) / 2
    assert gan_loss(scores, 1.0, "logistic").item() == pytest.approx(expected)


def test_discriminator_loss_halves_and_detaches():
    fake, real = torch.full((1,), 3.0, requires_grad=True), torch.full((1,), 5.0)
    loss = discriminator_loss(nn.Identity(), fake, real)
    assert loss.item() == 0.5 * (9 + 16)
    assert not loss.requires_grad


@pytest.mark.parametrize(
    ("option", "heads"),
    [({"shared_heads": False}, 3), ({"gan": "logistic"}, 1), ({"nce_factor": 1.0}, 1)],
)
def test_readings_of_the_paper_are_options(option, heads):
    """Each of them trains, and differs from the default after one step."""
    small = {"width": 2, "head_features": 8}
    models = []
    for overrides in (small, small | option):
        torch.manual_seed(0)
        models.append(checks.build("maf_net", **overrides))
        checks.train(models[-1], range(1))
    assert len(models[1].heads) == heads
    assert not checks.same(checks.weights(models[0]), checks.weights(models[1]))


def test_nine_blocks_may_all_lie_in_the_encoders():
    small = {"width": 2, "head_features": 8, "encoder_blocks": 9, "decoder_blocks": 0}
    model = checks.build("maf_net", **small)
    assert model.encoders[0].taps == TAPS
    checks.train(model, range(1))


def test_initialisation():
    torch.manual_seed(0)
    network = initialise(nn.Sequential(nn.Conv2d(16, 32, 3), nn.Linear(300, 200)), xavier)
    assert all((layer.bias == 0).all() for layer in network)
    # Xavier: gain * sqrt(2 / (fan in + fan out)).
    assert network[1].weight.std().item() == pytest.approx(0.02 * math.sqrt(2 / 500), rel=0.02)
    assert network[0].weight.std().item() == pytest.approx(0.02 * math.sqrt(2 / 432), rel=0.05)


def test_attention_maps_sum_to_one_and_weigh_the_codes():
    torch.manual_seed(0)
    block, codes = MAFBlock(4), [torch.randn(2, 4, 5, 5) for _ in range(3)]
    maps = block.attention(codes)
    assert tuple(maps.shape) == (2, 3, 5, 5)
    torch.testing.assert_close(maps.sum(dim=1), torch.ones(2, 5, 5))
    weighed = torch.cat([maps[:, n : n + 1] * codes[n] for n in range(3)], dim=1)
    torch.testing.assert_close(block(codes), block.mix(weighed))


def test_maf_block_has_the_papers_convolutions():
    block = MAFBlock(256)
    assert block.score.weight.shape == (3, 768, 3, 3)
    assert block.mix[0].weight.shape == (256, 768, 1, 1)
    assert block.mix[1].negative_slope == 0.2


def test_simple_averaging():
    codes = [torch.full((1, 2, 3, 3), float(n)) for n in (1, 2, 6)]
    torch.testing.assert_close(Average()(codes), torch.full((1, 2, 3, 3), 3.0))


def test_frozen_networks_pass_gradients_on_but_get_none():
    network, image = nn.Conv2d(1, 1, 1), torch.ones(1, 1, 2, 2, requires_grad=True)
    with frozen(network):
        loss = network(image).sum()
    loss.backward()
    assert network.weight.grad is None and image.grad is not None
    assert network.weight.requires_grad


class Twice(Synthesizer):
    """Uses a network again after its update, in the same step."""

    def build(self):
        self.network = nn.Conv2d(3, 1, 1)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=1.0)

    def train_step(self, batch):
        self.update(self.network(batch.inputs).float().mean(), self.optimizer)
        return {"after": self.network(batch.inputs).float().mean()}

    def synthesize(self, inputs):
        return self.network(inputs)


def test_under_autocast_a_network_is_used_with_its_new_weights():
    torch.manual_seed(0)
    model, images = Twice(None, 3), torch.ones(1, 3, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        after = model.train_step(Batch(images, images[:, :1], images[:, 0].long()))["after"]
    with torch.autocast("cpu", torch.bfloat16):
        assert after == model.network(images).float().mean()


def test_a_clipped_step_is_no_longer_than_that():
    torch.manual_seed(0)
    model = Twice(None, 3)
    before = [p.detach().clone() for p in model.network.parameters()]
    model.update(100 * model.network(torch.ones(1, 3, 8, 8)).mean(), model.optimizer, clip=0.5)
    moved = torch.cat(
        [(p - b).flatten() for p, b in zip(model.network.parameters(), before, strict=True)]
    )
    assert moved.norm().item() == pytest.approx(0.5, rel=1e-4)


def test_identical_share_counts_positions_that_are_not_alone():
    # Two images of three positions and two channels; only two positions are equal in both.
    keys = torch.tensor([[[1.0, 4], [1, 4], [2, 4]], [[1, 1], [2, 2], [3, 1]]])
    assert identical_share(keys).item() == pytest.approx(1 / 3)


def test_decoder_undoes_the_encoders_size():
    code, _ = Encoder(1, width=2, blocks=1)(torch.zeros(1, 1, 32, 48))
    assert tuple(code.shape) == (1, 8, 8, 12)
    assert tuple(Decoder(1, width=2, blocks=1)(code).shape) == (1, 1, 32, 48)
