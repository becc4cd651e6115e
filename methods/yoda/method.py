"""YODA (Rassmann et al. 2026): conditional diffusion, sampled in one step or in several."""

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.contract import Batch, Synthesizer
from methods.errors import MethodError
from methods.layers.ema import AveragedNetwork
from methods.yoda.diffusion import TIMES, Diffusion
from methods.yoda.networks import DenoisingUNet


class YODA(Synthesizer):
    """The U-Net sees a noisy T1ce, its modalities and the time, and predicts the velocity."""

    def build(self) -> None:
        p = self.params
        if p.width % 4:
            raise MethodError(
                f"methods/yoda: `width` is {p.width}; write a multiple of 4, the channels of each "
                "norm's group."
            )
        if p.steps > TIMES:
            raise MethodError(
                f"methods/yoda: `steps` is {p.steps}; write at most {TIMES}, the times trained on."
            )
        self.unet = DenoisingUNet(1 + self.channels, 1, p.width, p.attention_levels)
        self.averaged = AveragedNetwork(self.unet, p.ema_decay, p.ema_start)
        self.diffusion = Diffusion(p.noise_side)
        self.optimizer = torch.optim.Adam(self.unet.parameters(), p.learning_rate)

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        noise, times = self.diffusion.draw(batch.t1ce)
        noisy, velocity = self.diffusion.mix(batch.t1ce, noise, times)
        predicted = self.unet(torch.cat([noisy, batch.inputs], dim=1), times)
        loss = F.mse_loss(predicted.float(), velocity)
        self.update(loss, self.optimizer)
        self.averaged.update(self.unet)
        return {"velocity": loss}

    def synthesize(self, inputs: Tensor) -> Tensor:
        """Follow DDIM's path from the noise image to T1ce, with the averaged weights."""

        def velocity(noisy: Tensor, times: Tensor) -> Tensor:
            return self.averaged(torch.cat([noisy, inputs], dim=1), times)

        return self.diffusion.sample(velocity, self.diffusion.start(inputs), self.params.steps)
