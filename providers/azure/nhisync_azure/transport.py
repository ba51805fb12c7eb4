"""The last step of every SDK pipeline: accounts for each request, bounds it, and looks at the answer first.

azure-core by itself retries up to ten times, waits 300 s for one answer and a week for all, sleeps as long as a server
says, follows links wherever they lead, and makes an empty list of a body without its list (azure-core 1.41). All SDK
clients of one source, azure-identity included, send through `MeteredTransport`, so nothing leaves uncounted.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
from azure.core.pipeline.policies import RetryPolicy
from azure.core.pipeline.transport import RequestsTransport

from nhisync.spi import Budget, Clock, ErrorKind, ProviderError, SourceContext
from nhisync.spi.files import ca_bundle
from nhisync_azure.errors import UnbelievableError
from nhisync_azure.settings import AzureSettings
from nhisync_azure.sifting import OddRow, SiftingAdapter, is_flag

LOGIN = "sts"
"""API family of the token service."""

_LOGGERS = ("azure", "msal", "requests", "urllib3")
_MOST_BODY = 64 * 1024 * 1024
_SHORTEST = 0.001
"""A timeout of zero would be refused by the socket."""

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
_REQUEST_IDS = ("x-ms-request-id", "request-id", "x-ms-correlation-request-id")


@dataclass(slots=True)
class Ongoing:
    """The call this thread is making; the transport writes into it.

    Attributes:
        budget: what every request is spent from.
        family: API family of the call itself; logins have their own.
        member: list that a good answer must hold, "" = none.
        sift: the answer is a vault's page, whose rows are looked at before the SDK sees them.
        odd: its rows that are none.
        status: HTTP status of the last answer.
        request_id: Azure's id of the last answer.
        date: Date header of the last answer, "" = none.
        region: region that the last answer came from, "" = not said.
        login_status: HTTP status of the token service's last answer.
    """

    budget: Budget
    family: str
    member: str = ""
    sift: bool = False
    odd: list[OddRow] = field(default_factory=list)
    status: int = 0
    request_id: str = ""
    date: str = ""
    region: str = ""
    login_status: int = 0


_ongoing: ContextVar[Ongoing] = ContextVar("nhisync_azure_ongoing")


@contextmanager
def ongoing(call: Ongoing) -> Iterator[Ongoing]:
    """`call` is what this thread does while the block runs."""
    token = _ongoing.set(call)
    try:
        yield call
    finally:
        _ongoing.reset(token)


def current() -> Ongoing:
    """The call this thread is making."""
    return _ongoing.get()


def _kept() -> list[OddRow] | None:
    """Where the call under way keeps odd rows; None = its answer is no page of a vault."""
    call = _ongoing.get(None)
    return call.odd if call is not None and call.sift else None


class Wire:
    """The connections of one source: one pool, one trust store, no surroundings."""

    def __init__(self, settings: AzureSettings, context: SourceContext) -> None:
        self._settings = settings
        self._clock = context.clock
        self._session = _session(settings)
        self._verify = _verify(settings, context)

    def transport(self, origin: str, *, login: bool = False) -> "MeteredTransport":
        """A transport that talks to `origin` and to nothing else."""
        return MeteredTransport(self._settings, self._clock, self._session, self._verify, origin, login=login)

    def retries(self, attempts: int | None = None) -> RetryPolicy[Any, Any]:
        """At most `attempts` in all (None = as for reads); 1 = none is repeated, whatever the server says."""
        return RetryPolicy(**retry_options((attempts or self._settings.attempts) - 1))

    def close(self) -> None:
        """Close idle connections; a later call opens new ones."""
        self._session.close()


def retry_options(retries: int) -> dict[str, Any]:
    """azure-core's retry options, all of them: what is not said here would be a default."""
    return {
        "retry_total": retries,
        "retry_connect": retries,
        "retry_read": retries,
        "retry_status": retries,
        "retry_backoff_factor": _FIRST_WAIT,
        "retry_backoff_max": _LONGEST_WAIT,
    }


