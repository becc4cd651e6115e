"""Learning-rate schedules, as functions of a model's `progress`."""

from torch.optim import Optimizer


def decay_linearly(optimizer: Optimizer, rate: float, progress: float, start: float = 0.5) -> None:
    """Set the learning rate: `rate` until `start`, then in a straight line to 0 at the end.

    The schedule of CycleGAN (100 + 100 epochs), CUT (200 + 200) and DRIT++ (600 + 600). Their codes
    step it once an epoch; here every step does, since a budget may be of few epochs.

    Parameters
    ----------
    progress : the share of the training that is done, in [0, 1).
    """
    for group in optimizer.param_groups:
        group["lr"] = rate * min(1.0, (1 - progress) / (1 - start))
