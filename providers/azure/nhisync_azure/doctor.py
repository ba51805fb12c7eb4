"""What `nhisync doctor` asks of an Azure source: file, token service, vault, directory, clock, rights; reads only."""

import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
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
    SourceIdentity,
)
from nhisync_azure.connection import Connection
from nhisync_azure.holdings import rights_checks
from nhisync_azure.identity import proof_file
from nhisync_azure.permissions import calls_of, needed
from nhisync_azure.settings import AzureSettings, ManagedIdentityAuth

_SKEW = timedelta(minutes=2)  # assertions and tokens that are off by five minutes are refused
_NOWHERE = "nhisync-doctor-no-such-item"
"""A name that no item has: a call on it shows whether it is allowed, and can return nothing."""

_NO_VERSION = "0" * 32
"""A version that no secret has: reading it shows whether values may be read, and can return none."""

_SAMPLES = 3
_AFTER = frozenset({ErrorKind.NOT_FOUND, ErrorKind.CONFLICT, ErrorKind.MISCONFIGURED})
"""Errors that come after the authorization: the call is allowed."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the checks look at."""

    connection: Connection
    settings: AzureSettings
    context: SourceContext
    identify: Callable[[Budget], SourceIdentity]


def examine(
    situation: Situation, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], budget: Budget
) -> Iterator[Check]:
    """Yield checks in the order in which they can fail; the rest is left out when nothing can be asked."""
    yield from _file(situation)
    try:
        identity = situation.identify(budget)
    except ProviderError as error:
        yield _failed("reachable" if error.kind is ErrorKind.UNREACHABLE else "identity", error)
        return
    yield _fine("token-service", f"{situation.settings.token_service} gives tokens")
    yield _fine("identity", f"{identity.principal} at {identity.authority}")
    calls = calls_of(mode, wanted, kinds, situation.settings)
    tried: dict[str, ProviderError | None] = {}
    for call in (*calls.vault, *calls.graph):
        tried.setdefault(call, _try(situation, call, budget, wanted))
    yield from _reachable(situation, tried)
    yield from _clock(situation)
    for call, refusal in tried.items():
        yield _permission(situation, call, refusal)
    secrets = [locator.name for locator in wanted if locator.kind == "secret"]
    if mode is AccessMode.READ and situation.settings.vault:
        yield _values_closed(situation, secrets, budget)
    elif calls.single:
        yield from (_value_open(situation, name, budget) for name in dict.fromkeys(secrets))
    yield from rights_checks(situation.connection, situation.settings, calls, budget)


def _file(situation: Situation) -> Iterator[Check]:
    """A credential that others can read is a shared identity; a managed identity has none."""
    auth = situation.settings.auth
    if isinstance(auth, ManagedIdentityAuth):
        return
    name = proof_file(auth)
    try:
        mode = stat.S_IMODE(situation.context.file(name).stat().st_mode)
    except OSError:
        fix = "Create it, or correct the source's auth."
        yield Check(name="credential-file", state=CheckState.FAILED, observed=f"{name} cannot be read", fix=fix)
        return
    if mode & 0o077:
        observed = f"{name} is readable by others ({mode:04o})"
        yield Check(name="credential-file", state=CheckState.WARNING, observed=observed, fix=f"chmod 600 {name}")
    else:
        yield _fine("credential-file", f"{name} is private")


def _try(situation: Situation, call: str, budget: Budget, wanted: Sequence[Locator]) -> ProviderError | None:
    """Make a call once, on something that may not exist; None = it is allowed."""
    connection = situation.connection
    service, _, method = call.partition(".")
    try:
        if service == "graph":
            collections = {"sp" if locator.kind.startswith("sp-") else "app" for locator in wanted}
            collection = "servicePrincipals" if collections == {"sp"} else "applications"
            connection.graph(collection, collection, budget, "value", **{"$select": "id", "$top": "1"})
        elif method.startswith("list_"):
            next(connection.pages(service, method, budget), None)
        else:
            connection.call(service, method, budget, _NOWHERE)
    except ProviderError as error:
        return None if error.kind in _AFTER else error
    return None


def _reachable(situation: Situation, tried: dict[str, ProviderError | None]) -> Iterator[Check]:
    """Whether each service answered at all: a denial is an answer."""
    settings = situation.settings
    for service, where in (("vault", settings.vault), ("graph", settings.graph_url)):
        mine = [error for call, error in tried.items() if (call.partition(".")[0] == "graph") == (service == "graph")]
        if not mine:
            continue
        lost = next((error for error in mine if error is not None and error.kind is ErrorKind.UNREACHABLE), None)
        if lost is not None:
            yield _failed(f"reachable:{service}", lost)
            continue
        yield _fine(f"reachable:{service}", f"{where} answers")
        trust = f"the bundle {settings.ca_file}" if settings.ca_file else "certifi's bundle"
        yield _fine(f"tls:{service}", f"the certificate of {where} is verified against {trust}")


def _clock(situation: Situation) -> Iterator[Check]:
    """Compare our clock with the Date of the last answer."""
    try:
        theirs = parsedate_to_datetime(situation.connection.date)
        skew = abs(theirs - situation.context.clock.now())
    except (ValueError, TypeError):
        return
    good = skew <= _SKEW
    fix = "" if good else "Correct this machine's clock (NTP); tokens and assertions off by five minutes are refused."
    state = CheckState.OK if good else CheckState.FAILED
    yield Check(name="clock", state=state, observed=f"differs by {int(skew.total_seconds())} s", fix=fix)


def _permission(situation: Situation, call: str, error: ProviderError | None) -> Check:
    name = f"permission:{needed(call, situation.settings)}"
    return _fine(name, f"allowed ({call})") if error is None else _failed(name, error)


def _values_closed(situation: Situation, secrets: Sequence[str], budget: Budget) -> Check:
    """Reading mode should be unable to read a value: asked of a version that does not exist, so none can come back."""
    for name in (*secrets[:_SAMPLES], _NOWHERE):
        error = _read_nothing(situation, name, budget)
        if error is None:
            return Check(
                name="values-closed",
                state=CheckState.WARNING,
                observed="this identity may read values, although inventory needs none",
                fix="Take Key Vault Secrets User (or secrets/get) away from it: nhisync permissions --mode read",
            )
        if error.kind is not ErrorKind.DENIED:
            return _failed("values-closed", error)
    return _fine("values-closed", "values cannot be read with this identity")


def _value_open(situation: Situation, name: str, budget: Budget) -> Check:
    """Whether the value of this secret may be read, without reading it."""
    error = _read_nothing(situation, name, budget)
    permission = f"permission:{needed('secrets.get_secret', situation.settings)}"
    return _fine(permission, f"allowed on {name}") if error is None else _failed(permission, error)


def _read_nothing(situation: Situation, name: str, budget: Budget) -> ProviderError | None:
    try:
        situation.connection.call("secrets", "get_secret", budget, name, _NO_VERSION, on=f"secrets/{name}")
    except ProviderError as error:
        return None if error.kind in _AFTER else error
    return None


def _fine(name: str, observed: str) -> Check:
    return Check(name=name, state=CheckState.OK, observed=observed)


def _failed(name: str, error: ProviderError, **more: Any) -> Check:
    return Check(name=name, state=CheckState.FAILED, observed=error.message, fix=error.fix, error=error.fact, **more)
