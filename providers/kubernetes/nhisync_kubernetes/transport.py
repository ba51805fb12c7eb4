"""httpx with the edges taken off, and the one loop that retries.

httpx by itself reads proxies and CAs from the environment and prints URLs at INFO. Here every request goes to the
configured API server or nowhere, redirects are refused, and only what changes nothing is repeated.
"""

import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from nhisync.spi import Budget, ErrorKind, ProviderError, SourceContext
from nhisync_kubernetes.access import Access
from nhisync_kubernetes.answers import Answer, read_answer
from nhisync_kubernetes.errors import Called, malformed, unreachable
from nhisync_kubernetes.grants import Grant
from nhisync_kubernetes.settings import KubernetesSettings

READ, LIST, REVIEW = "read", "list", "review"
"""API families of the budget's rates."""

METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""What is accepted where bodies hold values, and nothing else beside it (k8s.io/docs, API Concepts)."""

_LOGGERS = ("httpx", "httpcore")
_RETRIED = frozenset({ErrorKind.THROTTLED, ErrorKind.UNREACHABLE, ErrorKind.MALFORMED})
_FIRST_WAIT = 0.25
_BREAKER = 3
_DROPPED = "Server disconnected without sending a response."  # httpcore 1.0 ``_sync/http11.py``


@dataclass(slots=True, kw_only=True)
class Ask:
    """One request.

    Attributes:
        path: below the API server.
        grant: the right it needs, None = every authenticated user has it.
        family: API family.
        params: query parameters.
        body: JSON body; None = GET.
        accept: media type, and no other.
        token: filled in by the caller; "" = none.
        repeatable: repeating it changes nothing (reads, reviews).
    """

    path: str
    grant: Grant | None = None
    family: str = READ
    params: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    accept: str = "application/json"
    token: str = field(default="", repr=False)
    repeatable: bool = True

    @property
    def method(self) -> str:
        """GET, or POST with a body."""
        return "GET" if self.body is None else "POST"

    @property
    def called(self) -> Called:
        """For errors."""
        return Called(self.method, self.path, self.grant)

    @property
    def headers(self) -> Mapping[str, str]:
        """What travels besides the body."""
        return {"Accept": self.accept, **({"Authorization": f"Bearer {self.token}"} if self.token else {})}


class Session:
    """Requests of one run to one API server; thread safe.

    A context manager: after its end nothing is asked, and the sockets are closed as soon as no request is on its way.
    """

    def __init__(self, access: Access, settings: KubernetesSettings, context: SourceContext, budget: Budget) -> None:
        self.access, self.budget = access, budget
        self._settings, self._context = settings, context
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._failures = self._running = 0
        quiet_sdk()
        self._client = httpx.Client(
            verify=access.tls,
            proxy=httpx.Proxy(access.proxy, ssl_context=access.proxy_tls) if access.proxy else None,
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=settings.workers + 1, max_keepalive_connections=settings.workers + 1),
            headers={"User-Agent": "nhisync"},
        )

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close the sockets, or let the last request that is on its way do it."""
        with self._lock:
            self._closed.set()
            idle = not self._running
        if idle:
            self._client.close()

    def end(self) -> None:
        """Ask nothing more; safe to call twice and from another thread. A request on its way runs out by itself."""
        self._closed.set()

    def send(self, ask: Ask) -> Answer:
        """One request, repeated within the configured attempts when that is safe; error statuses are answers.

        Raises:
            ProviderError: no believable answer came, or the cycle is over.
        """
        attempts = self._settings.attempts if ask.repeatable else 1
        for attempt in range(1, attempts + 1):
            self._check_alive(ask)
            self.budget.spend(ask.family)
            last = attempt == attempts
            try:
                answer = self._exchange(ask)
            except ProviderError as error:
                if last or error.kind not in _RETRIED or not self._pause(attempt, error):
                    raise
            else:
                if last or not _worth_repeating(answer) or not self._pause(attempt, answer.failure()):
                    return answer
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    @contextmanager
    def _under_way(self, ask: Ask) -> Iterator[None]:
        """A worker may outlive the run that began it: its socket would be left in a client that was closed before."""
        with self._lock:
            self._refuse_closed(ask)
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                last = self._closed.is_set() and not self._running
            if last:
                self._client.close()

    def _exchange(self, ask: Ask) -> Answer:
        with self._under_way(ask):
            return self._exchanged(ask)

    def _exchanged(self, ask: Ask) -> Answer:
        try:
            with self._client.stream(
                ask.method,
                f"{self.access.address}{ask.path}",
                params=ask.params or None,
                json=ask.body,
                headers=ask.headers,
                timeout=self._timeout(),
            ) as response:
                if response.is_redirect:
                    raise _redirected(ask.called)
                answer = read_answer(response, ask.called, self.budget)
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise self._lost(ask, error) from None
        with self._lock:
            self._failures = 0
        return answer

    def _timeout(self) -> httpx.Timeout:
        left = max(0.05, self.budget.remaining)
        connect = min(self._settings.connect_timeout.total_seconds(), left)
        silence = min(self._settings.read_timeout.total_seconds(), left)
        return httpx.Timeout(connect=connect, read=silence, write=silence, pool=left)

    def _lost(self, ask: Ask, error: Exception) -> ProviderError:
        """The typed error of a lost exchange; the library's own text is not repeated."""
        self.budget.check()  # our own cycle may have cut the wait short
        if isinstance(error, httpx.DecodingError | httpx.RemoteProtocolError) and str(error) != _DROPPED:
            return malformed(ask.called, "the answer was cut, or is not HTTP")
        with self._lock:
            self._failures += 1
        what, fix = _told(error)
        return unreachable(ask.called, what, endpoint=self.access.endpoint, fix=fix)

    def _pause(self, attempt: int, error: ProviderError) -> bool:
        """Wait before the next attempt; False when the cycle is shorter than the wait."""
        wait = _FIRST_WAIT * 2 ** (attempt - 1)
        wait += wait * int.from_bytes(self._context.randomness.bytes(1), "big") / 512
        asked = error.fact.retry_after
        if asked is not None:
            wait = max(wait, asked.total_seconds())
        if wait >= self.budget.remaining:
            return False
        self._context.clock.sleep(wait)
        return True

    def _check_alive(self, ask: Ask) -> None:
        """Not closed, and the server did not lose several exchanges in a row in this run."""
        with self._lock:
            failures = self._failures
        self._refuse_closed(ask)
        if failures >= _BREAKER * self._settings.attempts:
            what = "the server did not answer several times; not asked again"
            raise unreachable(ask.called, what, endpoint=self.access.endpoint)

    def _refuse_closed(self, ask: Ask) -> None:
        if self._closed.is_set():
            what = "the source was closed while it was read"
            raise unreachable(ask.called, what, endpoint=self.access.endpoint)


