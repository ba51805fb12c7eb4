"""Rights held beside rights needed, as Azure itself tells them: ARM for a vault, the token's roles for Graph."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from nhisync.spi import Budget, Check, CheckState, ErrorKind, ProviderError
from nhisync_azure.connection import Connection
from nhisync_azure.operations import NEEDS, VAULT
from nhisync_azure.permissions import Calls, needed
from nhisync_azure.settings import AzureSettings

_VAULT_VERSION = "2023-07-01"
_RIGHTS_VERSION = "2022-04-01"

_REACHES = (
    *sorted({need.role for need in NEEDS.values() if need.role.startswith(f"{VAULT}/") and need.policy}),
    f"{VAULT}/secrets/delete",
    f"{VAULT}/secrets/purge/action",
    f"{VAULT}/secrets/backup/action",
    f"{VAULT}/keys/delete",
    f"{VAULT}/keys/purge/action",
    f"{VAULT}/keys/backup/action",
    f"{VAULT}/certificates/delete",
    f"{VAULT}/certificates/purge/action",
    f"{VAULT}/certificates/backup/action",
)
"""Data actions that are looked for when rights are compared: a role's patterns are held against each of them."""


def rights_checks(connection: Connection, settings: AzureSettings, calls: Calls, budget: Budget) -> Iterator[Check]:
    """Warn about more than is needed; say where the configuration and the vault disagree."""
    if calls.arm:
        yield from _vault_checks(connection, settings, calls, budget)
    if calls.graph:
        yield from _graph_check(connection, calls, budget)


def _vault_checks(connection: Connection, settings: AzureSettings, calls: Calls, budget: Budget) -> Iterator[Check]:
    path = settings.vault_id or ""
    try:
        vault = connection.arm("vault", path, budget, version=_VAULT_VERSION)
        yield _allowed("arm.vault", settings)
        yield _model(settings, vault)
    except ProviderError as error:
        yield _failed("arm.vault", settings, error)
        vault = {}
    try:
        blocks = connection.arm(
            "permissions",
            f"{path}/providers/Microsoft.Authorization/permissions",
            budget,
            version=_RIGHTS_VERSION,
            member="value",
        )["value"]
        yield _allowed("arm.permissions", settings)
    except ProviderError as error:
        yield _failed("arm.permissions", settings, error)
        return
    if settings.access == "policies":
        held = _by_policy(vault, connection.who(budget).object)
        yield _surplus("vault-rights", held, {needed(call, settings) for call in _of_vault(calls)})
    else:
        held = {action for action in _REACHES if any(_grants(block, action) for block in blocks)}
        yield _surplus("vault-rights", held, {NEEDS[call].role for call in _of_vault(calls)})


def _graph_check(connection: Connection, calls: Calls, budget: Budget) -> Iterator[Check]:
    """The token itself says which application roles it carries."""
    try:
        held = set(connection.roles(budget))
    except ProviderError as error:
        if error.kind is not ErrorKind.THROTTLED:
            yield Check(
                name="graph-rights",
                state=CheckState.FAILED,
                observed=error.message,
                fix=error.fix,
                error=error.fact,
            )
        return
    yield _surplus("graph-rights", held, {NEEDS[call].role for call in calls.graph})


def _model(settings: AzureSettings, vault: Mapping[str, Any]) -> Check:
    """A vault made anew by newer tooling authorises by roles, whatever the old one did."""
    properties = vault.get("properties")
    roles = isinstance(properties, Mapping) and properties.get("enableRbacAuthorization") is True
    found = "rbac" if roles else "policies"
    if found == settings.access:
        return Check(name="access-model", state=CheckState.OK, observed=f"the vault authorises by {found}")
    return Check(
        name="access-model",
        state=CheckState.FAILED,
        observed=f"the vault authorises by {found}, the source says {settings.access}",
        fix=f"Set access: {found}, and apply the document that nhisync permissions then prints.",
    )


def _by_policy(vault: Mapping[str, Any], principal: str) -> set[str]:
    """What the vault's own policies give to `principal`, as ``secrets/list`` words."""
    properties = vault.get("properties")
    policies = properties.get("accessPolicies") if isinstance(properties, Mapping) else None
    held: set[str] = set()
    for policy in policies if isinstance(policies, list) else ():
        if not isinstance(policy, Mapping) or str(policy.get("objectId") or "").lower() != principal:
            continue
        granted = policy.get("permissions")
        for kind, words in granted.items() if isinstance(granted, Mapping) else ():
            found = words if isinstance(words, list) else ()
            held |= {f"{str(kind).lower()}/{str(word).lower()}" for word in found}
    return held


def _grants(block: Any, action: str) -> bool:
    """Whether one block of ARM's answer allows a data action."""
    if not isinstance(block, Mapping):
        return False
    return _any(block.get("dataActions"), action) and not _any(block.get("notDataActions"), action)


def _any(patterns: Any, action: str) -> bool:
    found = patterns if isinstance(patterns, list) else ()
    return any(fnmatchcase(action.lower(), str(pattern).lower()) for pattern in found)


def _of_vault(calls: Calls) -> Sequence[str]:
    return (*calls.vault, *(["secrets.get_secret"] if calls.single else []))


def _surplus(name: str, held: Iterable[str], wanted: Iterable[str]) -> Check:
    more = sorted(set(held) - {one.lower() if "/" in one and "." not in one else one for one in wanted})
    if not more:
        return Check(name=name, state=CheckState.OK, observed="no more than this mode needs")
    return Check(
        name=name,
        state=CheckState.WARNING,
        observed=f"this identity may do more than this mode needs: {', '.join(more)}",
        fix="Assign the document of nhisync permissions instead of a broader role or policy.",
    )


def _allowed(call: str, settings: AzureSettings) -> Check:
    return Check(name=f"permission:{needed(call, settings)}", state=CheckState.OK, observed=f"allowed ({call})")


def _failed(call: str, settings: AzureSettings, error: ProviderError) -> Check:
    return Check(
        name=f"permission:{needed(call, settings)}",
        state=CheckState.FAILED,
        observed=error.message,
        fix=error.fix,
        error=error.fact,
    )
