"""One source's connection to AWS: explicit sessions, one client per service, answers checked before they are believed.

Two classes of clients: those that read repeat within the configured attempts; those that `mint` repeat nothing that may
have been done, because what was made and whose answer was lost would be made again.

botocore hands out an empty dict without an error when a 200 answer with a JSON body is cut, because it does not enforce
Content-Length; and a proxy's HTML page with status 200 looks the same. Both are caught here.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, cast
from urllib.parse import urlsplit

from botocore import UNSIGNED, xform_name
from botocore import exceptions as sdk
from botocore.config import Config
from botocore.parsers import ResponseParserError

from nhisync.spi import Budget, ErrorKind, ProviderError, Rate, SourceContext
from nhisync.spi.files import ca_bundle
from nhisync_aws.credentials import Keys, resolve
from nhisync_aws.errors import Called, TruncatedError, malformed, translate
from nhisync_aws.sdk import MODELS, make_client
from nhisync_aws.settings import AwsSettings

RATES: Mapping[str, Rate] = {
    "secretsmanager-list": Rate(per_second=25, burst=50),
    "secretsmanager": Rate(per_second=100, burst=100),
    "secretsmanager-value": Rate(per_second=50, burst=50),
    "iam": Rate(per_second=10, burst=30),
    "acm": Rate(per_second=5, burst=20),
    "ssm": Rate(per_second=10, burst=20),
    "kms": Rate(per_second=20, burst=40),
    "sts": Rate(per_second=10, burst=20),
}
"""Calls a second by API family, well below AWS's published quotas (Secrets Manager: 100 lists a second); IAM and STS
publish none and cannot be raised, so theirs are a guess on the safe side."""

_FAMILIES: Mapping[str, str] = {
    "secretsmanager:ListSecrets": "secretsmanager-list",
    "secretsmanager:GetSecretValue": "secretsmanager-value",
    "secretsmanager:BatchGetSecretValue": "secretsmanager-value",
}
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})
_EARLY = timedelta(minutes=5)
_LOGGERS = ("boto3", "botocore", "urllib3")
_UNREADABLE = (ResponseParserError, TruncatedError, ValueError, KeyError, TypeError, AttributeError, RuntimeError)
"""What botocore's parsers let out for bodies that are not what the model says."""


@dataclass(slots=True)
class _Ongoing:
    """The call this thread is making; the event hooks write into it."""

    budget: Budget
    family: str
    status: int = 0
    request_id: str = ""
    date: str = ""


_ongoing: ContextVar[_Ongoing] = ContextVar("nhisync_aws_ongoing")


