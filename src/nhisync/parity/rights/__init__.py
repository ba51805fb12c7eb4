"""Authorization parity: what two identities may do, compared by meaning in both directions (pure; ADR 32).

`document` is how rights travel in a row, `patterns` decides which texts a set of wildcards tells apart, `effect` what
the statements say of one request, `diff` puts the two sides side by side.
"""

from nhisync.parity.rights.diff import Changed, Difference, Lacking, compare
from nhisync.parity.rights.document import Rights, UnreadableRightsError, parse, render, unread
from nhisync.parity.rights.patterns import TooManyError

__all__ = [
    "Changed",
    "Difference",
    "Lacking",
    "Rights",
    "TooManyError",
    "UnreadableRightsError",
    "compare",
    "parse",
    "render",
    "unread",
]
