"""``auth/token``: creation, lookups, renewal, revocation, accessors, roles.

Source: OpenBao ``internal/vault/token_store.go``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from nhisync_vault.emulator.engine import NAME, Call, Engine, route
from nhisync_vault.emulator.identity import entity_policies
from nhisync_vault.emulator.storage import View
from nhisync_vault.emulator.tokens import SYSTEM_TTL, TokenEntry, auth_block, lookup_data
from nhisync_vault.emulator.wire import RefusedError, Response, bad_request, listing


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRole:
    """A token role.

    Attributes:
        name: its name.
        allowed_policies: policies its tokens may have; empty = the creator's.
        disallowed_policies: policies they may not have.
        orphan: tokens have no parent.
        renewable: tokens may be renewed.
        period: makes tokens periodic, zero = not.
        explicit_max_ttl: hard end, zero = none.
        type: ``service``, ``batch`` or ``default-service``.
        num_uses: uses of each token, 0 = unlimited.
        path_suffix: appended to the creation path.
    """

    name: str
    allowed_policies: tuple[str, ...] = ()
    disallowed_policies: tuple[str, ...] = ()
    orphan: bool = False
    renewable: bool = True
    period: timedelta = timedelta()
    explicit_max_ttl: timedelta = timedelta()
    type: str = "default-service"
    num_uses: int = 0
    path_suffix: str = ""

    def data(self) -> dict[str, Any]:
        """The ``data`` of a role read."""
        return {
            "name": self.name,
            "allowed_policies": list(self.allowed_policies),
            "allowed_policies_glob": [],
            "disallowed_policies": list(self.disallowed_policies),
            "disallowed_policies_glob": [],
            "allowed_entity_aliases": [],
            "orphan": self.orphan,
            "renewable": self.renewable,
            "period": 0,
            "token_period": int(self.period.total_seconds()),
            "explicit_max_ttl": 0,
            "token_explicit_max_ttl": int(self.explicit_max_ttl.total_seconds()),
            "token_type": self.type,
            "token_no_default_policy": False,
            "path_suffix": self.path_suffix,
        } | ({"token_num_uses": self.num_uses} if self.num_uses else {})


class TokenEngine(Engine):
    """The one token store of a cluster; entries live in the core's token view, roles in its own storage."""

    type: ClassVar[str] = "token"
    root_paths: ClassVar[tuple[str, ...]] = ("revoke-orphan/*", "accessors*")

    def __init__(self) -> None:
        super().__init__()
        self.routes = (
            route(r"roles/?", list_=lambda call: listing(call.page("role/"))),
            route(rf"roles/{NAME}", read=_read_role, write=_write_role, delete=_delete_role, exists=_role_exists),
            route(r"accessors/?", list_=self._accessors),
            route(r"create-orphan", write=lambda call: _create(call, orphan=True)),
            route(rf"create/{NAME}", write=_create_by_role),
            route(r"create", write=lambda call: _create(call, orphan=False)),
            route(r"lookup", read=_lookup, write=_lookup),
            route(r"lookup-self", read=_lookup_self, write=_lookup_self),
            route(r"lookup-accessor", write=_lookup_accessor),
            route(r"renew", write=_renew),
            route(r"renew-self", write=_renew_self),
            route(r"renew-accessor", write=_renew_accessor),
            route(r"revoke", write=_revoke),
            route(r"revoke-self", write=_revoke_self),
            route(r"revoke-accessor", write=_revoke_accessor),
            route(r"revoke-orphan", write=lambda call: _revoke(call, orphan=True)),
        )

    def _accessors(self, call: Call) -> Response:
        found = call.core.tokens.accessors(_view(call), call.now)
        return listing(found)


def _view(call: Call) -> View:
    return call.core.token_view(call.root)


def _lookup_entry(call: Call, token: str) -> TokenEntry:
    entry = call.core.tokens.lookup(_view(call), token, call.now)
    if entry is None:
        raise RefusedError(403, "bad token")
    return entry


def _shown(call: Call, entry: TokenEntry) -> Response:
    policies = entity_policies(call.core.identity_view(call.root), entry.entity_id)
    return Response(data=lookup_data(entry, call.now, policies))


