"""Names under which both paths mean different values: account, region, mount, bucket.

A value is replaced only where it stands alone between separators: ``secret`` in ``secret/data/my-secret`` is the mount,
not a part of the name, because replacing too much would make different resources equal.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

_OPEN, _CLOSE = "\ue000", "\ue001"
_BEFORE, _AFTER = r"""(?<![^:/=,"'| *?])""", r"""(?![^:/=,"'| *?])"""


Place = Callable[[str], str]
"""Puts names for values in a text."""


class Names(NamedTuple):
    """How texts of both sides are made comparable.

    Attributes:
        primary: puts names for the primary's values.
        backup: puts names for the backup's values.
        values: the primary's and the backup's value of each name.
    """

    primary: Place
    backup: Place
    values: tuple[Mapping[str, str], Mapping[str, str]]

    def across(self, text: str, *, backup: bool) -> str:
        """`text` of one side as the other one would write it."""
        place, values = (self.backup, self.values[0]) if backup else (self.primary, self.values[1])
        named = place(text)
        for name, value in values.items():
            named = named.replace(f"{_OPEN}{name}{_CLOSE}", value)
        return named


@lru_cache(maxsize=64)
def names_of(primary: tuple[tuple[str, str], ...], backup: tuple[tuple[str, str], ...]) -> Names:
    """The names that both sides have a value for."""
    here, there = dict(primary), dict(backup)
    common = sorted(here.keys() & there.keys())
    p, b = {name: here[name] for name in common}, {name: there[name] for name in common}
    return Names(_placing(p), _placing(b), (p, b))


def _placing(values: Mapping[str, str]) -> Place:
    named = {value: f"{_OPEN}{name}{_CLOSE}" for name, value in sorted(values.items(), reverse=True) if value}
    if not named:
        return str
    pattern = re.compile(_BEFORE + _alternatives(list(named)) + _AFTER)
    return lambda text: pattern.sub(lambda found: named[found.group()], text)


def _alternatives(values: Sequence[str]) -> str:
    longest = sorted(values, key=lambda value: (-len(value), value))
    return f"(?:{'|'.join(map(re.escape, longest))})"