class MeteredTransport(RequestsTransport):  # type: ignore[misc]  # lazily exported, so mypy sees no class
    """requests, with a budget."""

    def __init__(
        self,
        settings: AzureSettings,
        clock: Clock,
        session: requests.Session,
        verify: str | bool,
        origin: str,
        *,
        login: bool,
    ) -> None:
        super().__init__(session=session, session_owner=False, connection_verify=verify, use_env_settings=False)
        self._settings, self._clock = settings, clock
        self._origin, self._login = _authority(origin), login

    def send(self, request: Any, *, proxies: Any = None, **kwargs: Any) -> Any:
        """One request: to the configured endpoint, accounted for, in time, and answered believably.

        Raises:
            ProviderError: THROTTLED when the cycle is over, MALFORMED for a link that leads elsewhere.
            azure.core.exceptions.AzureError: as azure-core raises it.
        """
        call = _ongoing.get()
        if _authority(request.url) != self._origin:
            raise ProviderError(
                ErrorKind.MALFORMED,
                "an answer leads to another host than the configured one; no token is sent there",
                fix="Look for a proxy that rewrites links; a private cloud needs its own endpoint settings.",
            )
        call.budget.spend(LOGIN if self._login else call.family)
        call.budget.check()  # the wait for the rate may have used up what was left
        left = max(call.budget.remaining, _SHORTEST)
        kwargs["connection_timeout"] = min(self._settings.connect_timeout.total_seconds(), left)
        kwargs["read_timeout"] = min(self._settings.read_timeout.total_seconds(), left)
        kwargs["stream"] = False
        response = super().send(request, proxies=proxies, **kwargs)
        self._look(call, response)
        return response

    def sleep(self, duration: float) -> None:
        """Wait before a retry, on the injected clock.

        Raises:
            ProviderError: THROTTLED when the wait is longer than what is left of the cycle.
        """
        if duration > _ongoing.get().budget.remaining:
            raise ProviderError(
                ErrorKind.THROTTLED,
                "Azure asked to wait longer than the cycle lasts",
                fix="Lower limits.rates of this source, or read it less often.",
            )
        self._clock.sleep(duration)

    def _look(self, call: Ongoing, response: Any) -> None:
        if self._login:
            call.login_status = response.status_code
            return
        headers = response.headers
        call.status = response.status_code
        call.request_id = next((str(headers[name]) for name in _REQUEST_IDS if headers.get(name)), "")
        call.date = str(headers.get("Date") or "")
        call.region = str(headers.get("x-ms-keyvault-region") or "")
        if 200 <= call.status < 300 and call.status != 204:
            _believable(response, call.member)


def quiet_sdk() -> None:
    """Pin the SDKs' loggers: at DEBUG they print bodies and tokens, at WARNING what the token service said."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if logger.level < logging.ERROR:  # NOTSET too: it would follow a root logger set to DEBUG later
            logger.setLevel(logging.ERROR)


def _believable(response: Any, member: str) -> None:
    """A good answer is a JSON object, a list's page holds its list, and a flag of an item is one.

    Raises:
        UnbelievableError: it does not; azure-core would make an empty page of it.
    """
    body: Any = None
    if len(response.content) <= _MOST_BODY:
        try:
            body = response.json()
        except (ValueError, RecursionError):
            body = None
    listed = isinstance(body, dict) and (not member or isinstance(body.get(member), list))
    if not listed or not is_flag(body.get("managed")):  # the SDK makes True of the text "false"
        raise UnbelievableError("an answer without what it must hold")


def _session(settings: AzureSettings) -> requests.Session:
    """A session that reads no environment, no .netrc, and never retries by itself."""
    session = requests.Session()
    session.trust_env = False
    if settings.proxy:
        session.proxies = {"https": settings.proxy}
    options = {"pool_connections": 8, "pool_maxsize": settings.workers, "max_retries": 0}
    session.mount("https://", SiftingAdapter(_kept, _MOST_BODY, **options))
    return session


def _verify(settings: AzureSettings, context: SourceContext) -> str | bool:
    """The CA bundle, tried here: requests reports a missing one as something else.

    Raises:
        ProviderError: MISCONFIGURED.
    """
    if settings.ca_file is None:
        return True
    return ca_bundle(context.file(settings.ca_file), f"ca_file {settings.ca_file}")


def _authority(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL, so that equal ones compare equal."""
    try:
        parts = urlsplit(url)
        return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or 443
    except ValueError:
        return "", "", None
