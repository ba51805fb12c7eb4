"""What each seed kind plants, straight into a cluster's storage, with its own options.

Ages come from the seed (`created`, `rotated`, `expires`), so every situation a parity rule knows can be planted without
waiting for it; a frozen, failing or lingering item says so in its options.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from nhisync.testing.world import Seed
from nhisync_vault.emulator.approle import AppRoleEngine
from nhisync_vault.emulator.approle_store import Role, SecretId, SecretIds
from nhisync_vault.emulator.core import Core
from nhisync_vault.emulator.database import Connection, DatabaseEngine, DynamicRole
from nhisync_vault.emulator.engine import Engine, Mount
from nhisync_vault.emulator.fakedb import FakeDatabase
from nhisync_vault.emulator.kv import KvEngine
from nhisync_vault.emulator.kv_store import Key, Version
from nhisync_vault.emulator.ldap import LdapEngine
from nhisync_vault.emulator.policy_store import put_policy
from nhisync_vault.emulator.rotation import StaticAccount
from nhisync_vault.emulator.transit import TransitEngine, TransitKey

Options = TypeVar("Options")


@dataclass(frozen=True, slots=True, kw_only=True)
class KvOptions:
    """Options of kind ``kv``.

    Attributes:
        mount: mount path when it is more than the name's first segment.
        versions: number of versions; None = two when rotated, else one.
        deleted: the current version is deleted (soft).
        destroyed: the current version is destroyed.
        forgotten: the versions before it are destroyed.
        max_versions: the key's own limit.
        cas_required: writes need check-and-set.
    """

    mount: str = ""
    versions: int | None = None
    deleted: bool = False
    destroyed: bool = False
    max_versions: int = 0
    forgotten: bool = False
    cas_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticOptions:
    """Options of kinds ``db-static`` and ``ldap-static``.

    Attributes:
        mount: mount path when it is more than the name's first segment.
        username: the account; "" = the role's name.
        host: database host; two sources with one host and username share the account.
        connection: name of the connection.
        period: time between rotations.
        stopped: the rotation queue lost it: nothing rotates it any more.
        failing: the target refuses every change: a WAL with the next password is pending.
        schedule: cron text instead of a period (Vault).
        dn: distinguished name (LDAP).
    """

    mount: str = ""
    username: str = ""
    host: str = "db.example.internal:5432"
    connection: str = "postgres"
    period: timedelta = timedelta(days=30)
    stopped: bool = False
    failing: bool = False
    schedule: str = ""
    dn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicOptions:
    """Options of kind ``db-dynamic``: mount, connection, host and lifetimes of the minted logins."""

    mount: str = ""
    connection: str = "postgres"
    host: str = "db.example.internal:5432"
    default_ttl: timedelta = timedelta(hours=1)
    max_ttl: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRoleOptions:
    """Options of kind ``approle``.

    Attributes:
        mount: auth mount without ``auth/``, when it is more than the name's first segment.
        policies, texts: token policies of the role, and texts of policies that are written too.
        role_id: fixed role id; "" = drawn. The same one on two sources is a copied identity.
        secret_ids: number of secret IDs; the newest has the seed's age, older ones one day more each.
        num_uses: logins left on each secret ID, 0 = unlimited.
        token_ttl, token_max_ttl: lifetime of the tokens, and their longest, 0 = the server's.
        token_period: makes the tokens periodic.
        token_num_uses: uses of each token, 0 = unlimited.
        secret_id_ttl: the role's own limit for new secret IDs.
        bound_cidrs: networks that may log in.
    """

    mount: str = ""
    policies: tuple[str, ...] = ("default",)
    texts: Mapping[str, str] = field(default_factory=dict)
    role_id: str = ""
    secret_ids: int = 1
    num_uses: int = 0
    token_ttl: timedelta = timedelta(minutes=20)
    token_max_ttl: timedelta = timedelta()
    token_period: timedelta = timedelta()
    token_num_uses: int = 0
    secret_id_ttl: timedelta = timedelta()
    bound_cidrs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitOptions:
    """Options of kind ``transit``: mount, key type, exportable, auto-rotation, number of versions."""

    mount: str = ""
    type: str = "aes256-gcm96"
    exportable: bool = False
    auto_rotate: timedelta = timedelta()
    versions: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """Where a seed falls: the cluster, the seed, and the instant."""

    core: Core
    seed: Seed
    now: datetime

    @property
    def created(self) -> datetime:
        """Creation of the item."""
        return self.now - self.seed.created

    @property
    def rotated(self) -> datetime:
        """Creation of the current generation."""
        return self.created if self.seed.rotated is None else self.now - self.seed.rotated

    @property
    def expires(self) -> datetime | None:
        """End, or None."""
        return None if self.seed.expires is None else self.now + self.seed.expires

    def options(self, kind: type[Options]) -> Options:
        """The seed's options, checked.

        Raises:
            TypeError: an option that the kind does not have.
        """
        known = {name: value for name, value in self.seed.options.items() if name != "denied"}
        return kind(**known)

    def policies(self, texts: Mapping[str, str]) -> None:
        """Write policies: name → text."""
        for name, policy in texts.items():
            put_policy(self.core.policies(), name, policy, now=self.now)

    def place(self, mount: str, make: Callable[[], Engine], *, prefix: str = "", **options: Any) -> tuple[Mount, str]:
        """The mount of the seed's name (made on first use) and the rest of the name."""
        path = mount.strip("/") or self.seed.name.partition("/")[0]
        rest = self.seed.name.removeprefix(path).strip("/")
        if not rest:
            msg = f"a {self.seed.kind} seed is named <mount>/<name>"
            raise ValueError(msg)
        full = f"{prefix}{path}/"
        found = self.core.mounts.get(full) or self.core.mount(full, make(), **options)
        return found, rest


