"""The emulated cloud: accounts, sessions, faults, and the way of one call through them.

``count → faults before → authenticate → authorize → check → answer (overlay, else moto) → faults after``, the middle
part under one lock because moto's backends are not thread safe. What AWS does after it answered waits in `Cloud.later`
and happens before the next call that comes when its time has.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from nhisync.spi import Clock, Randomness
from nhisync_aws.emulator.auth import Principal, Session, authenticate, authorize, check_time, expired, record_use
from nhisync_aws.emulator.authority import Authorities
from nhisync_aws.emulator.authority_records import AuditReport, CaPermission
from nhisync_aws.emulator.faults import CallCounter, FaultBoard, SourceKey
from nhisync_aws.emulator.moto_app import MOTO, MotoApp, forget_account
from nhisync_aws.emulator.resource_policies import permit
from nhisync_aws.emulator.resources import account_in, context_of, resource_of
from nhisync_aws.emulator.rotation_function import Deployed
from nhisync_aws.emulator.wire import ApiError, Call, RawRequest, Reply, failure, is_query, parse, service_of, success

Handler = Callable[["Context"], Any]


@dataclass(slots=True)
class Report:
    """The credential report of one account: at most one in four hours (IAM user guide, "credential reports")."""

    content: bytes = field(default=b"", repr=False)
    generated: datetime | None = None
    started: datetime | None = None


@dataclass(slots=True)
class ServiceCredential:
    """One service-specific credential (moto has none)."""

    id: str
    user: str
    service: str
    service_user: str
    created: datetime
    status: str = "Active"
    expires: datetime | None = None
    password: str = field(default="", repr=False)


@dataclass(slots=True)
class SecretExtra:
    """What moto's secret has no place for.

    Attributes:
        schedule: ``rate(...)``/``cron(...)`` expression.
        duration: length of the rotation window, for example ``3h``.
        accessed: region → day of the last read there.
        version_accessed: (region, version id) → day of the last read.
        next_rotation: latest bound of the next rotation.
        version_kms: version id → key ARNs.
        replica_keys: region → KMS key of the replica there.
        owning_service: service that manages the secret.
    """

    schedule: str = ""
    duration: str = ""
    accessed: dict[str, datetime] = field(default_factory=dict)
    version_accessed: dict[tuple[str, str], datetime] = field(default_factory=dict)
    next_rotation: datetime | None = None
    version_kms: dict[str, list[str]] = field(default_factory=dict)
    replica_keys: dict[str, str] = field(default_factory=dict)
    owning_service: str = ""


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """The schedule of a KMS key.

    Attributes:
        days: days from one rotation to the next.
        planned: the next rotation when the schedule was made.
    """

    days: int
    planned: datetime

    def after(self, now: datetime) -> datetime:
        """The next rotation that is still to come."""
        late = max(now - self.planned, timedelta(days=-1)) // timedelta(days=self.days) + 1
        return self.planned + timedelta(days=self.days) * late


@dataclass(slots=True, kw_only=True)
class Trail:
    """One trail of CloudTrail.

    Attributes:
        region: its home.
        name: its name.
        everywhere: it applies to every Region.
        logging: it was started.
        failing: its last delivery was refused.
        basic: its event selectors; None = those a new trail has.
        advanced: its advanced event selectors, in place of the others.
    """

    region: str
    name: str = "audit"
    everywhere: bool = False
    logging: bool = True
    failing: bool = False
    basic: list[dict[str, Any]] | None = None
    advanced: list[dict[str, Any]] | None = None


@dataclass(slots=True)
class Account:
    """State of one account that moto does not keep."""

    id: str
    report: Report = field(default_factory=Report)
    service_credentials: dict[str, ServiceCredential] = field(default_factory=dict)
    secrets: dict[str, SecretExtra] = field(default_factory=dict)
    server_certificate_dates: dict[str, datetime] = field(default_factory=dict)
    key_rotation: dict[str, KeyRotation] = field(default_factory=dict)
    certificate_facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    functions: dict[str, Deployed] = field(default_factory=dict)
    requested_by_token: dict[tuple[str, str, str], tuple[str, datetime]] = field(default_factory=dict)
    issued_by_token: dict[tuple[str, str], tuple[str, datetime]] = field(default_factory=dict)
    roles_anywhere: dict[tuple[str, str], dict[str, dict[str, Any]]] = field(default_factory=dict)
    uses: dict[tuple[str, str], tuple[datetime, str]] = field(default_factory=dict)
    access_jobs: dict[str, Any] = field(default_factory=dict)
    ca_permissions: dict[tuple[str, str], CaPermission] = field(default_factory=dict)
    audit_reports: dict[str, AuditReport] = field(default_factory=dict)
    buckets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    trails: list[Trail] = field(default_factory=list)

    def secret(self, arn: str) -> SecretExtra:
        """Extra facts of a secret, made on first use."""
        return self.secrets.setdefault(arn, SecretExtra())


@dataclass(frozen=True, slots=True)
class Context:
    """All that one handler needs: the cloud, the call and who makes it."""

    cloud: "Cloud"
    call: Call
    principal: Principal
    source: SourceKey | None

    @property
    def account(self) -> Account:
        """The caller's account."""
        return self.cloud.account(self.principal.account)

    @property
    def now(self) -> datetime:
        """The world's instant."""
        return self.cloud.clock.now()

    def param(self, name: str, default: Any = None) -> Any:
        """A request parameter."""
        value = self.call.params.get(name)
        return default if value is None else value

    @property
    def endless(self) -> str:
        """How lists are kept from ending, "" when they end."""
        fault = self.cloud.faults.hit(self.source, "endless_paging", self.call.name)
        if fault is None:
            return ""
        return "same" if fault.options.get("same") else "fresh"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What goes back over the socket.

    Attributes:
        reply: the whole answer; None = the connection closes without one.
        cut: send only the first half of the body, under the Content-Length of the whole.
    """

    reply: Reply | None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Deferred:
    """Work that AWS does after it answered; `key` names it, `due` is an instant of the world's clock."""

    key: str
    due: datetime
    run: Callable[[], None]


