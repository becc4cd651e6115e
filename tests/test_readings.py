"""The two readings of Table III's quoted methods: MGP-VAE and latent correlation."""

from math import log, pi

import contract_checks as checks
import numpy as np
import pytest
import torch
from made_up_scores import frame, made_up_results, sheet_of
from scipy.stats import multivariate_normal
from torch import Tensor, nn

from benchmarks.reporting.rows import Row
from methods import loading
from methods.contract import Batch
from methods.errors import MethodError
from methods.latent_correlation.method import LatentCorrelation, dice_loss
from methods.latent_correlation.networks import Correlation, Fusion, Network
from methods.mgp_vae.gp import ModalityGP, divergence, predict_last
from methods.mgp_vae.method import MGPVAE

METHOD = checks.METHODS["latent_correlation"]


def mgp_vae(**params) -> MGPVAE:
    torch.manual_seed(0)
    small = {"side": checks.SIDE, "filters": 8, "halvings": 4, "code": 16}
    return checks.build("mgp_vae", **small | params)


def latent_correlation(**params) -> LatentCorrelation:
    torch.manual_seed(0)
    return checks.build("latent_correlation", **{"width": 2, "levels": 4} | params)


def parameters(*networks: nn.Module) -> int:
    return sum(p.numel() for network in networks for p in network.parameters())


def covariance() -> Tensor:
    """Of a GP whose modalities are correlated."""
    torch.manual_seed(3)
    gp = ModalityGP()
    with torch.no_grad():
        gp.features.copy_(torch.randn(4, 4))
        gp.log_variances.copy_(torch.tensor([1.2, -0.4]))
    return gp().detach()


# From gp.py and vmod.py of fpcasale/GPPVAE @6f806426 (the kernel of MGP-VAE's code), in float64,
# for one object of four views with these features, logits of the variances and codes: the kernel,
# the negative log likelihood less its constant, and the last code given the other three.
OFFICIAL = {
    "features": [[2, 1, 0, 0], [1, 2, 1, 0], [0, 1, 2, 1], [1, 0, 1, 3]],
    "log_variances": [1.5, -0.5],
    "codes": [[0.5, -1.0], [1.0, 0.2], [-0.3, 0.8], [0.4, 1.5]],
    "kernel": [
        [1, 0.6432432, 0.1608108, 0.2375333],
        [0.6432432, 1, 0.5871981, 0.2168373],
        [0.1608108, 0.5871981, 1, 0.5420931],
        [0.2375333, 0.2168373, 0.5420931, 1],
    ],
    "nll": 3.3650965,
    "predicted": [-0.5447033, 0.0624621],
}


