"""One spelling for texts that are compared as words: conditions of rights. For adapters."""

import re

_PIECE = re.compile(r"""("[^"]*"|'[^']*')|\s+""")
_ESCAPED = re.compile(r"""\\|\"{3}|'{3}""")


def one_line(expression: str) -> str:
    """`expression` without line breaks and indents; inside of quotes nothing is touched.

    Where quotes are escaped, it cannot be told where they end, and a comment ends with its line (CEL specification,
    "Syntax"): the text is left as it is.
    """
    bare = _PIECE.sub(" ", expression)
    if _ESCAPED.search(expression) or "//" in bare:
        return expression
    return _PIECE.sub(lambda found: found[1] or " ", expression.strip())