def _caller(call: Call) -> TokenEntry:
    if call.token is None:
        raise RefusedError(403, "permission denied")
    return call.token


def _lookup(call: Call) -> Response:
    return _shown(call, _lookup_entry(call, call.text("token") or _caller(call).id))


def _lookup_self(call: Call) -> Response:
    return _shown(call, _caller(call))


def _lookup_accessor(call: Call) -> Response:
    entry = _by_accessor(call)
    if entry is None:
        raise bad_request("invalid accessor")
    data = dict(_shown(call, entry).data or {})
    return Response(data=data | {"id": ""})


def _by_accessor(call: Call) -> TokenEntry | None:
    accessor = call.text("accessor")
    if not accessor:
        raise bad_request("missing accessor")
    return call.core.tokens.by_accessor(_view(call), accessor, call.now)


def _renewed(call: Call, entry: TokenEntry) -> Response:
    renewed = call.core.tokens.renew(_view(call), entry, call.duration("increment"), call.now)
    return Response(auth=auth_block(renewed, call.now))


def _renew(call: Call) -> Response:
    token = call.text("token")
    entry = call.core.tokens.lookup(_view(call), token, call.now) if token else None
    if entry is None:
        raise bad_request("token not found" if token else "missing token ID")
    return _renewed(call, entry)


def _renew_self(call: Call) -> Response:
    return _renewed(call, _caller(call))


def _renew_accessor(call: Call) -> Response:
    entry = _by_accessor(call)
    if entry is None:
        raise bad_request("invalid accessor")
    answer = _renewed(call, entry)
    return Response(auth={**(answer.auth or {}), "client_token": ""})


def _revoke(call: Call, *, orphan: bool = False) -> None:
    token = call.text("token")
    if not token:
        raise bad_request("missing token ID")
    entry = call.core.tokens.lookup(_view(call), token, call.now)
    if entry is not None:
        _check_revocable(entry)
        call.core.revoke_token(token, orphan=orphan)
    elif orphan:
        raise bad_request("token to revoke not found")


def _revoke_self(call: Call) -> None:
    entry = _caller(call)
    _check_revocable(entry)
    call.core.revoke_token(entry.id)


def _revoke_accessor(call: Call) -> Response | None:
    entry = _by_accessor(call)
    if entry is None:
        return Response(warnings=("No token found with this accessor",))
    call.core.revoke_token(entry.id)
    return None


def _check_revocable(entry: TokenEntry) -> None:
    if entry.type == "batch":
        raise bad_request("batch tokens cannot be revoked")


def _create_by_role(call: Call) -> Response:
    role: TokenRole | None = call.storage.get(f"role/{call['name']}")
    if role is None:
        raise bad_request(f"unknown role {call['name']}")
    return _create(call, orphan=role.orphan, role=role)


def _create(call: Call, *, orphan: bool, role: TokenRole | None = None) -> Response:
    parent = _caller(call)
    if parent.type == "batch":
        raise bad_request("batch tokens cannot create more tokens")
    if parent.num_uses:
        raise bad_request("restricted use token cannot generate child tokens")
    sudo = call.core.acl(parent, call.root, call.now).sudo(call.request.path)
    entry = _new_entry(call, parent, role, orphan=orphan, sudo=sudo)
    made = call.core.tokens.create(_view(call), entry)
    missing = [name for name in made.policies if name != "root" and call.core.policies(call.root).get(name) is None]
    warnings = tuple(f'Policy "{name}" does not exist' for name in missing)
    return Response(auth=auth_block(made, call.now), warnings=warnings)


