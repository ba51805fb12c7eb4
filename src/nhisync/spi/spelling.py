"""One spelling for texts that are compared as words: conditions of rights. For adapters."""

import re

_PIECE = re.compile(r"""("[^"]*"|'[^']*')|\s+""")
_ESCAPED = re.compile(r"""\\|\"{3}|'{3}""")


def one_line(expression: str) -> str:
    """`expression` without line breaks and indents; inside of quotes nothing is touched.

    Where quotes are escaped, it cannot be told where they end: the text is left as it is.
    """
    if _ESCAPED.search(expression):
        return expression
    return _PIECE.sub(lambda found: found[1] or " ", expression.strip())
