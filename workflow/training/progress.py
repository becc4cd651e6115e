"""Progress of a training: a live line on a terminal, one line per epoch in a log."""

import sys
import time
from typing import TextIO


class Progress:
    """Reports `epochs` of `steps` each, of which `done` epochs ended before this process."""

    def __init__(self, name: str, epochs: int, steps: int, done: int, out: TextIO = sys.stderr):
        self.name, self.epochs, self.steps, self.out = name, epochs, steps, out
        self.live = out.isatty()
        self.began = time.monotonic()
        self.skipped = done * steps

    def step(self, epoch: int, step: int, losses: dict[str, float]) -> None:
        """Report step `step` (from 1) of epoch `epoch` (from 0), on a terminal only."""
        if self.live:
            self._write(f"\r\x1b[K{self._line(epoch, step, losses)}")

    def epoch(self, epoch: int, losses: dict[str, float]) -> None:
        """Report epoch `epoch` (from 0), with the means of its losses."""
        start = "\r\x1b[K" if self.live else ""
        self._write(f"{start}{self._line(epoch, self.steps, losses)}\n")

    def earlier(self, history: list[dict[str, float]]) -> None:
        """Report the epochs of an earlier process, whose log Snakemake has deleted."""
        for epoch in history:
            losses = {name: value for name, value in epoch.items() if name != "epoch"}
            self.say(f"epoch {epoch['epoch']}/{self.epochs} (earlier)  {_shown(losses)}")

    def say(self, text: str) -> None:
        self._write(f"{self.name}: {text}\n")

    def _write(self, text: str) -> None:
        self.out.write(text)
        self.out.flush()

    def _line(self, epoch: int, step: int, losses: dict[str, float]) -> str:
        done = epoch * self.steps + step
        per_step = (time.monotonic() - self.began) / (done - self.skipped)
        minutes, seconds = divmod(round(per_step * (self.epochs * self.steps - done)), 60)
        left = f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
        place = f"epoch {epoch + 1}/{self.epochs}  step {step}/{self.steps}"
        return f"{self.name}: {place}  {_shown(losses)}  left {left}"


def _shown(losses: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
