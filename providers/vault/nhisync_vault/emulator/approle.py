"""``auth/approle``: roles, role ids, secret IDs with accessors, login.

Source: OpenBao ``internal/builtin/credential/approle/path_role.go`` and ``path_login.go``. A wrong login is a 400; an
unknown accessor is a 404 with its text in ``data.error`` when looked up and a 500 when destroyed; an unknown role is a
404 when a secret ID is created and a 500 for accessor operations.
"""

import ipaddress
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from nhisync_vault.emulator.approle_store import Role, SecretId, SecretIds, expired_secret_ids
from nhisync_vault.emulator.engine import Call, Engine, Mount, route
from nhisync_vault.emulator.identity import Alias, entity_of_login, entity_policies
from nhisync_vault.emulator.tokens import SYSTEM_TTL, TokenEntry, auth_block
from nhisync_vault.emulator.wire import RefusedError, Response, bad_request, denied, internal, listing, multi

if TYPE_CHECKING:
    from nhisync_vault.emulator.core import Core

_ROLE = r"role/(?P<role>\w(?:(?:[\w.-]+)?\w)?)"
_WRONG = "invalid role or secret ID"
_LISTS = ("token_policies", "secret_id_bound_cidrs", "token_bound_cidrs")
_DURATIONS = ("secret_id_ttl", "token_ttl", "token_max_ttl", "token_period", "token_explicit_max_ttl")
_NUMBERS = ("secret_id_num_uses", "token_num_uses")
_FLAGS = ("bind_secret_id", "token_no_default_policy")
_TIDY_INTERVAL = timedelta(minutes=1)


class AppRoleEngine(Engine):
    """One AppRole mount."""

    type: ClassVar[str] = "approle"
    unauthenticated: ClassVar[tuple[str, ...]] = ("login",)

    def __init__(self) -> None:
        super().__init__()
        self._tidied: datetime | None = None
        self.routes = (
            route(r"login", write=_login),
            route(r"role/?", list_=lambda call: listing(call.page("role/"))),
            route(rf"{_ROLE}", read=_read_role, write=_write_role, delete=_delete_role, exists=_role_exists),
            route(rf"{_ROLE}/role-id", read=_read_role_id, write=_write_role_id),
            route(rf"{_ROLE}/secret-id/?", list_=_list, write=_create),
            route(rf"{_ROLE}/custom-secret-id", write=_create_custom),
            route(rf"{_ROLE}/secret-id/lookup/?", write=_lookup),
            route(rf"{_ROLE}/secret-id/destroy/?", write=_destroy, delete=_destroy),
            route(rf"{_ROLE}/secret-id-accessor/lookup/?", write=_lookup_accessor),
            route(rf"{_ROLE}/secret-id-accessor/destroy/?", write=_destroy_accessor, delete=_destroy_accessor),
        )

    def tick(self, core: "Core", mount: Mount, now: datetime) -> None:
        """The periodic tidy: once a minute, expired secret IDs go."""
        if self._tidied is not None and now - self._tidied < _TIDY_INTERVAL:
            return
        self._tidied = now
        storage = core.view(mount)
        for key, entry in expired_secret_ids(storage, now):
            storage.delete(f"accessor/{entry.accessor}")
            storage.delete(key)


def _role(call: Call) -> Role | None:
    found: Role | None = call.storage.get(f"role/{call['role'].lower()}")
    return found


def _role_exists(call: Call) -> bool:
    return _role(call) is not None


def _role_or_500(call: Call) -> Role:
    role = _role(call)
    if role is None:
        raise internal(f'role "{call["role"].lower()}" does not exist')
    return role


def _read_role(call: Call) -> Response | None:
    role = _role(call)
    return None if role is None else Response(data=role.data())


def _write_role(call: Call) -> None:
    old = _role(call) or Role(
        name=call["role"].lower(), role_id=call.text("role_id") or call.core.ids.uuid(), hmac_key=call.core.ids.uuid()
    )
    if call.number("secret_id_num_uses") < 0:
        raise bad_request("secret_id_num_uses cannot be negative")
    role = replace(old, **_changes(call))
    if not role.bind_secret_id and not role.secret_id_bound_cidrs and not role.token_bound_cidrs:
        raise internal("at least one constraint should be enabled on the role")
    if role.token_max_ttl and role.token_ttl > role.token_max_ttl:
        raise bad_request("token_ttl should not be greater than token_max_ttl")
    _put_role(call, role)


