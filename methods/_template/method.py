"""TITLE: a UNet that regresses T1ce, slice by slice, under an L1 loss."""

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.contract import Batch, Synthesizer
from methods.layers.unet import UNet


class Template(Synthesizer):
    def build(self) -> None:
        self.unet = UNet(self.channels, classes=1, width=self.params.width)
        self.optimizer = torch.optim.Adam(self.unet.parameters(), lr=self.params.learning_rate)

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        loss = F.l1_loss(self.synthesize(batch.inputs).float(), batch.t1ce)
        self.update(loss, self.optimizer)
        return {"L1": loss}

    def synthesize(self, inputs: Tensor) -> Tensor:
        return self.unet(inputs).tanh()