def seed_kv(plot: Plot) -> str:
    """Plant one key; returns ``kv/<mount>/<path>``."""
    options = plot.options(KvOptions)
    detailed = plot.core.flavour.scans
    mount, name = plot.place(options.mount, lambda: KvEngine(detailed=detailed), options={"version": "2"})
    count = options.versions or (1 if plot.seed.rotated is None else 2)
    versions = {n: _kv_version(plot, options, n, count) for n in range(1, count + 1)}
    custom = _custom(plot.seed)
    key = Key(
        created=plot.created,
        updated=plot.rotated,
        versions=versions,
        current=count,
        max_versions=options.max_versions,
        cas_required=options.cas_required,
        custom=custom,
        metadata_version=1 if custom else 0,
    )
    plot.core.view(mount).put(f"key/{name}", key)
    return f"kv/{mount.path}{name}"


def _kv_version(plot: Plot, options: KvOptions, number: int, count: int) -> Version:
    current = number == count
    data: Mapping[str, Any] = plot.seed.fields if current else dict.fromkeys(plot.seed.fields, f"old-{number}")
    destroyed = options.destroyed if current else options.forgotten
    return Version(
        created=plot.rotated if current else plot.created + (plot.rotated - plot.created) * (number - 1) / (count - 1),
        deletion=(plot.now if options.deleted else plot.expires) if current else None,
        destroyed=destroyed,
        data=None if destroyed else dict(data),
    )


def _custom(seed: Seed) -> dict[str, str] | None:
    custom = {name.replace("nhisync:", "nhisync_"): value for name, value in seed.tags.items()}
    if seed.owner is not None:
        custom["owner"] = seed.owner
    return custom or None


def seed_db_static(plot: Plot) -> str:
    """Plant one static role with its connection; returns ``db-static/<mount>/<role>``."""
    options = plot.options(StaticOptions)
    mount, name = _database(plot, options.mount, options.connection, options.host)
    engine = mount.engine
    assert isinstance(engine, DatabaseEngine)
    username = options.username or name
    server = engine.server(options.connection)
    assert isinstance(server, FakeDatabase)
    server.set_password(username, plot.seed.fields.get("password", ""))
    _put_account(plot, mount, name, _account(plot, options, username, options.connection))
    if options.failing:
        server.refusal = "pq: the database system is in recovery mode"
    return f"db-static/{mount.path}{name}"


def seed_ldap_static(plot: Plot) -> str:
    """Plant one LDAP static role; returns ``ldap-static/<mount>/<role>``."""
    options = plot.options(StaticOptions)
    mount, name = plot.place(options.mount, lambda: LdapEngine(plot.core.ids))
    engine = mount.engine
    assert isinstance(engine, LdapEngine)
    username = options.username or name.rpartition("/")[2]
    engine.directory.set_password(username, plot.seed.fields.get("password", ""))
    plot.core.view(mount).put("config", {"url": f"ldaps://{options.host}", "binddn": "", "schema": "", "userdn": ""})
    _put_account(plot, mount, name, _account(plot, options, username, ""))
    if options.failing:
        engine.directory.refusal = "LDAP Result Code 51 busy"
    return f"ldap-static/{mount.path}{name}"


