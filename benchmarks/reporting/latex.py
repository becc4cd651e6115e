"""Plain text as LaTeX."""

_LETTERS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "…": r"\dots{}",
    "∞": r"$\infty$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}


def escape(text: str) -> str:
    """Return text on one line, in the letters of LaTeX."""
    # LaTeX stops at a letter that its font lacks, and a failure's reason may hold any.
    latin = (one if ord(one) < 0x250 or one in _LETTERS else "?" for one in one_line(text))
    return "".join(_LETTERS.get(one, one) for one in latin)


def one_line(text: str) -> str:
    return " ".join(text.split())
