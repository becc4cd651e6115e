"""Replicates: the repetitions of a training over which tables average.

A benchmark has `seeds`, and its split has `folds` and `repeats`; each combination of a seed, a
repeat and a fold is one replicate, with trainings, predictions and scores of its own.
"""

import re
from dataclasses import dataclass
from typing import Self

COLUMNS = (
    "seed",
    "repeat",
    "fold",
)  # of tables; repeat and fold are 0 where the benchmark has none


@dataclass(frozen=True, order=True)
class Place:
    """Which division of the patients into train, val and test: one repeat of the split, one fold.

    Attributes
    ----------
    repeat : 0 is the division by the split's own seed.
    fold : None where the benchmark has no folds.

    `str` is "" of a benchmark's only division, else e.g. `fold2`.
    """

    repeat: int = 0
    fold: int | None = None

    def __str__(self) -> str:
        return self.suffix.removeprefix("-")

    @property
    def suffix(self) -> str:
        """Return what names of files end in: "" or `-fold2`."""
        repeat = f"-repeat{self.repeat}" if self.repeat else ""
        return repeat if self.fold is None else f"{repeat}-fold{self.fold}"

    @property
    def title(self) -> str:
        """Return it for readers: "", or "repeat 1, fold 2"."""
        parts = [f"repeat {self.repeat}"] if self.repeat else []
        parts += [] if self.fold is None else [f"fold {self.fold}"]
        return ", ".join(parts)

    @property
    def arguments(self) -> str:
        """Return the command-line arguments that name it."""
        repeat = f" --repeat {self.repeat}" if self.repeat else ""
        return repeat if self.fold is None else f"{repeat} --fold {self.fold}"


@dataclass(frozen=True, order=True)
class Replicate:
    """A training's seed, and the division of the patients that it learns and is scored on.

    `str` gives the name of its folders: `seed0`, or `seed0-repeat1-fold2`.
    """

    seed: int
    place: Place = Place()

    def __str__(self) -> str:
        return f"seed{self.seed}{self.place.suffix}"

    @property
    def title(self) -> str:
        """Return it for readers: "seed 0", or "seed 0, fold 2"."""
        return ", ".join(filter(None, (f"seed {self.seed}", self.place.title)))

    @property
    def arguments(self) -> str:
        """Return the command-line arguments that name it."""
        return f"--seed {self.seed}{self.place.arguments}"

    @property
    def numbers(self) -> dict[str, int]:
        """Return its columns in tables; the fold is 0 where there are none."""
        return {"seed": self.seed, "repeat": self.place.repeat, "fold": self.place.fold or 0}

    @classmethod
    def parse(cls, name: str) -> Self:
        """Return the replicate of a folder's name."""
        numbers = {key: int(n) for key, n in re.findall(r"(seed|repeat|fold)(\d+)", name)}
        return cls(numbers["seed"], Place(numbers.get("repeat", 0), numbers.get("fold")))
