"""pix2pix (Isola et al. 2017), with the losses and the update order of its official code."""

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.contract import Batch, Synthesizer, frozen
from methods.layers.init import initialise, normal
from methods.layers.patchgan import PatchDiscriminator, discriminator_loss, gan_loss
from methods.layers.schedule import decay_linearly
from methods.pix2pix.networks import Generator


class Pix2Pix(Synthesizer):
    """The discriminator judges T1ce together with the modalities that it belongs to."""

    def build(self) -> None:
        p = self.params
        generator = Generator(self.channels, 1, p.width, p.halvings, p.dropout)
        discriminator = PatchDiscriminator(self.channels + 1, p.width, antialias=False)
        self.generator = initialise(generator, normal)
        self.discriminator = initialise(discriminator, normal)

        betas = (0.5, 0.999)
        self.g_optimizer = torch.optim.Adam(generator.parameters(), p.learning_rate, betas)
        self.d_optimizer = torch.optim.Adam(discriminator.parameters(), p.learning_rate, betas)

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        """Update the discriminator, then the generator; return its losses with their weights."""
        p = self.params
        for optimizer in (self.d_optimizer, self.g_optimizer):
            decay_linearly(optimizer, p.learning_rate, self.progress)

        synthesised = self.generator(batch.inputs)
        fake, real = (torch.cat([batch.inputs, t1ce], dim=1) for t1ce in (synthesised, batch.t1ce))
        d_loss = discriminator_loss(self.discriminator, fake, real, "logistic")
        self.update(d_loss, self.d_optimizer)

        with frozen(self.discriminator):
            gan = gan_loss(self.discriminator(fake), 1.0, "logistic")
        l1 = p.l1_weight * F.l1_loss(synthesised.float(), batch.t1ce)
        self.update(gan + l1, self.g_optimizer)
        return {"D": d_loss, "GAN": gan, "L1": l1}

    def synthesize(self, inputs: Tensor) -> Tensor:
        return self.generator(inputs)
