"""ResViT (Dalmaz et al. 2022), with the losses and the update order of its official code."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from methods.contract import Batch, Synthesizer, frozen
from methods.errors import MethodError
from methods.layers.patchgan import discriminator_loss, gan_loss
from methods.layers.schedule import decay_linearly
from methods.resvit.networks import (
    ResidualBlock,
    TransformerBranch,
    decoder,
    discriminator,
    encoder,
    transformer,
)

BLOCKS = 9
BRANCHES = (0, 5)  # the blocks, from 0, that a transformer branch comes before


class ResViT(Synthesizer):
    """First without transformer; then, from the weights of that, with it."""

    def build(self) -> None:
        p = self.params
        self.encoder = encoder(self.channels, p.width)
        self.blocks = nn.ModuleList(ResidualBlock(4 * p.width) for _ in range(BLOCKS))
        self.decoder = decoder(p.width)
        generator = [self.encoder, self.blocks, self.decoder]
        if p.transformer:
            if p.vit_features % p.vit_heads:
                raise MethodError(
                    f"methods/resvit: {p.vit_features} vit_features cannot be divided among "
                    f"{p.vit_heads} vit_heads. Change one of them under results.params.resvit."
                )
            # Both branches share it.
            self.transformer = transformer(p.vit_features, p.vit_layers, p.vit_heads, p.dropout)
            self.branches = nn.ModuleList(
                TransformerBranch(p.width, p.vit_features, p.positions, p.dropout) for _ in BRANCHES
            )
            generator += [self.transformer, self.branches]
        self.discriminator = discriminator(self.channels + 1, p.width)

        self.rate = p.transformer_rate if p.transformer else p.convolutional_rate
        weights = [x for part in generator for x in part.parameters()]
        betas = (0.5, 0.999)
        self.g_optimizer = torch.optim.Adam(weights, self.rate, betas)
        self.d_optimizer = torch.optim.Adam(self.discriminator.parameters(), self.rate, betas)

    def load_state_dict(self, state: dict, strict: bool = True) -> None:
        """Load a training to resume, or (not `strict`) the generator to continue from.

        The discriminator and both optimizers then start afresh, as in the official code.
        """
        if not strict:
            networks = {k: x for k, x in state["networks"].items() if k != "discriminator"}
            state = state | {"networks": networks, "optimizers": {}}
        super().load_state_dict(state, strict)

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        """Update the discriminator, then the generator; return its losses with their weights."""
        for optimizer in (self.d_optimizer, self.g_optimizer):
            decay_linearly(optimizer, self.rate, self.progress)

        synthesised = self.synthesize(batch.inputs)
        fake, real = (torch.cat([batch.inputs, t1ce], dim=1) for t1ce in (synthesised, batch.t1ce))
        d_loss = discriminator_loss(self.discriminator, fake, real)
        self.update(d_loss, self.d_optimizer)

        with frozen(self.discriminator):
            gan = gan_loss(self.discriminator(fake), 1.0)
        l1 = self.params.l1_weight * F.l1_loss(synthesised.float(), batch.t1ce)
        self.update(gan + l1, self.g_optimizer)
        return {"D": d_loss, "GAN": gan, "L1": l1}

    def synthesize(self, inputs: Tensor) -> Tensor:
        """Synthesise the T1ce of slices.

        Raises
        ------
        MethodError : height or width is not a multiple of 16, or is 16 itself.
        """
        height, width = inputs.shape[2:]
        if height % 16 or width % 16 or min(height, width) < 32:
            raise MethodError(
                f"methods/resvit: slices of {height} x {width} px cannot be halved four times. "
                "Write results.slices.crop: a multiple of 16, 32 or more, in the benchmark's file."
            )
        x = self.encoder(inputs)
        for index, block in enumerate(self.blocks):
            if self.params.transformer and index in BRANCHES:
                x = self.branches[BRANCHES.index(index)](x, self.transformer)
            x = block(x)
        return self.decoder(x)
