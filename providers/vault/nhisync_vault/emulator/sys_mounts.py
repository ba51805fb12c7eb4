"""``sys/mounts``, ``sys/auth`` and ``sys/internal/ui/mounts``.

Source: OpenBao ``internal/vault/logical_system.go``. The UI endpoint needs no right of its own: it shows what the token
can reach, and hides everything else as 403, so a missing mount cannot be told from an unreachable one there.
"""

from collections.abc import Callable
from typing import Any

from nhisync_vault.emulator.approle import AppRoleEngine
from nhisync_vault.emulator.database import DatabaseEngine
from nhisync_vault.emulator.engine import Call, Engine, Mount, Route, route
from nhisync_vault.emulator.kv import KvEngine
from nhisync_vault.emulator.ldap import LdapEngine
from nhisync_vault.emulator.pki import PkiEngine
from nhisync_vault.emulator.transit import TransitEngine
from nhisync_vault.emulator.wire import RefusedError, Response, bad_request, multi


def routes() -> tuple[Route, ...]:
    """Mount tables, their changes, and what the UI sees."""
    return (
        route(r"mounts/?", read=lambda call: _table(call, auth=False)),
        route(r"mounts/(?P<path>.+?)/?", read=_read_mount, write=_mount_secret, delete=_unmount),
        route(r"auth/?", read=lambda call: _table(call, auth=True)),
        route(r"auth/(?P<path>.+?)/?", read=_read_auth, write=_mount_auth, delete=_unmount_auth),
        route(r"internal/ui/mounts/?", read=_ui_mounts),
        route(r"internal/ui/mounts/(?P<path>.+)", read=_ui_mount),
    )


def make_engine(call: Call, kind: str, options: dict[str, str]) -> Engine:
    """A fresh engine of a type.

    Raises:
        RefusedError: 400, the type is unknown.
    """
    detailed = call.core.flavour.scans
    version = options.get("version", "1" if kind == "kv" else "")
    if kind == "kv" and version != "2":
        raise bad_request("this emulator has version 2 of the key/value engine only")
    makers: dict[str, Callable[[], Engine]] = {
        "kv": lambda: KvEngine(detailed=detailed),
        "database": lambda: DatabaseEngine(call.core.ids),
        "ldap": lambda: LdapEngine(call.core.ids),
        "pki": lambda: PkiEngine(detailed_lists=detailed),
        "transit": TransitEngine,
        "approle": AppRoleEngine,
    }
    if kind not in makers:
        raise bad_request(f"plugin not found in the catalog: {kind}")
    return makers[kind]()


def _shown(mount: Mount) -> str:
    return mount.path.removeprefix("auth/") if mount.is_auth else mount.path


def _table(call: Call, *, auth: bool) -> Response:
    mounts = [mount for mount in call.core.mounts.values() if mount.is_auth == auth]
    return Response(data={_shown(mount): mount.info() for mount in mounts})


def _read_mount(call: Call) -> Response:
    mount = call.core.mounts.get(f"{call['path']}/")
    if mount is None:
        raise bad_request(f"No secret engine mount at {call['path']}/")
    return Response(data=mount.info())


def _read_auth(call: Call) -> Response:
    mount = call.core.mounts.get(f"auth/{call['path']}/")
    if mount is None:
        raise bad_request(f"No auth engine at {call['path']}/")
    return Response(data=mount.info())


def _mount_secret(call: Call) -> None:
    _mount(call, f"{call['path']}/")


def _mount_auth(call: Call) -> None:
    _mount(call, f"auth/{call['path']}/")


def _mount(call: Call, path: str) -> None:
    kind = call.text("type")
    options = {str(k): str(v) for k, v in (call.data.get("options") or {}).items()}
    if kind == "kv-v2":
        kind, options = "kv", {"version": "2", **options}
    taken = [each for each in call.core.mounts if each.startswith(path) or path.startswith(each)]
    if taken:
        raise bad_request(f"path is already in use at {taken[0]}")
    mount = call.core.mount(
        path, make_engine(call, kind, options), options=options, description=call.text("description")
    )
    mount.local = call.flag("local")


def _unmount(call: Call) -> None:
    call.core.mounts.pop(f"{call['path']}/", None)


def _unmount_auth(call: Call) -> None:
    call.core.mounts.pop(f"auth/{call['path']}/", None)


def _ui_mounts(call: Call) -> Response:
    acl = None
    if call.request.token:
        if call.token is None:
            raise RefusedError(403, multi("permission denied"))
        acl = call.core.acl(call.token, call.root, call.now)
    tables: dict[str, dict[str, Any]] = {"secret": {}, "auth": {}}
    for mount in call.core.mounts.values():
        if mount.hidden and (acl is None or not acl.touches(mount.path)):
            continue
        info = mount.info()
        brief = {name: info[name] for name in ("type", "description", "options")}
        tables["auth" if mount.is_auth else "secret"][_shown(mount)] = brief if acl is None else info
    return Response(data=tables)


def _ui_mount(call: Call) -> Response:
    if call.token is None:
        raise RefusedError(403, multi("permission denied"))
    path = call["path"].rstrip("/") + "/"
    mount = call.core.find_mount(path)
    acl = call.core.acl(call.token, call.root, call.now)
    if mount is None or not acl.touches(mount.path):
        text = (
            f'preflight capability check returned 403, please ensure client\'s policies grant access to path "{path}"'
        )
        raise RefusedError(403, text)
    return Response(data={**mount.info(), "path": mount.path})