def _redirected(called: Called) -> ProviderError:
    return ProviderError(
        ErrorKind.MISCONFIGURED,
        f"{called.method} {called.path}: the server redirects, which an API server does not; the token stays here",
        resource=called.path,
        fix="Name the API server itself in address, not a portal in front of it.",
    )


def _told(error: Exception) -> tuple[str, str]:
    """What happened and the next step, from the cause that the library wraps."""
    causes = list(_causes(error))
    for kind, what, fix in _CAUSES:
        if any(isinstance(one, kind) for one in causes):
            return what, fix
    return "no connection, or it was lost", ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


_CAUSES: tuple[tuple[type[BaseException], str, str], ...] = (
    (
        ssl.SSLCertVerificationError,
        "the server's certificate is not trusted, or carries another name",
        "Set ca_file of the source to the cluster's CA, and server_name to a name that its certificate carries.",
    ),
    (ssl.SSLError, "the TLS handshake failed", "Check that the address is an API server's https port."),
    (socket.gaierror, "the host name cannot be resolved", "Check address of the source, and the DNS of this host."),
    (ConnectionRefusedError, "the connection was refused", ""),
    (httpx.ProxyError, "the proxy refused the connection", "Check proxy of the source, and what it lets through."),
    (httpx.TimeoutException, "no answer in time", ""),
)
"""Cause → what to say and do; first match wins."""


def _worth_repeating(answer: Answer) -> bool:
    return answer.status >= 400 and answer.kind in _RETRIED


def quiet_sdk() -> None:
    """Pin the client's loggers: at INFO they print request lines, at DEBUG headers of answers."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if logger.level < logging.WARNING:
            logger.setLevel(logging.WARNING)
