"""Permissions held against permissions needed: ``sys/capabilities-self`` answers for all paths at once."""

from collections.abc import Iterator, Mapping, Sequence

from nhisync.spi import AccessMode, Check, CheckState, ErrorFact, ErrorKind, Locator
from nhisync_vault.api import Api
from nhisync_vault.cluster import Topology
from nhisync_vault.facts import texts
from nhisync_vault.grants import OPENBAO, STORE_KINDS, VAULT, Grant
from nhisync_vault.mounts import discover
from nhisync_vault.permissions import needed
from nhisync_vault.settings import VaultSettings

_STAND_IN = "nhisync-doctor"
"""Stands for ``*`` and ``+`` where the server is asked what it would permit."""

_HARMLESS = frozenset({"read", "list", "scan"})
_LOOKUP = "/lookup"
"""End of the paths that are read by POST, so that ``update`` changes nothing there."""

Held = Mapping[str, tuple[str, ...]]


def check_permissions(
    api: Api, topology: Topology, mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str]
) -> Iterator[Check]:
    """One check for each path that the mode needs here, and one for what the token holds beyond it.

    Raises:
        ProviderError: the server does not say what our token may do.
    """
    settings, kinds = _placed(api, wanted, kinds)
    grants = needed(settings, mode, wanted, kinds)
    if not grants:
        said = f"mode {mode.value} has nothing to do with the configured items"
        yield Check(name="permissions", state=CheckState.OK, observed=said)
        return
    flavour = OPENBAO if topology.health.openbao else VAULT
    asked = [grant for grant in grants if not grant.denies and grant.only in ("", flavour)]
    beyond = _beyond(settings, wanted, kinds, grants)
    held = _ask(api, [*map(concrete, asked), *beyond])
    for grant in asked:
        yield _permission(grant, held.get(concrete(grant), ()))
    yield _excess(mode, held, beyond)


def _placed(api: Api, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[VaultSettings, frozenset[str]]:
    """The settings with the mounts that exist instead of any, and the kinds that stand in one or may."""
    settings = api.settings
    table = discover(api, kinds | {locator.kind for locator in wanted})
    found = {kind: tuple(mount.path for mount in table.of_kind(kind)) for kind in kinds - STORE_KINDS}
    known = {kind: paths for kind, paths in found.items() if table.gap(kind) is None}
    kept = frozenset(kind for kind in kinds if known.get(kind, True))
    mounts = {**{kind: paths for kind, paths in known.items() if paths}, **settings.mounts}
    return settings.model_copy(update={"mounts": mounts}), kept


def concrete(grant: Grant) -> str:
    """A path that a grant covers."""
    segments = [_STAND_IN if segment == "+" else segment for segment in grant.path.split("/")]
    return "/".join(segments).replace("*", _STAND_IN)


def _ask(api: Api, paths: Sequence[str]) -> Held:
    """Capabilities of our own token on `paths`, asked at once."""
    asked = list(dict.fromkeys(paths))
    data = api.lookup("sys/capabilities-self", {"paths": asked})
    return {path: texts(data.get(path)) for path in asked}


def _permission(grant: Grant, held: tuple[str, ...]) -> Check:
    name = f"permission:{grant.action}"
    missing = [word for word in grant.capabilities if word not in held and "root" not in held]
    if not missing:
        return Check(name=name, state=CheckState.OK, observed="have")
    words = ", ".join(missing)
    fact = ErrorFact(
        kind=ErrorKind.DENIED.value,
        message=f"the token may not {words} on {grant.path}",
        action=",".join(missing),
        resource=grant.path,
    )
    return Check(name=name, state=CheckState.FAILED, observed=f"missing: {words}", fix=grant.block, error=fact)


def _beyond(
    settings: VaultSettings, wanted: Sequence[Locator], kinds: frozenset[str], grants: Sequence[Grant]
) -> dict[str, frozenset[str]]:
    """Path → words that the mode has no use for: what it denies, what other modes open, and writing what is read."""
    writes = frozenset({"create", "update", "patch", "delete", "sudo"})
    needs = {concrete(grant): frozenset(grant.capabilities) for grant in grants if not grant.denies}
    found = {path: writes - words for path, words in needs.items() if not path.endswith(_LOOKUP)}
    for grant in grants:
        if grant.denies:
            found[concrete(grant)] = writes | _HARMLESS
    for other in (AccessMode.FINGERPRINT, AccessMode.PROBE, AccessMode.ROTATE):
        for grant in needed(settings, other, wanted, kinds):
            path = concrete(grant)
            if grant.denies or path.endswith(_LOOKUP) or path.startswith(("auth/token/", "sys/")):
                continue
            words = frozenset(grant.capabilities) if _opens_values(other, path) else set(grant.capabilities) - _HARMLESS
            found[path] = frozenset({*found.get(path, ()), *words}) - needs.get(path, frozenset())
    return {path: words for path, words in found.items() if words}


def _opens_values(mode: AccessMode, path: str) -> bool:
    return mode is not AccessMode.ROTATE and any(part in path for part in _VALUES)


_VALUES = ("/data/", "/creds/", "/static-creds/", "/static-cred/")


def _excess(mode: AccessMode, held: Held, beyond: Mapping[str, frozenset[str]]) -> Check:
    found = [
        f"{','.join(sorted(words & set(have))) or 'root'} {path}"
        for path, words in sorted(beyond.items())
        if (have := held.get(path, ())) and ("root" in have or words & set(have))
    ]
    if not found:
        said = "nothing beyond what the mode needs: other values and changes are closed"
        return Check(name="least-privilege", state=CheckState.OK, observed=said)
    more = f" and {len(found) - 1} more" if found[1:] else ""
    return Check(
        name="least-privilege",
        state=CheckState.WARNING,
        observed=f"mode {mode.value} does not need: {found[0]}{more}",
        fix=f"Write the policy that nhisync permissions --provider vault --mode {mode.value} prints, and attach no "
        "other one to nhisync's role.",
    )
