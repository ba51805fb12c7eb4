"""``sys/policies/acl``, ``sys/policy``, ``sys/capabilities*``.

Source: OpenBao ``internal/vault/logical_system.go`` and ``capabilities.go``.
"""

import base64
import binascii
from datetime import datetime

from nhisync_vault.emulator.engine import Call, Route, route
from nhisync_vault.emulator.policy_store import PolicyEntry, put_policy
from nhisync_vault.emulator.storage import View
from nhisync_vault.emulator.wire import RefusedError, Response, bad_request, listing


def routes() -> tuple[Route, ...]:
    """Policies by both of their paths, and capability questions."""
    name = r"(?P<name>.+)"
    return (
        route(r"policies/acl/?", list_=_list),
        route(rf"policies/acl/{name}", read=_read, write=_write, delete=_delete),
        route(r"policy/?", read=_list_old, list_=_list_old),
        route(rf"policy/{name}", read=_read_old, write=_write, delete=_delete),
        route(r"capabilities", write=_capabilities),
        route(r"capabilities-self", write=_capabilities_self),
        route(r"capabilities-accessor", write=_capabilities_accessor),
    )


def _view(call: Call) -> View:
    return call.core.policies(call.root)


def _names(call: Call) -> list[str]:
    return [*_view(call).page(""), "root"]


def _list(call: Call) -> Response:
    return listing(_names(call))


def _list_old(call: Call) -> Response:
    names = _names(call)
    return Response(data={"keys": names, "policies": names})


def _entry(call: Call) -> PolicyEntry | None:
    found: PolicyEntry | None = _view(call).get(call["name"].lower())
    return found


def _read(call: Call) -> Response | None:
    if call["name"] == "root":
        return Response(data={"name": "root", "policy": "", "version": 0, "cas_required": False})
    entry = _entry(call)
    return None if entry is None else Response(data=entry.data())


def _read_old(call: Call) -> Response | None:
    answer = _read(call)
    if answer is None or answer.data is None:
        return None
    data = dict(answer.data)
    return Response(data={**data, "rules": data.pop("policy")} if "policy" in data else data)


def _write(call: Call) -> None:
    text = call.text("policy") or call.text("rules")
    if not text:
        raise bad_request("'policy' parameter not supplied or empty")
    expiration = call.text("expiration")
    ends = datetime.fromisoformat(expiration) if expiration else None
    if "ttl" in call.data:
        ends = call.now + call.duration("ttl")
    put_policy(
        _view(call),
        call["name"],
        _decoded(text),
        now=call.now,
        cas=call.number("cas") if "cas" in call.data else None,
        cas_required=call.flag("cas_required"),
        expiration=ends,
    )


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        return text


def _delete(call: Call) -> None:
    if call["name"] in ("root", "default"):
        raise bad_request(f'cannot delete "{call["name"]}" policy')
    _view(call).delete(call["name"].lower())


def _answer(call: Call, token: str) -> Response:
    entry = call.core.tokens.lookup(call.core.token_view(call.root), token, call.now)
    if entry is None:
        raise bad_request("invalid token")
    paths = call.strings("paths") or call.strings("path")
    if not paths:
        raise bad_request("paths must be supplied")
    acl = call.core.acl(entry, call.root, call.now)
    data = {path: acl.capabilities(path.lstrip("/")) for path in paths}
    if len(paths) == 1:
        data["capabilities"] = data[paths[0]]
    return Response(data=data)


def _capabilities(call: Call) -> Response:
    return _answer(call, call.text("token"))


def _capabilities_self(call: Call) -> Response:
    if call.token is None:
        raise RefusedError(403, "permission denied")
    return _answer(call, call.token.id)


def _capabilities_accessor(call: Call) -> Response:
    accessor = call.text("accessor")
    entry = call.core.tokens.by_accessor(call.core.token_view(call.root), accessor, call.now)
    if entry is None:
        raise bad_request("invalid accessor" if accessor else "missing accessor")
    return _answer(call, entry.id)
