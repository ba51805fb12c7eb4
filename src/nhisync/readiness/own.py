"""nhisync's own identities are pairs too (R32): while one is unfit, nobody knows what was seen with it (pure).

They stand in the app `OWN`. What keeps that app from ready closes the apps whose evidence comes from the sources that
log in with the pair in question: a credential that ends, is shared by both paths or is refused will not be there in an
outage.
"""

from collections.abc import Collection, Iterable, Mapping

from nhisync.model import OWN, App, Mode


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
    covered = {pair.name: pair.authenticates for pair in own.pairs}
    reasons = []
    for pair, codes in found.items():
        named = covered.get(pair, ())
        if not named or not set(named).isdisjoint(sources):
            reasons.append(f"{OWN}/{pair}".rstrip("/") + f" is unfit ({', '.join(codes)})")
    return tuple(reasons)
