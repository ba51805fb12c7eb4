"""Whether `nhisync doctor` may read rights, and ask for second opinions: by doing for a few items what a cycle does.

Reading a policy changes nothing, so the real question is asked: a denial names the very permission that is missing, of
every provider, and nothing has to be known of its ways.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import cast

from nhisync.app.permissions import rights_needs
from nhisync.app.session import Session
from nhisync.model import Locator
from nhisync.parity.rights import Rights, questions
from nhisync.spi import (
    Budget,
    Check,
    CheckState,
    ErrorFact,
    ErrorKind,
    GrantFacts,
    GrantReader,
    Provider,
    ProviderError,
    Question,
    SecondOpinion,
)

RIGHTS, OPINIONS = "rights", "opinions"
"""First words of the names of these checks."""

_MOST = 3
"""Items of each kind that are tried."""

_PRINTED = "Grant what nhisync permissions prints beside the inventory's document."
_WARNED = frozenset({ErrorKind.NOT_FOUND.value, ErrorKind.THROTTLED.value})
"""Errors that say nothing about a permission."""


def examine_rights(session: Session, target: tuple[str, str], provider: Provider, budget: Budget) -> Iterator[Check]:
    """One check for each identity that is tried; nothing where no tier compares rights, or nobody holds any."""
    reading, asking = rights_needs(session, *target)
    if not reading:
        return
    tried = tuple(_few(reading.wanted))
    if not tried:
        yield _untried(RIGHTS)
        return
    held: dict[Locator, GrantFacts] = {}
    try:
        for facts in cast("GrantReader", provider).grants(tried, budget):
            held[facts.locator] = facts
            yield from _read(facts)
    except ProviderError as failure:
        yield _failed(RIGHTS, failure.fact)
        return
    wanted = {locator.item for locator in asking.wanted}
    yield from _asked(provider, [one for at, one in held.items() if at in wanted], budget)


def _few(wanted: Sequence[Locator]) -> Iterator[Locator]:
    kinds = dict.fromkeys(locator.kind for locator in wanted)
    for kind in kinds:
        yield from islice((locator for locator in wanted if locator.kind == kind), _MOST)


def _read(facts: GrantFacts) -> Iterator[Check]:
    name = f"{RIGHTS}:{facts.locator.kind}/{facts.locator.name}"
    if facts.error is None:
        state = CheckState.WARNING if facts.gaps else CheckState.OK
        said = f"{len(facts.rights)} statements" + (f", not all: {facts.gaps[0]}" if facts.gaps else "")
        fix = "Until it can be read, the rights of its pair are unknown (nhisync explain NHS504)." if facts.gaps else ""
        yield Check(name=name, state=state, observed=said, fix=fix)
    elif facts.error.kind != ErrorKind.UNSUPPORTED.value:
        yield _failed(name, facts.error)


def _asked(provider: Provider, held: Sequence[GrantFacts], budget: Budget) -> Iterator[Check]:
    """Every identity is asked what its own documents speak about."""
    named: dict[Locator, tuple[Question, ...]] = {}
    for facts in held:
        rights = Rights(0, facts.scheme, facts.syntax, facts.rights)
        twins = questions(rights, rights, provider.info.examples) if facts.error is None else ()
        if twins:
            named[facts.locator] = tuple(own for own, _ in twins[:1])
    if not named:
        return
    try:
        for opinion in cast("SecondOpinion", provider).opinions(named, budget):
            name = f"{OPINIONS}:{opinion.locator.kind}/{opinion.locator.name}"
            if opinion.error is None:
                yield Check(name=name, state=CheckState.OK, observed="its service answers")
            elif opinion.error.kind == ErrorKind.UNSUPPORTED.value:
                yield Check(name=name, state=CheckState.OK, observed=f"none: {opinion.error.message}")
            else:
                yield _failed(name, opinion.error)
    except ProviderError as failure:
        yield _failed(OPINIONS, failure.fact)


def _untried(name: str) -> Check:
    said = "not tried: no pair names an identity here, and templates are filled by a sweep"
    fix = "Look at the findings NHS504 of nhisync diff."
    return Check(name=name, state=CheckState.WARNING, observed=said, fix=fix)


def _failed(name: str, error: ErrorFact) -> Check:
    state = CheckState.WARNING if error.kind in _WARNED else CheckState.FAILED
    return Check(name=name, state=state, observed=error.message, fix=error.fix or _PRINTED, error=error)
