"""One cluster: mounts, tokens, policies and leases behind one lock, and the pipeline every request takes.

Order of the pipeline (OpenBao ``internal/vault/request_handling.go``): quota, token, existence check (create or
update), ACL, use count, routing, lease registration. The state is one storage, so that a lagging standby is the same
cluster seen some writes ago.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from nhisync.spi import Clock, Randomness
from nhisync_vault.emulator.acl import Acl
from nhisync_vault.emulator.engine import Call, Engine, Mount, Route, special
from nhisync_vault.emulator.guarding import Guarded
from nhisync_vault.emulator.identity import IdentityEngine, entity_policies
from nhisync_vault.emulator.ids import Ids
from nhisync_vault.emulator.leases import Lease, LeaseManager
from nhisync_vault.emulator.policy_store import DEFAULT_POLICY, build_acl, put_policy
from nhisync_vault.emulator.quotas import QuotaManager
from nhisync_vault.emulator.storage import LiveStorage, Storage, View
from nhisync_vault.emulator.sys_engine import SysEngine
from nhisync_vault.emulator.token_engine import TokenEngine
from nhisync_vault.emulator.tokens import TokenEntry, TokenStore
from nhisync_vault.emulator.wire import (
    WRITES,
    ForwardError,
    Operation,
    RefusedError,
    Reply,
    Request,
    Response,
    bad_request,
    denied,
    encode,
    error_reply,
    multi,
    no_route,
    unsupported_operation,
    unsupported_path,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """What differs between the two servers.

    Attributes:
        name: ``openbao`` or ``vault``.
        version: as ``sys/health`` prints it.
        pages: lists take ``after`` and ``limit``.
        scans: SCAN and detailed-metadata exist.
        token_prefix: of service tokens.
        batch_prefix: of batch tokens.
        bad_token: error text for an unknown or expired token.
    """

    name: str
    version: str
    pages: bool
    scans: bool
    token_prefix: str
    batch_prefix: str
    bad_token: str


FLAVOURS: Mapping[str, Flavour] = {
    "openbao": Flavour(
        name="openbao",
        version="2.6.2",
        pages=True,
        scans=True,
        token_prefix="s.",
        batch_prefix="b.",
        bad_token="permission denied",
    ),
    "vault": Flavour(
        name="vault",
        version="1.20.0",
        pages=False,
        scans=False,
        token_prefix="hvs.",
        batch_prefix="hvb.",
        bad_token=multi("permission denied", "invalid token"),
    ),
}


_INJECTED = (
    "sys/mounts",
    "sys/auth",
    "sys/policy",
    "sys/capabilities",
    "sys/capabilities-self",
    "sys/capabilities-accessor",
)


class Core:
    """The shared state of one cluster's nodes.

    Args:
        clock: the only time.
        randomness: ids, tokens, passwords.
        flavour: ``openbao`` or ``vault``.
        cluster_id: fixed id, "" = drawn; two clusters with one id play replicas.
        namespace: the one namespace everything lives in, "" = root.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        randomness: Randomness,
        flavour: str,
        cluster_id: str = "",
        namespace: str = "",
    ) -> None:
        self.clock = clock
        self.ids = Ids(randomness)
        self.flavour = FLAVOURS[flavour]
        self.cluster_id = cluster_id or self.ids.uuid()
        self.cluster_name = f"vault-cluster-{self.cluster_id[:8]}"
        self.namespace = namespace.strip("/")
        self.storage = LiveStorage()
        self.tokens = TokenStore(self.ids, prefix=self.flavour.token_prefix, batch_prefix=self.flavour.batch_prefix)
        self.leases = LeaseManager(self.ids, self._undo)
        self.quotas = QuotaManager()
        self.guarded = Guarded()
        self.lock = threading.RLock()
        self.mounts: dict[str, Mount] = {}
        self.served: dict[str, int] = {}
        self.mount("sys/", SysEngine())
        self.mount("identity/", IdentityEngine())
        self.mount("auth/token/", TokenEngine())
        put_policy(self.policies(), "default", DEFAULT_POLICY, now=clock.now())
        self.root_token = self._make_root()
        self.storage.commit()

    def mount(
        self, path: str, engine: Engine, *, options: Mapping[str, str] | None = None, description: str = ""
    ) -> Mount:
        """Put an engine into the mount table."""
        uuid = self.ids.uuid()
        mount = Mount(
            path=path,
            type=engine.type,
            engine=engine,
            accessor=f"{'auth_' if path.startswith('auth/') else ''}{engine.type}_{uuid[-8:]}",
            uuid=uuid,
            description=description,
            options=dict(options) if options else None,
        )
        self.mounts[path] = mount
        return mount

    def view(self, mount: Mount, storage: Storage | None = None) -> View:
        """A mount's part of a storage (default: the live one)."""
        return View(storage or self.storage, f"logical/{mount.uuid}/")

    def token_view(self, storage: Storage | None = None) -> View:
        """The token store's part of a storage."""
        return View(storage or self.storage, "token/")

    def lease_view(self, storage: Storage | None = None) -> View:
        """The expiration manager's part of a storage."""
        return View(storage or self.storage, "lease/")

    def policies(self, storage: Storage | None = None) -> View:
        """The policy store's part of a storage."""
        return View(storage or self.storage, "policy/")

    def quota_view(self, storage: Storage | None = None) -> View:
        """The quota rules' part of a storage."""
        return View(storage or self.storage, "quota/")

    def identity_view(self, storage: Storage | None = None) -> View:
        """The identity store's part of a storage."""
        return self.view(self.mounts["identity/"], storage)

    def acl(self, entry: TokenEntry, storage: Storage, now: datetime) -> Acl:
        """The ACL of a token: its own and its entity's policies."""
        extra = entity_policies(self.identity_view(storage), entry.entity_id)
        return build_acl(self.policies(storage), (*entry.policies, *extra), now)

    def find_mount(self, path: str) -> Mount | None:
        """The mount with the longest matching path."""
        matching = [mount for prefix, mount in self.mounts.items() if path.startswith(prefix)]
        return max(matching, key=lambda mount: len(mount.path), default=None)

    def revoke_token(self, token: str, *, orphan: bool = False) -> None:
        """Revoke a token and what hangs on it."""
        view = self.token_view()
        self.tokens.revoke(view, token, lambda one: self.leases.revoke_of_token(self.lease_view(), one), orphan=orphan)

    def tick(self) -> None:
        """Everything that time alone makes happen, up to now."""
        with self.lock:
            now = self.clock.now()
            self.leases.expire(self.lease_view(), now)
            for mount in list(self.mounts.values()):
                mount.engine.tick(self, mount, now)
            self.storage.commit()

    def answer(self, request: Request, *, lag: int = 0) -> Reply:
        """Serve one request, `lag` committed writes behind where that is possible."""
        with self.lock:
            self.tick()
            key = f"{request.operation.value} {request.path}"
            self.served[key] = self.served.get(key, 0) + 1
            if lag and request.operation not in WRITES:
                try:
                    return self._reply(request, self.storage.lagging(lag))
                except ForwardError:
                    pass
            try:
                return self._reply(request, self.storage)
            finally:
                self.storage.commit()

    def _reply(self, request: Request, storage: Storage) -> Reply:
        try:
            if request.namespace != self.namespace:
                raise RefusedError(404)
            now = self.clock.now()
            self.quotas.check(self.quota_view(storage), request.path, request.remote, now)
            return _render(request, *self._process(request, storage, now), self, now)
        except RefusedError as refusal:
            return error_reply(refusal)

    def _process(self, request: Request, storage: Storage, now: datetime) -> tuple[Response | None, Lease | None]:
        mount = self.find_mount(request.path)
        rest = request.path.removeprefix(mount.path) if mount else ""
        call, found = self._route(request, storage, now, mount, rest)
        token: TokenEntry | None
        if mount is None or not special(mount.engine.unauthenticated, rest):
            token = self._authorise(request, storage, now, mount, rest, call, found)
        else:
            token = self._optional_token(request, storage, now)
        if mount is None or call is None:
            raise no_route(request.path)
        if found is None:
            raise unsupported_path()
        handler = found.handler(request.operation)
        if handler is None:
            raise unsupported_operation()
        call.token = token
        response = handler(call)
        lease = self._lease(response, call, storage)
        if token is not None and token.num_uses < 0:
            self.revoke_token(token.id)
            if lease is not None:
                raise bad_request(
                    "Secret cannot be returned; token had one use left, so leased credentials were immediately revoked."
                )
        return response, lease

    def _optional_token(self, request: Request, storage: Storage, now: datetime) -> TokenEntry | None:
        entry = self.tokens.lookup(self.token_view(storage), request.token, now) if request.token else None
        if entry is None and request.token and storage is not self.storage:
            raise ForwardError
        return entry

    def _route(
        self, request: Request, storage: Storage, now: datetime, mount: Mount | None, rest: str
    ) -> tuple[Call | None, Route | None]:
        if mount is None:
            return None, None
        call = Call(
            core=self,
            mount=mount,
            request=request,
            path=rest,
            now=now,
            root=storage,
            storage=self.view(mount, storage),
        )
        found = mount.engine.find(rest)
        if found is None:
            return call, None
        call.captures = found[1]
        return call, found[0]

    def _authorise(
        self,
        request: Request,
        storage: Storage,
        now: datetime,
        mount: Mount | None,
        rest: str,
        call: Call | None,
        found: Route | None,
    ) -> TokenEntry:
        entry = self._optional_token(request, storage, now)
        if entry is None:
            raise RefusedError(403, self.flavour.bad_token if request.token else "permission denied")
        if request.operation is Operation.UPDATE and call is not None and found is not None and found.exists:
            request.operation = Operation.UPDATE if found.exists(call) else Operation.CREATE
        acl = self.acl(entry, storage, now)
        allowed = acl.allows(request)
        if mount is not None and special(mount.engine.root_paths, rest):
            allowed = allowed and acl.sudo(request.path)
        used = self.tokens.use(self.token_view(storage), entry)
        if not allowed:
            if used.num_uses < 0:
                self.revoke_token(used.id)
            raise denied()
        return used

    def _lease(self, response: Response | None, call: Call, storage: Storage) -> Lease | None:
        if response is not None and response.renewed:
            return self.leases.get(self.lease_view(storage), response.renewed)
        if response is None or response.lease is None:
            return None
        return self.leases.register(
            self.lease_view(storage),
            path=call.request.path,
            terms=response.lease,
            default=call.mount.default_ttl,
            token=call.token.id if call.token else "",
            now=call.now,
        )

    def _undo(self, path: str, terms: Mapping[str, Any]) -> None:
        mount = self.find_mount(path)
        if mount is not None:
            mount.engine.revoke(self, mount, terms)

    def _make_root(self) -> str:
        entry = TokenEntry(
            id="",
            accessor="",
            policies=("root",),
            path="auth/token/root",
            created=self.clock.now(),
            ttl=timedelta(),
            expires=None,
            display_name="root",
            renewable=False,
        )
        return self.tokens.create(self.token_view(), entry).id


