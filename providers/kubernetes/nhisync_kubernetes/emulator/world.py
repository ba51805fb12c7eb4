"""The Kubernetes part of the embedded world: clusters per (path, source), seeds, faults.

The provider's README lists the options of sources and seeds and the faults.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from nhisync.spi import AccessMode, Clock, Locator, SystemClock, SystemRandomness
from nhisync.testing.world import Seed
from nhisync_kubernetes.emulator.cluster import Cluster
from nhisync_kubernetes.emulator.definitions import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    NAMESPACES,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
)
from nhisync_kubernetes.emulator.faults import NAMES
from nhisync_kubernetes.emulator.rbac import Outside
from nhisync_kubernetes.emulator.seeding import Seeder
from nhisync_kubernetes.emulator.server import Listener
from nhisync_kubernetes.emulator.tls import ListenerAuthority, Subject, secret_file
from nhisync_kubernetes.grants import Grant
from nhisync_kubernetes.permissions import MAY_OTHERS, needed, objects, rights_needed
from nhisync_kubernetes.resources import KINDS
from nhisync_kubernetes.settings import KubernetesSettings

_TOKEN_LIFE = timedelta(days=30)
_ADMIN_LIFE = timedelta(days=365)
_BOUND = {
    "Role": ROLES,
    "RoleBinding": ROLE_BINDINGS,
    "ClusterRole": CLUSTER_ROLES,
    "ClusterRoleBinding": CLUSTER_ROLE_BINDINGS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """What `KubernetesWorld.add_source` understands.

    Attributes:
        auth: how nhisync shows itself: ``token_file``, ``client_certificate``, ``kubeconfig`` or ``in_cluster``.
        scope: ``cluster`` = it may list everywhere; ``namespaces`` = only in the namespaces of its seeds.
        mode: permission mode whose document it holds.
        cluster_of: ``path/source`` whose cluster this source shows, too (one cluster on both paths).
        host: loopback address to listen on.
        names: DNS names of the server's certificate instead of loopback's (needs ``server_name``).
        version: that the server claims.
        reviews: the server knows SelfSubjectReview.
        expected: locators that pairs name, although nothing is planted there.
        rights: it may also list roles and bindings.
        opinions: it may also ask what others may do.
        masters: nhisync belongs to ``system:masters``, which no RBAC limits.
    """

    auth: str = "token_file"
    scope: str = "cluster"
    mode: str = "read"
    cluster_of: str = ""
    host: str = "127.0.0.1"
    names: tuple[str, ...] = ()
    version: str = "v1.34.1"
    reviews: bool = True
    expected: tuple[str, ...] = ()
    rights: bool = False
    opinions: bool = False
    masters: bool = False


@dataclass(slots=True, kw_only=True)
class Source:
    """One source: its cluster, its listener, and what it may do.

    Attributes:
        cluster: that answers.
        listener: of the API server.
        options: how it was made.
        user: name of its user.
        folder: its credential files.
        seeded: locators planted here.
        closed: namespaces in which it may do nothing.
        bound: its rights are bound; False = it is denied everything.
    """

    cluster: Cluster
    listener: Listener
    options: SourceOptions
    user: str
    folder: Path
    seeded: list[str] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)
    bound: bool = True


class KubernetesWorld:
    """Any number of emulated clusters; satisfies `nhisync.testing.world.WorldPart`."""

    provider: ClassVar[str] = "kubernetes"

    def __init__(self, *, clock: Clock, directory: Path) -> None:
        self._clock = clock
        self._directory = directory
        self._randomness = SystemRandomness()
        self._authority: ListenerAuthority | None = None
        self._sources: dict[tuple[str, str], Source] = {}
        self._seeder = Seeder()

    def start(self) -> None:
        """Make the directory and the CA; every source opens its own listener."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._authority = ListenerAuthority(self._randomness, self._directory, SystemClock().now())

    def add_source(self, path: str, source: str, *, region: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Create one source and return its configuration document.

        Raises:
            TypeError: an option that `SourceOptions` does not have.
            KeyError: ``cluster_of`` names no source.
        """
        assert self._authority is not None, "start() comes first"
        chosen = SourceOptions(**options)
        cluster = self._sources[_pair(chosen.cluster_of)].cluster if chosen.cluster_of else self._cluster(chosen)
        listener = Listener(chosen.host, self._authority.server_context(chosen.names), cluster.handle, self._clock)
        listener.open()
        folder = self._directory / path / source
        folder.mkdir(parents=True, exist_ok=True)
        user = f"system:serviceaccount:nhisync:{path}-{source}".lower()
        if chosen.auth == "client_certificate":
            user = f"nhisync-{path}-{source}"
        made = Source(cluster=cluster, listener=listener, options=chosen, user=user, folder=folder)
        self._sources[path, source] = made
        document: dict[str, Any] = {"provider": self.provider, "region": region, **self._document(made)}
        self._stale(made)
        return document

    def seed(self, path: str, source: str, item: Seed) -> str:
        """Plant `item`; returns ``<kind>/<namespace>/<name>``. With the option ``denied`` its namespace is closed.

        Raises:
            ValueError: a kind or name the provider does not have.
            TypeError: an option that the kind does not have.
        """
        place = self._sources[path, source]
        with place.cluster.lock:
            locator = self._seeder.plant(place.cluster, item, self._clock.now())
            place.seeded.append(locator)
            if item.options.get("denied"):
                place.closed.add(item.name.partition("/")[0])
            self._stale(place)
        return locator

    def fault(self, path: str, source: str, name: str, **options: Any) -> None:
        """Switch a fault on, or off again with ``off=True``; the README lists them.

        Raises:
            ValueError: no such fault.
            KeyError: no such source.
        """
        place = self._sources[path, source]
        off = bool(options.get("off"))
        if name == "unreachable":
            (place.listener.open if off else place.listener.close)()
        elif name == "denied":
            place.bound = off
            self._stale(place)
        elif name == "incomplete-rules":
            place.cluster.reviews.incomplete = not off
        elif name == "authorizer":
            verbs = frozenset(options.get("verbs", ()))
            made = Outside(options.get("user", ""), verbs, failing=bool(options.get("failing")))
            place.cluster.rbac.outside = Outside() if off else made
        elif name == "issuer-hidden":
            place.cluster.rbac.issuer_hidden = not off
        elif name in NAMES:
            place.cluster.faults.switch(name, **options)
        else:
            special = ("authorizer", "denied", "incomplete-rules", "issuer-hidden", "unreachable")
            msg = f"unknown fault {name!r}; known: {', '.join(sorted({*NAMES, *special}))}"
            raise ValueError(msg)

    def apply(self, path: str, source: str, manifests: list[dict[str, Any]]) -> None:
        """Let the source's user have exactly these Roles, ClusterRoles and bindings."""
        place = self._sources[path, source]
        with place.cluster.lock:
            place.cluster.due.pop(place.user, None)
            self._clear(place)
            self._write(place, manifests)

    def admin_token(self, path: str, source: str) -> str:
        """A token that may do everything, for tests that act as somebody else than nhisync."""
        place = self._sources[path, source]
        with place.cluster.lock:
            account = self._account(place.cluster, "admin")
            place.cluster.masters.add("system:serviceaccount:nhisync:admin")
            return place.cluster.tokens.bound(account, self._clock.now() + _ADMIN_LIFE)

    def source(self, path: str, source: str) -> Source:
        """The source itself, for tests that look at it from the server's side."""
        return self._sources[path, source]

    def stop(self) -> None:
        """Close every listener; safe to call twice."""
        for place in self._sources.values():
            place.cluster.faults.release()
            place.listener.close()

    def _cluster(self, chosen: SourceOptions) -> Cluster:
        assert self._authority is not None, "start() comes first"
        return Cluster(
            clock=self._clock,
            randomness=self._randomness,
            version=chosen.version,
            reviews=chosen.reviews,
            ca=self._authority.pem,
        )

    def _document(self, place: Source) -> dict[str, Any]:
        """Address, trust and identity."""
        assert self._authority is not None, "start() comes first"
        address, ca = place.listener.address, str(self._authority.ca_file)
        if place.options.masters:
            place.cluster.masters.add(place.user)
        if place.options.auth == "client_certificate":
            certificate, key = self._authority.pair(Subject(name=place.user, client=True))
            files = {"certificate_file": certificate, "key_file": key}
            auth = {name: str(secret_file(place.folder / name, content)) for name, content in files.items()}
            return {
                "address": address,
                "ca_file": ca,
                "subject": place.user,
                "auth": {"method": place.options.auth, **auth},
            }
        account = self._account(place.cluster, place.user.rpartition(":")[2])
        token = place.cluster.tokens.bound(account, self._clock.now() + _TOKEN_LIFE)
        file = secret_file(place.folder / "token", token.encode() + b"\n")
        subject = {"subject": place.user}
        if place.options.auth == "kubeconfig":
            config = secret_file(place.folder / "config", _kubeconfig(address, ca, file))
            return {**subject, "auth": {"method": "kubeconfig", "file": str(config), "context": "nhisync"}}
        if place.options.auth == "in_cluster":
            (place.folder / "ca.crt").write_bytes(self._authority.pem)
            return {**subject, "address": address, "auth": {"method": "in_cluster", "folder": str(place.folder)}}
        auth = {"method": "token_file", "token_file": str(file)}
        return {**subject, "address": address, "ca_file": ca, "auth": auth}

    def _account(self, cluster: Cluster, name: str) -> dict[str, Any]:
        with cluster.lock:
            if cluster.store.get(NAMESPACES, "", "nhisync") is None:
                cluster.store.put(NAMESPACES, {"metadata": {"name": "nhisync"}})
            known = cluster.store.get(SERVICE_ACCOUNTS, "nhisync", name)
            return known or cluster.store.put(SERVICE_ACCOUNTS, {"metadata": {"namespace": "nhisync", "name": name}})

    def _stale(self, place: Source) -> None:
        """Bind anew before the next request, however many seeds come until then."""
        with place.cluster.lock:
            place.cluster.due[place.user] = partial(self._refresh, place)

    def _refresh(self, place: Source) -> None:
        """What `nhisync permissions` prints for a sweep and for everything planted here."""
        with place.cluster.lock:
            self._clear(place)
            if not place.bound:
                return
            open_ = [one for one in place.seeded if one.split("/")[1] not in place.closed]
            namespaces = sorted({one.split("/")[1] for one in open_})
            everywhere = place.options.scope == "cluster" and not place.closed
            document = {"provider": "kubernetes", "auth": {"method": "in_cluster"}}
            if not everywhere:
                document["namespaces"] = namespaces
            settings = KubernetesSettings.model_validate(document)
            kinds = frozenset(KINDS if namespaces or everywhere else ())
            wanted = [Locator.parse(f"x:{one}") for one in (*open_, *place.options.expected)]
            grants = needed(settings, AccessMode(place.options.mode), wanted, kinds)
            lister = [] if everywhere else [Grant("", "", NAMESPACES.plural, "list")]
            rights = rights_needed() if place.options.rights else []
            rights += [MAY_OTHERS] if place.options.opinions else []
            self._write(place, objects("nhisync-world", place.user, [*grants, *lister, *rights]))

    @staticmethod
    def _write(place: Source, manifests: list[dict[str, Any]]) -> None:
        for manifest in manifests:
            metadata = {**manifest["metadata"], "name": _own(place, manifest["metadata"]["name"])}
            body = {**manifest, "metadata": metadata}
            if "roleRef" in body:
                body["roleRef"] = {**body["roleRef"], "name": _own(place, body["roleRef"]["name"])}
            place.cluster.store.put(_BOUND[manifest["kind"]], body)

    @staticmethod
    def _clear(place: Source) -> None:
        """Take all roles and bindings of the source's user away."""
        for definition in _BOUND.values():
            for found in place.cluster.store.all(definition):
                metadata = found["metadata"]
                if metadata["name"].endswith(_own(place, "")):
                    place.cluster.store.delete(definition, metadata.get("namespace", ""), metadata["name"])


def _kubeconfig(address: str, ca: str, token: Path) -> bytes:
    """JSON is YAML."""
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "one", "cluster": {"server": address, "certificate-authority": ca}}],
        "users": [{"name": "nhisync", "user": {"tokenFile": str(token)}}],
        "contexts": [{"name": "nhisync", "context": {"cluster": "one", "user": "nhisync"}}],
        "current-context": "nhisync",
    }
    return json.dumps(document).encode()


def _own(place: Source, name: str) -> str:
    """A name that no other source's roles have."""
    return f"{name}.{place.user.replace(':', '-')}"


def _pair(text: str) -> tuple[str, str]:
    path, _, source = text.partition("/")
    return path, source
