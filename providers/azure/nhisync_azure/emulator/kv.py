"""The Key Vault data plane: challenge, api-version, firewall, authorisation, dispatch.

learn.microsoft.com/azure/key-vault/general/authentication (challenge), …/rest-error-codes, …/rbac-guide (data
actions), …/access-control-default. The 403 texts are those of the service.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from nhisync_azure.emulator.cloud import Caller, Cloud, Token, Traffic
from nhisync_azure.emulator.conditions import SECRET_NAME, VAULT_NAME, Target
from nhisync_azure.emulator.pipeline import claims_challenge
from nhisync_azure.emulator.rbac import VAULTS, settled
from nhisync_azure.emulator.sts import VAULT_AUDIENCE
from nhisync_azure.emulator.vaults import Vault
from nhisync_azure.emulator.wire import RefusedError, Reply, Request

API_VERSIONS: Final = frozenset(
    {"2016-10-01", "7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"}
)


@dataclass(slots=True, kw_only=True)
class Call:
    """One authorised request to a vault.

    Attributes:
        name: object name from the path, "" = none.
        version: version from the path, "" = none.
        base: URL the client used for the vault.
    """

    cloud: Cloud
    vault: Vault
    traffic: Traffic
    caller: Caller
    request: Request
    now: datetime
    base: str
    name: str = ""
    version: str = ""
    query: dict[str, str] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The JSON body.

        Raises:
            RefusedError: it is none.
        """
        try:
            return self.request.json()
        except ValueError:
            raise bad_parameter("The request body is missing or is no JSON object.") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call of the REST API.

    Attributes:
        name: for books and faults, ``secrets/list``.
        path: segments; ``{name}`` and ``{version}`` are filled from the request, the version may be missing.
        action: RBAC data action below ``Microsoft.KeyVault/vaults/``.
        policy: kind and permission of access policies.
    """

    name: str
    method: str
    path: tuple[str, ...]
    action: str
    policy: tuple[str, str]
    handler: Callable[[Call], Reply]

    @property
    def writes(self) -> bool:
        """Whether it changes something; cryptography with a key does not."""
        return self.method != "GET" and not self.action.startswith(("keys/sign", "keys/verify"))

    def match(self, method: str, segments: tuple[str, ...]) -> dict[str, str] | None:
        """Name and version when the request is this operation."""
        path = self.path
        if path[-1] == "{version}" and len(segments) == len(path) - 1:
            path = path[:-1]
        if method != self.method or len(path) != len(segments):
            return None
        found: dict[str, str] = {}
        for want, have in zip(path, segments, strict=True):
            if want.startswith("{"):
                found[want[1:-1]] = have
            elif want != have:
                return None
        return found


Handler = Callable[[Call], Reply]


def collection(
    kind: str,
    *,
    read: str,
    handlers: Mapping[str, Handler],
    get: str = "",
    update: str = "update",
    more: tuple[tuple[str, str, str, str, str, Handler], ...] = (),
) -> tuple[Operation, ...]:
    """The operations that secrets, keys and certificates have alike, after those of `more`.

    Args:
        kind: ``secrets``, ``keys`` or ``certificates``.
        read: data action of the lists.
        handlers: by short name.
        get: data action that reads one object; "" = `read`.
        update: access-policy permission for changing attributes.
        more: (name, method, path, data action, access-policy permission, handler) of its own operations.
    """
    one, gone, change = f"{kind}/{{name}}", f"deleted{kind}/{{name}}", f"{kind}/update/action"
    rows = (
        *more,
        ("list", "GET", kind, read, "list", handlers["list"]),
        ("versions", "GET", f"{one}/versions", read, "list", handlers["versions"]),
        ("get", "GET", f"{one}/{{version}}", get or read, "get", handlers["get"]),
        ("update", "PATCH", f"{one}/{{version}}", change, update, handlers["update"]),
        ("delete", "DELETE", one, f"{kind}/delete", "delete", handlers["delete"]),
        ("list-deleted", "GET", f"deleted{kind}", read, "list", handlers["list-deleted"]),
        ("get-deleted", "GET", gone, read, "get", handlers["get-deleted"]),
        ("purge", "DELETE", gone, f"{kind}/purge/action", "purge", handlers["purge"]),
        ("recover", "POST", f"{gone}/recover", f"{kind}/recover/action", "recover", handlers["recover"]),
    )
    return tuple(
        Operation(
            name=f"{kind}/{name}",
            method=method,
            path=tuple(path.split("/")),
            action=action,
            policy=(kind, permission),
            handler=handler,
        )
        for name, method, path, action, permission, handler in rows
    )


def bad_parameter(text: str) -> RefusedError:
    """400: the request is wrong."""
    return RefusedError(400, "BadParameter", text)


def find(operations: tuple[Operation, ...], request: Request) -> tuple[Operation, dict[str, str]]:
    """The operation of a request, and what its path names.

    Raises:
        RefusedError: there is none.
    """
    segments = request.segments
    for operation in operations:
        found = operation.match(request.method, segments)
        if found is not None:
            return operation, found
    raise RefusedError(405, "HttpMethodNotAllowed", "The HTTP method or path is not known.")


def authenticate(cloud: Cloud, vault: Vault, request: Request) -> Token:
    """The token of a request.

    Raises:
        RefusedError: 401 with the challenge.
    """
    authority = f"{cloud.authority}/{vault.tenant}"
    challenge = {"WWW-Authenticate": f'Bearer authorization="{authority}", resource="{VAULT_AUDIENCE}"'}
    if not request.bearer:
        text = "AKV10000: Request is missing a Bearer or PoP token."
        raise RefusedError(401, "Unauthorized", text, headers=challenge)
    token = cloud.token(request.bearer)
    if token is None:
        text = "[TokenExpired] Error validating token: the token is expired or not known."
        raise RefusedError(401, "Unauthorized", text, headers=challenge)
    if token.revoked:
        header = {"WWW-Authenticate": claims_challenge(authority, cloud.wall.now().timestamp())}
        raise RefusedError(401, "Unauthorized", "AKV10095: The session was revoked.", headers=header)
    if token.audience != VAULT_AUDIENCE:
        text = f"AKV10022: Invalid audience. Expected {VAULT_AUDIENCE}, found: {token.audience}."
        raise RefusedError(401, "Unauthorized", text, headers=challenge)
    if token.caller.tenant != vault.tenant:
        text = (
            f"AKV10032: Invalid issuer. Expected one of https://sts.windows.net/{vault.tenant}/, "
            f"found https://sts.windows.net/{token.caller.tenant}/."
        )
        raise RefusedError(401, "Unauthorized", text, headers=challenge)
    return token


def perform(operation: Operation, call: Call) -> Reply:
    """Check version, network and authorisation, then do it.

    Raises:
        RefusedError: an answer with an error status.
    """
    if call.query.get("api-version", "") not in API_VERSIONS:
        given = call.query.get("api-version")
        text = f"The specified version ({given}) is not recognized." if given else "api-version must be specified"
        raise bad_parameter(text)
    _check_session(operation, call)
    _check_network(operation, call)
    _check_access(operation, call)
    if operation.writes and call.traffic.faults.hit("read-only", "kv", operation.name) is not None:
        text = "The vault is in read-only mode because of a failover; the operation is not permitted."
        raise RefusedError(403, "Forbidden", text, inner="VaultReadOnly")
    return operation.handler(call)


def _check_session(operation: Operation, call: Call) -> None:
    if call.traffic.faults.hit("unauthorized", "kv", operation.name) is not None:
        authority = f"{call.cloud.authority}/{call.vault.tenant}"
        header = f'Bearer authorization="{authority}", resource="{VAULT_AUDIENCE}"'
        raise RefusedError(401, "Unauthorized", "[TokenInvalid]", headers={"WWW-Authenticate": header})


def _check_network(operation: Operation, call: Call) -> None:
    fault = call.traffic.faults.hit("firewall", "kv", operation.name)
    vault = call.vault
    tail = f"\r\nVault: {vault.name};location={vault.region}"
    if not vault.public:
        text = (
            "Public network access is disabled and request is not from a trusted service nor via an approved private "
            "link."
        )
        raise RefusedError(
            403, "Forbidden", f"{text}\r\nCaller: {call.caller.text}{tail}", inner="ForbiddenByConnection"
        )
    if fault is not None:
        text = (
            "Client address is not authorized and caller is not a trusted service.\r\n"
            f"Client address: {call.request.remote}\r\nCaller: {call.caller.text}{tail}"
        )
        raise RefusedError(403, "Forbidden", text, inner="ForbiddenByFirewall")


def _check_access(operation: Operation, call: Call) -> None:
    if call.vault.rbac:
        _check_role(operation, call)
    else:
        _check_policy(operation, call)


def _check_role(operation: Operation, call: Call) -> None:
    action = f"{VAULTS}/{operation.action}"
    target = _target(operation, call)
    fault = call.traffic.faults.state("rbac-lag", "kv")
    before = settled(call.now, fault.seconds(600) if fault is not None else 0)
    subject = call.caller.subject
    if call.cloud.rbac.allows(subject, action, target, data=True, before=before):
        return
    denial = call.cloud.rbac.denied(subject, action, target.id, data=True)
    denied_by, reason = (f"'{denial.id}'", "'DeniedWithDenyAssignment'") if denial else ("null", "null")
    text = (
        "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role "
        "definitions were changed recently, please observe propagation time.\r\n"
        f"Caller: {call.caller.text}\r\nAction: '{action}'\r\nResource: '{target.id.lower()}'\r\n"
        f"Assignment: (not found)\r\nDenyAssignmentId: {denied_by}\r\nDecisionReason: {reason} \r\n"
        f"Vault: {call.vault.name};location={call.vault.region}\r\n"
    )
    raise RefusedError(403, "Forbidden", text, inner="ForbiddenByRbac")


def _target(operation: Operation, call: Call) -> Target:
    kind = operation.policy[0]
    attributes = {VAULT_NAME: call.vault.name}
    if not call.name:
        return Target(id=call.vault.id, attributes=attributes)
    if kind == "secrets":
        attributes[SECRET_NAME] = call.name
    return Target(id=f"{call.vault.id}/{kind}/{call.name}", attributes=attributes)


def by_policy(vault: Vault, ids: frozenset[str], kind: str, permission: str) -> bool:
    """Whether the vault's access policies give a permission to one of `ids`: a principal and its groups."""
    held = (policy.permissions.get(kind, ()) for policy in vault.policies if policy.oid in ids)
    return any({permission, "all"} & {word.lower() for word in words} for words in held)


def _check_policy(operation: Operation, call: Call) -> None:
    kind, permission = operation.policy
    if by_policy(call.vault, call.caller.subject.ids, kind, permission):
        return
    text = (
        f"The user, group or application '{call.caller.text}' does not have {kind} {permission} permission on key "
        f"vault '{call.vault.name};location={call.vault.region}'. For help resolving this issue, please see "
        "https://go.microsoft.com/fwlink/?linkid=2125287"
    )
    raise RefusedError(403, "Forbidden", text, inner="AccessDenied")
