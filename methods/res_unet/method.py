"""nnU-Net's residual encoder U-Net with its training (Isensee et al. 2021 and 2024), in 2-D."""

import torch
import torch.nn.functional as F
from torch import Tensor

from methods.contract import CLASSES, Batch, Segmentor
from methods.layers.residual_unet import ResidualUNet
from methods.res_unet.augmentation import augment

SMOOTH = 1e-5  # of the soft Dice


class ResEncUNet(Segmentor):
    """Every size of the decoder but the smallest has its own output, and all are trained."""

    def build(self) -> None:
        p = self.params
        heads = max(1, p.halvings - 1)
        self.unet = ResidualUNet(
            self.channels, CLASSES, p.width, p.halvings, p.most_blocks, heads=heads
        )
        self.optimizer = torch.optim.SGD(
            self.unet.parameters(),
            p.learning_rate,
            p.momentum,
            weight_decay=p.weight_decay,
            nesterov=True,
        )

    def train_step(self, batch: Batch) -> dict[str, Tensor]:
        p = self.params
        for group in self.optimizer.param_groups:
            group["lr"] = p.learning_rate * (1 - self.progress) ** 0.9

        images, labels = batch.inputs, batch.labels
        if p.augmentation:
            images, labels = augment(images, labels)
        outputs = self.unet(images)
        wanted = [resize(labels, logits.shape[2:]) for logits in outputs]
        judged = list(zip(output_weights(len(outputs)), outputs, wanted, strict=True))
        dice = sum(w * dice_loss(logits, y, p.batch_dice) for w, logits, y in judged)
        cross_entropy = sum(w * F.cross_entropy(logits.float(), y) for w, logits, y in judged)
        self.update(dice + cross_entropy, self.optimizer, clip=p.gradient_norm)
        return {"dice": dice, "cross_entropy": cross_entropy}

    def segment(self, inputs: Tensor) -> Tensor:
        return self.unet(inputs)[0]


def output_weights(count: int) -> list[float]:
    """Weights of the outputs, the largest first: each half of the one before; their sum is 1."""
    halves = [0.5**level for level in range(count)]
    return [weight / sum(halves) for weight in halves]


def resize(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Labels (B, H, W) at another size, each of the nearest pixel."""
    return F.interpolate(labels[:, None].float(), size, mode="nearest-exact")[:, 0].long()


def dice_loss(logits: Tensor, labels: Tensor, of_batch: bool = True) -> Tensor:
    """1 - soft Dice, mean over the classes but the background.

    Parameters
    ----------
    logits : (B, C, H, W). labels : (B, H, W).
    of_batch : one Dice for all slices together, not the mean of one per slice.
    """
    predicted = logits.float().softmax(dim=1)[:, 1:]
    wanted = F.one_hot(labels, logits.shape[1]).movedim(-1, 1)[:, 1:].float()
    axes = (0, 2, 3) if of_batch else (2, 3)
    overlap, total = (predicted * wanted).sum(axes), predicted.sum(axes) + wanted.sum(axes)
    return 1 - ((2 * overlap + SMOOTH) / (total + SMOOTH)).mean()
