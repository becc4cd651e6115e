"""What all forms of a table print alike. It imports nothing, so that a terminal has it at once."""

ARROWS = {"higher": "↑", "lower": "↓", "": ""}  # which way is better
PUBLISHED, INTERVAL = "(published)", "(95 % interval)"  # what the line below a row's own has
