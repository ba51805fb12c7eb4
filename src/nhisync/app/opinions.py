"""Asking services what they would allow the identities of pairs, for apps whose tier wants a second opinion.

The questions are drawn from the documents of both sides, so that both services hear the same; what they say stands in
the rights' document with an age of its own (ADR 50).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import cast

from nhisync.app.session import Session
from nhisync.app.threads import Job, run
from nhisync.model import Locator
from nhisync.parity.rights import Opinion, Rights, UnreadableRightsError, parse, questions, told
from nhisync.spi import Capability, OpinionFacts, Provider, Question, SecondOpinion

Documents = dict[str, dict[str, str]]
"""Path → key → rights' document."""

Asked = dict[tuple[str, str], dict[Locator, dict[Question, None]]]
"""(path, source) → item → its questions, in order."""


def hear(
    session: Session,
    targets: Iterable[tuple[str, str, str]],
    documents: Documents,
    items: Mapping[tuple[str, str], Locator],
) -> None:
    """Ask the services of both sides of every pair, and write what they say into `documents`.

    Args:
        session: the configuration.
        targets: app, primary path and backup path of those who ask.
        documents: what the identities may do, as it was read.
        items: (path, key) → the item whose rights they are; one that is not here is not asked about.
    """
    wanted = _wanted(session, targets, documents, items)
    asked: Asked = {}
    for (path, key), named in wanted.items():
        item = items[path, key]
        if named:
            asked.setdefault((path, item.source), {}).setdefault(item, {}).update(named)
    opinions, nothing = _heard(session, asked), Opinion(int(session.clock.now().timestamp()))
    for (path, key), named in wanted.items():
        opinion = opinions[path, items[path, key]] if named else nothing
        mine = tuple((question, said) for question, said in opinion.answers if question in named)
        documents[path][key] = told(documents[path][key], opinion._replace(answers=mine))


def _wanted(
    session: Session,
    targets: Iterable[tuple[str, str, str]],
    documents: Documents,
    items: Mapping[tuple[str, str], Locator],
) -> dict[tuple[str, str], dict[Question, None]]:
    """(path, key) → what to ask of its item; an app with several backups asks the primary for each of them."""
    wanted: dict[tuple[str, str], dict[Question, None]] = {}
    for app, primary, backup in targets:
        for key in sorted(documents[primary].keys() & documents[backup].keys()):
            if key.partition("/")[0] == app:
                for path, named in _questions(session, (primary, backup), key, documents, items):
                    wanted.setdefault((path, key), {}).update(dict.fromkeys(named))
    return wanted


def _questions(
    session: Session,
    paths: tuple[str, str],
    key: str,
    documents: Documents,
    items: Mapping[tuple[str, str], Locator],
) -> Iterator[tuple[str, tuple[Question, ...]]]:
    """What to ask each side of one pair that can be asked; nothing of a pair whose documents cannot be compared."""
    sides = [_rights(documents[path][key]) for path in paths]
    here, there = sides
    if here is None or there is None or here.kind or there.kind:
        return
    examples = [
        one
        for path in paths
        if (item := items.get((path, key))) is not None
        for one in session.source_info(path, item.source).examples
    ]
    twins = questions(here, there, examples)
    for at, path in enumerate(paths):
        if (path, key) in items:
            yield path, tuple(twin[at] for twin in twins)


def _rights(text: str) -> Rights | None:
    try:
        return parse(text)
    except UnreadableRightsError:
        return None


def _heard(session: Session, asked: Asked) -> dict[tuple[str, Locator], Opinion]:
    jobs = [_Hearing(session, where, {item: tuple(named) for item, named in of.items()}) for where, of in asked.items()]
    run(jobs, session.clock)
    return {(job.where[0], item): opinion for job in jobs for item, opinion in job.opinions().items()}


class _Hearing(Job[Opinion]):
    """What one source's service says of its items."""

    name = "opinions"

    def __init__(self, session: Session, where: tuple[str, str], asked: Mapping[Locator, Sequence[Question]]) -> None:
        super().__init__(session, where, Capability.OPINIONS, "the service has no such question")
        self._asked = asked

    def ask(self, provider: Provider, told: dict[Locator, Opinion]) -> None:
        for facts in cast("SecondOpinion", provider).opinions(self._asked, self.budget):
            told[facts.locator] = opinion_of(facts)

    def opinions(self) -> dict[Locator, Opinion]:
        """One opinion of every item that was asked about."""
        kind, reason = self.lost
        lost = Opinion(int(self.session.clock.now().timestamp()), kind=kind, reason=reason)
        return {item: self.told.get(item, lost) for item in self._asked}


def opinion_of(facts: OpinionFacts) -> Opinion:
    """What `facts` say, as a document holds it."""
    at = int(facts.observed_at.timestamp())
    if facts.error is None:
        return Opinion(at, facts.answers)
    missing = f" (missing: {facts.error.action})" if facts.error.action else ""
    return Opinion(at, kind=facts.error.kind, reason=facts.error.message + missing)
