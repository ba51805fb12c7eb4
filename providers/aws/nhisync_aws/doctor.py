"""What `nhisync doctor` asks of an AWS source: reachability, credentials, clock, identity, permissions; reads only."""

import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from nhisync.spi import (
    AccessMode,
    Budget,
    Check,
    CheckState,
    ErrorKind,
    Locator,
    ProviderError,
    SourceContext,
    SourceIdentity,
)
from nhisync_aws.connection import Connection
from nhisync_aws.held import Need, check_permissions
from nhisync_aws.settings import AssumeRoleAuth, AwsSettings, KeysFileAuth
from nhisync_aws.statements import Scope
from nhisync_aws.surplus import examine_surplus
from nhisync_aws.trust import CERTIFICATE_KINDS, NO_ROOTS, load

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SKEW = timedelta(minutes=2)  # AWS refuses signatures that are off by more than five minutes


@dataclass(frozen=True, slots=True)
class Situation:
    """What the checks look at; `scope` is where the printed documents apply."""

    connection: Connection
    settings: AwsSettings
    context: SourceContext
    identify: Callable[[Budget], SourceIdentity]
    scope: Scope


def examine(
    situation: Situation, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
) -> Iterator[Check]:
    """Yield checks in the order in which they can fail; the rest is left out when nothing can be asked."""
    yield from _keys_files(situation)
    try:
        identity = situation.identify(budget)
    except ProviderError as error:
        if error.kind is ErrorKind.UNREACHABLE:
            yield _check("reachable", error.message, ok=False, error=error)
            return
        if error.fact.request_id:  # only AWS gives one: without it nothing may have been asked at all
            yield _check("reachable", "an answer came", ok=True)
            yield from _clock(situation)
        yield _check("identity", error.message, ok=False, error=error)
        return
    yield _check("reachable", f"{identity.endpoint} answers", ok=True)
    yield _tls(situation, budget)
    yield _check("identity", f"{identity.principal} at {identity.authority}", ok=True)
    yield from _clock(situation)
    need = Need(mode=mode, wanted=wanted, kinds=kinds, scope=situation.scope)
    yield from check_permissions(situation.connection, need, identity.authority, budget)
    yield examine_surplus(situation.connection, identity.principal, need.actions, mode.value, budget)
    if CERTIFICATE_KINDS & (kinds | {locator.kind for locator in wanted}):
        yield _trust(situation)


def _keys_files(situation: Situation) -> Iterator[Check]:
    """Key files that others can read are shared identities."""
    auth = situation.settings.auth
    base = auth.base if isinstance(auth, AssumeRoleAuth) else auth
    if not isinstance(base, KeysFileAuth):
        return
    file: Path = situation.context.file(base.file)
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
    except OSError:
        fix = "Create it, or correct auth.file."
        yield Check(name="keys-file", state=CheckState.FAILED, observed=f"{base.file} cannot be read", fix=fix)
        return
    if mode & 0o077:
        observed = f"{base.file} is readable by others ({mode:04o})"
        yield Check(name="keys-file", state=CheckState.WARNING, observed=observed, fix=f"chmod 600 {base.file}")
    else:
        yield _check("keys-file", f"{base.file} is private", ok=True)


def _tls(situation: Situation, budget: Budget) -> Check:
    """An answer over https came from a server whose certificate was verified; botocore is never told otherwise."""
    parts = urlsplit(situation.connection.endpoint("sts", budget))
    if parts.scheme == "https":
        return _check("tls", "the server's certificate is trusted", ok=True)
    if parts.hostname in _LOOPBACK:
        return _check("tls", "without TLS, on this machine", ok=True)
    fix = "Name an https URL in endpoint."
    return Check(name="tls", state=CheckState.WARNING, observed="no TLS: nobody vouches for the server", fix=fix)


def _clock(situation: Situation) -> Iterator[Check]:
    """Compare our clock with the Date of the last answer; a skewed clock breaks signatures and ages alike."""
    seen = situation.connection.skew()
    if seen is None:
        return
    theirs, ours = seen
    skew = abs(theirs - ours)
    good = skew <= _SKEW
    fix = "" if good else "Correct this machine's clock (NTP); AWS refuses signatures that are off by five minutes."
    state = CheckState.OK if good else CheckState.FAILED
    yield Check(name="clock", state=state, observed=f"differs by {int(skew.total_seconds())} s", fix=fix)


def _trust(situation: Situation) -> Check:
    """Stored certificates are verified with these roots."""
    try:
        loaded = load(situation.settings, situation.context)
    except ProviderError as error:
        return _check("trust", error.message, ok=False, error=error)
    roots = len(loaded.trust.roots)
    if not roots:
        fix = "Set trust_file to the roots that clients of the certificates trust."
        return Check(name="trust", state=CheckState.FAILED, observed=NO_ROOTS, fix=fix)
    where = "from trust_file" if loaded.origin == "file" else "of the operating system"
    return _check("trust", f"{roots} roots {where}", ok=True)


def _check(name: str, observed: str, *, ok: bool, error: ProviderError | None = None) -> Check:
    return Check(
        name=name,
        state=CheckState.OK if ok else CheckState.FAILED,
        observed=observed,
        fix=error.fix if error is not None else "",
        error=error.fact if error is not None else None,
    )