class TestMGPVAE:
    def test_parameters_of_the_official_networks(self):
        model = mgp_vae(side=224, filters=32, halvings=5, code=256)
        assert parameters(model.encoder, model.decoder) == 1_364_139
        assert parameters(model.gp) == 4 * 4 + 2

    def test_the_official_kernel_likelihood_and_prediction(self):
        gp, codes = ModalityGP(), torch.tensor([OFFICIAL["codes"]])
        with torch.no_grad():
            gp.features.copy_(torch.tensor(OFFICIAL["features"]))
            gp.log_variances.copy_(torch.tensor(OFFICIAL["log_variances"]))
            k = gp()
            ones = torch.ones_like(codes)
            # What the divergence has beside the likelihood of the means.
            beside = divergence(torch.zeros_like(codes), ones, k) - 0.5 * 2 * k.logdet()
            nll = divergence(codes, ones, k) - beside
            predicted = predict_last(codes[:, :3], k)
        assert k.numpy() == pytest.approx(np.array(OFFICIAL["kernel"]), abs=1e-6)
        assert nll.item() == pytest.approx(OFFICIAL["nll"], rel=1e-5)
        assert predicted[0].tolist() == pytest.approx(OFFICIAL["predicted"], rel=1e-4)

    def test_the_prior_starts_all_but_uncorrelated_with_variance_one(self):
        prior = ModalityGP()()
        assert prior.diagonal().tolist() == pytest.approx([1] * 4)
        assert (prior - torch.eye(4)).abs().max() < 0.01

    def test_the_divergence_is_that_of_two_gaussians(self):
        torch.manual_seed(0)
        prior, dimensions = covariance(), 5
        mean, std = torch.randn(2, 4, dimensions), torch.rand(2, 4, dimensions) + 0.1
        k = prior.double().numpy()
        expected = []
        for m, s in zip(mean.double().numpy(), std.double().numpy(), strict=True):
            entropy = 0.5 * np.sum(1 + log(2 * pi) + 2 * np.log(s))
            likelihood = multivariate_normal(np.zeros(4), k).logpdf(m.T).sum()
            trace = np.sum(np.diag(np.linalg.inv(k))[:, None] * s**2)
            expected.append(-entropy - likelihood + 0.5 * trace)
        assert divergence(mean, std, prior).tolist() == pytest.approx(expected, rel=1e-4)

    def test_of_the_identity_it_is_the_plain_one(self):
        mean, std = torch.full((1, 4, 3), 0.5), torch.full((1, 4, 3), 2.0)
        plain = 12 * 0.5 * (0.25 + 4 - 1 - 2 * log(2))
        assert divergence(mean, std, torch.eye(4)).item() == pytest.approx(plain)

    def test_the_prediction_is_the_conditional_mean(self):
        codes, k = torch.randn(2, 3, 5), covariance()
        gp = k.double().numpy()
        weights = gp[3, :3] @ np.linalg.inv(gp[:3, :3])
        expected = np.einsum("q,bql->bl", weights, codes.double().numpy())
        assert predict_last(codes, k).numpy() == pytest.approx(expected, abs=1e-5)

    def test_equal_modalities_predict_their_mean(self):
        gp = ModalityGP()
        with torch.no_grad():
            gp.features.copy_(torch.tensor([1.0, 0, 0, 0]).expand(4, 4))
            gp.log_variances.copy_(torch.tensor([log(9.0), 0.0]))  # v0 = 0.9, vn = 0.1
            codes = torch.tensor([[[1.0], [2.0], [6.0]]])
            shrunk = 3 * 0.9 / (3 * 0.9 + 0.1)
            assert predict_last(codes, gp()).item() == pytest.approx(3 * shrunk, rel=1e-5)

    def test_losses_by_hand_and_the_prior_after_pretraining(self):
        model = mgp_vae(vae_rate=0.0, gp_rate=0.0, noise=0.01)
        for network in (model.encoder, model.decoder):
            for p in network.parameters():
                nn.init.zeros_(p)
        with torch.no_grad():
            model.gp.features.copy_(torch.tensor([1.0, 0, 0, 0]).expand(4, 4))
        batch = Batch(torch.zeros(1, 3, 64, 64), torch.ones(1, 1, 64, 64), torch.zeros(1, 64, 64))
        variance = log(2) ** 2  # of softplus(0)
        # K = (1 + I) / 2: its inverse has 2 - 2 / 5 on the diagonal, its determinant is 5 / 16.
        plain = 64 * 0.5 * (variance - 1 - log(variance))
        other = 16 * 0.5 * (4 * 1.6 * variance - 4 + log(5 / 16) - 4 * log(variance))
        for progress, kl in ((0.0, plain), (0.5, other)):
            model.progress = progress
            losses = model.train_step(batch)
            # The decoder makes 0, which is -1 in [-1, 1]: off by 0.5 in three images, by 1 in one.
            expected = (3 * 0.25 + 1) / 4 / 0.02
            assert losses["reconstruction"].item() == pytest.approx(expected)
            assert losses["KL"].item() == pytest.approx(kl / (4 * 64 * 64), rel=1e-4)
            assert losses["GP"].item() == pytest.approx(other / (4 * 64 * 64), rel=1e-4)

    def test_a_prediction_draws_nothing(self):
        model = mgp_vae()
        inputs = checks.batch(model).inputs
        with torch.inference_mode():
            assert torch.equal(model.synthesize(inputs), model.synthesize(inputs))

    def test_sizes_that_do_not_fit_say_what_to_set(self):
        with pytest.raises(MethodError, match=r"slices of 64 px, but got 32.*mgp_vae\.side"):
            mgp_vae().synthesize(torch.zeros(1, 3, 32, 32))
        with pytest.raises(MethodError, match=r"halve slices of 72 px 4 times.*halvings"):
            mgp_vae(side=72)


