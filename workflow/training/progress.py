"""What a training says while it runs: a live line on a terminal, a quiet line an epoch in a log."""

import sys
import time
from typing import TextIO


class Progress:
    """Reports steps and epochs of one training.

    Parameters
    ----------
    name : what the lines begin with.
    epochs, steps : the whole of it.
    done : epochs finished before this process began.
    """

    def __init__(self, name: str, epochs: int, steps: int, done: int, out: TextIO = sys.stderr):
        self.name, self.epochs, self.steps, self.out = name, epochs, steps, out
        self.live = out.isatty()
        self.began = time.monotonic()
        self.skipped = done * steps

    def step(self, epoch: int, step: int, losses: dict[str, float]) -> None:
        """After step `step` (from 1) of epoch `epoch` (from 0), on a terminal only."""
        if self.live:
            self.out.write(f"\r\x1b[K{self._line(epoch, step, losses)}")
            self.out.flush()

    def epoch(self, epoch: int, losses: dict[str, float]) -> None:
        """After epoch `epoch`, with the means of its losses."""
        start = "\r\x1b[K" if self.live else ""
        self.out.write(f"{start}{self._line(epoch, self.steps, losses)}\n")
        self.out.flush()

    def say(self, text: str) -> None:
        self.out.write(f"{self.name}: {text}\n")
        self.out.flush()

    def _line(self, epoch: int, step: int, losses: dict[str, float]) -> str:
        shown = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        return (
            f"{self.name}: epoch {epoch + 1}/{self.epochs}  step {step}/{self.steps}  {shown}  "
            f"left {self._left(epoch * self.steps + step)}"
        )

    def _left(self, done: int) -> str:
        here = done - self.skipped
        seconds = (time.monotonic() - self.began) / here * (self.epochs * self.steps - done)
        minutes, seconds = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        return f"{hours}:{minutes:02}:{seconds:02}"
