"""`nhisync waive` and `nhisync waivers`: accepted exceptions, declared in the file or recorded in the store."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from nhisync.app.session import Session
from nhisync.config.secrecy import holds_login
from nhisync.errors import StoreError, UsageError
from nhisync.model import Waiver
from nhisync.parity.rules import BY_CODE
from nhisync.store import Reader, Store, WaiverRecord
from nhisync.store.address import parse

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One waiver as a person asks for it.

    Attributes:
        waiver: what was accepted.
        number: its number in the store; 0 = it stands in the configuration.
        recorded_by: who recorded it, or "".
        expired: its last day is over, so the finding fails again.
    """

    waiver: Waiver
    number: int = 0
    recorded_by: str = ""
    expired: bool = False


def waive(session: Session, waiver: Waiver, *, actor: str) -> int:
    """Record `waiver` in the store, audited; returns its number.

    Raises:
        UsageError: the pair or code does not exist, the date is over, or a reason is missing.
        GuardError: another process writes to the store.
        StoreError: the store cannot be written.
    """
    _check(session, waiver)
    with writing(session, "nhisync waive") as store:
        return store.waive(waiver, actor=actor)


def unmet(session: Session, waiver: Waiver) -> bool:
    """Whether cycles are kept, and nothing that they left failing is what `waiver` accepts: perhaps a slip of the pen.

    Raises:
        StoreError: there is a store, and it cannot be read.
    """
    app = session.configuration.app(waiver.pair.partition("/")[0])
    if app is None:
        return False

    def asked(reader: Reader) -> bool:
        kept = [path for path in app.backups if reader.verdict(app.name, path) is not None]
        found = (one for path in kept for one in reader.findings(app.primary, path, app.name))
        return bool(kept) and not any((one.key, one.code) == (waiver.pair, waiver.code) for one in found)

    return reading(session, asked, False)


def withdraw(session: Session, number: int, *, actor: str) -> Waiver:
    """Withdraw the recorded waiver `number`, audited.

    Raises:
        UsageError: there is no such waiver, or it was withdrawn before.
        GuardError: another process writes to the store.
        StoreError: the store cannot be written.
    """
    with writing(session, "nhisync waivers") as store:
        record = store.withdraw(number, actor=actor)
    if record is None:
        raise UsageError(f"no recorded waiver has the number {number}", fix="`nhisync waivers` shows the numbers.")
    return record.waiver


def waivers(session: Session, *, expired_only: bool = False) -> tuple[Listed, ...]:
    """All waivers that stand, soonest end first.

    Raises:
        StoreError: there is a store, and it cannot be read.
    """
    today = session.clock.now().date()
    found = [*_declared(session, today), *_recorded(session, today)]
    kept = [one for one in found if one.expired or not expired_only]
    return tuple(sorted(kept, key=lambda one: (one.waiver.until, one.waiver.pair, one.waiver.code)))


def _declared(session: Session, today: date) -> Iterator[Listed]:
    for waiver in session.configuration.waivers:
        yield Listed(waiver=waiver, expired=waiver.until < today)


def recorded(session: Session) -> tuple[Waiver, ...]:
    """Waivers recorded in the configured store; none where no store was made yet.

    Raises:
        StoreError: there is a store, and it cannot be read.
    """
    return tuple(record.waiver for record in _records(session))


def _recorded(session: Session, today: date) -> Iterator[Listed]:
    for record in _records(session):
        waiver = record.waiver
        expired = waiver.until < today
        yield Listed(waiver=waiver, number=record.number, recorded_by=record.created_by, expired=expired)


def _records(session: Session) -> tuple[WaiverRecord, ...]:
    return reading(session, lambda reader: tuple(reader.waiver_records()), ())


def reading(session: Session, ask: Callable[[Reader], _T], nothing: _T) -> _T:
    """What `ask` reads of the configured store; `nothing` where no store was made yet.

    Raises:
        StoreError: there is a store, and it cannot be read.
    """
    url, clock, randomness = session.configuration.store_url, session.clock, session.randomness
    file = parse(url).file
    if file is not None and not file.exists():
        return nothing
    with Store.open(url, clock=clock, randomness=randomness, mode="read") as store, store.reader() as reader:
        return ask(reader)


def writing(session: Session, purpose: str) -> Store:
    """The configured store, to record something for `purpose`.

    Raises:
        GuardError: another process writes to the store.
        StoreError: the store cannot be written.
    """
    try:
        return Store.open(
            session.configuration.store_url, clock=session.clock, randomness=session.randomness, purpose=purpose
        )
    except StoreError as failure:
        raise StoreError(f"nothing was recorded: {failure.message}", fix=failure.fix) from None


def _check(session: Session, waiver: Waiver) -> None:
    app_name, _, name = waiver.pair.partition("/")
    app = session.configuration.app(app_name)
    if app is None or not name:
        have = ", ".join(one.name for one in session.configuration.apps) or "none"
        raise UsageError(f"`{waiver.pair}` is no pair of a configured app", fix=f"Name it app/pair; apps: {have}.")
    if not app.matches and name not in {pair.name for pair in app.pairs}:
        have = ", ".join(pair.name for pair in app.pairs) or "none"
        raise UsageError(f"`{app_name}` has no pair called `{name}`", fix=f"Its pairs: {have}.")
    if waiver.code not in BY_CODE:
        raise UsageError(f"no rule has the code `{waiver.code}`", fix="The report shows codes, like NHS602.")
    if not BY_CODE[waiver.code].info.fails:
        fix = (
            f"nhisync explain {waiver.code} tells how to mend it. Or make the pair `class: exempt`, with owner and end."
        )
        raise UsageError(f"`{waiver.code}` is never a failure, only unknown, and an unknown cannot be waived", fix=fix)
    if waiver.until < session.clock.now().date():
        raise UsageError(f"{waiver.until} is over", fix="A waiver ends on a day to come; that day is its last.")
    if not waiver.reason.strip() or not waiver.approved_by.strip():
        raise UsageError("a waiver needs a reason and somebody who accepts the risk", fix="--reason, --approved-by")
    if holds_login(f"{waiver.reason} {waiver.ticket}"):
        raise UsageError("a URL of the waiver holds credentials, which would be kept", fix="Leave user:password@ out.")