class TestLatentCorrelation:
    def test_estimates_by_hand(self):
        block = Correlation(channels=2)
        with torch.no_grad():
            for i, layers in enumerate(block.coefficients):
                layers[2].weight.zero_()
                # alpha, beta, gamma, delta of two channels each; those of modality i times i + 1
                layers[2].bias.copy_((i + 1) * torch.tensor([1.0, 2, 3, 4, 5, 6, 7, 8]))
            values = torch.tensor([[1.0, 10], [2, 20], [3, 30], [4, 40]])
            features = list(values[:, None, :, None, None].expand(4, 1, 2, 3, 3))
            made = [estimate[0, :, 1, 1].tolist() for estimate in block(features)]
        others = [(2, 3, 4), (1, 3, 4), (1, 2, 4), (1, 2, 3)]
        assert made == [
            [
                (i + 1) * (1 * j + 3 * k + 5 * m + 7),
                (i + 1) * (10 * (2 * j + 4 * k + 6 * m) + 8),
            ]
            for i, (j, k, m) in enumerate(others)
        ]

    def test_coefficients_come_from_the_modality_that_they_estimate(self):
        block = Correlation(channels=2)
        features = [torch.rand(1, 2, 3, 3) for _ in range(4)]
        # Positions swapped, with the same mean: its own estimate is of the others, so it stays.
        swapped = [features[0].flip(2), *features[1:]]
        before, after = block(features), block(swapped)
        assert torch.allclose(before[0], after[0], atol=1e-6)
        assert not torch.allclose(before[1], after[1], atol=1e-3)
        # Another mean: other coefficients.
        assert not torch.allclose(before[0], block([features[0] + 1, *features[1:]])[0], atol=1e-3)

    def test_fusion_weighs_by_channel_and_by_position(self):
        fusion = Fusion(channels=4)
        for p in fusion.parameters():
            nn.init.zeros_(p)
        nn.init.constant_(fusion.position.bias, log(3))  # sigmoid 0.75
        x = torch.rand(1, 4, 2, 2)
        assert torch.allclose(fusion([x[:, :2], x[:, 2:]]), 1.25 * x)

    def test_levels_and_the_decoder_sees_estimates(self):
        network, seen = Network(width=2, levels=6, classes=4).eval(), []
        network.fusions[-1].register_forward_pre_hook(lambda module, given: seen.extend(given[0]))
        with torch.inference_mode():
            logits, features, estimates = network(torch.rand(1, 4, 224, 224))
        assert logits.shape == (1, 4, 224, 224)
        assert [tuple(f.shape) for f in features] == [(1, 64, 7, 7)] * 4
        assert all(a is b for a, b in zip(seen, estimates, strict=True))

    def test_dice_loss_by_hand(self):
        labels = torch.tensor([[[0, 1], [3, 3]]])
        confident = torch.full((1, 4, 2, 2), -50.0)
        for y, x, label in ((0, 0, 0), (0, 1, 1), (1, 0, 3), (1, 1, 0)):
            confident[0, label, y, x] = 50.0
        # Class 1 is found, class 2 absent and not predicted. One pixel of class 3 is taken for 0.
        assert dice_loss(confident, labels).item() == pytest.approx(1 - (1 + 1 + 2 * 3 / 4) / 4)

    def test_t1ce_in_training_and_t1_at_test(self):
        model, seen = latent_correlation(), []
        batch = checks.batch(model)
        model.network.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
        model.train_step(batch)
        model.eval().segment(batch.inputs)
        trained, tested = seen
        assert torch.equal(trained, torch.cat([batch.inputs, batch.t1ce], dim=1))
        assert torch.equal(tested, torch.cat([batch.inputs, batch.inputs[:, :1]], dim=1))

    def test_the_learning_rate_is_halved_four_times(self):
        model, rates = latent_correlation(learning_rate=0.8), []
        batch = checks.batch(model)
        for model.progress in (0.0, 0.19, 0.2, 0.4, 0.6, 0.99):
            model.train_step(batch)
            rates.append(model.optimizer.param_groups[0]["lr"])
        assert rates == pytest.approx([0.8, 0.8, 0.4, 0.2, 0.1, 0.05])

    def test_it_is_no_segmentor_behind_a_synthesis(self):
        with pytest.raises(MethodError, match=r"behind a synthesis.*got 4 channels"):
            loading.build(METHOD, METHOD.params("base", {"width": 2}), channels=4)

    def test_slices_that_are_too_small_say_what_to_set(self):
        model = latent_correlation(levels=6)
        with pytest.raises(MethodError, match=r"32 px 5 times.*levels"):
            model.segment(torch.zeros(1, 3, 32, 32))


def test_their_rows_show_our_numbers_beside_the_quoted_ones():
    """Of Zhou et al. there are scores here; the benchmark does not run MGP-VAE."""
    run = Row("latent_correlation", "Latent correlation", "method", kind="segmentation")
    scores = [
        [run.run, 0, f"p{i}", "", "paper", "segmentation", "wt", "dice", "lcc", value, ""]
        for i, value in enumerate([0.7, 0.8])
    ]
    sheet = sheet_of("table3_segmentation", made_up_results(frame(scores), [run]))
    rows = {row.label: row for row in sheet.blocks[0].rows}
    ours, other = rows["Zhou et al."], rows["Hamghalam et al."]
    assert (ours.run, ours.status) == ("latent_correlation", "")
    assert (ours.cells[1].text, ours.cells[1].published) == ("0.750", 0.854)
    assert (other.run, other.status) == ("", "quoted")
    assert (other.cells[1].text, other.cells[1].published) == ("", 0.880)
    assert "Latent correlation" not in rows, "it has one row"
    assert any("Quoted from the paper, not trained here: Hamghalam" in note for note in sheet.notes)
