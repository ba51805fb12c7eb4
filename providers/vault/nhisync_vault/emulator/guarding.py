"""What a cluster tells of how it guards its storage: seal, rotation of the barrier key, audit devices.

Source: OpenBao ``vault/logical_system.go`` (``handleAuditTable``, ``handleKeyRotationConfigRead``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nhisync_vault.emulator.engine import Call, Route, route
from nhisync_vault.emulator.wire import Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """How one cluster is set up.

    Attributes:
        seal: type of its seal.
        rotates: the barrier key is replaced by itself.
        audit: path of an audit device with a trailing slash → its options.
    """

    seal: str = "shamir"
    rotates: bool = True
    audit: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def routes() -> tuple[Route, ...]:
    """``sys/audit`` and ``sys/rotate/config``."""
    return (route(r"audit", read=_audit), route(r"rotate/(?:keyring/)?config", read=_rotation))


def _audit(call: Call) -> Response:
    devices: dict[str, Any] = {
        path: {"type": path.rstrip("/"), "description": "", "options": dict(options), "local": False, "path": path}
        for path, options in call.core.guarded.audit.items()
    }
    return Response(data=devices)


def _rotation(call: Call) -> Response:
    return Response(data={"enabled": call.core.guarded.rotates, "interval": 0, "max_operations": 3865470566})
