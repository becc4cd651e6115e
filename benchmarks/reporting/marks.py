"""What all forms of a table print alike. It imports little, so that a terminal has it at once."""

import re
import textwrap

ARROWS = {"higher": "↑", "lower": "↓", "": ""}  # which way is better
PUBLISHED, INTERVAL = "(published)", "(95 % interval)"  # what the line below a row's own has

# An arrow stays with its word, and "n" with its number.
_KEPT = re.compile(r" (?=[↑↓]$)|(?<=\bn) (?== \d)|(?<=\bn =) (?=\d)")


def wrapped(head: str, width: int) -> list[str]:
    """Return the lines of a head, not wider than the cells below it unless a word is."""
    kept = _KEPT.sub("\xa0", head)
    longest = max(map(len, kept.split(" ")))
    return [line.replace("\xa0", " ") for line in textwrap.wrap(kept, max(width, longest, 1))]
