"""Database roles: static ones that the server rotates, dynamic ones that mint a login per read (never done here).

Source: OpenBao ``internal/builtin/logical/database/path_roles.go`` and ``path_config_connection.go``. The next rotation
is not told; it is the last one plus the period. A pending WAL is not visible, so a rotation that failed shows as an
overdue one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from nhisync.spi import Dependency, Item, Lifecycle, Moment, Precision, ProviderError, PublicId, Rotation, Unchanged
from nhisync_vault.facts import attributes, check_name, instant, mapping, marker, span, text
from nhisync_vault.kinds.base import Listed, NamedKind, Run
from nhisync_vault.mounts import Mount

_PORTS: Mapping[str, str] = {
    "postgresql": "5432",
    "postgres": "5432",
    "mysql": "3306",
    "sqlserver": "1433",
    "mongodb": "27017",
    "redis": "6379",
}
"""Default ports, left out of a host so that two spellings of one server are one."""

_AUTHORITY = re.compile(r"(?:tcp\(|//)?(?P<host>[A-Za-z0-9.\-_]+|\[[0-9A-Fa-f:]+\])(?::(?P<port>\d+))?")


@dataclass(frozen=True, slots=True)
class _Connection:
    """Where a role's logins live.

    Attributes:
        host: lower case, with a port that is not the default; "" = not known.
        plugin: plugin name, "".
        root: what the engine itself logs in with, as dependency; () = not known.
    """

    host: str
    plugin: str
    root: tuple[Dependency, ...] = ()


class StaticRoleKind(NamedKind):
    """Kind ``db-static``."""

    name = "db-static"
    folder = "static-roles"

    def detail(self, run: Run, mount: Mount, entry: Listed) -> Item | Unchanged:
        """Account, last rotation and schedule of one role.

        Raises:
            ProviderError: NOT_FOUND when the server has no such role, else why not.
        """
        name = entry.name
        check_name(name)
        role = run.api.get(f"{mount.api}/static-roles/{name}")
        username, database = text(role.get("username")), text(role.get("db_name"))
        connection = _connection(run, self.name, mount, database)
        login = [PublicId("login", f"{connection.host}/{username}")] if connection.host and username else []
        return run.item(
            run.locator(self.name, mount, name),
            lifecycle=run.lifecycle(mount, Lifecycle.OWN),
            ids=run.ids(*login),
            dependencies=connection.root,
            marker=marker("db-static", role, connection),
            attributes=attributes(
                database=database,
                host=connection.host,
                plugin=connection.plugin,
                schedule=text(role.get("rotation_schedule")),
                username=username,
                credential_type=text(role.get("credential_type")),
            ),
            **rotation_facts(role, "vault-database"),
        )


class DynamicRoleKind(NamedKind):
    """Kind ``db-dynamic``: what can be issued, not what was."""

    name = "db-dynamic"
    folder = "roles"

    def detail(self, run: Run, mount: Mount, entry: Listed) -> Item | Unchanged:
        """Lifetimes and database of one role.

        Raises:
            ProviderError: NOT_FOUND when the server has no such role, else why not.
        """
        name = entry.name
        check_name(name)
        role = run.api.get(f"{mount.api}/roles/{name}")
        database = text(role.get("db_name"))
        connection = _connection(run, self.name, mount, database)
        return run.item(
            run.locator(self.name, mount, name),
            lifecycle=run.lifecycle(mount, Lifecycle.OWN),
            dependencies=connection.root,
            marker=marker("db-dynamic", role, connection),
            attributes=attributes(
                database=database,
                host=connection.host,
                plugin=connection.plugin,
                default_ttl=span(role.get("default_ttl")),
                max_ttl=span(role.get("max_ttl")),
                credential_type=text(role.get("credential_type")),
            ),
        )


def rotation_facts(role: Mapping[str, Any], mechanism: str) -> dict[str, Any]:
    """Rotation fields of an item with a server-side schedule.

    Older documents of OpenBao show ``last_openbao_rotation``; the code emits ``last_vault_rotation``: both are read.
    """
    last = instant(role.get("last_vault_rotation") or role.get("last_openbao_rotation"))
    period = span(role.get("rotation_period"))
    scheduled = period is not None or bool(text(role.get("rotation_schedule")))
    enabled = scheduled and role.get("disable_automated_rotation") is not True
    following = Moment(last + period, Precision.UPPER_BOUND) if last and period and enabled else None
    return {
        "rotated": None if last is None else Moment(last),
        "next_rotation": following,
        "rotation": Rotation(enabled=enabled, interval=period, mechanism=mechanism),
    }


def _connection(run: Run, kind: str, mount: Mount, database: str) -> _Connection:
    """The connection behind a role; unknown when its configuration may not be read."""
    try:
        check_name(database)
        found = run.once(("connection", mount.api, database), lambda: run.api.get(f"{mount.api}/config/{database}"))
    except ProviderError as error:
        run.miss(kind, "connections", mount, error)
        return _Connection("", "")
    details = mapping(found.get("connection_details"))
    host, root = host_of(details), text(details.get("username"))
    if not host or not root:
        return _Connection(host, text(found.get("plugin_name")))
    master = Dependency(
        kind="master-secret",
        id=f"{root} at {host}",
        region=run.settings.region or run.context.region,
        multi_region=False,
        detail=f"kept in {mount.path}/config/{database}",
    )
    return _Connection(host, text(found.get("plugin_name")), (master,))


def host_of(details: Mapping[str, Any]) -> str:
    """The server of a connection: from its URL in any plugin's spelling, or from host and port fields."""
    url = text(details.get("connection_url")) or text(details.get("url"))
    if not url:
        hosts, port = text(details.get("hosts")) or text(details.get("host")), str(details.get("port") or "")
        return ",".join(sorted(one.strip().lower() for one in hosts.split(",") if one.strip())) + (
            f":{port}" if port else ""
        )
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    if "@" not in url and scheme in ("http", "https", "ldap", "ldaps"):
        return (urlsplit(url).netloc or "").lower()
    match = _AUTHORITY.match(url.rpartition("@")[2] if "@" in url else url.partition("://")[2] or url)
    if match is None:
        return ""
    port = match["port"] or ""
    default = _PORTS.get(scheme.partition("+")[0], "3306" if "tcp(" in url else "")
    return match["host"].lower() + (f":{port}" if port and port != default else "")
