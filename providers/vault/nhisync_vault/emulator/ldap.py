"""The LDAP engine's static roles: list, read, create, rotate.

Source: OpenBao ``internal/builtin/logical/openldap/path_static_roles.go``; nested role names as in
Vault 1.17 and later.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from nhisync_vault.emulator.engine import Call, Engine, Mount, route
from nhisync_vault.emulator.fakedb import FakeDatabase, RefusedByDatabaseError
from nhisync_vault.emulator.gotime import rfc3339
from nhisync_vault.emulator.ids import Ids
from nhisync_vault.emulator.rotation import TICK, Rotator, StaticAccount
from nhisync_vault.emulator.wire import Response, bad_request, internal, listing

if TYPE_CHECKING:
    from nhisync_vault.emulator.core import Core


class LdapEngine(Engine):
    """One LDAP mount with its directory in memory."""

    type: ClassVar[str] = "ldap"

    def __init__(self, ids: Ids) -> None:
        super().__init__()
        self.directory = FakeDatabase()
        self.rotator = Rotator(ids, "static/", lambda _: self.directory)
        self._ticked: datetime | None = None
        name = r"(?P<name>.*[^/])"
        self.routes = (
            route(r"config", read=_read_config, write=_write_config),
            route(r"static-role/(?P<folder>.*/)?", list_=lambda call: listing(call.page(f"static/{call['folder']}"))),
            route(
                rf"static-role/{name}",
                read=_read,
                write=self._write,
                delete=lambda call: self.rotator.discard(call.storage, call["name"]),
                exists=lambda call: call.storage.get(f"static/{call['name']}") is not None,
            ),
            route(rf"static-cred/{name}", read=_creds),
            route(rf"rotate-role/{name}", write=self._rotate),
        )

    def tick(self, core: "Core", mount: Mount, now: datetime) -> None:
        """Look at the rotation queue every five seconds."""
        if self._ticked is None or now - self._ticked >= TICK:
            self._ticked = now
            self.rotator.run(core.view(mount), now)

    def _write(self, call: Call) -> None:
        name = call["name"]
        old: StaticAccount | None = call.storage.get(f"static/{name}")
        if old is None and not call.text("username"):
            raise bad_request("username is a required field to manage a static account")
        if old is None and "rotation_period" not in call.data:
            raise bad_request("rotation_period is required to create static accounts")
        if old is not None:
            return
        account = StaticAccount(
            username=call.text("username"),
            database="",
            period=call.duration("rotation_period"),
            extra={"dn": call.text("dn")},
        )
        call.storage.put(f"static/{name}", account)
        self._run(call, name)

    def _rotate(self, call: Call) -> None:
        if call.storage.get(f"static/{call['name']}") is None:
            raise bad_request("role doesn't exist")
        self._run(call, call["name"])

    def _run(self, call: Call, name: str) -> None:
        try:
            self.rotator.rotate(call.storage, name, call.now)
        except RefusedByDatabaseError as refused:
            raise internal(f"unable to finish rotating credentials; retries will continue: {refused}") from None


def _read_config(call: Call) -> Response | None:
    config: dict[str, Any] | None = call.storage.get("config")
    return None if config is None else Response(data=config)


def _write_config(call: Call) -> None:
    call.storage.put("config", {name: call.text(name) for name in ("url", "binddn", "schema", "userdn")})


def _read(call: Call) -> Response | None:
    account: StaticAccount | None = call.storage.get(f"static/{call['name']}")
    if account is None:
        return None
    data: dict[str, Any] = {
        "dn": account.extra.get("dn", ""),
        "username": account.username,
        "rotation_period": int(account.period.total_seconds()),
    }
    if account.rotated is not None:
        data["last_vault_rotation"] = rfc3339(account.rotated)
    return Response(data=data)


def _creds(call: Call) -> Response:
    account: StaticAccount | None = call.storage.get(f"static/{call['name']}")
    if account is None:
        raise bad_request(f"unknown role: {call['name']}")
    return Response(
        data={
            "dn": account.extra.get("dn", ""),
            "username": account.username,
            "password": account.password,
            "ttl": account.ttl(call.now),
            "last_vault_rotation": rfc3339(account.rotated),
            "rotation_period": int(account.period.total_seconds()),
        }
    )
