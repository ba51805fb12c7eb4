"""Authorization parity: what two identities may do, compared by meaning in both directions (pure; ADR 32).

`document` is how rights travel in a row, `patterns` decides which texts a set of wildcards tells apart, `effect` what
the statements say of one request, `diff` puts the two sides side by side, `opinion` confronts the documents with what
the services say.
"""

from nhisync.parity.rights.diff import Changed, Difference, Lacking, compare
from nhisync.parity.rights.document import Opinion, Rights, UnreadableRightsError, parse, render, told, unread
from nhisync.parity.rights.opinion import Confronted, Contradiction, confront, decided, questions
from nhisync.parity.rights.patterns import TooManyError

__all__ = [
    "Changed",
    "Confronted",
    "Contradiction",
    "Difference",
    "Lacking",
    "Opinion",
    "Rights",
    "TooManyError",
    "UnreadableRightsError",
    "compare",
    "confront",
    "decided",
    "parse",
    "questions",
    "render",
    "told",
    "unread",
]
