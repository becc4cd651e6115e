"""A residual U-Net that regresses T1ce under an L1 loss, as nnUNet_translation does."""

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.contract import Batch, Synthesizer
from methods.layers.residual_unet import ResidualUNet
from methods.layers.schedule import decay_linearly


class UNetL1(Synthesizer):
    def build(self) -> None:
        p = self.params
        self.unet = ResidualUNet(
            self.channels, 1, p.width, p.halvings, p.most_blocks, upsampling="bilinear"
        )
        self.optimizer = torch.optim.Adam(self.unet.parameters(), lr=p.learning_rate)

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        decay_linearly(self.optimizer, self.params.learning_rate, self.progress)
        (t1ce,) = self.unet(batch.inputs)
        # Not clamped: beyond [-1, 1] there would be no gradient.
        loss = F.l1_loss(t1ce.float(), batch.t1ce)
        self.update(loss, self.optimizer)
        return {"L1": loss}

    def synthesize(self, inputs: Tensor) -> Tensor:
        (t1ce,) = self.unet(inputs)
        return t1ce.clamp(-1, 1)
