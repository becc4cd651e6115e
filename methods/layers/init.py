"""Weight initialisation as the official GAN codes do it."""

from collections.abc import Callable

from torch import Tensor, nn


def initialise(network: nn.Module, draw: Callable[[Tensor], Tensor]) -> nn.Module:
    """Fill every convolution's and linear layer's weight with `draw`, every bias with 0.

    Parameters
    ----------
    network : the module whose layers are filled in place.
    draw : fills one weight in place, e.g. `xavier` below.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            draw(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return network


def xavier(weight: Tensor) -> Tensor:
    """CUT's choice: Xavier normal with gain 0.02."""
    return nn.init.xavier_normal_(weight, gain=0.02)


def normal(weight: Tensor) -> Tensor:
    """CycleGAN's and pix2pix's choice: N(0, 0.02^2)."""
    return nn.init.normal_(weight, std=0.02)
