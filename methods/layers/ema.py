"""Weights that no optimizer trains: an average over the training, or another network's.

The suite asks for a gradient for every parameter of a model. Such weights are buffers: they get no
gradient, but are moved and saved as parameters are.
"""

import copy

import torch
from torch import Tensor, nn


def with_buffers(network: nn.Module) -> nn.Module:
    """Copy a network, with buffers for parameters; names and values stay.

    For a fixed network, such as the VGG of a perceptual loss, this copy is all that is needed:
    gradients pass through it to its input.
    """
    fixed = copy.deepcopy(network)
    for module in fixed.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            delattr(module, name)
            module.register_buffer(name, parameter.detach())
    return fixed


class AveragedNetwork(nn.Module):
    """A network under the exponential moving average of another one's weights.

    The decay grows from 0 to its full value, as in ema-pytorch 0.8: at the n-th update after
    `start` it is 1 - (1 + n)^(-2/3). Until `start` the weights are the network's own.

    Parameters
    ----------
    network : whose weights are averaged, its floating-point buffers included; others are copied.
    decay : the share of the average that an update keeps, at most.
    start : the number of updates before the average begins.
    """

    def __init__(self, network: nn.Module, decay: float = 0.999, start: int = 0):
        super().__init__()
        self.decay, self.start = decay, start
        self.network = with_buffers(network)
        self.register_buffer("updates", torch.tensor(0))

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.network(*inputs)

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average towards the weights of `network`; call it after each update of them."""
        # The count stays on the device, since reading it would make a GPU wait.
        age = (self.updates - self.start).clamp(min=0)
        decay = (1 - (1 + age) ** (-2 / 3)).clamp(max=self.decay)
        current = network.state_dict()
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                average.lerp_(current[name], (1 - decay).to(average.dtype))
            else:
                average.copy_(current[name])
        self.updates += 1
