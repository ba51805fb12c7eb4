"""Which mounts exist, of which type, and which of them a run reads.

``sys/mounts`` and ``sys/auth`` are the truth; when they are denied, ``sys/internal/ui/mounts`` shows the mounts that
the token can reach, which proves nothing about others. Type and version are taken from there, never guessed from paths
(external-secrets#3116).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nhisync.spi import ErrorKind, Locator, ProviderError
from nhisync_vault.api import Api
from nhisync_vault.facts import mapping, text
from nhisync_vault.grants import AUTH_KINDS, STORE_KINDS

TYPES: Mapping[str, tuple[str, ...]] = {
    "kv": ("kv", "generic"),
    "db-static": ("database",),
    "db-dynamic": ("database",),
    "approle": ("approle",),
    "pki": ("pki",),
    "transit": ("transit",),
    "ldap-static": ("ldap", "openldap"),
}
"""Locator kind → engine types; tokens have no mount of their own choice."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount.

    Attributes:
        path: without slashes at its ends and without ``auth/``.
        type: engine type.
        version: ``2`` for the versioned key/value engine, "" elsewhere.
        local: not replicated to other clusters.
        auth: it stands in the auth table.
        accessor: the server's own id of it, "" = not told.
    """

    path: str
    type: str
    version: str = ""
    local: bool = False
    auth: bool = False
    accessor: str = ""

    @property
    def api(self) -> str:
        """Where its API begins."""
        return f"auth/{self.path}" if self.auth else self.path

    @property
    def scope(self) -> str:
        """Scope of its coverage: the prefix of all its locator names."""
        return f"{self.path}/"


@dataclass(frozen=True, slots=True)
class MountTable:
    """The mounts of a run.

    Attributes:
        mounts: all that are known.
        complete: a mount that is not here does not exist, unless its table is among `denied`.
        denied: tables that may not be read (auth mounts or not) and why.
    """

    mounts: tuple[Mount, ...]
    complete: bool = True
    denied: tuple[tuple[bool, ProviderError], ...] = ()

    def gap(self, kind: str) -> ProviderError | None:
        """Why mounts of `kind` may exist that are not here."""
        return next((error for auth, error in self.denied if auth == (kind in AUTH_KINDS)), None)

    def of_kind(self, kind: str) -> tuple[Mount, ...]:
        """Mounts that hold items of `kind`, sorted by path."""
        auth = kind in AUTH_KINDS
        fitting = (mount for mount in self.mounts if mount.auth == auth and mount.type in TYPES.get(kind, ()))
        return tuple(sorted(fitting, key=lambda mount: mount.path))

    def place(self, locator: Locator) -> tuple[Mount, str]:
        """The mount of an item and the rest of its name.

        Raises:
            ProviderError: SCOPE_MISSING when no mount of the kind holds it.
        """
        auth = locator.kind in AUTH_KINDS
        holding = [m for m in self.mounts if m.auth == auth and f"{locator.name}/".startswith(m.scope)]
        found = max(holding, key=lambda mount: len(mount.path), default=None)
        rest = locator.name.removeprefix(found.scope) if found else ""
        if found is None or found.type not in TYPES.get(locator.kind, ()):
            raise _missing(locator, found, complete=self.complete and self.gap(locator.kind) is None)
        if not rest or locator.name == found.path:
            raise ProviderError(
                ErrorKind.MISCONFIGURED,
                f"the locator names the mount {found.path} and no item in it",
                fix=f"Write {locator.source}:{locator.kind}/{found.path}/<name>.",
            )
        return found, rest


def discover(api: Api, kinds: Collection[str]) -> MountTable:
    """The mounts that `kinds` can stand in; a table that none of them needs is not asked for.

    Raises:
        ProviderError: when even the visible mounts cannot be read.
    """
    placed = set(kinds) - STORE_KINDS
    mounts: list[Mount] = []
    denied: list[tuple[bool, ProviderError]] = []
    for auth in sorted({kind in AUTH_KINDS for kind in placed}):
        try:
            table = _whole(api.get("sys/auth" if auth else "sys/mounts"))
        except ProviderError as error:
            if error.kind is not ErrorKind.DENIED:
                raise
            denied.append((auth, error))
            table = dict(mapping(api.get("sys/internal/ui/mounts").get("auth" if auth else "secret")))
        mounts.extend(_parsed(table, auth=auth))
    return _limited(MountTable(tuple(mounts), denied=tuple(denied)), api.settings.mounts)


def _whole(table: dict[str, Any]) -> dict[str, Any]:
    """`table`, which is never empty: ``sys/`` and ``token/`` cannot be disabled, in no namespace.

    Raises:
        ProviderError: MALFORMED: the answer was emptied on its way, and no mount can be called missing by it.
    """
    if table:
        return table
    raise ProviderError(
        ErrorKind.MALFORMED,
        "the table of mounts is empty, which no server's is",
        fix="Look for a proxy or gateway between nhisync and the server; nothing is concluded from this answer.",
    )


def _parsed(table: Mapping[str, Any], *, auth: bool) -> Iterable[Mount]:
    for path, raw in table.items():
        facts = mapping(raw)
        if not path.endswith("/") or not text(facts.get("type")):
            continue
        options = mapping(facts.get("options"))
        yield Mount(
            path=path.strip("/"),
            type=text(facts.get("type")),
            version=text(options.get("version")),
            local=facts.get("local") is True,
            auth=auth,
            accessor=text(facts.get("accessor")),
        )


def _limited(table: MountTable, wanted: Mapping[str, tuple[str, ...]]) -> MountTable:
    """Only the configured mounts of the kinds that name any."""
    if not wanted:
        return table
    kept = []
    for mount in table.mounts:
        kinds = [kind for kind in wanted if mount.type in TYPES.get(kind, ()) and mount.auth == (kind in AUTH_KINDS)]
        if not kinds or any(mount.path in wanted[kind] for kind in kinds):
            kept.append(mount)
    return replace(table, mounts=tuple(kept))


def _missing(locator: Locator, found: Mount | None, *, complete: bool) -> ProviderError:
    if found is not None:
        return ProviderError(
            ErrorKind.SCOPE_MISSING,
            f"the mount {found.path} is of type {found.type} and holds no {locator.kind}",
            resource=found.path,
            fix=f"Correct the kind or the mount of {locator}.",
        )
    said = "no mount holds this item" if complete else "no mount that the token can reach holds this item"
    return ProviderError(
        ErrorKind.SCOPE_MISSING,
        said,
        resource=locator.name,
        fix="Check the mount in the locator against `vault secrets list` and `vault auth list`, and the namespace.",
    )
