"""CUT (Park et al. 2020), the single encoder "SingleEN" of MAF-Net's Table I."""

import torch
from torch import Tensor

from methods.contract import Batch, Params, Synthesizer, frozen
from methods.layers.init import initialise, xavier
from methods.layers.patchgan import PatchDiscriminator, discriminator_loss, gan_loss
from methods.layers.patchnce import PatchHeads, patch_nce
from methods.layers.resnet import Decoder, Encoder


class CutParams(Params):
    width: int = 64
    encoder_blocks: int = 5
    decoder_blocks: int = 4
    head_features: int = 256
    patches: int = 256
    temperature: float = 0.07
    nce_weight: float = 1.0  # lambda_X of CUT's Eq. 6
    identity_weight: float = 1.0  # lambda_Y
    generator_rate: float = 4e-4
    discriminator_rate: float = 2e-4


class Cut(Synthesizer):
    Params = CutParams

    def build(self) -> None:
        p = self.params
        encoder = Encoder(self.channels, p.width, p.encoder_blocks)
        self.encoder = initialise(encoder, xavier)
        self.decoder = initialise(Decoder(self.channels, p.width, p.decoder_blocks), xavier)
        self.heads = initialise(PatchHeads(encoder.tapped_channels, p.head_features), xavier)
        self.discriminator = initialise(PatchDiscriminator(self.channels, p.width), xavier)

        generator = [*self.encoder.parameters(), *self.decoder.parameters()]
        betas = (0.5, 0.999)
        self.g_optimizer = torch.optim.Adam(generator, p.generator_rate, betas)
        self.h_optimizer = torch.optim.Adam(self.heads.parameters(), p.generator_rate, betas)
        self.d_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), p.discriminator_rate, betas
        )

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        p = self.params
        real = batch.t1ce.expand_as(batch.inputs)
        code, keys = self.encoder(torch.cat([batch.inputs, real]))
        generated = self.decoder(code)
        fake = generated[: len(real)]

        d_loss = discriminator_loss(self.discriminator, fake, real)
        self.update(d_loss, self.d_optimizer)

        with frozen(self.discriminator):
            gan = gan_loss(self.discriminator(fake), 1.0)
        _, queries = self.encoder(generated)
        nce = self._nce(queries, keys, slice(None, len(real)))
        identity = self._nce(queries, keys, slice(len(real), None))
        g_loss = gan + 0.5 * (p.nce_weight * nce + p.identity_weight * identity)
        self.update(g_loss, self.g_optimizer, self.h_optimizer)
        return {"D": d_loss, "GAN": gan, "NCE": nce, "NCE_identity": identity}

    def _nce(self, queries: list[Tensor], keys: list[Tensor], images: slice) -> Tensor:
        """PatchNCE over some of the images.

        The keys are the features of the generating forward pass: instance norm has no state, so
        encoding the same images once more would give the same numbers bit for bit.
        """
        p = self.params
        queries, keys = [q[images] for q in queries], [k[images] for k in keys]
        return patch_nce(self.heads, queries, keys, p.patches, p.temperature)

    def synthesize(self, inputs: Tensor) -> Tensor:
        return self.decoder(self.encoder(inputs)[0]).mean(dim=1, keepdim=True)
