"""The history of generated images that CycleGAN's discriminators learn from (Shrivastava 2017)."""

import torch
from torch import Tensor


class HistoryPool:
    """Up to `size` images; once full, it trades in half of the cases one of them for a new one.

    Attributes
    ----------
    images : what it holds, each (C, H, W). None of them is ever changed in place.
    """

    def __init__(self, size: int):
        self.size = size
        self.images: list[Tensor] = []

    def exchange(self, images: Tensor) -> Tensor:
        """(B, C, H, W) generated images -> as many, new or kept, without gradient."""
        images = images.detach()
        return torch.stack([self._exchange_one(image) for image in images]) if self.size else images

    def _exchange_one(self, image: Tensor) -> Tensor:
        # Cloned, for a slice would keep its whole batch alive, and drag it into the checkpoint.
        if len(self.images) < self.size:
            self.images.append(image.clone())
            return image
        place = draw_place(self.size)
        if place is None:
            return image
        # Images from a checkpoint lie on the CPU, and have the precision that it was made in.
        kept = self.images[place].to(image)
        self.images[place] = image.clone()
        return kept


def draw_place(size: int) -> int | None:
    """Which of `size` images to give in return: none in half of the cases, else any of them.

    From torch's generator on the CPU, which the suite seeds, so that no device has to wait.
    """
    if torch.rand(()).item() <= 0.5:
        return None
    return int(torch.randint(size, ()).item())
