"""Zhou et al. (MICCAI 2020; TIP 2021): segmentation by features that are estimated by each other.

There is no official code. What the papers do not say is listed in `method.yaml`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.contract import CLASSES, Batch, Segmentor
from methods.errors import MethodError
from methods.latent_correlation.networks import Network


class LatentCorrelation(Segmentor):
    """It segments from four modalities. Where T1ce is missing, T1 takes its place."""

    def build(self) -> None:
        if self.channels != 3:
            raise MethodError(
                "latent_correlation cannot be the segmentor behind a synthesis: it takes T1, T2 "
                f"and FLAIR and puts T1 in the place of T1ce, but got {self.channels} channels. "
                "Set `results.segmentor` to another method, such as unet."
            )
        p = self.params
        self.network = Network(p.width, p.levels, CLASSES)
        self.optimizer = torch.optim.Adam(self.network.parameters(), p.learning_rate)

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        p = self.params
        for group in self.optimizer.param_groups:
            # Halved every 10 of 50 epochs.
            group["lr"] = p.learning_rate * 0.5 ** int(5 * self.progress)
        t1 = batch.inputs[:, :1]
        dropped = torch.rand(len(t1), 1, 1, 1, device=t1.device) < p.dropped
        t1ce = torch.where(dropped, t1, batch.t1ce)
        logits, features, estimates = self._forward(batch.inputs, t1ce)
        dice = dice_loss(logits, batch.labels)
        l1 = torch.stack(
            [F.l1_loss(e.float(), f.float()) for e, f in zip(estimates, features, strict=True)]
        ).mean()
        self.update(dice + l1, self.optimizer)
        return {"Dice": dice, "L1": l1}

    def segment(self, inputs: Tensor) -> Tensor:
        return self._forward(inputs, inputs[:, :1])[0]

    def _forward(self, inputs: Tensor, t1ce: Tensor) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        smallest, rests = divmod(inputs.shape[-1], 2 ** (self.params.levels - 1))
        if rests or smallest < 2:
            raise MethodError(
                f"latent_correlation cannot halve slices of {inputs.shape[-1]} px "
                f"{self.params.levels - 1} times and keep 2 px. Set a smaller "
                "`results.params.latent_correlation.levels`."
            )
        return self.network(torch.cat([inputs, t1ce], dim=1))


def dice_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return 1 less the mean soft Dice of the four classes (Milletari et al. 2016, with squares).

    Parameters
    ----------
    logits : (B, 4, H, W).
    labels : (B, H, W), 0..3.
    """
    # Over the whole batch, and with the background: without it, all of it may end in the class that
    # is most difficult to find.
    probabilities = logits.float().softmax(dim=1)
    truth = F.one_hot(labels, CLASSES).movedim(-1, 1)
    axes = (0, 2, 3)
    both = (probabilities * truth).sum(axes)
    sizes = probabilities.square().sum(axes) + truth.sum(axes)
    # With 1 in both, a class that is neither present nor predicted has Dice 1.
    return 1 - ((2 * both + 1) / (sizes + 1)).mean()
