"""Text that may hold anything, as a terminal is given it: no character in it commands one."""

from __future__ import annotations

KEPT = "\n\t"


def printable(text: object) -> str:
    """A text with its lines, and every character escaped that is no other's to see.

    Examples
    --------
    >>> print(printable("red\\x1b[31m, and\\nthe next line"))
    red\\x1b[31m, and
    the next line
    """
    return "".join(c if c.isprintable() or c in KEPT else repr(c)[1:-1] for c in str(text))


def one_line(text: object) -> str:
    """The same on one line.

    Examples
    --------
    >>> one_line("two\\nlines")
    'two\\\\nlines'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))
