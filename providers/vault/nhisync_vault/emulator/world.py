"""The Vault/OpenBao part of the embedded world: clusters per (path, source), seeds, faults.

The provider's README lists the options of sources and seeds and the faults.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from nhisync.spi import Clock, SystemClock, SystemRandomness
from nhisync.testing.world import Seed
from nhisync_vault.emulator.approle import AppRoleEngine
from nhisync_vault.emulator.approle_store import Role, SecretId, SecretIds
from nhisync_vault.emulator.core import Core
from nhisync_vault.emulator.engine import Mount
from nhisync_vault.emulator.faults import NAMES
from nhisync_vault.emulator.guarding import Guarded
from nhisync_vault.emulator.ids import Ids
from nhisync_vault.emulator.node import Modes, Node
from nhisync_vault.emulator.policy_store import PolicyEntry, put_policy
from nhisync_vault.emulator.seeding import (
    Plot,
    seed_approle,
    seed_db_dynamic,
    seed_db_static,
    seed_kv,
    seed_ldap_static,
    seed_transit,
)
from nhisync_vault.emulator.seeding_pki import PkiSeeder
from nhisync_vault.emulator.seeding_tokens import seed_token
from nhisync_vault.emulator.server import Listener
from nhisync_vault.emulator.source_faults import (
    AUTH_MOUNT,
    database_down,
    expire_tokens,
    make_unreachable,
    refuse_logins,
)
from nhisync_vault.emulator.tls import ListenerAuthority
from nhisync_vault.emulator.tokens import TokenEntry
from nhisync_vault.granting import rights_grants
from nhisync_vault.grants import Grant, common_grants, fingerprint_grants, merge, read_grants, render
from nhisync_vault.guarding import GRANTS as GUARD_GRANTS
from nhisync_vault.opinions import opinion_grants
from nhisync_vault.settings import KINDS

INVENTORY_POLICY = "nhisync-read"
_KINDS_OF_TYPE = {
    "kv": ("kv",),
    "database": ("db-static", "db-dynamic"),
    "approle": ("approle",),
    "pki": ("pki",),
    "transit": ("transit",),
    "ldap": ("ldap-static",),
    "token": ("token",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceOptions:
    """What `VaultWorld.add_source` understands.

    Attributes:
        auth: how nhisync logs in: ``approle`` or ``token``.
        flavour: ``openbao`` or ``vault``.
        cluster_of: ``path/source`` whose cluster this source is another node of (one cluster on both paths).
        replica_of: ``path/source`` whose state this source shows as a performance secondary.
        cluster_id: fixed cluster id; "" = drawn.
        standby_lag: the configured address is a standby this many writes behind; None = it is active.
        namespace: namespace everything lives in; "" = root.
        tls: HTTPS with the emulator's own CA; False = plain HTTP.
        fingerprint: nhisync's identity may also read the seeded values.
        rights: nhisync's identity may also read policies and entities.
        opinions: nhisync's identity may ask what other tokens may do.
        census: nhisync's identity may list all token accessors (sudo).
        listed: and the source is configured to (``token_census``).
        root: nhisync's identity is the root token (a finding in itself).
        guarded: how the cluster is set up (`emulator.guarding.Guarded`); None = as a new one.
        protection: nhisync's identity may also read how the cluster guards its items.
    """

    auth: str = "approle"
    flavour: str = "openbao"
    cluster_of: str = ""
    replica_of: str = ""
    cluster_id: str = ""
    standby_lag: int | None = None
    namespace: str = ""
    tls: bool = True
    fingerprint: bool = False
    rights: bool = False
    opinions: bool = False
    census: bool = False
    listed: bool = False
    root: bool = False
    guarded: Mapping[str, Any] | None = None
    protection: bool = False


@dataclass(slots=True, kw_only=True)
class Source:
    """One source: its cluster, its nodes and their listeners.

    Attributes:
        core: the cluster.
        node: the node behind the configured address.
        options: how it was made.
        listeners: listeners of its nodes; the first is the configured address.
        denied: paths its inventory policy denies on top.
        seeded: locators planted here.
        policy: name of the inventory policy.
    """

    core: Core
    node: Node
    options: SourceOptions
    policy: str
    listeners: list[Listener] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    seeded: list[str] = field(default_factory=list)


class VaultWorld:
    """Any number of emulated Vault or OpenBao clusters; satisfies `nhisync.testing.world.WorldPart`."""

    provider: ClassVar[str] = "vault"

    def __init__(self, *, clock: Clock, directory: Path) -> None:
        self._clock = clock
        self._directory = directory
        self._randomness = SystemRandomness()
        self._authority: ListenerAuthority | None = None
        self._sources: dict[tuple[str, str], Source] = {}
        pki = PkiSeeder()
        self._seeders: dict[str, Callable[[Plot], str]] = {
            "kv": seed_kv,
            "db-static": seed_db_static,
            "db-dynamic": seed_db_dynamic,
            "approle": seed_approle,
            "pki": pki.seed,
            "token": seed_token,
            "transit": seed_transit,
            "ldap-static": seed_ldap_static,
        }

    def start(self) -> None:
        """Make the directory and the listeners' CA; every source opens its own listeners."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._authority = ListenerAuthority(Ids(self._randomness), self._directory, SystemClock().now())

    def add_source(self, path: str, source: str, *, region: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Create one source and return its configuration document.

        Raises:
            TypeError: an option that `SourceOptions` does not have.
            KeyError: ``cluster_of`` or ``replica_of`` names no source.
        """
        chosen = SourceOptions(**options)
        twin = chosen.cluster_of or chosen.replica_of
        core = self._sources[_pair(twin)].core if twin else self._cluster(chosen)
        if chosen.guarded is not None:
            core.guarded = Guarded(**chosen.guarded)
        modes = Modes(performance="secondary") if chosen.replica_of else Modes()
        made = Source(
            core=core, node=Node(core, modes=modes), options=chosen, policy=f"{INVENTORY_POLICY}-{path}-{source}"
        )
        self._sources[path, source] = made
        document: dict[str, Any] = {"provider": self.provider, "region": region}
        document |= self._listen(made)
        document["auth"] = self._identity(made, path, source)
        if chosen.namespace:
            document["namespace"] = chosen.namespace
        if chosen.listed:
            document["token_census"] = {"limit": 1_000}
        self._refresh(made)
        return document

    def seed(self, path: str, source: str, item: Seed) -> str:
        """Plant `item`; returns ``<kind>/<name>``.

        Raises:
            ValueError: a kind or name the provider does not have.
            TypeError: an option that the kind does not have.
        """
        if item.kind not in self._seeders:
            msg = f"the Vault world has no kind {item.kind}; it has {', '.join(sorted(self._seeders))}"
            raise ValueError(msg)
        place = self._sources[path, source]
        with place.core.lock:
            locator = self._seeders[item.kind](Plot(core=place.core, seed=item, now=self._clock.now()))
            place.core.storage.commit()
        place.seeded.append(locator)
        if item.options.get("denied"):
            place.denied.update(_read_paths(locator))
        self._refresh(place)
        return locator

    def fault(self, path: str, source: str, name: str, **options: Any) -> None:
        """Switch a fault on, or off again with ``off=True``; the README lists them.

        Raises:
            ValueError: no such fault.
            KeyError: no such source.
        """
        place = self._sources[path, source]
        if name in NAMES:
            place.node.faults.switch(name, **options)
            return
        special: dict[str, Callable[..., None]] = {
            "denied": self._deny,
            "token-expired": expire_tokens,
            "login-refused": refuse_logins,
            "unreachable": make_unreachable,
            "database-down": database_down,
        }
        if name not in special:
            msg = f"unknown fault {name!r}; known: {', '.join(sorted({*NAMES, *special}))}"
            raise ValueError(msg)
        special[name](place, **options)

    def source(self, path: str, source: str) -> Source:
        """The source itself, for tests that look at it from the server's side."""
        return self._sources[path, source]

    def stop(self) -> None:
        """Close every listener; safe to call twice."""
        for place in self._sources.values():
            place.node.faults.release()
            while place.listeners:
                place.listeners.pop().close()

    def _cluster(self, chosen: SourceOptions) -> Core:
        return Core(
            clock=self._clock,
            randomness=self._randomness,
            flavour=chosen.flavour,
            cluster_id=chosen.cluster_id,
            namespace=chosen.namespace,
        )

    def _listen(self, place: Source) -> dict[str, Any]:
        """Open the listener (and, behind a standby, the active node's) and return the address part."""
        address = self._open(place, place.node)
        document: dict[str, Any] = {"address": address}
        if place.options.tls:
            assert self._authority is not None, "start() comes first"
            document["ca_file"] = str(self._authority.ca_file)
        if place.options.standby_lag is not None:
            active = Node(place.core, modes=place.node.modes)
            place.node.leader = self._open(place, active)
            place.node.faults.switch("standby", lag=place.options.standby_lag)
            document["nodes"] = [place.node.leader]
        return document

    def _open(self, place: Source, node: Node) -> str:
        assert self._authority is not None, "start() comes first"
        listener = Listener(node, self._authority.server_context() if place.options.tls else None)
        listener.open()
        place.listeners.append(listener)
        node.address = listener.address
        return listener.address

    def _identity(self, place: Source, path: str, source: str) -> dict[str, Any]:
        folder = self._directory / path / source
        folder.mkdir(parents=True, exist_ok=True)
        if place.options.auth == "token" or place.options.root:
            token = place.core.root_token if place.options.root else self._token(place)
            return {"method": "token", "token_file": str(_secret_file(folder / "token", token))}
        role_id, secret_id = self._approle(place, f"nhisync-{path}-{source}")
        return {
            "method": "approle",
            "mount": AUTH_MOUNT,
            "role_id_file": str(_secret_file(folder / "role-id", role_id)),
            "secret_id_file": str(_secret_file(folder / "secret-id", secret_id)),
        }

    def _token(self, place: Source) -> str:
        now = self._clock.now()
        ttl = timedelta(days=30)
        entry = TokenEntry(
            id="",
            accessor="",
            policies=tuple(sorted(("default", place.policy))),
            path="auth/token/create-orphan",
            created=now,
            ttl=ttl,
            expires=now + ttl,
            display_name="token-nhisync",
        )
        with place.core.lock:
            made = place.core.tokens.create(place.core.token_view(), entry)
            place.core.storage.commit()
        return made.id

    def _approle(self, place: Source, name: str) -> tuple[str, str]:
        core, now = place.core, self._clock.now()
        with core.lock:
            mount = core.mounts.get(f"auth/{AUTH_MOUNT}/") or core.mount(f"auth/{AUTH_MOUNT}/", AppRoleEngine())
            role = Role(
                name=name,
                role_id=core.ids.uuid(),
                hmac_key=core.ids.uuid(),
                token_policies=(place.policy,),
                token_ttl=timedelta(minutes=20),
                token_max_ttl=timedelta(hours=1),
            )
            view, secret_id = core.view(mount), core.ids.uuid()
            view.put(f"role/{role.name}", role)
            view.put(f"role-id/{role.role_id}", role.name)
            entry = SecretId(accessor=core.ids.uuid(), created=now, expires=None, updated=now)
            SecretIds(view, role).put(secret_id, entry)
            core.storage.commit()
        return role.role_id, secret_id

    def _refresh(self, place: Source) -> None:
        """Write the inventory policy anew: what `nhisync permissions` prints, plus planted denials."""
        with place.core.lock:
            text = render("nhisync inventory (emulated)", _policy(place))
            stored: PolicyEntry | None = place.core.policies().get(place.policy)
            if stored is not None and stored.text == text:
                return  # most seeds change nothing of it, and reading it takes longer than planting them
            put_policy(place.core.policies(), place.policy, text, now=self._clock.now())
            place.core.storage.commit()

    def _deny(self, place: Source, *, paths: tuple[str, ...] = (), off: bool = False) -> None:
        if off:
            place.denied.difference_update(paths or set(place.denied))
        else:
            place.denied.update(paths)
        self._refresh(place)


def _policy(place: Source) -> list[Grant]:
    grants: list[Grant] = common_grants(KINDS)
    for mount in place.core.mounts.values():
        grants.extend(_mount_grants(place, mount))
    if place.options.fingerprint:
        for locator in place.seeded:
            kind, _, rest = locator.partition("/")
            mount_name, _, name = rest.partition("/")
            grants.extend(fingerprint_grants(kind, mount_name, (name,)))
    if place.options.rights:
        grants.extend(rights_grants({"approle", "token"}))
    if place.options.opinions:
        grants.extend(opinion_grants({"approle", "token"}, census=place.options.census))
    if place.options.protection:
        grants.extend(GUARD_GRANTS)
    return merge([*grants, *(Grant(path, ("deny",)) for path in place.denied)])


def _mount_grants(place: Source, mount: Mount) -> list[Grant]:
    name = mount.path.removeprefix("auth/").rstrip("/")
    kinds = _KINDS_OF_TYPE.get(mount.type, ())
    if mount.type == "token" and not place.options.census:
        return [Grant("auth/token/lookup-accessor", ("update",))]
    return [grant for kind in kinds for grant in read_grants(kind, name, (), sweep=True)]


def _read_paths(locator: str) -> tuple[str, ...]:
    """API paths whose denial hides an item from the inventory."""
    kind, _, rest = locator.partition("/")
    mount, _, name = rest.partition("/")
    forms: Mapping[str, tuple[str, ...]] = {
        "kv": (
            f"{mount}/metadata/{name}",
            f"{mount}/subkeys/{name}",
            f"{mount}/detailed-metadata/{name.rpartition('/')[0]}",
            f"{mount}/detailed-metadata/{name.rpartition('/')[0]}/",
        ),
        "db-static": (f"{mount}/static-roles/{name}",),
        "db-dynamic": (f"{mount}/roles/{name}",),
        "approle": (f"auth/{mount}/role/{name}",),
        "transit": (f"{mount}/keys/{name}",),
        "ldap-static": (f"{mount}/static-role/{name}",),
        "token": ("auth/token/lookup-accessor",),
        "pki": (f"{mount}/certs", f"{mount}/certs/detailed"),
    }
    return forms[kind]


def _pair(text: str) -> tuple[str, str]:
    path, _, source = text.partition("/")
    return path, source


def _secret_file(file: Path, value: str) -> Path:
    """Write a credential file that only its owner can read."""
    file.touch(mode=0o600)
    file.write_text(value + "\n", encoding="utf-8")
    return file
