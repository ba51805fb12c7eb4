"""What `nhisync doctor` asks of a PostgreSQL source: reachability, TLS, clock, identity, permissions; reads only."""

import stat
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nhisync.spi import (
    AccessMode,
    Check,
    CheckState,
    ErrorFact,
    ErrorKind,
    Locator,
    ProviderError,
    SourceContext,
    format_duration,
)
from nhisync_postgres.permissions import NEEDS_CREATEROLE, Grant, administered, needed
from nhisync_postgres.settings import CertificateAuth, PasswordAuth, PostgresSettings

if TYPE_CHECKING:
    from nhisync_postgres.inventory import Run

_SKEW = timedelta(seconds=60)
_OTHERS = 0o077

_EXCESS = (
    Grant("SUPERUSER", "NOSUPERUSER", "(SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)"),
    Grant("CREATEROLE", "NOCREATEROLE", "(SELECT rolcreaterole FROM pg_catalog.pg_roles WHERE rolname = current_user)"),
    Grant("SELECT ON pg_catalog.pg_authid", "", "pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')"),
    Grant("pg_read_all_data", "", "pg_catalog.pg_has_role('pg_read_all_data', 'USAGE')"),
)
"""What inventory never needs."""


def examine(
    settings: PostgresSettings, context: SourceContext, run: "Run", mode: AccessMode, wanted: Sequence[Locator]
) -> Iterator[Check]:
    """Yield checks in the order in which they can fail; the rest is left out when nothing can be asked."""
    yield from _files(settings, context)
    try:
        cluster, situation = run.cluster()
    except ProviderError as error:
        yield _failed("reachable", error)
        return
    yield Check(
        name="reachable", state=CheckState.OK, observed=f"{cluster.endpoint}: PostgreSQL {situation['version']}"
    )
    yield _tls(settings)
    if cluster.standby:
        observed = "the server is a standby: its roles are a copy, and none of them can be rotated here"
        fix = "For an independent backup use a cluster of its own."
        yield Check(name="replication", state=CheckState.WARNING, observed=observed, fix=fix)
    yield _clock(context.clock.now(), situation["at"])
    yield from _identity(run, situation)
    try:
        yield from _permissions(settings, run, mode, wanted)
    except ProviderError as error:
        yield _failed("permissions", error)


def _files(settings: PostgresSettings, context: SourceContext) -> Iterator[Check]:
    """Credential files that others can read are shared identities."""
    for file in _secret_files(settings):
        try:
            mode = stat.S_IMODE(context.file(file).stat().st_mode)
        except OSError:
            fix = "Create it, or correct the path in the source's auth."
            yield Check(name="credential-file", state=CheckState.FAILED, observed=f"{file} cannot be read", fix=fix)
            continue
        if mode & _OTHERS:
            observed = f"{file} is open to others ({mode:04o})"
            yield Check(name="credential-file", state=CheckState.WARNING, observed=observed, fix=f"chmod 0600 '{file}'")


def _secret_files(settings: PostgresSettings) -> tuple[Path, ...]:
    auth = settings.auth
    if isinstance(auth, PasswordAuth):
        return (auth.password_file,)
    return (auth.key_file,) if isinstance(auth, CertificateAuth) else ()


def _tls(settings: PostgresSettings) -> Check:
    if settings.local:
        return Check(name="tls", state=CheckState.OK, observed="a socket of this machine; nothing travels")
    if settings.sslmode == "disable":
        fix = "Set sslmode: verify-full, unless this is loopback."
        return Check(name="tls", state=CheckState.WARNING, observed="no TLS: nobody vouches for the server", fix=fix)
    return Check(name="tls", state=CheckState.OK, observed=f"the server's certificate is trusted ({settings.sslmode})")


def _clock(ours: datetime, theirs: datetime) -> Check:
    skew = abs(ours - theirs)
    if skew <= _SKEW:
        return Check(name="clock", state=CheckState.OK, observed="agrees with the server's within a minute")
    observed = f"differs from the server's by {format_duration(timedelta(seconds=int(skew.total_seconds())))}"
    return Check(name="clock", state=CheckState.FAILED, observed=observed, fix="Synchronise both clocks (chrony, NTP).")


def _identity(run: "Run", situation: Mapping[str, Any]) -> Iterator[Check]:
    try:
        where = run.identifier()
    except ProviderError as error:
        yield _failed("identity", error)
        return
    yield Check(name="identity", state=CheckState.OK, observed=f"{situation['role']} at cluster {where}")


def _permissions(
    settings: PostgresSettings, run: "Run", mode: AccessMode, wanted: Sequence[Locator]
) -> Iterator[Check]:
    grants = needed(settings, mode, wanted)
    # Attributes of roles are looked up in a catalog that may be closed: what can be told without it is told first.
    roles = [grant for grant in grants if grant.action == NEEDS_CREATEROLE]
    if roles:
        roles += administered(settings, wanted)
    for some in ([grant for grant in grants if grant.action != NEEDS_CREATEROLE], roles):
        for grant, has in run.held(some).items():
            yield _permission(settings, grant, has=has)
    if mode is AccessMode.READ:
        yield _least(settings, [grant for grant, has in run.held(_EXCESS).items() if has])


def _permission(settings: PostgresSettings, grant: Grant, *, has: bool) -> Check:
    name = f"permission:{grant.action}"
    if has:
        return Check(name=name, state=CheckState.OK, observed="have")
    user = settings.auth.user
    fact = ErrorFact(
        kind=ErrorKind.DENIED.value, message=f"the role lacks {grant.action}", action=grant.action, principal=user
    )
    return Check(name=name, state=CheckState.FAILED, observed="missing", fix=grant.text, error=fact)


def _least(settings: PostgresSettings, held: Sequence[Grant]) -> Check:
    """Inventory reads catalogs; a role that reads hashes or sets passwords is broader than its mode."""
    if not held:
        return Check(name="least-privilege", state=CheckState.OK, observed="holds nothing that inventory does not need")
    words = ", ".join(grant.action for grant in held)
    return Check(
        name="least-privilege",
        state=CheckState.WARNING,
        observed=f"{settings.auth.user} holds more than inventory needs: {words}",
        fix="Give nhisync a role of its own with what nhisync permissions --mode read prints.",
    )


def _failed(name: str, error: ProviderError) -> Check:
    state = CheckState.WARNING if error.kind is ErrorKind.THROTTLED else CheckState.FAILED
    return Check(name=name, state=state, observed=error.message, fix=error.fix, error=error.fact)