def _render(request: Request, response: Response | None, lease: Lease | None, core: Core, now: datetime) -> Reply:
    if response is None:
        if request.operation in WRITES:
            return Reply(status=204)
        raise RefusedError(404)
    if response.raw is not None:
        return Reply(status=response.status or 200, body=response.raw[1], content_type=response.raw[0])
    empty_list = request.operation in (Operation.LIST, Operation.SCAN) and not response.data
    if empty_list and not response.warnings:
        raise RefusedError(404)
    body: dict[str, Any] = {
        "request_id": request.id,
        "lease_id": lease.id if lease else "",
        "renewable": lease.renewable if lease else False,
        "lease_duration": lease.remaining(now) if lease else 0,
        "data": response.data,
        "wrap_info": None,
        "warnings": list(response.warnings) or None,
        "auth": response.auth,
    }
    if core.flavour.name == "vault":
        mount = core.find_mount(request.path)
        body["mount_type"] = mount.type if mount else ""
    if mount_table(request.path) and response.data is not None:
        body = {**response.data, **body}
    return Reply(status=response.status or 200, body=encode(body))


def mount_table(path: str) -> bool:
    """Whether the reply repeats its data beside the envelope (``handleLogicalWithInjector``)."""
    return path.rstrip("/") in _INJECTED or path.startswith(("sys/policy/", "sys/mounts/", "sys/auth/"))
