"""What the tables are told of each run. It imports nothing, for a training process imports it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class System:
    """Something that was, or should have been, scored."""

    id: str
    label: str
    role: Literal["floor", "oracle", "entry"]
    failure: str = ""
    """Why it has no scores, or not all of them."""
    tasks: tuple[str, ...] = ()
    """Whose tables list it even where it has no score; none given: every task's, if it failed."""


@dataclass(frozen=True)
class Training:
    """What a run is, as far as its cost goes.

    Attributes
    ----------
    continues : the system whose weights it starts from; what that took belongs to its cost.
    trained : whether there is anything to train.
    """

    system: str
    kind: Literal["synthesis", "joint", "segmentation", "control"]
    continues: str | None = None
    trained: bool = True

    @property
    def block(self) -> str:
        return "segmentors" if self.kind == "segmentation" else "generators"
