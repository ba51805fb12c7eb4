"""What a tier wants to be told, held against what it was told (pure): missing, old and dated ahead are unknown.

Without being asked for, one kind counts as far as it is bad: `ON_CALL`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from nhisync.model import ON_CALL, Attestation, State

SKEW = timedelta(seconds=30)
"""How far ahead of the assessment an attestation may lie (skew between clocks)."""

_BEGIN, _EVER = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
"""The ends of the calendar: a policy may name a longer time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """One kind that the tier asks for, or the word of somebody on call.

    Attributes:
        kind: what it is about.
        state: pass, fail, or unknown.
        told: what was said, or why it is not known, for a person.
        max_age: how long one such attestation counts; None = the tier does not ask, so that a pass would count nothing.
        expires: when a pass ends, or None.
    """

    kind: str
    state: State
    told: str
    max_age: timedelta | None
    expires: datetime | None = None


def attested(
    wanted: Mapping[str, timedelta],
    attestations: Iterable[Attestation],
    *,
    app: str,
    path: str,
    now: datetime,
    lifted: bool = False,
) -> tuple[Attested, ...]:
    """Every wanted kind, in order of its name; the last observation counts, whatever was recorded after it.

    And `ON_CALL`, when the last word of that kind is no pass, or where a person wants to see what was `lifted`.

    Args:
        wanted: kind → how long one such attestation counts.
        attestations: everything that was said.
        app: the app.
        path: the path to judge.
        now: the instant of the assessment.
        lifted: also an `ON_CALL` that holds; it counts nothing.
    """
    said = [one for one in attestations if (one.app, one.path) == (app, path) and not one.consumer]
    found = [_judged(kind, max_age, [one for one in said if one.kind == kind], now) for kind, max_age in wanted.items()]
    objected = [one for one in said if one.kind == ON_CALL and ON_CALL not in wanted]
    if objected:
        word = _judged(ON_CALL, _EVER - _BEGIN, objected, now)
        shown = lifted or word.state is not State.PASS
        found += [replace(word, max_age=None, expires=None)] if shown else []
    return tuple(sorted(found, key=lambda one: one.kind))


def _judged(kind: str, max_age: timedelta, said: list[Attestation], now: datetime) -> Attested:
    # Two of one instant that disagree: the one that does not hold counts.
    last = max(said, key=lambda one: (one.observed_at, not one.holds), default=None)
    if last is None:
        return Attested(kind=kind, state=State.UNKNOWN, told="never attested", max_age=max_age)
    told = f"attested {last.observed_at:%Y-%m-%dT%H:%M:%SZ} by {last.attested_by}"
    if last.observed_at > now + SKEW:
        return Attested(kind=kind, state=State.UNKNOWN, told=f"{told}, which is still to come", max_age=max_age)
    expires = last.observed_at + min(max_age, _EVER - last.observed_at)
    if not last.holds:
        return Attested(kind=kind, state=State.FAIL, told=f"{told}: does not hold", max_age=max_age)
    if expires <= now:
        return Attested(kind=kind, state=State.UNKNOWN, told=told, max_age=max_age)
    return Attested(kind=kind, state=State.PASS, told=told, max_age=max_age, expires=expires)
