"""What `nhisync doctor` asks of a Vault source: reachability, state, clock, identity, permissions; reads only."""

import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from nhisync.spi import (
    AccessMode,
    Budget,
    Check,
    CheckState,
    ErrorKind,
    Locator,
    ProviderError,
    SourceContext,
    format_duration,
)
from nhisync_vault.api import Api
from nhisync_vault.cluster import Topology
from nhisync_vault.facts import instant, mapping, text, texts
from nhisync_vault.held import check_permissions
from nhisync_vault.settings import AppRoleAuth, CertAuth, JwtAuth, KubernetesAuth, TokenAuth, VaultSettings

_SKEW = timedelta(seconds=60)
_SOON = timedelta(hours=24)
_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class Situation:
    """What the checks look at.

    Attributes:
        settings: of the source.
        context: of the source.
        connect: resolves the node.
        api: opens an authenticated API on it.
    """

    settings: VaultSettings
    context: SourceContext
    connect: Callable[[Budget], Topology]
    api: Callable[[Topology, Budget], Api]


def examine(
    situation: Situation, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
) -> Iterator[Check]:
    """Yield checks in the order in which they can fail; the rest is left out when nothing can be asked."""
    yield from _files(situation)
    try:
        topology = situation.connect(budget)
    except ProviderError as error:
        yield _failed("reachable", error)
        return
    yield from _server(situation, topology)
    api = situation.api(topology, budget)
    try:
        own = api.get("auth/token/lookup-self")
    except ProviderError as error:
        yield _failed("identity", error)
        return
    yield from _identity(situation, topology, own)
    try:
        yield from check_permissions(api, topology, mode, wanted, kinds)
    except ProviderError as error:
        yield _failed("permissions", error)


def _files(situation: Situation) -> Iterator[Check]:
    """Credential files that others can read are shared identities."""
    for file in credential_files(situation.settings):
        found = situation.context.file(file)
        try:
            mode = stat.S_IMODE(found.stat().st_mode)
        except OSError:
            fix = "Create it, or correct the path in the source's auth."
            yield Check(name="credential-file", state=CheckState.FAILED, observed=f"{file} cannot be read", fix=fix)
            continue
        if mode & _OTHERS:
            observed = f"{file} is open to others ({mode:04o})"
            yield Check(name="credential-file", state=CheckState.WARNING, observed=observed, fix=f"chmod 0600 '{file}'")


def credential_files(settings: VaultSettings) -> tuple[Path, ...]:
    """Files of the source's auth that hold something secret."""
    auth = settings.auth
    if isinstance(auth, TokenAuth | KubernetesAuth):
        return (auth.token_file,)
    if isinstance(auth, AppRoleAuth):
        return (auth.secret_id_file,)
    if isinstance(auth, JwtAuth):
        return (auth.jwt_file,)
    assert isinstance(auth, CertAuth)  # noqa: S101 - the settings' union is closed
    return (auth.key_file,)


def _server(situation: Situation, topology: Topology) -> Iterator[Check]:
    health = topology.health
    flavour = "OpenBao" if health.openbao else "Vault"
    yield Check(name="reachable", state=CheckState.OK, observed=f"{topology.endpoint}: {flavour} {health.version}")
    if topology.endpoint.startswith("https://"):
        yield Check(name="tls", state=CheckState.OK, observed="the server's certificate is trusted")
    else:
        fix = "Use https, also on loopback, unless this is a test."
        yield Check(name="tls", state=CheckState.WARNING, observed="plain http: the token travels unencrypted", fix=fix)
    yield _active(topology)
    if health.secondary:
        observed = "the cluster is a performance secondary: replicated mounts rotate elsewhere"
        fix = "For an independent backup use a cluster of its own."
        yield Check(name="replication", state=CheckState.WARNING, observed=observed, fix=fix)
    theirs = _told(health.server_time)
    if theirs is not None:
        yield _clock(situation.context.clock.now(), theirs)


def _active(topology: Topology) -> Check:
    if topology.authoritative:
        return Check(name="active-node", state=CheckState.OK, observed=f"reads go to {topology.endpoint}")
    fix = "Add the API address of every node (sys/leader shows it) to nodes of the source."
    return Check(
        name="active-node", state=CheckState.FAILED, observed=f"only a standby can be read: {topology.why}", fix=fix
    )


def _clock(ours: datetime, theirs: datetime) -> Check:
    skew = abs(ours - theirs)
    if skew <= _SKEW:
        return Check(name="clock", state=CheckState.OK, observed="agrees with the server's within a minute")
    observed = f"differs from the server's by {format_duration(timedelta(seconds=int(skew.total_seconds())))}"
    return Check(name="clock", state=CheckState.FAILED, observed=observed, fix="Synchronise both clocks (chrony, NTP).")


def _identity(situation: Situation, topology: Topology, own: dict[str, Any]) -> Iterator[Check]:
    namespace = situation.settings.namespace or "root"
    observed = f"{principal(own)} at cluster {topology.health.cluster_id or 'unknown'}, namespace {namespace}"
    yield Check(name="identity", state=CheckState.OK, observed=observed)
    if "root" in texts(own.get("policies")):
        fix = "Give nhisync a role of its own with the policy that nhisync permissions prints."
        yield Check(name="identity:root", state=CheckState.WARNING, observed="nhisync holds a root token", fix=fix)
    ends = _told(own.get("expire_time"))
    given = isinstance(situation.settings.auth, TokenAuth)
    if given and ends is not None and ends - situation.context.clock.now() < _SOON:
        fix = "Renew it, or let nhisync log in by itself (auth method approle, jwt, kubernetes or cert)."
        observed = f"the token ends {ends:%Y-%m-%d %H:%M} UTC"
        yield Check(name="identity:expiry", state=CheckState.WARNING, observed=observed, fix=fix)


def _told(raw: object) -> datetime | None:
    """An instant as the server tells it; one beyond the calendar tells no time."""
    try:
        return instant(raw)
    except (ValueError, OverflowError, OSError):
        return None


def principal(own: dict[str, Any]) -> str:
    """Who a token is, for a person: display name, role, entity."""
    meta = mapping(own.get("meta"))
    role = text(meta.get("role_name")) or text(meta.get("role")) or text(own.get("role"))
    parts = [text(own.get("display_name")) or "token", role, text(own.get("entity_id"))]
    return "/".join(part for part in parts if part)


def _failed(name: str, error: ProviderError) -> Check:
    state = CheckState.WARNING if error.kind is ErrorKind.THROTTLED else CheckState.FAILED
    return Check(name=name, state=state, observed=error.message, fix=error.fix, error=error.fact)
