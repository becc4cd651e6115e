"""A floor: a channel that holds nothing."""

import torch
from torch import Tensor

from methods.contract import Control


class EmptyChannel(Control):
    def synthesize(self, inputs: Tensor) -> Tensor:
        return torch.full_like(inputs[:, :1], -1)
