"""Blocks of a PEM text (RFC 7468), in linear time.

A regular expression over beginning and end looks from every beginning without an end through all of the rest: one
megabyte of beginnings would hold a process for minutes.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

_BEGIN = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})(?=-----)")
_END = re.compile(rb"-----END ([A-Z0-9 ]{1,40})(?=-----)")
_DASHES = 5


class Block(NamedTuple):
    """One block.

    Attributes:
        label: ``CERTIFICATE``, ``PRIVATE KEY`` …
        body: what stands between the two lines.
        whole: with both lines.
    """

    label: bytes
    body: bytes
    whole: bytes


def blocks(content: bytes, label: bytes = b"") -> Iterator[Block]:
    """Every complete block of `content`, in order; a beginning without its own end is none.

    Args:
        content: the text.
        label: only blocks of this label, wherever they stand; "" = all that do not stand in another one.
    """
    ends: dict[bytes, list[int]] = {}
    for end in _END.finditer(content):
        ends.setdefault(end[1], []).append(end.start())
    free = 0
    for begin in _BEGIN.finditer(content):
        body = begin.end() + _DASHES
        own = ends.get(begin[1], ()) if label in (b"", begin[1]) else ()
        place = bisect_left(own, body)
        if begin.start() < free or place == len(own):
            continue
        free = own[place] + len("-----END ") + len(begin[1]) + _DASHES
        yield Block(begin[1], content[body : own[place]], content[begin.start() : free])
