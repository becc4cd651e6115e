"""MGP-VAE (Hamghalam et al., MICCAI 2021), as a Gaussian process over the modalities of a slice.

The published code lacks the training of the second stage and cannot run. `method.yaml` lists each
choice.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.contract import Batch, Synthesizer
from methods.errors import MethodError
from methods.mgp_vae.gp import ModalityGP, divergence, predict_last
from methods.mgp_vae.networks import Decoder, Encoder


class MGPVAE(Synthesizer):
    """One autoencoder for all modalities. T1ce is decoded from a code that the GP predicts."""

    def build(self) -> None:
        p = self.params
        if p.side % 2**p.halvings:
            raise MethodError(
                f"mgp_vae cannot halve slices of {p.side} px {p.halvings} times. Set a smaller "
                "`results.params.mgp_vae.halvings`."
            )
        shape = (p.side, p.filters, p.halvings, p.code)
        self.encoder, self.decoder = Encoder(*shape), Decoder(*shape)
        self.gp = ModalityGP(self.channels + 1)
        weights = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.vae_optimizer = torch.optim.Adam(weights, p.vae_rate)
        self.gp_optimizer = torch.optim.Adam(self.gp.parameters(), p.gp_rate)

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        """Update the autoencoder under its prior, then the prior on the autoencoder's codes."""
        p = self.params
        images = torch.cat([batch.inputs, batch.t1ce], dim=1)
        mean, std = self._encode(images)
        codes = mean + std * torch.randn_like(std)
        error = F.mse_loss(self._decode(codes).float(), images)
        reconstruction = error / (2 * p.noise) / 4  # [-1, 1] has four times the variance of [0, 1]
        prior = self.gp()
        pixels = images[0].numel()
        plain = torch.eye(len(prior), device=prior.device)
        used = plain if self.progress < p.pretraining else prior.detach()
        kl = divergence(mean, std, used).mean() / pixels
        self.update(reconstruction + kl, self.vae_optimizer)

        fit = divergence(mean.detach(), std.detach(), prior).mean() / pixels
        self.update(fit, self.gp_optimizer)
        return {"reconstruction": reconstruction, "KL": kl, "GP": fit}

    def synthesize(self, inputs: Tensor) -> Tensor:
        codes, _ = self._encode(inputs)
        return self._decode(predict_last(codes, self.gp())[:, None]).clamp(-1, 1)

    def _encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, Q, H, W) in [-1, 1] -> mean and standard deviation of codes (B, Q, L)."""
        p = self.params
        if images.shape[-2:] != (p.side, p.side):
            raise MethodError(
                f"mgp_vae is built for slices of {p.side} px, but got {images.shape[-1]}. Set "
                f"`results.params.mgp_vae.side` to `results.slices.crop`."
            )
        mean, std = self.encoder((images.flatten(0, 1)[:, None] + 1) / 2)
        return tuple(x.float().unflatten(0, images.shape[:2]) for x in (mean, std))

    def _decode(self, codes: Tensor) -> Tensor:
        """Codes (B, Q, L) -> images (B, Q, H, W); those in [-1, 1] are valid intensities."""
        images = self.decoder(codes.flatten(0, 1))
        return images.unflatten(0, codes.shape[:2])[:, :, 0] * 2 - 1
