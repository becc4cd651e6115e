"""CycleGAN (Zhu et al. 2017), with the networks, losses and update order of its official code.

Domain A is the modalities as channels of one image, domain B is T1ce. Networks, pools and losses
are named after the domain whose images they generate, hold or judge. The official code names
generators and discriminators after the domain that a translation starts from: its G_A and D_A are
`generator_b` and `discriminator_b` here, its loss idt_A is `identity_B`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.contract import Batch, Synthesizer, frozen
from methods.cyclegan.pool import HistoryPool
from methods.layers.init import initialise, normal
from methods.layers.patchgan import PatchDiscriminator, discriminator_loss, gan_loss
from methods.layers.resnet import Generator
from methods.layers.schedule import decay_linearly


class CycleGAN(Synthesizer):
    """Two generators, from A to B and back, and a discriminator for each domain.

    The identity loss feeds a generator images of its target domain. Where A and B have different
    numbers of channels that is impossible, and there is no identity loss.
    """

    def build(self) -> None:
        p = self.params
        a, b = self.channels, p.t1ce_channels
        self.generator_b = initialise(Generator(a, b, p.width, p.blocks), normal)
        self.generator_a = initialise(Generator(b, a, p.width, p.blocks), normal)
        self.discriminator_b = initialise(PatchDiscriminator(b, p.width, antialias=False), normal)
        self.discriminator_a = initialise(PatchDiscriminator(a, p.width, antialias=False), normal)
        self.pool_b, self.pool_a = HistoryPool(p.pool), HistoryPool(p.pool)
        self.has_identity = a == b and p.identity_weight > 0

        generators = [*self.generator_b.parameters(), *self.generator_a.parameters()]
        discriminators = [*self.discriminator_b.parameters(), *self.discriminator_a.parameters()]
        betas = (0.5, 0.999)
        self.g_optimizer = torch.optim.Adam(generators, p.learning_rate, betas)
        self.d_optimizer = torch.optim.Adam(discriminators, p.learning_rate, betas)

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        """Update the generators, then the discriminators.

        Returns
        -------
        Each loss; the generators' with their weights.
        """
        p = self.params
        for optimizer in (self.g_optimizer, self.d_optimizer):
            decay_linearly(optimizer, p.learning_rate, self.progress)

        real_a, real_b = batch.inputs, batch.t1ce.expand(-1, p.t1ce_channels, -1, -1)
        fake_b, same_b = self._translate(self.generator_b, real_a, real_b)
        fake_a, same_a = self._translate(self.generator_a, real_b, real_a)
        g_losses = {
            "cycle_A": p.cycle_weight * _l1(self.generator_a(fake_b), real_a),
            "cycle_B": p.cycle_weight * _l1(self.generator_b(fake_a), real_b),
        }
        if self.has_identity:
            weight = p.cycle_weight * p.identity_weight
            g_losses["identity_B"] = weight * _l1(same_b, real_b)
            g_losses["identity_A"] = weight * _l1(same_a, real_a)
        with frozen(self.discriminator_b, self.discriminator_a):
            g_losses["GAN_B"] = gan_loss(self.discriminator_b(fake_b), 1.0)
            g_losses["GAN_A"] = gan_loss(self.discriminator_a(fake_a), 1.0)
        self.update(torch.stack(list(g_losses.values())).sum(), self.g_optimizer)

        # These fakes are from before the generators' step, as in the official code.
        shown_b, shown_a = self.pool_b.exchange(fake_b), self.pool_a.exchange(fake_a)
        d_b_loss = discriminator_loss(self.discriminator_b, shown_b, real_b)
        d_a_loss = discriminator_loss(self.discriminator_a, shown_a, real_a)
        self.update(d_b_loss + d_a_loss, self.d_optimizer)
        return g_losses | {"D_B": d_b_loss, "D_A": d_a_loss}

    def _translate(
        self, generator: Generator, source: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Return translated source images, and translated target images for the identity loss."""
        if not self.has_identity:
            return generator(source), None
        # In one pass: instance norm keeps images apart, and a larger batch takes less time.
        return generator(torch.cat([source, target])).chunk(2)

    def extra_state(self) -> dict:
        return {"pool_b": list(self.pool_b.images), "pool_a": list(self.pool_a.images)}

    def load_extra_state(self, state: dict) -> None:
        self.pool_b.images, self.pool_a.images = list(state["pool_b"]), list(state["pool_a"])

    def synthesize(self, inputs: Tensor) -> Tensor:
        return self.generator_b(inputs).mean(dim=1, keepdim=True)


def _l1(fake: Tensor, real: Tensor) -> Tensor:
    return F.l1_loss(fake.float(), real)
