"""The embedded world: what a provider's emulator must offer so that `nhisync demo` and the tests can use it.

Entry-point group ``nhisync.worlds``: provider name → a class that satisfies `WorldPart`. Core knows no SDK; each
provider starts and seeds its own emulator from provider-neutral `Seed` values and answers with the configuration
document of the source that reaches it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Protocol

from nhisync.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """One credential to plant.

    Attributes:
        kind: the first segment of a locator (``kv``, ``secret``, ``access-key``, ``tls``).
        name: the rest of the locator, without ``#field`` (``secret/payments/stripe``).
        fields: field name → value. Values are canaries: tests look for them in every output.
        created: age of the item.
        rotated: age of its current version; None = never rotated since creation.
        expires: time left (negative = already expired); None = no expiry.
        owner: owner tag or custom metadata; None = unowned.
        tags: further tags or custom metadata (``nhisync:name`` among them).
        options: what only this provider understands (rotation schedule, replica, chain shape …); its README lists them.
    """

    kind: str
    name: str
    fields: Mapping[str, str] = field(default_factory=dict)
    created: timedelta = timedelta(days=90)
    rotated: timedelta | None = timedelta(days=5)
    expires: timedelta | None = None
    owner: str | None = "platform-oncall"
    tags: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


class WorldPart(Protocol):
    """One provider's emulators: any number of sources on any number of paths, in this process, on loopback."""

    provider: ClassVar[str]

    def __init__(self, *, clock: Clock, directory: Path) -> None:
        """`directory` is private to this part: certificates, tokens and sockets live there. No IO yet."""
        ...

    def start(self) -> None:
        """Open the listeners (ephemeral loopback ports); returns when they answer."""
        ...

    def add_source(self, path: str, source: str, *, region: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Create one source and return its configuration document, as it would stand in ``nhisync.yaml``.

        Credentials are referenced by file inside `directory`, never inlined.
        """
        ...

    def seed(self, path: str, source: str, item: Seed) -> str:
        """Plant `item`; returns the part after ``<source>:``, which may hold a port known only now."""
        ...

    def fault(self, path: str, source: str, name: str, **options: Any) -> None:
        """Switch a named fault on (``denied``, ``sealed``, ``throttled`` …) or off again with ``off=True``."""
        ...

    def stop(self) -> None:
        """Close everything; must leave no thread, socket or process behind. Safe to call twice."""
        ...
