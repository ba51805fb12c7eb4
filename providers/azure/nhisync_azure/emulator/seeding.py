"""What all seeds share: where they are planted, dates in the past, tags; and secrets."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nhisync.testing.world import Seed
from nhisync_azure.emulator.cloud import Cloud
from nhisync_azure.emulator.directory import ServicePrincipal, Tenant
from nhisync_azure.emulator.rbac import VAULTS, DenyAssignment
from nhisync_azure.emulator.vaults import Deletion, Entry, SecretVersion, Shelf, Vault, Version

_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Where a seed goes: one source's vault and tenant."""

    cloud: Cloud
    vault: Vault
    tenant: Tenant
    principal: ServicePrincipal
    seed: Seed

    @property
    def now(self) -> datetime:
        """The world's instant."""
        return self.cloud.clock.now()

    @property
    def created(self) -> datetime:
        """When the item was made."""
        return self.now - self.seed.created

    @property
    def changed(self) -> datetime:
        """When its current version was made."""
        return self.created if self.seed.rotated is None else self.now - self.seed.rotated

    @property
    def tags(self) -> dict[str, str]:
        """The seed's tags with its owner."""
        tags = dict(self.seed.tags)
        if self.seed.owner is not None:
            tags.setdefault("owner", self.seed.owner)
        return tags

    def options(self, **defaults: Any) -> dict[str, Any]:
        """The seed's options over `defaults`.

        Raises:
            TypeError: an option that this kind does not have.
        """
        unknown = set(self.seed.options) - set(defaults)
        if unknown:
            msg = f"a seed of kind {self.seed.kind} has no option {', '.join(sorted(unknown))}"
            raise TypeError(msg)
        return {**defaults, **self.seed.options}


def vault_name(plot: Plot) -> str:
    """The seed's name, if Key Vault allows it.

    Raises:
        ValueError: it does not.
    """
    if not _NAME.fullmatch(plot.seed.name):
        msg = f"Key Vault names hold letters, digits and hyphens, at most 127: {plot.seed.name!r}"
        raise ValueError(msg)
    return plot.seed.name


def seed_secret(plot: Plot) -> str:
    """Plant a secret; its value is a JSON object of the seed's fields.

    Options besides `COMMON`: ``plain`` (the only field's text as it is), ``content_type``.
    """
    options = plot.options(**COMMON, plain=False, content_type=None)
    name = vault_name(plot)

    def make(at: datetime, suffix: str) -> SecretVersion:
        return SecretVersion(
            id=plot.cloud.ids.version(),
            created=at,
            updated=at,
            value=value_of(plot.seed.fields, name, suffix=suffix, plain=bool(options["plain"])),
            content_type=options["content_type"],
        )

    older = int(options["older_versions"]) or (1 if plot.seed.rotated is not None else 0)
    versions = [make(at, f"-old{number}") for number, at in enumerate(history(plot, older))]
    finish(plot, plot.vault.secrets, Entry(name=name, versions=[*versions, make(plot.changed, "")]), options)
    return f"secret/{name}"


COMMON: dict[str, Any] = {
    "disabled": False,
    "deleted": None,
    "older_versions": 0,
    "older_enabled": True,
    "not_before": None,
    "denied": False,
    "touched": None,
}
"""Options of every Key Vault seed and their defaults.

``disabled`` (the newest version), ``deleted`` (timedelta since the deletion), ``older_versions`` (how many; default one
when the seed was rotated), ``older_enabled``, ``not_before`` (timedelta from now; negative = past), ``denied`` (a deny
assignment keeps nhisync's identity from reading the object), ``touched`` (timedelta since the last change of
attributes).
"""


def finish(plot: Plot, shelf: Shelf[Any], entry: Entry[Any], options: Mapping[str, Any]) -> None:
    """Give an entry its attributes, tags and state, and put it on its shelf."""
    for version in entry.versions:
        version.tags = dict(plot.tags)
        version.enabled = bool(options["older_enabled"])
    newest: Version = entry.newest
    newest.enabled = not options["disabled"]
    if plot.seed.expires is not None:
        newest.expires = plot.now + plot.seed.expires
    if options["not_before"] is not None:
        newest.not_before = plot.now + options["not_before"]
    if options["touched"] is not None:
        newest.updated = plot.now - options["touched"]
    shelf.forget(entry.name)  # planted anew
    at = None if options["deleted"] is None else plot.now - options["deleted"]
    shelf.settle(entry, None if at is None else Deletion(at=at, purge_at=at + plot.vault.retention))
    if options["denied"]:
        deny(plot, f"{plot.vault.id}/{plot.seed.kind}s/{entry.name}")


def history(plot: Plot, older: int) -> list[datetime]:
    """Instants of the versions before the current one: the first at the item's creation, evenly spread."""
    step = (plot.changed - plot.created) / max(1, older)
    return [plot.created + step * number for number in range(older)]


def value_of(fields: Mapping[str, str], name: str, *, suffix: str, plain: bool) -> str:
    """The stored text: a JSON object of the fields, or the only field's text as it is."""
    found = {key: f"{value}{suffix}" for key, value in fields.items()}
    if plain:
        return next(iter(found.values()), f"seeded-{name}{suffix}")
    return json.dumps(found or {"value": f"seeded-{name}{suffix}"})


def deny(plot: Plot, scope: str) -> None:
    """A deny assignment that keeps nhisync's principal from one object.

    Raises:
        ValueError: the vault authorises by access policies, which know no single objects.
    """
    if not plot.vault.rbac:
        msg = f"access policies cannot deny a single object: {plot.seed.name}"
        raise ValueError(msg)
    plot.cloud.rbac.denials.append(
        DenyAssignment(
            id=plot.cloud.ids.guid(),
            name=f"seeded for {plot.seed.name}",
            scope=scope,
            principals=frozenset({plot.principal.id}),
            data_actions=(f"{VAULTS}/*",),
        )
    )
