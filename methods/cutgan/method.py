"""CUT (Park et al. 2020), the single encoder "SingleEN" of MAF-Net's Table I; and FastCUT."""

import torch
from torch import Tensor

from methods.contract import Batch, Synthesizer, frozen
from methods.layers.init import initialise, xavier
from methods.layers.patchgan import PatchDiscriminator, discriminator_loss, gan_loss
from methods.layers.patchnce import (
    PatchHeads,
    draw_positions,
    identical_share,
    patch_nce,
    sample,
)
from methods.layers.resnet import Decoder, Encoder
from methods.layers.schedule import decay_linearly


class Cut(Synthesizer):
    """Among its losses is `identical_keys`: the share of the NCE's positions in the input images
    where a query cannot tell its own key from another, nearly all of it air. It trains nothing.
    """

    def build(self) -> None:
        p = self.params
        encoder = Encoder(self.channels, p.width, p.encoder_blocks)
        self.encoder = initialise(encoder, xavier)
        self.decoder = initialise(Decoder(p.t1ce_channels, p.width, p.decoder_blocks), xavier)
        self.heads = initialise(PatchHeads(encoder.tapped_channels, p.head_features), xavier)
        self.discriminator = initialise(PatchDiscriminator(p.t1ce_channels, p.width), xavier)

        generator = [*self.encoder.parameters(), *self.decoder.parameters()]
        betas = (0.5, 0.999)
        self.g_optimizer = torch.optim.Adam(generator, p.generator_rate, betas)
        self.h_optimizer = torch.optim.Adam(self.heads.parameters(), p.generator_rate, betas)
        self.d_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), p.discriminator_rate, betas
        )

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        p = self.params
        decay_linearly(self.g_optimizer, p.generator_rate, self.progress, p.decay_start)
        decay_linearly(self.h_optimizer, p.generator_rate, self.progress, p.decay_start)
        decay_linearly(self.d_optimizer, p.discriminator_rate, self.progress, p.decay_start)

        flipped = p.flip_equivariance and draw_flip()
        images = batch.inputs
        if p.identity_weight:
            images = torch.cat([images, batch.t1ce.expand_as(images)])
        # Unless flipped, the keys are the features of the generating forward pass: instance norm
        # has no state, so encoding the same images once more would give the same numbers.
        code, keys = self.encoder(images.flip(3) if flipped else images)
        generated = self.decoder(code)
        count = len(batch.inputs)
        fake, real = generated[:count], batch.t1ce.expand(-1, p.t1ce_channels, -1, -1)

        d_loss = discriminator_loss(self.discriminator, fake, real)
        self.update(d_loss, self.d_optimizer)

        with frozen(self.discriminator):
            gan = gan_loss(self.discriminator(fake), 1.0)
        _, queries = self.encoder(generated.expand(-1, self.channels, -1, -1))
        if flipped:
            # The keys are of the images as they are: a flip and a convolution do not commute.
            queries = [q.flip(3) for q in queries]
            with torch.no_grad():
                _, keys = self.encoder(images)
        # Each term has positions of its own.
        positions = [draw_positions(keys, p.patches) for _ in range(len(images) // count)]
        queries, keys = sample(queries, positions), sample(keys, positions)
        nce, *identity = patch_nce(self.heads, queries, keys, p.temperature).split(count)
        nce = nce.mean()
        identical = identical_share(keys[0][:count])
        losses = {"D": d_loss, "GAN": gan, "NCE": nce, "identical_keys": identical}
        if p.identity_weight:
            losses["NCE_identity"] = identity[0].mean()
            contrast = p.nce_weight * nce + p.identity_weight * losses["NCE_identity"]
            g_loss = gan + 0.5 * contrast
        else:
            g_loss = gan + p.nce_weight * nce
        self.update(g_loss, self.g_optimizer, self.h_optimizer)
        return losses

    def synthesize(self, inputs: Tensor) -> Tensor:
        return self.decoder(self.encoder(inputs)[0]).mean(dim=1, keepdim=True)


def draw_flip() -> bool:
    """True with probability 1/2, from torch's global generator, which the suite seeds."""
    return torch.rand(()).item() < 0.5
