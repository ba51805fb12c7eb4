"""`nhisync attest`: record what nhisync cannot observe itself, and show what a tier asks for and was told."""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path

from nhisync.app.objections import folder_of, say, settle, standing
from nhisync.app.publish import load, moment
from nhisync.app.session import Session
from nhisync.app.spool import lay
from nhisync.app.waivers import reading, writing
from nhisync.config.secrecy import holds_login
from nhisync.errors import GuardError, StoreError, UsageError, fix_of_write
from nhisync.model import CONSUMER, ON_CALL, App, Attestation
from nhisync.readiness import SKEW, Attested, attested
from nhisync.statement import Objection, StatementError
from nhisync.store import Store
from nhisync.store.address import parse

_log = logging.getLogger(__name__)

LONGEST = 4000
"""Characters of who answers and of the evidence, together: in a file for another process each may take twelve bytes,
and one that is too large to be read would block every backup (`nhisync.app.folders.LARGEST`)."""

_VERSION = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One kind that the tier of an app asks for.

    Attributes:
        app: the app's name.
        path: name of the backup path.
        attested: what was said about it.
    """

    app: str
    path: str
    attested: Attested


def attest(session: Session, attestation: Attestation, *, actor: str) -> int:
    """Record `attestation` in the store, audited; returns its number.

    One that a fast clock dates ahead counts as seen now: else it would outlast what is found unfit within that skew.
    One that does not hold is heard by the listener at once. While another process writes to the store, that one records
    it in its next cycle (number 0).

    Raises:
        UsageError: no such app or backup path, a kind that the app's tier does not ask for (`ON_CALL` aside), a time
            that is still to come, nobody who answers for it, or evidence that is too long or holds a login.
        GuardError: another process writes to the store, and does not look for words here.
        StoreError: the store cannot be written.

    A word about a consumer needs no tier that asks: a pair that names it is enough.
    """
    attestation = accepted(session, attestation)
    if not attestation.holds:
        return _object(session, Objection(attestation, actor))
    try:
        with writing(session, "nhisync attest") as store:
            return store.attest(attestation, actor=actor)
    except GuardError as held:
        if not _heard_here(session):
            raise GuardError(
                held.guard, f"nobody here would take it: {held.message}", fix="Say it on the machine of that process."
            ) from None
    lay(session, attestation, actor=actor)
    return 0


def accepted(session: Session, attestation: Attestation) -> Attestation:
    """`attestation` as it is recorded.

    Raises:
        UsageError: as `attest` raises it.
    """
    _check(session, attestation)
    seen = min(attestation.observed_at, session.clock.now()).replace(microsecond=0)  # the store keeps whole seconds
    return replace(attestation, observed_at=seen)


def _object(session: Session, objection: Objection) -> int:
    """Say it where the listener hears it, then record it if this process may."""
    publication, name = session.configuration.publish.snapshot, f"{session.randomness.hex(8)}.json"
    trouble, said = None, list[Path]()
    try:
        said = [say(publication, objection, name)]
    except OSError as failure:
        trouble = failure
    try:
        with writing(session, "nhisync attest") as store:
            number = store.attest(objection.attestation, actor=objection.actor)
    except GuardError as held:
        if trouble is not None:
            raise StoreError(
                f"nothing was said: {folder_of(publication)} cannot be written: {trouble.strerror}; {held.message}",
                fix=fix_of_write(trouble, "Say it as the user that runs nhisync, or stop the daemon and say it again."),
            ) from None
        if not _heard_here(session):
            settle(said)
            raise GuardError(
                held.guard, f"nobody here would hear it: {held.message}", fix="Say it on the machine of that process."
            ) from None
        return 0
    except StoreError as failure:
        if not said:
            raise
        where = f"{objection.attestation.app}/{objection.attestation.path}"
        told = f"{where} is blocked from now on, and the next cycle will record it: {failure.message}"
        raise StoreError(told, fix=failure.fix) from None
    if said and not publication.exists():
        settle(said)  # nothing is served, and what is recorded needs no second place
    return number


def overtaken(session: Session, attestation: Attestation) -> Attestation | None:
    """The recorded word of somebody who looked later and saw it hold: with the next cycle that one counts again.

    None also where the store is no file of this machine, or cannot be read: what was said stands all the same.
    """
    if attestation.holds or parse(session.configuration.store_url).file is None:
        return None
    try:
        recorded: tuple[Attestation, ...] = reading(session, lambda reader: reader.attestations(attestation.app), ())
    except StoreError:
        return None
    return _later(attestation, recorded)


def ended(objected: Attestation, later: Attestation) -> str:
    """What a person must know whose objection counts no longer than until the next cycle."""
    return (
        f"{objected.app}/{objected.path} {objected.kind}, seen at {objected.observed_at:%Y-%m-%dT%H:%M:%SZ} by "
        f"{objected.attested_by}, blocks only until the next cycle ends: {later.attested_by} looked later, at "
        f"{later.observed_at:%Y-%m-%dT%H:%M:%SZ}, and saw it hold; if it does not, look again and say when"
    )


def _later(objected: Attestation, recorded: Iterable[Attestation]) -> Attestation | None:
    """As `overtaken`, among the last words that are recorded."""
    about = (objected.path, objected.kind, objected.consumer)
    same = [one for one in recorded if (one.path, one.kind, one.consumer) == about and one.app == objected.app]
    last = max(same, key=lambda one: (one.observed_at, not one.holds), default=None)
    return last if last is not None and last.holds and last.observed_at > objected.observed_at else None


def _heard_here(session: Session) -> bool:
    """Whether the process that writes to the store reads the objections of this machine."""
    if parse(session.configuration.store_url).file is not None:
        return True
    try:
        return load(session.configuration.publish.snapshot).boot_id == moment(session.clock).boot_id
    except (StatementError, OSError):
        return False


def hear(session: Session, store: Store) -> tuple[Path, ...]:
    """Record what was objected to while this process held the store; the files that a later publication settles.

    An objection that the configuration does not ask for (any more) stays, and blocks, until a person removes it.
    """
    found = standing(session.configuration.publish.snapshot)
    heard = [(file, one) for file, one in found.said if _asked(session, one.attestation)]
    with store.reader() as reader:
        recorded = reader.attestations()
    known = {replace(one, number=0) for one in recorded}
    for _, one in heard:
        later = _later(one.attestation, recorded)
        if later is not None:
            _log.warning("%s", ended(one.attestation, later))
        if one.attestation not in known:
            store.attest(one.attestation, actor=one.actor)
    files = {file: None for file, _ in heard}
    left = [file for file, _ in found.said if file not in files]
    for file in (*left, *found.unreadable):
        _log.warning("%s blocks, and is not recorded: it cannot be read, or no tier asks for its kind", file)
    return tuple(files)


def _asked(session: Session, attestation: Attestation) -> bool:
    app = session.configuration.app(attestation.app)
    return app is not None and attestation.path in app.backups and attestation.kind in {*_wanted(session, app), ON_CALL}


def told(session: Session, names: tuple[str, ...] = ()) -> tuple[Told, ...]:
    """What the tiers of the named apps (none = all) ask for, and what was said.

    Raises:
        UsageError: no such app.
        StoreError: there is a store, and it cannot be read.
    """
    said, now = attestations(session), session.clock.now()
    return tuple(
        Told(app=app.name, path=path, attested=one)
        for app in session.apps(names)
        for path in app.backups
        for one in attested(_wanted(session, app), said, app=app.name, path=path, now=now, lifted=True)
    )


def attestations(session: Session) -> tuple[Attestation, ...]:
    """The last attestations of the configured store, none where no store was made yet; and what is objected to.

    Raises:
        StoreError: there is a store, and it cannot be read.
    """
    objections = standing(session.configuration.publish.snapshot).said
    recorded: tuple[Attestation, ...] = reading(session, lambda reader: reader.attestations(), ())
    return (*recorded, *(one.attestation for _, one in objections))


def path_of(session: Session, app: str, path: str, *, consumer: bool = False) -> str:
    """The path that is meant: the named one, or the app's only backup path. Consumers run on the primary, too.

    Raises:
        UsageError: no such app, no such path, or several to choose from.
    """
    (found,) = session.apps((app,))
    known = (found.primary, *found.backups) if consumer else found.backups
    have = ", ".join(known)
    if not path and len(found.backups) > 1:
        raise UsageError(f"`{app}` has several backup paths", fix=f"Name one with --path: {have}.")
    if path and path not in known:
        word = "path" if consumer else "backup path"
        raise UsageError(f"`{path}` is no {word} of `{app}`", fix=f"Its {word}s: {have}.")
    return path or found.backups[0]


def _wanted(session: Session, app: App) -> Mapping[str, timedelta]:
    return session.configuration.tiers[app.tier].attestations


def _check(session: Session, attestation: Attestation) -> None:
    about = bool(attestation.pair or attestation.consumer or attestation.generation)
    path_of(session, attestation.app, attestation.path, consumer=about)
    (app,) = session.apps((attestation.app,))
    if about:
        check_consumer(app, attestation)
    else:
        _check_kind(session, app, attestation)
    _check_time(attestation.observed_at, session.clock.now())
    if not attestation.attested_by.strip():
        raise UsageError("an attestation needs somebody who answers for it", fix="--by WHO")
    if len(attestation.attested_by) + len(attestation.evidence) > LONGEST:
        told = f"who answers for it and the evidence are longer than {LONGEST} characters"
        raise UsageError(told, fix="Let the evidence name where the rest stands: a ticket, a run, a URL.")
    if holds_login(f"{attestation.evidence} {attestation.generation}"):
        raise UsageError("the evidence is a URL with credentials, which would be kept", fix="Leave user:password@ out.")


def _check_kind(session: Session, app: App, attestation: Attestation) -> None:
    wanted = _wanted(session, app)
    if attestation.kind not in {*wanted, ON_CALL}:
        have = ", ".join(sorted(wanted)) or "none"
        close = get_close_matches(attestation.kind, wanted, n=1)
        meant = f" Did you mean `{close[0]}`?" if close else ""
        known = f"It asks for: {have}; `{ON_CALL}` is always heard.{meant}"
        fix = f"{known} Add the kind with its greatest age under `attestations:` of the policy."
        raise UsageError(f"tier `{app.tier}` of `{app.name}` asks for no `{attestation.kind}`", fix=fix)


def check_consumer(app: App, attestation: Attestation) -> None:
    """What a word about a consumer must name.

    Raises:
        UsageError: no such pair, a consumer that the pair does not name on this side, or no version id.
    """
    if attestation.kind != CONSUMER:
        raise UsageError(f"`{attestation.kind}` speaks about no pair", fix=f"The kind of such a word: {CONSUMER}.")
    pair = next((one for one in app.pairs if one.name == attestation.pair), None)
    if pair is None:
        have = ", ".join(one.name for one in app.pairs if one.consumers_primary or one.consumers_backup) or "none"
        raise UsageError(
            f"`{app.name}` has no pair called `{attestation.pair}`", fix=f"--pair; pairs that name consumers: {have}."
        )
    side = "primary" if attestation.path == app.primary else "backup"
    named = (pair.consumers_primary if side == "primary" else pair.consumers_backup) or ()
    if attestation.consumer not in named:
        told = f"`{pair.key}` names no consumer `{attestation.consumer}` on its {side}"
        raise UsageError(
            told, fix=f"--consumer; it names: {', '.join(named) or 'none'} (consumers.{side} of the pair)."
        )
    if not _VERSION.fullmatch(attestation.generation):
        told = "a generation is the version id that the store shows: up to 200 printable characters without blanks"
        raise UsageError(told, fix="--generation ID; nhisync inventory PATH shows it. Never the value itself.")


def _check_time(observed_at: datetime, now: datetime) -> None:
    if observed_at > now + SKEW:
        raise UsageError(
            f"{observed_at:%Y-%m-%dT%H:%M:%SZ} is still to come", fix="--observed-at is when somebody looked."
        )
