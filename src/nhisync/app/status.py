"""`nhisync status`: what is served now, since when, on how old evidence, and what stands in the way."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from nhisync.app.blackout import READS, blackout
from nhisync.app.publish import believed, moment
from nhisync.app.session import Session
from nhisync.errors import StoreError
from nhisync.model import App, Blackout, Mode, Verdict, Word
from nhisync.parity.book import app_terms
from nhisync.parity.engine import FAR
from nhisync.parity.row import instant
from nhisync.parity.stream import Stream
from nhisync.policy import Tier, Waivers
from nhisync.statement import Moment, Publication, Role, Signal, SignalState, decide, word_of
from nhisync.store import Reader, Store

STALE = "STALE"
"""What stands first among the blockers of a signal whose evaluation has ended."""

INIT = "INIT"
"""The only blocker of a signal whose sync process has not evaluated once since it started."""

_NOT_IN_FORCE = "the published roles are others: the configuration was edited; send SIGHUP to nhisync serve"
"""Remark on a backup path that is published as a primary."""

_WINDOWS = (timedelta(hours=1), timedelta(days=1), timedelta(days=7), None)
"""How far back to look for the last change of a verdict, step by step: most changed lately or long ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One app on one backup path.

    Attributes:
        app: app name.
        tier: its policy.
        mode: whether the verdict gates.
        primary: what the primary's signal says now.
        path: name of the backup path.
        backup: what the backup's signal says now; unknown also when nothing fresh is published.
        observed: the backup's signal is open only because mode observe gates nothing.
        since: since when the backup's signal has said its word, or None.
        evidence: age of the oldest observation of the app on the backup path, or None.
        valid_until: end of the verdict, or None when there is none.
        blockers: what keeps it from ready, worst first.
        note: remark on the primary's age, or "".
        remark: that other roles are in force than the configuration has, or "".
        blackout: how long the backup lives without issuers, or None when nothing is stored.
    """

    app: str
    tier: str
    mode: Mode
    path: str
    primary: Word = Word.UNKNOWN
    backup: Word = Word.UNKNOWN
    observed: bool = False
    since: datetime | None = None
    evidence: timedelta | None = None
    valid_until: datetime | None = None
    blockers: tuple[str, ...] = ()
    note: str = ""
    remark: str = ""
    blackout: Blackout | None = None

    @property
    def worst(self) -> Word:
        """The backup's word as if the mode were enforce: observe gates nothing, but it is no "ready"."""
        return Word.NOT_READY if self.observed else self.backup


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All apps at one instant.

    Attributes:
        at: the instant.
        sequence: of the publication that is served, or None.
        trouble: why nothing is believed, or "".
        standings: per app and backup path, in the order of the configuration.
    """

    at: datetime
    sequence: int | None
    trouble: str
    standings: tuple[Standing, ...]


def status(session: Session, names: tuple[str, ...] = ()) -> Status:
    """What stands now; reads the publication and the store, contacts and changes nothing.

    Raises:
        UsageError: an app is not configured.
        StoreError: the store cannot be read although something is published.
    """
    here = moment(session.clock)
    publication, trouble = believed(session.configuration.publish.snapshot, here)
    places = [(app, path) for app in session.apps(names) for path in app.backups]
    try:
        with (
            Store.open(
                session.configuration.store_url, clock=session.clock, randomness=session.randomness, mode="read"
            ) as store,
            store.reader() as reader,
        ):
            tiers = session.configuration.tiers
            found = [_standing(reader, app, tiers[app.tier], path, publication, here) for app, path in places]
    except StoreError:
        if publication is not None:
            raise
        found = [
            Standing(app=app.name, tier=app.tier, mode=app.mode, path=path, blockers=(STALE,)) for app, path in places
        ]
    sequence = publication.sequence if publication else None
    return Status(at=here.now, sequence=sequence, trouble=trouble, standings=tuple(found))


def _standing(
    reader: Reader, app: App, tier: Tier, path: str, publication: Publication | None, here: Moment
) -> Standing:
    verdict = reader.verdict(app.name, path)
    published = publication.find(app.name, path) if publication else ()
    # A primary's signal is open while evaluations take place; under swapped roles it would pass for a ready backup.
    signals = tuple(signal for signal in published if signal.role is Role.BACKUP)
    fresh = publication is not None and decide(publication, signals, here).fresh
    since, blockers = _held(reader, verdict, signals, fresh=fresh, now=here.now)
    return Standing(
        app=app.name,
        tier=app.tier,
        mode=app.mode,
        path=path,
        primary=_word(publication, app.name, "primary", here),
        backup=word_of(publication, signals, here) if publication else Word.UNKNOWN,
        observed=fresh and any(signal.would_block and signal.opens for signal in signals),
        since=since,
        evidence=_evidence(reader, app.name, path, here.now),
        valid_until=verdict.valid_until if verdict else None,
        blockers=blockers,
        note=verdict.primary_baseline if verdict else "",
        remark=_NOT_IN_FORCE if published and not signals else "",
        blackout=_blackout(reader, app, tier, path, here.now),
    )


def _held(
    reader: Reader, verdict: Verdict | None, signals: tuple[Signal, ...], *, fresh: bool, now: datetime
) -> tuple[datetime | None, tuple[str, ...]]:
    """Since when the served word stands, and what keeps it from ready: of what is served, not of a cycle beside it."""
    reasons = verdict.reasons if verdict else ()
    if not fresh:
        ended = min((signal.valid_until for signal in signals), default=now)
        return (ended if ended < now else None), (STALE, *reasons)
    began = min(signal.evaluated_at for signal in signals)
    if any(signal.state is SignalState.INIT for signal in signals):
        return began, (INIT,)
    if verdict is None or int(verdict.evaluated_at.timestamp()) != int(began.timestamp()):  # the store keeps seconds
        return began, tuple(dict.fromkeys(word for signal in signals for word in signal.blocks))
    said = tuple(dict.fromkeys(word for s in signals for word in s.blocks if word not in verdict.blocks))
    return (None, (*said, *reasons)) if said else (_since(reader, verdict, now), reasons)  # objected to since then


def _word(publication: Publication | None, app: str, path: str, here: Moment) -> Word:
    return word_of(publication, publication.find(app, path), here) if publication else Word.UNKNOWN


def _since(reader: Reader, verdict: Verdict, now: datetime) -> datetime | None:
    """When the unbroken run of verdicts with this word began, as far as history reaches."""
    began: datetime | None = None
    for window in _WINDOWS:
        word: Word | None = None
        changes = 0
        for record in reader.verdicts(verdict.app, verdict.path, None if window is None else now - window):
            if record.voided_at is None and record.verdict.word is not word:
                word, began = record.verdict.word, record.verdict.evaluated_at
                changes += 1
        if changes > 1:
            return began
    return began


def _evidence(reader: Reader, app: str, path: str, now: datetime) -> timedelta | None:
    stream = _stream(reader, app, path, ("observed",))
    oldest = min(map(stream.observed, stream.cells), default=FAR)
    return None if oldest == FAR else max(timedelta(0), now - instant(oldest))


def _blackout(reader: Reader, app: App, tier: Tier, path: str, now: datetime) -> Blackout:
    """The clock from what is stored."""
    terms = app_terms(app, tier, (), primary_domains=frozenset(), waivers=Waivers())
    stream = _stream(reader, app.name, path, READS)
    return blackout(terms, map(stream.read, stream.cells), int(now.timestamp()))


def _stream(reader: Reader, app: str, path: str, columns: Collection[str]) -> Stream:
    return reader.stream(path, columns, low=f"{app}/", high=f"{app}0")  # in ASCII "0" follows "/"
