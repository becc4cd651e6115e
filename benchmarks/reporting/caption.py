"""The caption of a figure, which is printed from files beside it."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.reporting.latex import escape

_LETTERS = 100  # the most on a line of Markdown


@dataclass(frozen=True)
class Caption:
    """What is printed below a figure.

    Attributes
    ----------
    title : what the figure is about, with the cohort; without a full stop.
    notes : sentences; empty ones are left out.
    simulated : whether the patients are simulated.
    """

    title: str
    notes: Sequence[str] = ()
    simulated: bool = False

    @property
    def text(self) -> str:
        """The notes as one paragraph."""
        return " ".join(filter(None, self.notes))

    def opening_with(self, *notes: str) -> "Caption":
        """Return the caption with further notes before its own."""
        return replace(self, notes=(*notes, *self.notes))

    def markdown(self) -> str:
        """Return one paragraph, the title in bold."""
        return _filled(f"**{self.title}.** {self.text}")

    def latex(self, name: str) -> str:
        r"""Return a \caption and the label `fig:<name>`, to be \input in a figure."""
        title, text = escape(self.title), escape(self.text)
        return _filled(f"\\caption{{\\textbf{{{title}.}} {text}}}") + f"\\label{{fig:{name}}}\n"


def _filled(text: str) -> str:
    lines = textwrap.wrap(text, _LETTERS, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines) + "\n"
