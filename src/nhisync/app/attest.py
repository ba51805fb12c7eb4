"""`nhisync attest`: record what nhisync cannot observe itself, and show what a tier asks for and was told."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches

from nhisync.app.session import Session
from nhisync.app.waivers import reading, writing
from nhisync.config.secrecy import holds_login
from nhisync.errors import UsageError
from nhisync.model import App, Attestation
from nhisync.readiness import SKEW, Attested, attested


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

    Raises:
        UsageError: no such app or backup path, a kind that the app's tier does not ask for, a time that is still to
            come, nobody who answers for it, or evidence that holds a login.
        GuardError: another process writes to the store.
        StoreError: the store cannot be written.
    """
    _check(session, attestation)
    with writing(session, "nhisync attest") as store:
        seen = min(attestation.observed_at, session.clock.now())
        return store.attest(replace(attestation, observed_at=seen), actor=actor)


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
        for one in attested(_wanted(session, app), said, app=app.name, path=path, now=now)
    )


def attestations(session: Session) -> tuple[Attestation, ...]:
    """The last attestations of the configured store; none where no store was made yet.

    Raises:
        StoreError: there is a store, and it cannot be read.
    """
    return reading(session, lambda reader: reader.attestations(), ())


def path_of(session: Session, app: str, path: str) -> str:
    """The backup path that is meant: the named one, or the app's only one.

    Raises:
        UsageError: no such app, no such backup path, or several to choose from.
    """
    (found,) = session.apps((app,))
    have = ", ".join(found.backups)
    if not path and len(found.backups) > 1:
        raise UsageError(f"`{app}` has several backup paths", fix=f"Name one with --path: {have}.")
    if path and path not in found.backups:
        raise UsageError(f"`{path}` is no backup path of `{app}`", fix=f"Its backup paths: {have}.")
    return path or found.backups[0]


def _wanted(session: Session, app: App) -> Mapping[str, timedelta]:
    return session.configuration.tiers[app.tier].attestations


def _check(session: Session, attestation: Attestation) -> None:
    path_of(session, attestation.app, attestation.path)
    (app,) = session.apps((attestation.app,))
    wanted = _wanted(session, app)
    if attestation.kind not in wanted:
        have = ", ".join(sorted(wanted)) or "none"
        close = get_close_matches(attestation.kind, wanted, n=1)
        meant = f" Did you mean `{close[0]}`?" if close else ""
        fix = f"It asks for: {have}.{meant} Add the kind with its greatest age under `attestations:` of the policy."
        raise UsageError(f"tier `{app.tier}` of `{app.name}` asks for no `{attestation.kind}`", fix=fix)
    _check_time(attestation.observed_at, session.clock.now())
    if not attestation.attested_by.strip():
        raise UsageError("an attestation needs somebody who answers for it", fix="--by WHO")
    if holds_login(attestation.evidence):
        raise UsageError("the evidence is a URL with credentials, which would be kept", fix="Leave user:password@ out.")


def _check_time(observed_at: datetime, now: datetime) -> None:
    if observed_at > now + SKEW:
        raise UsageError(
            f"{observed_at:%Y-%m-%dT%H:%M:%SZ} is still to come", fix="--observed-at is when somebody looked."
        )
