"""nhisync's own identities are pairs too (R32): while one is unfit, nobody knows what was seen with it (pure).

They stand in the app `OWN`. What keeps that app from ready closes the apps whose evidence comes from the sources that
log in with the pair in question: a credential that ends, is shared by both paths or is refused will not be there in an
outage.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from nhisync.model import OWN, App, Mode

_T = TypeVar("_T")


class Own(NamedTuple):
    """What was judged of the app `OWN` on one backup path: it stands for every app with that backup.

    Attributes:
        app: the app.
        unfit: what `unfit` says.
        ends: pair → epoch seconds at which it is known no longer; "" = the app as a whole.
    """

    app: App
    unfit: Mapping[str, tuple[str, ...]]
    ends: Mapping[str, int]


def unfit(own: App, blockers: Iterable[tuple[int, str, str, str]]) -> Mapping[str, tuple[str, ...]]:
    """Pair of `own` that is unfit → the codes that say so; "" = the app as a whole. Nothing where it only observes.

    Args:
        own: the app `OWN`.
        blockers: ``(rank, code, pair, block word)`` of what keeps it from ready.
    """
    found: dict[str, set[str]] = {}
    for _, code, pair, _ in blockers if own.mode is Mode.ENFORCE else ():
        found.setdefault(pair, set()).add(code)
    return {pair: tuple(sorted(codes)) for pair, codes in sorted(found.items())}


def closed_by(own: App, found: Mapping[str, tuple[str, ...]], sources: Collection[str]) -> tuple[str, ...]:
    """Why an app that rests on `sources` of the backup path is not known, one sentence each; empty = nothing.

    Args:
        own: the app `OWN`.
        found: what `unfit` says.
        sources: names of the sources that the app's evidence comes from.
    """
    return tuple(
        f"{OWN}/{pair}".rstrip("/") + f" is unfit ({', '.join(codes)})"
        for pair, codes in _covering(own, found, sources)
    )


def covering(own: App, ends: Mapping[str, int], sources: Collection[str]) -> Mapping[str, int]:
    """Those of `ends`, epoch seconds at which a pair of `own` is known no longer, that end an app's signal, too.

    Args:
        own: the app `OWN`; where it only observes, nothing ends with it.
        ends: pair → when it ends; "" = the app as a whole.
        sources: names of the sources that the app's evidence comes from.
    """
    return dict(_covering(own, ends, sources)) if own.mode is Mode.ENFORCE else {}


def _covering(own: App, found: Mapping[str, _T], sources: Collection[str]) -> Iterator[tuple[str, _T]]:
    """What is said of the pairs that open one of `sources`; a pair that names none opens all."""
    covered = {pair.name: pair.authenticates for pair in own.pairs}
    for pair, said in found.items():
        named = covered.get(pair, ())
        if not named or not set(named).isdisjoint(sources):
            yield pair, said
