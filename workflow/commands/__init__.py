"""One thin module per command of `python -m workflow`, each with a function `run`."""