def _changes(call: Call) -> dict[str, Any]:
    readers: dict[str, Callable[[str], Any]] = {
        **dict.fromkeys(_LISTS, lambda name: tuple(call.strings(name))),
        **dict.fromkeys(_DURATIONS, call.duration),
        **dict.fromkeys(_NUMBERS, call.number),
        **dict.fromkeys(_FLAGS, call.flag),
        "token_type": call.text,
    }
    return {name: read(name) for name, read in readers.items() if name in call.data}


def _put_role(call: Call, role: Role) -> None:
    call.storage.put(f"role/{role.name}", role)
    call.storage.put(f"role-id/{role.role_id}", role.name)


def _delete_role(call: Call) -> None:
    role = _role(call)
    if role is None:
        return
    SecretIds(call.storage, role).flush()
    call.storage.delete(f"role-id/{role.role_id}")
    call.storage.delete(f"role/{role.name}")


def _read_role_id(call: Call) -> Response | None:
    role = _role(call)
    return None if role is None else Response(data={"role_id": role.role_id})


def _write_role_id(call: Call) -> None:
    role = _role(call)
    if role is None:
        raise RefusedError(404, multi("unsupported path"))
    call.storage.delete(f"role-id/{role.role_id}")
    _put_role(call, replace(role, role_id=call.text("role_id")))


def _list(call: Call) -> Response:
    role = _role(call)
    if role is None:
        raise bad_request(f'role "{call["role"]}" does not exist')
    paged = call.core.flavour.pages
    after, limit = (call.text("after"), call.number("limit")) if paged else ("", 0)
    return listing(SecretIds(call.storage, role).page(after, limit))


def _create(call: Call) -> Response:
    return _issue(call, call.core.ids.uuid())


def _create_custom(call: Call) -> Response:
    return _issue(call, call.text("secret_id"))


def _issue(call: Call, secret_id: str) -> Response:
    if not secret_id:
        raise bad_request("missing secret_id")
    role = _role(call)
    if role is None:
        raise RefusedError(404, f'role "{call["role"].lower()}" does not exist')
    if not role.bind_secret_id:
        raise bad_request("bind_secret_id is not set on the role")
    uses, ttl = _uses(call, role), _ttl(call, role)
    entry = SecretId(
        accessor=call.core.ids.uuid(),
        created=call.now,
        expires=call.now + min(ttl, SYSTEM_TTL) if ttl else None,
        updated=call.now,
        num_uses=uses,
        ttl=ttl,
        metadata=_metadata(call),
        cidrs=tuple(call.strings("cidr_list")),
        token_cidrs=tuple(call.strings("token_bound_cidrs")),
    )
    SecretIds(call.storage, role).put(secret_id, entry)
    return Response(
        data={
            "secret_id": secret_id,
            "secret_id_accessor": entry.accessor,
            "secret_id_ttl": int(ttl.total_seconds()),
            "secret_id_num_uses": uses,
        }
    )


def _uses(call: Call, role: Role) -> int:
    if "num_uses" not in call.data:
        return role.secret_id_num_uses
    uses = call.number("num_uses")
    if uses < 0:
        raise bad_request("num_uses cannot be negative")
    if role.secret_id_num_uses and (uses == 0 or uses > role.secret_id_num_uses):
        raise bad_request("num_uses cannot be higher than the role's secret_id_num_uses")
    return uses


def _ttl(call: Call, role: Role) -> timedelta:
    if "ttl" not in call.data:
        return role.secret_id_ttl
    ttl = call.duration("ttl")
    if role.secret_id_ttl and (not ttl or ttl > role.secret_id_ttl):
        raise bad_request("ttl cannot be longer than the role's secret_id_ttl")
    return ttl


def _metadata(call: Call) -> dict[str, str]:
    raw = call.data.get("metadata") or {}
    try:
        pairs = json.loads(raw) if isinstance(raw, str) and raw.lstrip().startswith("{") else raw
        if isinstance(pairs, str):
            pairs = dict(part.split("=", 1) for part in pairs.split(","))
        return {str(name).strip(): str(value).strip() for name, value in pairs.items()}
    except (ValueError, AttributeError):
        raise bad_request("failed to parse metadata: invalid format") from None


def _lookup(call: Call) -> Response | None:
    if not call.text("secret_id"):
        raise bad_request("missing secret_id")
    ids = SecretIds(call.storage, _role_or_500(call))
    entry = ids.get(ids.digest(call.text("secret_id")))
    return None if entry is None else Response(data=entry.data())


