"""The database engine: connections, dynamic roles that mint leases, static roles that rotate.

Source: OpenBao ``internal/builtin/logical/database``. Creating a static role rotates at once; an unknown static role is
a 400; a failing manual rotation is a 500 whose text promises background retries.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from nhisync_vault.emulator.engine import NAME, Call, Engine, Mount, route
from nhisync_vault.emulator.fakedb import Database, FakeDatabase, RefusedByDatabaseError
from nhisync_vault.emulator.gotime import rfc3339
from nhisync_vault.emulator.ids import Ids
from nhisync_vault.emulator.rotation import TICK, Rotator, StaticAccount
from nhisync_vault.emulator.wire import LeaseTerms, Response, bad_request, internal, listing

if TYPE_CHECKING:
    from nhisync_vault.emulator.core import Core

_RETRY = (
    "unable to finish rotating credentials; retries will continue in the background "
    "but it is also safe to retry manually: error setting credentials: "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How the engine reaches one database.

    Attributes:
        plugin: plugin name.
        url: connection URL, with ``{{username}}`` placeholders or not.
        username: root user.
        password: root password; never shown.
        allowed_roles: role names, ``*`` = all.
        password_policy: name, "".
    """

    plugin: str
    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    allowed_roles: tuple[str, ...] = ()
    password_policy: str = ""

    def data(self) -> dict[str, Any]:
        """The ``data`` of a config read: password out, URL redacted."""
        details = {"connection_url": _redacted(self.url), "username": self.username}
        return {
            "plugin_name": self.plugin,
            "plugin_version": "",
            "allowed_roles": list(self.allowed_roles),
            "connection_details": {name: value for name, value in details.items() if value},
            "password_policy": self.password_policy,
            "root_credentials_rotate_statements": [],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicRole:
    """A role that mints one login per read."""

    database: str
    default_ttl: timedelta = timedelta()
    max_ttl: timedelta = timedelta()
    creation: tuple[str, ...] = ()
    revocation: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """The ``data`` of a role read."""
        return {
            "db_name": self.database,
            "creation_statements": list(self.creation),
            "revocation_statements": list(self.revocation),
            "rollback_statements": [],
            "renew_statements": [],
            "default_ttl": int(self.default_ttl.total_seconds()),
            "max_ttl": int(self.max_ttl.total_seconds()),
            "credential_type": "password",
        }


class DatabaseEngine(Engine):
    """One database mount.

    Args:
        ids: source of passwords and usernames.
        databases: connection name → server; unknown names get a fresh fake.
    """

    type: ClassVar[str] = "database"

    def __init__(self, ids: Ids, databases: Mapping[str, Database] | None = None) -> None:
        super().__init__()
        self.databases: dict[str, Database] = dict(databases or {})
        self.rotator = Rotator(ids, "static/", lambda account: self.server(account.database))
        self._ticked: datetime | None = None
        self.routes = (
            route(r"config/?", list_=lambda call: listing(call.page("config/"))),
            route(
                rf"config/{NAME}", read=_read_config, write=_write_config, delete=_delete_config, exists=_has("config/")
            ),
            route(r"roles/?", list_=lambda call: listing(call.page("role/"))),
            route(rf"roles/{NAME}", read=_read_role, write=_write_role, delete=_delete_role, exists=_has("role/")),
            route(r"static-roles/?", list_=lambda call: listing(call.page("static/"))),
            route(
                rf"static-roles/{NAME}",
                read=_read_static,
                write=self._write_static,
                delete=self._delete_static,
                exists=_has("static/"),
            ),
            route(rf"creds/{NAME}", read=self._mint),
            route(rf"static-creds/{NAME}", read=_static_creds),
            route(rf"rotate-role/{NAME}", write=self._rotate_role),
            route(rf"rotate-root/{NAME}", write=self._rotate_root),
            route(rf"reset/{NAME}", write=lambda _: None),
        )

    def server(self, name: str) -> Database:
        """The server behind a connection."""
        return self.databases.setdefault(name, FakeDatabase())

    def tick(self, core: "Core", mount: Mount, now: datetime) -> None:
        """Look at the rotation queue every five seconds."""
        if self._ticked is None or now - self._ticked >= TICK:
            self._ticked = now
            self.rotator.run(core.view(mount), now)

    def revoke(self, core: "Core", mount: Mount, internal_data: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Drop the login a lease stands for.

        Raises:
            RefusedByDatabaseError: the database refused.
        """
        self.server(internal_data["database"]).drop(internal_data["username"])

    def _mint(self, call: Call) -> Response:
        role: DynamicRole | None = call.storage.get(f"role/{call['name']}")
        if role is None:
            raise bad_request(f"unknown role: {call['name']}")
        _check_allowed(call, role.database, call["name"])
        username = f"v-{call['name'][:8]}-{call.core.ids.base62(20)}"
        password = f"{call.core.ids.base62(20)}-Aa1"
        call.storage.put("mints", (call.storage.get("mints") or 0) + 1)
        try:
            self.server(role.database).create(username, password)
        except RefusedByDatabaseError as refused:
            raise internal(str(refused)) from None
        terms = LeaseTerms(
            ttl=role.default_ttl, max_ttl=role.max_ttl, internal={"username": username, "database": role.database}
        )
        return Response(data={"username": username, "password": password}, lease=terms)

    def _write_static(self, call: Call) -> None:
        name = call["name"]
        if call.storage.get(f"role/{name}") is not None:
            raise bad_request("Role and Static Role names must be unique")
        old: StaticAccount | None = call.storage.get(f"static/{name}")
        account = _static_account(call, old)
        call.storage.put(f"static/{name}", account)
        if old is not None:
            return
        try:
            _check_allowed(call, account.database, name)
            self.rotator.rotate(call.storage, name, call.now)
        except RefusedByDatabaseError as refused:
            self.rotator.discard(call.storage, name)
            raise internal(f"error setting credentials: {refused}") from None

    def _delete_static(self, call: Call) -> None:
        self.rotator.discard(call.storage, call["name"])

    def _rotate_role(self, call: Call) -> None:
        account: StaticAccount | None = call.storage.get(f"static/{call['name']}")
        if account is None:
            raise bad_request("no static role found for role name")
        _check_allowed(call, account.database, call["name"])
        try:
            self.rotator.rotate(call.storage, call["name"], call.now)
        except RefusedByDatabaseError as refused:
            raise internal(f"{_RETRY}{refused}") from None

    def _rotate_root(self, call: Call) -> None:
        connection = _connection(call, call["name"])
        if not connection.username or not connection.password:
            raise internal("unable to rotate root credentials: no username in configuration")
        password = f"{call.core.ids.base62(20)}-Aa1"
        try:
            self.server(call["name"]).set_password(connection.username, password)
        except RefusedByDatabaseError as refused:
            raise internal(f"failed to update user: {refused}") from None
        call.storage.put(f"config/{call['name']}", replace(connection, password=password))


def _has(folder: str) -> Any:
    return lambda call: call.storage.get(folder + call["name"]) is not None


def _redacted(url: str) -> str:
    password = urlsplit(url).password
    return url.replace(f":{password}@", ":xxxxx@") if password else url


def _connection(call: Call, name: str) -> Connection:
    found: Connection | None = call.storage.get(f"config/{name}")
    if found is None:
        raise internal(f'failed to find entry for connection with name: "{name}"')
    return found


def _check_allowed(call: Call, database: str, role: str) -> None:
    allowed = _connection(call, database).allowed_roles
    if "*" not in allowed and role not in allowed:
        raise internal(f'"{role}" is not an allowed role')


def _read_config(call: Call) -> Response | None:
    found: Connection | None = call.storage.get(f"config/{call['name']}")
    return None if found is None else Response(data=found.data())


def _write_config(call: Call) -> None:
    old: Connection | None = call.storage.get(f"config/{call['name']}")
    plugin = call.text("plugin_name", old.plugin if old else "")
    if not plugin:
        raise bad_request("empty plugin name")
    base = old or Connection(plugin=plugin, url="")
    call.storage.put(
        f"config/{call['name']}",
        Connection(
            plugin=plugin,
            url=call.text("connection_url", base.url),
            username=call.text("username", base.username),
            password=call.text("password", base.password),
            allowed_roles=tuple(call.strings("allowed_roles")) if "allowed_roles" in call.data else base.allowed_roles,
            password_policy=call.text("password_policy", base.password_policy),
        ),
    )


def _delete_config(call: Call) -> None:
    call.storage.delete(f"config/{call['name']}")


def _read_role(call: Call) -> Response | None:
    found: DynamicRole | None = call.storage.get(f"role/{call['name']}")
    return None if found is None else Response(data=found.data())


def _write_role(call: Call) -> None:
    if call.storage.get(f"static/{call['name']}") is not None:
        raise bad_request("Role and Static Role names must be unique")
    if not call.text("db_name"):
        raise bad_request("database name is required")
    call.storage.put(
        f"role/{call['name']}",
        DynamicRole(
            database=call.text("db_name"),
            default_ttl=call.duration("default_ttl"),
            max_ttl=call.duration("max_ttl"),
            creation=tuple(call.data.get("creation_statements") or ()),
            revocation=tuple(call.data.get("revocation_statements") or ()),
        ),
    )


def _delete_role(call: Call) -> None:
    call.storage.delete(f"role/{call['name']}")


def _static_account(call: Call, old: StaticAccount | None) -> StaticAccount:
    database = call.text("db_name", old.database if old else "")
    if not database:
        raise bad_request("database name is a required field")
    username = call.text("username", old.username if old else "")
    if not username:
        raise bad_request("username is a required field to create a static account")
    if old is not None and old.username != username:
        raise bad_request("cannot update static account username")
    period = call.duration("rotation_period") if "rotation_period" in call.data else (old.period if old else None)
    if period is None:
        raise bad_request("rotation_period is required to create static accounts")
    if period < TICK:
        raise bad_request(f"rotation_period must be {int(TICK.total_seconds())} seconds or more")
    base = old or StaticAccount(username=username, database=database, period=period)
    return replace(base, database=database, period=period)


def _read_static(call: Call) -> Response | None:
    account: StaticAccount | None = call.storage.get(f"static/{call['name']}")
    if account is None:
        return None
    data: dict[str, Any] = {
        "db_name": account.database,
        "rotation_statements": [],
        "credential_type": "password",
        "username": account.username,
        **account.extra,
    }
    if account.schedule:
        data["rotation_schedule"] = account.schedule
        data["rotation_window"] = 0
    else:
        data["rotation_period"] = int(account.period.total_seconds())
    if account.rotated is not None:
        data["last_vault_rotation"] = rfc3339(account.rotated)
    return Response(data=data)


def _static_creds(call: Call) -> Response:
    account: StaticAccount | None = call.storage.get(f"static/{call['name']}")
    if account is None:
        raise bad_request(f"unknown role: {call['name']}")
    _check_allowed(call, account.database, call["name"])
    return Response(
        data={
            "username": account.username,
            "password": account.password,
            "ttl": account.ttl(call.now),
            "rotation_period": int(account.period.total_seconds()),
            "last_vault_rotation": rfc3339(account.rotated),
        }
    )