class Cloud:
    """One emulated AWS; any number of accounts and regions."""

    def __init__(
        self,
        clock: Clock,
        randomness: Randomness,
        handlers: Mapping[str, Handler],
        checks: Mapping[str, Callable[["Context"], None]],
    ) -> None:
        self.clock = clock
        self.randomness = randomness
        self.lock = MOTO
        self.faults = FaultBoard()
        self.counter = CallCounter()
        self.delay = 0.0
        self.sessions: dict[str, Session] = {}
        self.owners: dict[str, SourceKey] = {}
        self.web_tokens: dict[str, SourceKey] = {}
        self.denied: dict[SourceKey, set[str]] = {}
        self.snapshots: dict[SourceKey, Any] = {}
        self.authorities = Authorities(clock.now())
        self.closing = threading.Event()
        self._deferred: list[Deferred] = []
        self._handlers = dict(handlers)
        self._checks = dict(checks)
        self._accounts: dict[str, Account] = {}
        self._moto = MotoApp()

    def account(self, account_id: str) -> Account:
        """The account's extra state; a new account starts empty."""
        if account_id not in self._accounts:
            forget_account(account_id)
            self._accounts[account_id] = Account(account_id)
        return self._accounts[account_id]

    @property
    def accounts(self) -> frozenset[str]:
        """Ids of all accounts."""
        return frozenset(self._accounts)

    def close(self) -> None:
        """Release waiting calls and drop all state."""
        self.closing.set()
        with self.lock:
            for account in self._accounts:
                forget_account(account)
            self._accounts.clear()
            self._deferred.clear()

    def answer(self, raw: RawRequest) -> Outcome:
        """Answer one request, faults included."""
        request_id = self._request_id()
        try:
            call = parse(raw)
        except ApiError as error:
            return Outcome(failure(service_of(raw), error, request_id))
        source = self.owners.get(call.access_key) or self.web_tokens.get(str(call.params.get("WebIdentityToken")))
        self.counter.count(source, call.name)
        self._wait(source, call)
        if self.closing.is_set() or self.faults.hit(source, "refuse", call.name):
            return Outcome(None)
        try:
            reply = self._early(source, call) or self._handle(call, source, request_id)
        except ApiError as error:
            reply = failure(call.service, error, request_id)
        if self.faults.hit(source, "drop_reply", call.name):
            return Outcome(None)
        date = format_datetime(self._told(source, call), usegmt=True)
        reply = replace(reply, headers={**reply.headers, "Date": date})
        return Outcome(reply, cut=self.faults.hit(source, "cut_body", call.name) is not None)

    def _told(self, source: SourceKey | None, call: Call) -> datetime:
        """The cloud's own time, with the fault ``clock_skew``."""
        skew = self.faults.hit(source, "clock_skew", call.name)
        return self.clock.now().astimezone(UTC) + timedelta(seconds=float(skew.options["seconds"]) if skew else 0.0)

    def _handle(self, call: Call, source: SourceKey | None, request_id: str) -> Reply:
        with self.lock:
            self._settle()
            principal = authenticate(call, self.accounts, self.sessions, self.clock.now())
            try:
                return self._permitted(Context(self, call, principal, source), request_id)
            finally:
                self._remember(call, principal)

    def _permitted(self, context: Context, request_id: str) -> Reply:
        """Authorize, then do it."""
        call, principal = context.call, context.principal
        resource = resource_of(call, principal.account)
        self._deny_by_fault(call, context.source, principal, resource)
        permit(call, principal, resource, context_of(call, principal.account, resource))
        return self.dispatch(context, request_id)

    def _remember(self, call: Call, principal: Principal) -> None:
        """Who called what, and with which key."""
        record_use(call, principal, self.clock.now())
        if principal.entity is not None:
            use = (self.clock.now(), call.region)
            self.account(principal.account).uses[str(principal.entity.arn), call.name] = use

    def dispatch(self, context: Context, request_id: str) -> Reply:
        """Do a call that is authorized.

        Raises:
            ApiError: the service refuses it.
        """
        call = context.call
        check, handler = self._checks.get(call.name), self._handlers.get(call.name)
        if check is not None:
            check(context)
        if handler is None:
            return self._moto.answer(call, account_in(str(call.params.get("SecretId", "")), context.principal.account))
        return success(call, handler(context), request_id)

    def later(self, work: Deferred) -> None:
        """Remember work for a later call; of one key there is one."""
        self.drop(work.key)
        self._deferred.append(work)

    def drop(self, key: str) -> bool:
        """Forget work that has not happened; whether there was any."""
        kept = [one for one in self._deferred if one.key != key]
        dropped, self._deferred = len(kept) < len(self._deferred), kept
        return dropped

    def _settle(self) -> None:
        now = self.clock.now()
        due = [one for one in self._deferred if one.due <= now]
        self._deferred = [one for one in self._deferred if one.due > now]
        for work in due:
            work.run()

    def _deny_by_fault(self, call: Call, source: SourceKey | None, principal: Principal, resource: str) -> None:
        """Answer as if no policy allowed it, for a switched-on fault and for items that were seeded as denied."""
        from_fault = self.faults.hit(source, "denied", call.name)
        seeded = source is not None and resource in self.denied.get(source, ())
        if from_fault is None and not seeded:
            return
        pattern = "*" if from_fault is None else str(from_fault.options.get("resource", "*"))
        document = {"Statement": [{"Effect": "Allow", "Action": "*", "NotResource": pattern}]}
        narrowed = Principal(principal.arn, principal.account, principal.user_id, (document,))
        authorize(call, narrowed, resource, {})

    def _early(self, source: SourceKey | None, call: Call) -> Reply | None:
        fault = self.faults.hit(source, "throttled", call.name)
        if fault is not None:
            code = "Throttling" if is_query(call.service) else "ThrottlingException"
            headers = {"Retry-After": str(fault.options["retry_after"])} if "retry_after" in fault.options else {}
            raise ApiError(code, "Rate exceeded", headers=headers)
        if self.faults.hit(source, "expired_token", call.name):
            raise expired(call)
        check_time(call, self.clock.now(), self._told(source, call))
        if self.faults.hit(source, "error_500", call.name):
            return Reply(500, {"Content-Type": "text/html"}, b"<html><body><h1>500 oops</h1></body></html>")
        if self.faults.hit(source, "garbage", call.name):
            return Reply(200, {"Content-Type": "text/html"}, b"<html><body>Please log in to the proxy</body></html>")
        return None

    def _wait(self, source: SourceKey | None, call: Call) -> None:
        """Stand in for the network: Event.wait instead of a sleep, so that closing the world releases the call."""
        seconds = self.delay
        fault = self.faults.hit(source, "slow", call.name)
        if fault is not None:
            seconds += float(fault.options.get("seconds", 1.0))
        if self.faults.hit(source, "hang", call.name):
            seconds = timedelta(hours=1).total_seconds()
        if seconds > 0:
            self.closing.wait(seconds)

    def _request_id(self) -> str:
        text = self.randomness.hex(16)
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def naive(instant: datetime) -> datetime:
    """Moto keeps naive UTC datetimes; this is the only place where one is made."""
    return instant.astimezone(UTC).replace(tzinfo=None)


def aware(instant: datetime) -> datetime:
    """A moto datetime as an aware one."""
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