def _destroy(call: Call) -> None:
    if not call.text("secret_id"):
        raise bad_request("missing secret_id")
    ids = SecretIds(call.storage, _role_or_500(call))
    digest = ids.digest(call.text("secret_id"))
    entry = ids.get(digest)
    if entry is not None:
        ids.delete(digest, entry)


def _lookup_accessor(call: Call) -> Response | None:
    accessor = call.text("secret_id_accessor")
    if not accessor:
        raise bad_request("missing secret_id_accessor")
    known, _, entry = SecretIds(call.storage, _role_or_500(call)).by_accessor(accessor)
    if not known:
        text = f'failed to find accessor entry for secret_id_accessor: "{accessor}"'
        return Response(data={"error": text}, status=404)
    return None if entry is None else Response(data=entry.data())


def _destroy_accessor(call: Call) -> None:
    accessor = call.text("secret_id_accessor")
    if not accessor:
        raise bad_request("missing secret_id_accessor")
    ids = SecretIds(call.storage, _role_or_500(call))
    known, digest, entry = ids.by_accessor(accessor)
    if not known:
        raise internal(f'failed to find accessor entry for secret_id_accessor: "{accessor}"')
    if entry is None:
        raise denied()
    ids.delete(digest, entry)


def _login(call: Call) -> Response:
    role_id = call.text("role_id").strip()
    if not role_id:
        raise bad_request("missing role_id")
    role: Role | None = call.storage.get(f"role/{call.storage.get(f'role-id/{role_id}')}")
    if role is None:
        raise bad_request(_WRONG)
    metadata = dict(_use_secret_id(call, role)) if role.bind_secret_id else {}
    _check_network(call, role.secret_id_bound_cidrs, "role")
    metadata["role_name"] = role.name
    entity = entity_of_login(
        call.core.identity_view(call.root), call.core.ids, alias=_alias(call, role, metadata), now=call.now
    )
    entry = call.core.tokens.create(call.core.token_view(call.root), _token(call, role, entity.id, metadata))
    policies = entity_policies(call.core.identity_view(call.root), entity.id)
    return Response(auth=auth_block(entry, call.now, policies))


def _use_secret_id(call: Call, role: Role) -> dict[str, str]:
    secret_id = call.text("secret_id").strip()
    if not secret_id:
        raise bad_request("missing secret_id")
    ids = SecretIds(call.storage, role)
    digest = ids.digest(secret_id)
    entry = ids.get(digest)
    if entry is None or (entry.lingers and entry.expires is not None and entry.expires < call.now):
        raise bad_request(_WRONG)
    if entry.num_uses == 1:
        ids.delete(digest, entry)
    elif entry.num_uses > 1:
        ids.replace(digest, replace(entry, num_uses=entry.num_uses - 1, updated=call.now))
    _check_network(call, entry.cidrs, "secret ID")
    return dict(entry.metadata or {})


def _check_network(call: Call, cidrs: tuple[str, ...], what: str) -> None:
    address = ipaddress.ip_address(call.request.remote)
    if cidrs and not any(address in ipaddress.ip_network(cidr, strict=False) for cidr in cidrs):
        raise bad_request(f'source address "{address}" unauthorized through CIDR restrictions on the {what}')


def _alias(call: Call, role: Role, metadata: dict[str, str]) -> Alias:
    return Alias(
        id="",
        name=role.role_id,
        mount_accessor=call.mount.accessor,
        mount_path=call.mount.path,
        mount_type="approle",
        created=call.now,
        metadata=metadata,
    )


def _token(call: Call, role: Role, entity_id: str, metadata: dict[str, str]) -> TokenEntry:
    ttl = role.token_period or role.token_ttl or SYSTEM_TTL
    caps = [cap for cap in (role.token_max_ttl, role.token_explicit_max_ttl, SYSTEM_TTL) if cap]
    ttl = min(ttl, *caps)
    extra = () if role.token_no_default_policy else ("default",)
    return TokenEntry(
        id="",
        accessor="",
        policies=tuple(sorted({*role.token_policies, *extra})),
        path=f"{call.mount.path}login",
        created=call.now,
        ttl=ttl,
        expires=call.now + ttl,
        display_name="approle",
        meta=metadata,
        num_uses=role.token_num_uses,
        explicit_max_ttl=role.token_explicit_max_ttl,
        period=role.token_period,
        type="batch" if role.token_type == "batch" else "service",
        entity_id=entity_id,
        bound_cidrs=role.token_bound_cidrs,
        renewable=role.token_type != "batch",
    )
