"""The UNet as MAF-Net (arXiv 2203.04586) uses it behind every synthesis."""

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.contract import Batch, Segmentor
from methods.layers.unet import segmentation_unet


class UNetSegmentor(Segmentor):
    def build(self) -> None:
        self.unet = segmentation_unet(self.channels, self.params.width)
        self.optimizer = torch.optim.Adam(self.unet.parameters(), lr=self.params.learning_rate)

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        loss = F.cross_entropy(self.unet(batch.inputs), batch.labels)
        self.update(loss, self.optimizer)
        return {"cross_entropy": loss}

    def segment(self, inputs: Tensor) -> Tensor:
        return self.unet(inputs)
