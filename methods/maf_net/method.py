"""MAF-Net (arXiv 2203.04586): three encoders, attention fusion, joint learning.

Where the paper is silent, each choice is listed in `method.yaml`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.contract import Batch, Synthesizer, frozen
from methods.layers.init import initialise, xavier
from methods.layers.patchgan import PatchDiscriminator, discriminator_loss, gan_loss
from methods.layers.patchnce import PatchHeads, draw_positions, patch_nce, sample
from methods.layers.resnet import Decoder, Encoder
from methods.layers.unet import segmentation_unet
from methods.maf_net.fusion import Average, MAFBlock


class MAFNet(Synthesizer):
    def build(self) -> None:
        p = self.params
        encoders = nn.ModuleList(
            Encoder(1, p.width, p.encoder_blocks) for _ in range(self.channels)
        )
        fusion = Average() if p.fusion == "average" else MAFBlock(4 * p.width, self.channels)
        self.encoders = initialise(encoders, xavier)
        self.fusion = initialise(fusion, xavier)
        self.decoder = initialise(Decoder(1, p.width, p.decoder_blocks), xavier)
        sets = 1 if p.shared_heads else self.channels
        heads = (PatchHeads(encoders[0].tapped_channels, p.head_features) for _ in range(sets))
        self.heads = initialise(nn.ModuleList(heads), xavier)
        self.discriminator = initialise(PatchDiscriminator(1, p.width), xavier)

        generator = [
            x for part in (self.encoders, self.fusion, self.decoder) for x in part.parameters()
        ]
        betas = (0.5, 0.999)
        self.g_optimizer = torch.optim.Adam(generator, p.generator_rate, betas)
        self.h_optimizer = torch.optim.Adam(self.heads.parameters(), p.generator_rate, betas)
        self.d_optimizer = torch.optim.Adam(
            self.discriminator.parameters(), p.discriminator_rate, betas
        )
        if p.joint:
            self.unet = segmentation_unet(self.channels + 1, p.unet_width)
            self.unet_optimizer = torch.optim.Adam(self.unet.parameters(), p.unet_rate)

    def encode(self, images: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        """(B, modalities, H, W) -> one code per encoder, and its tapped features."""
        pairs = [e(x) for e, x in zip(self.encoders, images.split(1, dim=1), strict=True)]
        codes, taps = zip(*pairs, strict=True)
        return list(codes), list(taps)

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        p = self.params
        real = batch.t1ce
        images = torch.cat([batch.inputs, real.expand_as(batch.inputs)])
        codes, keys = self.encode(images)
        generated = self.decoder(self.fusion(codes))
        fake = generated[: len(real)]

        d_loss = discriminator_loss(self.discriminator, fake, real, p.gan)
        self.update(d_loss, self.d_optimizer)

        with frozen(self.discriminator):
            gan = gan_loss(self.discriminator(fake), 1.0, p.gan)
        queries = [encoder(generated)[1] for encoder in self.encoders]
        nce, identity = self._nce(queries, keys)
        synthesis = gan + p.nce_factor * (p.nce_weight * nce + p.identity_weight * identity)
        losses = {"D": d_loss, "GAN": gan, "NCE": nce, "NCE_identity": identity}
        if not p.joint:
            self.update(synthesis, self.g_optimizer, self.h_optimizer)
            return losses

        logits = self.unet(torch.cat([batch.inputs, fake], dim=1))
        cross_entropy = F.cross_entropy(logits, batch.labels)
        total = p.synthesis_weight * synthesis + cross_entropy  # Eq. 6
        self.update(total, self.g_optimizer, self.h_optimizer, self.unet_optimizer)
        return losses | {"cross_entropy": cross_entropy}

    def _nce(self, queries: list[list[Tensor]], keys: list[list[Tensor]]) -> tuple[Tensor, Tensor]:
        """Return Eq. 1 and its identity term: PatchNCE per encoder's features, mean over encoders.

        Parameters
        ----------
        queries, keys : by encoder, its tapped features (2B, C, H, W) of the generated images and
            of the images that they were generated from, T1ce in the second half of the batch.
        """
        p = self.params
        # By term and encoder: each has positions of its own.
        drawn = [[draw_positions(maps, p.patches) for maps in keys] for _ in range(2)]
        sides = [
            [sample(maps, positions) for maps, *positions in zip(side, *drawn, strict=True)]
            for side in (queries, keys)
        ]
        if p.shared_heads:  # which then see all encoders' features in one pass
            sides = [[[torch.cat(x) for x in zip(*side, strict=True)]] for side in sides]
        losses = [
            patch_nce(heads, q, k, p.temperature)
            for heads, q, k in zip(self.heads, *sides, strict=True)
        ]
        nce, identity = torch.cat(losses).view(len(queries), 2, -1).mean(dim=(0, 2))
        return nce, identity

    def synthesize(self, inputs: Tensor) -> Tensor:
        codes, _ = self.encode(inputs)
        return self.decoder(self.fusion(codes))

    def attention(self, inputs: Tensor) -> Tensor | None:
        """Return the weight of each modality at each position; None without a MAF-Block.

        Returns
        -------
        (B, modalities, H / 4, W / 4), summing to 1 over the modalities.
        """
        if not isinstance(self.fusion, MAFBlock):
            return None
        codes, _ = self.encode(inputs)
        return self.fusion.attention(codes)

    def segment(self, inputs: Tensor) -> Tensor:
        """Return logits (B, 4, H, W) from the modalities and the synthesised T1ce; joint only."""
        return self.unet(torch.cat([inputs, self.synthesize(inputs)], dim=1))
