"""A training's curves for TensorBoard: losses, validation Dice and learning rates by epoch."""

import shutil
from collections.abc import Callable
from pathlib import Path

from methods.contract import Model
from workflow.training.checkpoint import History


class Events:
    """Writes event files into a folder; does nothing if that is None, or without the package.

    Parameters
    ----------
    history : the epochs that ended before this process. A new folder gets their points too. If
        there are none, the files of an earlier training are deleted.
    say : reports that the package `tensorboard` cannot be imported.
    """

    def __init__(self, folder: Path | None, history: History, say: Callable[[str], None]):
        self._writer = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter  # takes seconds
        except ImportError as error:
            say(
                f"no curves for `speed.tensorboard`, since the package tensorboard cannot be "
                f"imported ({error}). Install it: python -m pip install tensorboard"
            )
            return
        if not history:
            shutil.rmtree(folder, ignore_errors=True)
        earlier = [] if folder.exists() else history
        # A killed process may have written the point of an epoch that is now trained again.
        self._writer = SummaryWriter(str(folder), purge_step=len(history) + 1)
        for epoch in earlier:
            self._add(epoch)

    def epoch(self, losses: dict[str, float], model: Model) -> None:
        """Write the points of an epoch that has ended, given its entry in the history."""
        if self._writer is None:
            return
        self._add(losses)
        for name, optimizer in model.optimizers.items():
            rate = optimizer.param_groups[0]["lr"]
            self._writer.add_scalar(f"learning_rate/{name}", rate, losses["epoch"])
        self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()

    def _add(self, losses: dict[str, float]) -> None:
        for name, value in losses.items():
            if name != "epoch":
                tag = "validation/dice" if name == "val_dice" else f"loss/{name}"
                self._writer.add_scalar(tag, value, losses["epoch"])