def _new_entry(call: Call, parent: TokenEntry, role: TokenRole | None, *, orphan: bool, sudo: bool) -> TokenEntry:
    policies = _policies(call, parent, role, sudo=sudo)
    if "root" in policies and not parent.root:
        raise bad_request("root tokens may not be created without parent token being root")
    kind = _type(call, role)
    wants_orphan = orphan or (call.flag("no_parent") and sudo)
    if call.flag("no_parent") and not sudo:
        raise bad_request("root or sudo privileges required to create orphan token")
    period = (role.period if role else timedelta()) or call.duration("period")
    explicit = (role.explicit_max_ttl if role else timedelta()) or call.duration("explicit_max_ttl")
    ttl = _ttl(call, policies, period, explicit)
    name = call.text("display_name")
    path = f"auth/token/{call.path}" + (f"/{role.path_suffix}" if role and role.path_suffix else "")
    return TokenEntry(
        id=call.text("id") if sudo else "",
        accessor="",
        policies=policies,
        path=path,
        created=call.now,
        ttl=ttl,
        expires=call.now + ttl if ttl else None,
        display_name=f"token-{name}" if name else "token",
        meta=_meta(call),
        num_uses=call.number("num_uses") or (role.num_uses if role else 0),
        explicit_max_ttl=explicit,
        period=period,
        parent="" if wants_orphan else parent.id,
        role=role.name if role else "",
        type=kind,
        entity_id="" if wants_orphan else parent.entity_id,
        renewable=call.flag("renewable", default=True) and (role is None or role.renewable) and kind != "batch",
    )


def _type(call: Call, role: TokenRole | None) -> str:
    if role is not None and role.type in ("service", "batch"):
        return role.type
    kind = call.text("type") or "service"
    if kind not in ("service", "batch"):
        raise bad_request("invalid 'token_type' value")
    return kind


def _meta(call: Call) -> Mapping[str, str] | None:
    raw = call.data.get("meta")
    return {str(k): str(v) for k, v in raw.items()} if isinstance(raw, dict) else None


def _ttl(call: Call, policies: tuple[str, ...], period: timedelta, explicit: timedelta) -> timedelta:
    asked = call.duration("ttl") or call.duration("lease")
    if policies == ("root",) and not asked and not period:
        return explicit
    ttl = min(period or asked or SYSTEM_TTL, SYSTEM_TTL)
    return min(ttl, explicit) if explicit else ttl


def _policies(call: Call, parent: TokenEntry, role: TokenRole | None, *, sudo: bool) -> tuple[str, ...]:
    asked = [name.strip().lower() for name in call.strings("policies")]
    default = not call.flag("no_default_policy")
    if role is not None and (role.allowed_policies or role.disallowed_policies):
        return _role_policies(asked, parent, role, default=default)
    if not asked:
        return parent.policies
    if not sudo and not set(asked) <= set(parent.policies):
        raise bad_request("child policies must be subset of parent")
    add = default and (sudo or "default" in parent.policies) and asked != ["root"]
    return tuple(sorted({*asked, *(["default"] if add else [])}))


def _role_policies(asked: list[str], parent: TokenEntry, role: TokenRole, *, default: bool) -> tuple[str, ...]:
    extra = ["default"] if default and "default" not in role.disallowed_policies else []
    allowed = {*role.allowed_policies, *extra}
    chosen = {*(asked or role.allowed_policies or parent.policies), *extra}
    if role.allowed_policies and not chosen <= allowed:
        raise bad_request("token policies must be subset of the role's allowed policies")
    banned = sorted(chosen & set(role.disallowed_policies))
    if banned:
        raise bad_request(f'token policy "{banned[0]}" is disallowed by this role')
    return tuple(sorted(chosen))


def _role_exists(call: Call) -> bool:
    return call.storage.get(f"role/{call['name']}") is not None


def _read_role(call: Call) -> Response | None:
    role: TokenRole | None = call.storage.get(f"role/{call['name']}")
    return None if role is None else Response(data=role.data())


def _write_role(call: Call) -> None:
    call.storage.put(
        f"role/{call['name']}",
        TokenRole(
            name=call["name"],
            allowed_policies=tuple(call.strings("allowed_policies")),
            disallowed_policies=tuple(call.strings("disallowed_policies")),
            orphan=call.flag("orphan"),
            renewable=call.flag("renewable", default=True),
            period=call.duration("token_period") or call.duration("period"),
            explicit_max_ttl=call.duration("token_explicit_max_ttl") or call.duration("explicit_max_ttl"),
            type=call.text("token_type", "default-service"),
            num_uses=call.number("token_num_uses"),
            path_suffix=call.text("path_suffix"),
        ),
    )


def _delete_role(call: Call) -> None:
    call.storage.delete(f"role/{call['name']}")
