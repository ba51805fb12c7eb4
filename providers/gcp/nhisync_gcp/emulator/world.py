"""The Google Cloud part of the embedded world: projects, endpoints and identities per (path, source), seeds, faults.

The provider's README lists the options of sources and seeds and the faults.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from nhisync.spi import Clock, SystemClock
from nhisync.testing.world import Seed
from nhisync_gcp.emulator import identity
from nhisync_gcp.emulator.accounts import Account
from nhisync_gcp.emulator.cloud import Cloud
from nhisync_gcp.emulator.plot import Plot
from nhisync_gcp.emulator.rpc import Node
from nhisync_gcp.emulator.seeding import plant
from nhisync_gcp.emulator.source import (
    FINGERPRINT_PERMISSION,
    READ_PERMISSIONS,
    RIGHTS_PERMISSIONS,
    Source,
    SourceOptions,
)
from nhisync_gcp.emulator.tls import ListenerAuthority
from nhisync_gcp.permissions import PROTECTION, PROTECTION_ABOVE


class GcpWorld:
    """Any number of emulated Google Cloud projects; satisfies `nhisync.testing.world.WorldPart`."""

    provider: ClassVar[str] = "gcp"

    def __init__(self, *, clock: Clock, directory: Path) -> None:
        self.cloud = Cloud(clock=clock)
        self._directory = directory
        self._authority: ListenerAuthority | None = None
        self._sources: dict[tuple[str, str], Source] = {}

    def start(self) -> None:
        """Make the directory and the listeners' CA; every source opens its own listeners."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._authority = ListenerAuthority(self._directory, SystemClock().now())

    def add_source(self, path: str, source: str, *, region: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Create one source and return its configuration document.

        Raises:
            TypeError: an option that `SourceOptions` does not have.
            ValueError: the world has this source already.
        """
        assert self._authority is not None, "start() comes first"
        if (path, source) in self._sources:
            raise ValueError(f"the world has a source {path}/{source} already")
        given = {"locations": (region,), **options}
        chosen = SourceOptions(**{key: _frozen(value) for key, value in given.items()})
        name = f"{path}-{source}"
        project = self.cloud.project(chosen.project or _id(f"acme-{name}"))
        parents = self.cloud.access.principals.parents
        parents.update(pairwise((f"projects/{project.id}", *chosen.above)))
        account = self._account(project.id, _id(f"nhisync-{name}"))
        made = Source(name=name, node=Node(cloud=self.cloud, project=project.id), options=chosen, identity=account)
        self._sources[path, source] = made
        self._grant(made)
        made.open(self._authority)
        return {
            "provider": self.provider,
            "region": region,
            "project": project.id,
            "locations": list(chosen.locations),
            **made.addresses(),
            "ca_file": str(self._authority.ca_file),
            "auth": identity.document(made, self._directory),
        }

    def seed(self, path: str, source: str, item: Seed) -> str:
        """Plant `item`; returns ``<kind>/<name>``.

        Raises:
            ValueError: a kind that the provider does not have.
            TypeError: an option that the kind does not have.
        """
        made = self.source(path, source)
        with self.cloud.lock:
            plot = Plot(cloud=self.cloud, project=made.project, seed=item, now=self.cloud.clock.now())
            planted = plant(plot)
        if item.options.get("denied"):
            made.node.faults.switch("denied", resource=planted.resource)
        return planted.locator

    def fault(self, path: str, source: str, name: str, **options: Any) -> None:
        """Switch a fault on, or off with ``off=True``; names: `nhisync_gcp.emulator.faults.FAULTS`."""
        made = self.source(path, source)
        if name == "unreachable":
            made.reach(options.get("listeners", ()), off=bool(options.get("off")))
            return
        made.node.faults.switch(name, **options)

    def source(self, path: str, source: str) -> Source:
        """The source itself, for tests that look at it from the server's side.

        Raises:
            ValueError: no such source.
        """
        if (path, source) not in self._sources:
            raise ValueError(f"the world has no source {path}/{source}")
        return self._sources[path, source]

    def grant(self, path: str, source: str, grants: Mapping[str, Iterable[str]]) -> None:
        """Let the source's identity hold exactly these permissions, by resource name (`Source.grant`)."""
        self.source(path, source).grant(grants)

    def calls(self, path: str, source: str) -> Counter[str]:
        """Calls so far: ``Service.Method`` over gRPC, the path over HTTPS."""
        return self.source(path, source).node.counter.calls()

    def key_file(self, path: str, source: str, account_id: str, role: str = "roles/owner") -> Path:
        """The key file of a further service account, which holds `role` on the source's project."""
        made = self.source(path, source)
        account = self._account(made.project, account_id)
        self.cloud.access.bind(f"projects/{made.project}", role, account.member, self.cloud.clock.now())
        return identity.key_file(made, account, self._directory)

    def stop(self) -> None:
        """Close every listener; safe to call twice."""
        for made in self._sources.values():
            made.close()

    def _account(self, project: str, account_id: str) -> Account:
        with self.cloud.lock:
            found = self.cloud.accounts.find(f"{account_id}@{project}.iam.gserviceaccount.com")
            return found or self.cloud.accounts.create(project, account_id, self.cloud.clock.now())

    def _grant(self, made: Source) -> None:
        wanted = READ_PERMISSIONS if made.options.permissions is None else made.options.permissions
        extra = (FINGERPRINT_PERMISSION,) if made.options.fingerprint else ()
        project = f"projects/{made.project}"
        if made.options.role:
            self.cloud.access.bind(project, made.options.role, made.identity.member, self.cloud.clock.now())
        else:
            rights = RIGHTS_PERMISSIONS if made.options.rights else ()
            guards = (*PROTECTION, *PROTECTION_ABOVE) if made.options.protection else ()
            above = {place: (*rights, *guards) for place in made.options.above[-1:] if rights or guards}
            made.grant({project: (*wanted, *extra, *rights, *guards), **above})


def _id(text: str) -> str:
    """An id of a project or an account: at most 30 lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9-]", "-", text.lower())[:30].rstrip("-")


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
