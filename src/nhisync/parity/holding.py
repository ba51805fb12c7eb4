"""Which generation of a credential its consumers have loaded, and which old ones nobody needs any more. Pure.

The store may be current while a running workload still holds the old key. A generation is the version id that the
store's item shows; `Tenure` says since when one was seen as the current one, `Holding` what a consumer was last seen
with. A consumer loads only what is current, so that what it was seen with bounds what it may hold now. The text is
written by the use case that looks and read by the rules; what cannot be decoded proves nothing.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from nhisync.parity.row import Row
from nhisync.parity.rule import FUTURE_TOLERANCE
from nhisync.parity.text import when

HISTORY: Final = 32
"""Most generations that are kept; one that a consumer holds longer than that is not known any more, so unknown."""

_KEPT = 8


class Tenure(NamedTuple):
    """One generation while it was the current one.

    Attributes:
        version: the provider's id.
        since: epoch seconds at which it was first seen as the current one; it ends with the next one's.
    """

    version: str
    since: int


class Holding(NamedTuple):
    """What one consumer was last seen with.

    Attributes:
        name: the consumer.
        at: epoch seconds at which somebody looked; 0 = nobody ever did.
        version: the generation, "" = none that the store ever showed as current: its own words are not kept.
        told: who says so, for a person.
        by: digest of the probe that looked, "" = somebody attested it.
        trouble: why the last look brought nothing, or "".
    """

    name: str
    at: int = 0
    version: str = ""
    told: str = ""
    by: str = ""
    trouble: str = ""


class Held(NamedTuple):
    """What a row carries.

    Attributes:
        tenures: generations in the order in which they became current; the last one is current.
        holdings: one per consumer that the configuration names.
    """

    tenures: tuple[Tenure, ...] = ()
    holdings: tuple[Holding, ...] = ()

    @property
    def versions(self) -> frozenset[str]:
        """Every generation that was ever seen as the current one."""
        return frozenset(tenure.version for tenure in self.tenures)

    def of(self, name: str) -> Holding:
        """What is known of the consumer `name`."""
        return next((one for one in self.holdings if one.name == name), Holding(name))


class Retirable(NamedTuple):
    """The answer to "may an old generation be retired?".

    Attributes:
        versions: generations that no consumer holds any more, sorted; never the current one.
        held: why others may not be retired, one sentence for each reason.
    """

    versions: tuple[str, ...]
    held: tuple[str, ...] = ()


def succeeded(tenures: Sequence[Tenure], version: str | None, seen: int) -> tuple[Tenure, ...]:
    """`tenures` after `version` was seen as the current generation at `seen` (epoch seconds)."""
    if version is None or (tenures and tenures[-1].version == version):
        return tuple(tenures)
    since = max(seen, tenures[-1].since) if tenures else seen
    return (*tenures, Tenure(version, since))[-HISTORY:]


def moved_on(held: Held, holding: Holding) -> bool:
    """Whether another generation than the one it was seen with came, and may have been loaded, and went again since."""
    return any(one.since > holding.at and one.version != holding.version for one in held.tenures[:-1])


def doubt(held: Held, holding: Holding, passed: Callable[[int], bool], now: int, max_age: int) -> str:
    """Why it is not known what a consumer holds; "" when it is.

    Args:
        held: what the row carries.
        holding: what the consumer was last seen with.
        passed: whether an instant (epoch seconds) is over.
        now: epoch seconds.
        max_age: seconds for which a look is believed.
    """
    if not holding.at:
        return holding.trouble or "nobody has looked"
    if holding.at > now + FUTURE_TOLERANCE:
        passed(holding.at - FUTURE_TOLERANCE)
        return f"seen in the future, {when(holding.at)}: compare the clocks"
    later = f"; since then: {holding.trouble}" if holding.trouble else ""
    if passed(holding.at + max_age):
        return f"last seen {when(holding.at)}{later}"
    if holding.version not in held.versions:
        return f"seen {when(holding.at)} with a generation that the store never showed as current"
    return ""


def retirable(held: Held, named: Sequence[str] | None, current: str | None, *, now: int, max_age: int) -> Retirable:
    """The generations that no consumer still holds: the gate before anything old is retired.

    A generation is free when every consumer was seen, recently enough, with another one, after it had stopped being
    the current one: before, the consumer might have loaded it since. Where anything is not known, nothing is free.

    Args:
        held: what the row carries.
        named: every consumer of this side; empty = there is none, None = nobody says who uses it.
        current: the generation that the store shows now.
        now: epoch seconds.
        max_age: seconds for which a look is believed.
    """
    if named is None:
        return Retirable((), ("nobody says who uses it",))
    if current is None or not held.tenures or held.tenures[-1].version != current:
        return Retirable((), ("the current generation was not looked at",))
    free, reasons = set(held.versions) - {current}, list[str]()
    for name in named:
        holding = held.of(name)
        why = doubt(held, holding, lambda instant: instant <= now, now, max_age)
        kept = held.versions if why else _kept(held, holding)
        if why or kept & free:
            reasons.append(f"{name}: {why}" if why else f"{name} may hold {', '.join(sorted(kept & free))}")
        free -= kept
    return Retirable(tuple(sorted(free)), tuple(reasons))


def _kept(held: Held, holding: Holding) -> frozenset[str]:
    """What a consumer may hold: what it was seen with, and all that was current at any time since."""
    ends = (*(tenure.since + FUTURE_TOLERANCE for tenure in held.tenures[1:]), None)
    since = (one.version for one, end in zip(held.tenures, ends, strict=True) if end is None or end > holding.at)
    return frozenset({holding.version, *since})


def text_of(held: Held) -> str:
    """The text a row carries."""
    kept = {"tenures": held.tenures, "holdings": held.holdings}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"))


def held_of(row: Row | None) -> Held | None:
    """What `row` carries, or None when nobody looked; a text that cannot be read proves nothing."""
    return None if row is None or row.consumers is None else _held(row.consumers)


@lru_cache(maxsize=_KEPT)
def _held(text: str) -> Held:
    try:
        raw = json.loads(text)
        tenures = tuple(_typed(Tenure, one) for one in raw["tenures"])
        return Held(tenures, tuple(_typed(Holding, one) for one in raw["holdings"]))
    except (TypeError, KeyError, ValueError, RecursionError):
        return Held()


def _typed(shape: Any, values: Any) -> Any:
    """A named tuple of whole numbers and texts.

    Raises:
        TypeError, ValueError: `values` are something else.
    """
    wanted = [int if name in {"since", "at"} else str for name in shape._fields]
    if not isinstance(values, list) or len(values) != len(wanted):
        raise ValueError
    if any(type(value) is not kind for value, kind in zip(values, wanted, strict=True)):
        raise TypeError
    return shape(*values)
