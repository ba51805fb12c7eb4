"""How a cluster guards what it stores: its seal, its barrier key, its audit devices; three reads for a whole run.

``sys/seal-status`` needs no token, ``sys/rotate/config`` a read, ``sys/audit`` a read with sudo (OpenBao and Vault,
``vault/logical_system.go``). The last two are optional: what is refused stays unknown. An audit device records every
request to every mount before it is answered (Vault documentation, "Audit devices"); one with a filter records a part.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from nhisync.spi import (
    GUARDED,
    Audited,
    Coverage,
    CoverageStatus,
    ErrorKind,
    Guarding,
    Item,
    KeyHolder,
    Observation,
    PermissionDocument,
    Presence,
    Protection,
    ProviderError,
    SourceContext,
)
from nhisync_vault.api import Api
from nhisync_vault.cluster import Cluster
from nhisync_vault.facts import mapping, text
from nhisync_vault.grants import Grant, merge, render
from nhisync_vault.settings import VaultSettings

AUDIT, ROTATION = "sys/audit", "sys/rotate/config"
GRANTS: Final = (Grant(AUDIT, ("read", "sudo")), Grant(ROTATION, ("read",)))

_TITLE = "policy nhisync-protection{where}: how the cluster guards what it stores; optional, without it that is unknown"
_HARDWARE: Final = {"shamir": False, "static": False, "awskms": True, "pkcs11": True}
"""Seal type → whether its key stays in hardware. Keys of AWS KMS always do, PKCS #11 is the interface of hardware
modules; other services and another cluster's transit engine offer both, and do not tell through this server."""


def permissions_for(settings: VaultSettings) -> tuple[PermissionDocument, ...]:
    """The policy that these reads need beside the READ policy."""
    title = _TITLE.format(where=f" in namespace {settings.namespace}" if settings.namespace else "")
    grants = merge(GRANTS)
    text_ = render(title, grants)
    return (
        PermissionDocument(title=title, language="hcl", text=text_, actions=tuple(grant.action for grant in grants)),
    )


class Guard:
    """What guards the items of one run."""

    def __init__(self, api: Api, cluster: Cluster, context: SourceContext) -> None:
        self._api, self._cluster, self._context = api, cluster, context
        self._refused: list[ProviderError] = []
        self.protection = self._read()
        self.marking = Guarding(self.protection)

    def guarded(self, found: Iterable[Observation]) -> Iterator[Observation]:
        """`found`, each item with what guards it, and at the end what was refused."""
        for one in found:
            there = isinstance(one, Item) and one.presence is Presence.PRESENT
            yield self.marking.guarded(one, self.protection) if there and isinstance(one, Item) else one
        for error in self._refused:
            yield Coverage(
                source=self._context.source,
                kind=GUARDED,
                scope=error.fact.resource,
                status=CoverageStatus.DENIED,
                as_of=self._context.clock.now(),
                error=error.fact,
            )

    def _read(self) -> Protection:
        seal, no_seal = self._asked(lambda: {"type": self._cluster.seal(self._api.topology, self._api.budget)})
        kind = text(seal.get("type"))
        rotation, no_rotation = self._asked(lambda: self._api.get(ROTATION))
        devices, no_devices = self._asked(lambda: self._api.get(AUDIT))
        enabled = rotation.get("enabled")
        said = [f"seal {kind}" if kind else f"seal not known: {no_seal}"]
        said += [f"rotation of the barrier key not known: {no_rotation}"] if no_rotation else []
        return Protection(
            holder=KeyHolder.CUSTOMER if kind else None,
            hardware=_HARDWARE.get(kind),
            rotates=enabled if isinstance(enabled, bool) else None,
            enabled=True,  # a sealed server is asked for nothing: its key could not be used
            key="; ".join(said),
            audited=None if no_devices else _audited(devices),
            audit=f"audit devices not known: {no_devices}" if no_devices else _told(devices),
        )

    def _asked(self, read: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], str]:
        """What `read` brings, and why it brings nothing."""
        try:
            return read(), ""
        except ProviderError as error:
            if error.kind is ErrorKind.DENIED:
                self._refused.append(error)
            return {}, f"{error.kind.value} ({error.fact.resource})" if error.fact.resource else error.kind.value


def _audited(devices: dict[str, Any]) -> Audited:
    if not devices:
        return Audited.NO
    return Audited.YES if any(not _filtered(one) for one in devices.values()) else Audited.PARTLY


def _filtered(device: Any) -> bool:
    """Whether it records a part only (Vault Enterprise, "Filter syntax for audit results")."""
    return bool(mapping(mapping(device).get("options")).get("filter"))


def _told(devices: dict[str, Any]) -> str:
    if not devices:
        return "no audit device"
    names = sorted(f"{path} ({text(mapping(one).get('type'))})" for path, one in devices.items())
    only = ", each with a filter" if _audited(devices) is Audited.PARTLY else ""
    return f"audit device {', '.join(names[:3])}{only}"