class Connection:
    """Clients of one source; thread safe, opened by its first call."""

    def __init__(self, settings: AwsSettings, context: SourceContext) -> None:
        self._settings = settings
        self._context = context
        self._lock = threading.Lock()  # held for moments only, so that close() never waits for the network
        self._keys_lock = threading.Lock()
        self._clients: dict[tuple[str, bool], Any] = {}
        self._keys: Keys | None = None
        self._skew: tuple[datetime, datetime] | None = None

    @property
    def region(self) -> str:
        """The source's region.

        Raises:
            ProviderError: MISCONFIGURED when neither source nor path names one.
        """
        region = self._settings.region or self._context.region
        if not region:
            raise ProviderError(
                ErrorKind.MISCONFIGURED, "the source has no region", fix="Add region: … to the source or its path."
            )
        return region

    def pace(self, budget: Budget) -> None:
        """Give the cycle its rates: the defaults of this provider, and what the configuration says instead."""
        configured = {family: Rate(per_second=rate) for family, rate in self._settings.limits.rates.items()}
        budget.set_rates({**RATES, **configured})

    def keys(self, budget: Budget) -> Keys:
        """The keys in use, fetched or renewed where needed.

        Raises:
            ProviderError: why there are none.
        """
        with self._keys_lock:
            if not self._usable(self._keys):
                budget.check()
                self._forget_keys()
                self._keys = resolve(self._settings, self._context, lambda k, op, p: self._sts(k, op, p, budget))
            return cast("Keys", self._keys)

    def call(self, service: str, operation: str, budget: Budget, **parameters: Any) -> dict[str, Any]:
        """One read; retried within the configured attempts when it was throttled, lost or cut.

        Raises:
            ProviderError: every failure, typed; SDK exceptions never leave.
        """
        return self._renewing(lambda: self._patiently(service, operation, budget, parameters))

    def require(self, service: str, operation: str, budget: Budget, key: str, **parameters: Any) -> Any:
        """One read whose answer must hold `key`; an answer without it is MALFORMED, never empty.

        Raises:
            ProviderError: every failure, typed.
        """
        return _held(self.call(service, operation, budget, **parameters), key, f"{service}:{operation}")

    def mint(self, service: str, operation: str, budget: Budget, key: str, **parameters: Any) -> Any:
        """`key` of the answer to one call that makes something; only where our own session had ended is it asked again.

        Raises:
            ProviderError: every failure, typed; after UNREACHABLE or MALFORMED it may have been made all the same.
        """
        name = f"{service}:{operation}"

        def once() -> dict[str, Any]:
            return self._send(self._client(service, budget, mint=True), name, budget, parameters)

        return _held(self._renewing(once), key, name)

    def endpoint(self, service: str, budget: Budget) -> str:
        """URL that the client of `service` really uses."""
        return str(self._client(service, budget).meta.endpoint_url)

    def skew(self) -> tuple[datetime, datetime] | None:
        """AWS's time and ours when its last answer came, refusals included; None when none told a time."""
        return self._skew

    def close(self) -> None:
        """Close all clients; the next call would open them anew."""
        with self._lock:
            self._drop_clients()

    def _renewing(self, act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Run `act`; with a session that ended early nothing was done, and new keys are worth one try."""
        try:
            return act()
        except _ExpiredError:
            self._forget_keys()
        try:
            return act()
        except _ExpiredError as again:
            raise again.error from None

    def _patiently(self, service: str, operation: str, budget: Budget, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Botocore retries what it sees as a failure; a cut answer it does not see, so that is asked again here."""
        for _ in range(self._settings.attempts - 1):
            try:
                return self._send(self._client(service, budget), f"{service}:{operation}", budget, parameters)
            except ProviderError as error:
                if error.kind is not ErrorKind.MALFORMED:
                    raise
        return self._send(self._client(service, budget), f"{service}:{operation}", budget, parameters)

    def _send(self, client: Any, name: str, budget: Budget, parameters: Mapping[str, Any]) -> dict[str, Any]:
        quiet_sdk()
        service, _, operation = name.partition(":")
        ongoing = _Ongoing(budget, _FAMILIES.get(name, service))
        token = _ongoing.set(ongoing)
        try:
            answer = getattr(client, xform_name(operation))(**parameters)
        except (ProviderError, sdk.BotoCoreError, sdk.ClientError, *_UNREADABLE) as error:
            failure = translate(error, Called(name, ongoing.status, ongoing.request_id))
            if isinstance(error, sdk.ClientError) and error.response.get("Error", {}).get("Code") in _EXPIRED:
                raise _ExpiredError(failure) from None
            raise failure from None
        finally:
            _ongoing.reset(token)
            self._note_time(ongoing.date)
        return dict(answer)

    def _note_time(self, date: str) -> None:
        """Keep the Date of an answer (RFC 9110 §6.6.1); an odd one, or one beyond the calendar, tells no time."""
        with contextlib.suppress(ValueError, OverflowError):
            self._skew = parsedate_to_datetime(date).astimezone(UTC), self._context.clock.now()

    def _client(self, service: str, budget: Budget, *, mint: bool = False) -> Any:
        keys = self.keys(budget)
        with self._lock:
            if (service, mint) not in self._clients:
                self._clients[service, mint] = self._make_client(service, keys, mint=mint)
            return self._clients[service, mint]

    def _usable(self, keys: Keys | None) -> bool:
        if keys is None:
            return False
        return keys.expires is None or keys.expires - self._context.clock.now() >= _EARLY

    def _sts(self, keys: Keys | None, operation: str, parameters: dict[str, Any], budget: Budget) -> dict[str, Any]:
        """One STS call with keys that are not the source's own yet."""
        client = self._make_client("sts", keys)
        try:
            return self._send(client, f"sts:{operation}", budget, parameters)
        except _ExpiredError as expired:
            raise expired.error from None
        finally:
            client.close()

    def _make_client(self, service: str, keys: Keys | None, *, mint: bool = False) -> Any:
        quiet_sdk()
        # An unsigned call gets a pair that signs nothing: without one botocore would search the surroundings.
        access_key, secret_key = (keys.access_key, keys.secret_key) if keys else ("unsigned", "unsigned")
        verify = self._verify()
        try:
            client = make_client(
                service,
                region_name=self.region,
                endpoint_url=self._settings.endpoint_of(service),
                verify=verify,
                config=self._config(signed=keys is not None, attempts=1 if mint else self._settings.attempts),
                aws_access_key_id=access_key,
                aws_secret_access_key=secret_key,
                aws_session_token=keys.token if keys else None,
            )
        except (sdk.BotoCoreError, ValueError) as error:
            raise translate(error, Called(f"{service}:(client)")) from None
        client.meta.events.register("before-send", _before_send)
        client.meta.events.register("before-parse", _before_parse)
        self._check_endpoint(service, str(client.meta.endpoint_url))
        return client

    def _verify(self) -> str | None:
        """The CA bundle, tried here: botocore reports a missing one as a failed handshake, which leads astray."""
        if self._settings.ca_file is None:
            return None
        return ca_bundle(self._context.file(self._settings.ca_file), f"ca_file {self._settings.ca_file}")

    def _config(self, *, signed: bool, attempts: int) -> Config:
        settings = self._settings
        proxies = {"http": settings.proxy, "https": settings.proxy} if settings.proxy else None
        return Config(
            connect_timeout=settings.connect_timeout.total_seconds(),
            read_timeout=settings.read_timeout.total_seconds(),
            max_pool_connections=settings.workers,
            retries={"mode": "standard", "total_max_attempts": attempts},
            ignore_configured_endpoint_urls=True,
            use_fips_endpoint=settings.fips,
            use_dualstack_endpoint=False,
            proxies=proxies,
            user_agent_extra="nhisync",
            **({} if signed else {"signature_version": UNSIGNED}),
        )

    def _check_endpoint(self, service: str, actual: str) -> None:
        """The client must talk to the configured URL, or to AWS itself: nothing in between may redirect it."""
        wanted = self._settings.endpoint_of(service)
        if wanted is not None and actual.rstrip("/") == wanted:
            return
        host = urlsplit(actual).hostname or ""
        if wanted is None and actual.startswith("https://") and host.endswith(_aws_suffixes()):
            return
        raise ProviderError(
            ErrorKind.MISCONFIGURED,
            f"the {service} client would talk to {host}, which the configuration does not name",
            fix="Set endpoint (or endpoints) of the source.",
        )

    def _forget_keys(self) -> None:
        with self._lock:
            self._keys = None
            self._drop_clients()

    def _drop_clients(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()


class _ExpiredError(Exception):
    """The session ended early; new keys are worth one try."""

    def __init__(self, error: ProviderError) -> None:
        super().__init__("expired")
        self.error = error


def _held(answer: Mapping[str, Any], key: str, name: str) -> Any:
    if key not in answer:
        request_id = str(answer.get("ResponseMetadata", {}).get("RequestId", ""))
        raise malformed(Called(name, 200, request_id), f"the answer holds no {key}")
    return answer[key]


@lru_cache(maxsize=1)
def _aws_suffixes() -> tuple[str, ...]:
    """Domains of all partitions, from botocore's own endpoint data."""
    partitions = MODELS.load_data("endpoints")["partitions"]
    return (".api.aws", *(f".{partition['dnsSuffix']}" for partition in partitions))


def quiet_sdk() -> None:
    """Pin the SDK's loggers: at DEBUG they print whole bodies, values included."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:  # NOTSET too: it would follow a root logger set to DEBUG later
            logger.setLevel(logging.WARNING)


def _before_send(**_: Any) -> None:
    """Account for every request on the wire, retries included."""
    ongoing = _ongoing.get()
    ongoing.budget.spend(ongoing.family)


def _before_parse(response_dict: Mapping[str, Any], operation_model: Any, **_: Any) -> None:
    """Compare what came with what was announced, before a parser can make an empty dict of it.

    Raises:
        TruncatedError: the body is shorter than its Content-Length, or a good answer in JSON is none.
    """
    ongoing = _ongoing.get()
    headers: Mapping[str, str] = response_dict.get("headers") or {}
    ongoing.status = int(response_dict.get("status_code") or 0)
    ongoing.date = str(headers.get("date") or "")
    ongoing.request_id = str(headers.get("x-amzn-requestid") or "")
    body, announced = response_dict.get("body"), headers.get("content-length", "")
    if not isinstance(body, bytes):
        return
    if announced.isdecimal() and not headers.get("content-encoding") and len(body) != int(announced):
        raise TruncatedError
    speaks_json = str(operation_model.service_model.resolved_protocol).startswith("json")
    if speaks_json and ongoing.status < 300 and body and not body.lstrip().startswith(b"{"):
        raise TruncatedError