def _account(plot: Plot, options: StaticOptions, username: str, database: str) -> StaticAccount:
    return StaticAccount(
        username=username,
        database=database,
        period=options.period,
        rotated=plot.rotated,
        password=plot.seed.fields.get("password", ""),
        schedule=options.schedule,
        stopped=options.stopped,
        extra={"dn": options.dn} if options.dn else {},
    )


def _put_account(plot: Plot, mount: Mount, name: str, account: StaticAccount) -> None:
    view = plot.core.view(mount)
    view.put(f"static/{name}", account)
    if plot.seed.options.get("failing"):
        view.put(f"wal/{name}", plot.core.ids.base62(20))


def seed_db_dynamic(plot: Plot) -> str:
    """Plant one dynamic role with its connection; returns ``db-dynamic/<mount>/<role>``."""
    options = plot.options(DynamicOptions)
    mount, name = _database(plot, options.mount, options.connection, options.host)
    role = DynamicRole(database=options.connection, default_ttl=options.default_ttl, max_ttl=options.max_ttl)
    plot.core.view(mount).put(f"role/{name}", role)
    return f"db-dynamic/{mount.path}{name}"


def _database(plot: Plot, mount_option: str, connection: str, host: str) -> tuple[Mount, str]:
    mount, name = plot.place(mount_option, lambda: DatabaseEngine(plot.core.ids))
    url = f"postgresql://{{{{username}}}}:{{{{password}}}}@{host}/app"
    made = Connection(plugin="postgresql-database-plugin", url=url, username="vault-root", allowed_roles=("*",))
    plot.core.view(mount).put(f"config/{connection}", made)
    return mount, name


def seed_approle(plot: Plot) -> str:
    """Plant one role with its secret IDs; returns ``approle/<mount>/<role>``."""
    options = plot.options(AppRoleOptions)
    plot.policies(options.texts)
    mount, name = plot.place(options.mount, AppRoleEngine, prefix="auth/")
    ids = plot.core.ids
    role = Role(
        name=name.lower(),
        role_id=options.role_id or ids.uuid(),
        hmac_key=ids.uuid(),
        secret_id_ttl=options.secret_id_ttl,
        token_policies=tuple(options.policies),
        token_ttl=options.token_ttl,
        token_max_ttl=options.token_max_ttl,
        token_period=options.token_period,
        token_num_uses=options.token_num_uses,
        secret_id_bound_cidrs=tuple(options.bound_cidrs),
    )
    view = plot.core.view(mount)
    view.put(f"role/{role.name}", role)
    view.put(f"role-id/{role.role_id}", role.name)
    secret_ids = SecretIds(view, role)
    for number in range(options.secret_ids):
        value = plot.seed.fields.get("secret_id", "") if number == 0 else ""
        secret_ids.put(value or ids.uuid(), _secret_id(plot, options, number))
    return f"approle/{mount.path.removeprefix('auth/')}{role.name}"


def _secret_id(plot: Plot, options: AppRoleOptions, number: int) -> SecretId:
    made = plot.rotated - timedelta(days=number)
    return SecretId(
        accessor=plot.core.ids.uuid(),
        created=made,
        expires=plot.expires,
        updated=made,
        num_uses=options.num_uses,
        ttl=timedelta() if plot.expires is None else plot.expires - made,
        metadata={"owner": plot.seed.owner} if plot.seed.owner else None,
        lingers=plot.seed.expires is not None and plot.seed.expires < timedelta(),
    )


def seed_transit(plot: Plot) -> str:
    """Plant one key; returns ``transit/<mount>/<key>``."""
    options = plot.options(TransitOptions)
    mount, name = plot.place(options.mount, TransitEngine)
    count = options.versions or (1 if plot.seed.rotated is None else 2)
    span = (plot.rotated - plot.created) / max(1, count - 1)
    versions = {n: plot.created + span * (n - 1) for n in range(1, count)} | {count: plot.rotated}
    key = TransitKey(
        name=name,
        type=options.type,
        versions=versions,
        exportable=options.exportable,
        auto_rotate=options.auto_rotate,
    )
    plot.core.view(mount).put(f"key/{name}", key)
    return f"transit/{mount.path}{name}"
