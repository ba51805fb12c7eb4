"""hvac's adapter with the edges taken off, and the one loop that retries.

hvac by itself follows redirects with the token, reads tokens and addresses from the environment, loses status codes
and Retry-After in its exceptions, and does not retry (hvac 2.4 ``adapters.py``, ``exceptions.py``; hvac#882, PR#948).
Here every request goes to a configured endpoint or nowhere, one session serves one thread at a time, and only reads are
repeated.
"""

import logging
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import hvac
import requests
import urllib3
from hvac.adapters import RawAdapter
from requests.adapters import HTTPAdapter

from nhisync.spi import Budget, ErrorKind, ProviderError, SourceContext
from nhisync.spi.files import ca_bundle, usable_file
from nhisync_vault.answers import Answer, read_answer
from nhisync_vault.errors import Called, malformed, unreachable
from nhisync_vault.lost import lost
from nhisync_vault.settings import CertAuth, VaultSettings

READ, LIST, LOGIN = "read", "list", "login"
"""API families of the budget's rates."""

_LOGGERS = ("hvac", "requests", "urllib3")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRIED = frozenset({ErrorKind.NOT_PROPAGATED, ErrorKind.THROTTLED, ErrorKind.UNREACHABLE, ErrorKind.MALFORMED})
_FIRST_WAIT = 0.25
_BREAKER = 3


class GuardedAdapter(RawAdapter):  # type: ignore[misc]  # hvac ships no types
    """hvac's raw adapter without redirects, without exceptions of its own, and with unread bodies."""

    def request(
        self, method: str, url: str, headers: Any = None, raise_exception: bool = False, **kwargs: Any
    ) -> requests.Response:
        """One request as hvac builds it; never follows, never raises for a status."""
        del raise_exception
        kwargs.setdefault("stream", True)
        response: requests.Response = super().request(method, url, headers=headers, raise_exception=False, **kwargs)
        return response


@dataclass(slots=True, kw_only=True)
class Ask:
    """One request.

    Attributes:
        method: HTTP method.
        path: API path below ``/v1/``, unquoted.
        family: API family.
        params: query parameters.
        body: JSON body.
        token: "" = none.
        namespaced: send the namespace (status endpoints refuse it).
        repeatable: repeating it changes nothing (reads, lookups by POST).
    """

    method: str
    path: str
    family: str = READ
    params: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] | None = None
    token: str = ""
    namespaced: bool = True
    repeatable: bool = True

    @property
    def called(self) -> Called:
        """For errors."""
        return Called(self.method, self.path)


class Transport:
    """Sends requests to the configured endpoints of one source; thread safe."""

    def __init__(self, settings: VaultSettings, context: SourceContext) -> None:
        self._settings = settings
        self._context = context
        self._lock = threading.Lock()
        self._idle: dict[str, list[hvac.Client]] = {}
        self._failures: dict[str, int] = {}
        self._closed = False
        quiet_sdk()

    def send(self, endpoint: str, ask: Ask, budget: Budget) -> Answer:
        """One request, repeated within the configured attempts when that is safe; error statuses are answers.

        Raises:
            ProviderError: no believable answer came, or the cycle is over.
        """
        attempt = 1
        while True:
            self._check_breaker(endpoint, ask)
            budget.spend(ask.family)
            last = attempt >= self._settings.attempts or not ask.repeatable
            try:
                answer = self._once(endpoint, ask, budget)
            except ProviderError as error:
                if last or error.kind not in _RETRIED or not self._pause(attempt, error, budget):
                    raise
            else:
                if last or not _worth_repeating(answer) or not self._pause(attempt, answer.failure(), budget):
                    return answer
            attempt += 1

    def close(self) -> None:
        """Close all sessions; safe to call twice and from another thread."""
        with self._lock:
            self._closed = True
            clients = [client for idle in self._idle.values() for client in idle]
            self._idle.clear()
        for client in clients:
            client.adapter.close()

    def reset(self) -> None:
        """Forget the breaker and reopen after `close`; a new cycle starts with hope."""
        with self._lock:
            self._closed = False
            self._failures.clear()

    @contextmanager
    def client(self, endpoint: str) -> Iterator[hvac.Client]:
        """An hvac client of `endpoint` that no other thread uses meanwhile; it holds no token of its own.

        Raises:
            ProviderError: UNREACHABLE after `close`.
        """
        with self._lock:
            if self._closed:
                raise ProviderError(ErrorKind.UNREACHABLE, "the source was closed while it was read")
            idle = self._idle.setdefault(endpoint, [])
            client = idle.pop() if idle else None
        if client is None:
            client = self._make(endpoint)
        try:
            yield client
        finally:
            client.adapter.token = ""
            self._give_back(endpoint, client)

    def _give_back(self, endpoint: str, client: hvac.Client) -> None:
        with self._lock:
            closed = self._closed
            if not closed:
                self._idle.setdefault(endpoint, []).append(client)
        if closed:
            client.adapter.close()

    def _once(self, endpoint: str, ask: Ask, budget: Budget) -> Answer:
        """One request and at most one redirect, which must lead to a configured endpoint."""
        answer = self._exchange(endpoint, ask, budget)
        if isinstance(answer, Answer):
            return answer
        target = self._allowed(answer, ask)
        if target == endpoint:
            raise malformed(ask.called, "the server redirects to itself")
        budget.spend(ask.family)
        again = self._exchange(target, ask, budget)
        if not isinstance(again, Answer):
            raise malformed(ask.called, "the server redirects in a circle")
        return again

    def _exchange(self, endpoint: str, ask: Ask, budget: Budget) -> Answer | str:
        """The answer, or the Location of a redirect."""
        try:
            with self.client(endpoint) as client:
                client.adapter.token = ask.token
                client.adapter.namespace = self._settings.namespace if ask.namespaced else None
                response = client.adapter.request(
                    ask.method,
                    f"/v1/{quote(ask.path, safe='/')}",
                    params=ask.params or None,
                    json=ask.body,
                    timeout=self._timeout(budget),
                )
                if response.status_code in _REDIRECTS:
                    response.close()
                    return str(response.headers.get("Location", ""))
                answer = read_answer(response, ask.called, budget)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            self._note(endpoint, alive=False)
            if isinstance(error, requests.exceptions.Timeout):
                budget.check()  # our own cycle may have cut the wait short
            raise lost(error, ask.called, endpoint, indeterminate=not ask.repeatable) from None
        self._note(endpoint, alive=True)
        return answer

    def _allowed(self, location: str, ask: Ask) -> str:
        """The endpoint that a redirect names, when the configuration names it too: the token goes nowhere else."""
        parts = urlsplit(location)
        target = f"{parts.scheme}://{parts.netloc}"
        if target in self._settings.endpoints:
            return target
        raise ProviderError(
            ErrorKind.MISCONFIGURED,
            f"{ask.method} {ask.path}: the server redirects to a host that the configuration does not name",
            resource=target if parts.netloc else "",
            fix="If it is a node of this cluster, add it to nodes of the source.",
        )

    def _timeout(self, budget: Budget) -> tuple[float, float]:
        left = max(0.05, budget.remaining)
        connect = self._settings.connect_timeout.total_seconds()
        return min(connect, left), min(self._settings.read_timeout.total_seconds(), left)

    def _pause(self, attempt: int, error: ProviderError, budget: Budget) -> bool:
        """Wait before the next attempt; False when the cycle is shorter than the wait."""
        wait = _FIRST_WAIT * 2 ** (attempt - 1)
        wait += wait * int.from_bytes(self._context.randomness.bytes(1), "big") / 512
        asked = error.fact.retry_after
        if asked is not None:
            wait = max(wait, asked.total_seconds())
        if wait >= budget.remaining:
            return False
        self._context.clock.sleep(wait)
        return True

    def _check_breaker(self, endpoint: str, ask: Ask) -> None:
        """After several lost connections in a row an endpoint is not asked again in this cycle."""
        with self._lock:
            failures = self._failures.get(endpoint, 0)
        if failures >= _BREAKER * self._settings.attempts:
            raise unreachable(
                ask.called, "the endpoint did not answer several times; not asked again", endpoint=endpoint
            )

    def _note(self, endpoint: str, *, alive: bool) -> None:
        with self._lock:
            self._failures[endpoint] = 0 if alive else self._failures.get(endpoint, 0) + 1

    def _make(self, endpoint: str) -> hvac.Client:
        verify = self._verify()
        session = requests.Session()
        session.trust_env = False
        pool = HTTPAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)
        session.mount("https://", pool)
        session.mount("http://", pool)
        session.verify = verify
        proxies = {"http": self._settings.proxy, "https": self._settings.proxy} if self._settings.proxy else {}
        session.proxies = dict(proxies)
        return hvac.Client(
            url=endpoint,
            token="",
            verify=verify,
            cert=self._certificate(),
            session=session,
            proxies=proxies or None,
            allow_redirects=False,
            adapter=GuardedAdapter,
        )

    def _verify(self) -> str | bool:
        """The CA bundle, tried here: requests raises a bare OSError for one that is missing."""
        if self._settings.ca_file is None:
            return True
        return ca_bundle(self._context.file(self._settings.ca_file), f"ca_file {self._settings.ca_file}")

    def _certificate(self) -> tuple[str, ...]:
        """Certificate and key, tried here like the CA bundle; empty, not None, without them.

        For None hvac asks the environment.
        """
        auth = self._settings.auth
        if not isinstance(auth, CertAuth):
            return ()
        fix = "Set auth.certificate_file to a PEM chain and auth.key_file to its unencrypted key, both readable."
        certificate = usable_file(
            self._context.file(auth.certificate_file), f"certificate_file {auth.certificate_file}", fix=fix
        )
        key = usable_file(self._context.file(auth.key_file), f"key_file {auth.key_file}", fix=fix)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=_no_password)
        except (OSError, ValueError):
            raise ProviderError(
                ErrorKind.MISCONFIGURED,
                f"{auth.certificate_file} and {auth.key_file} cannot be used together",
                fix=fix,
            ) from None
        return certificate, key


def _no_password() -> bytes:
    """OpenSSL would ask on the terminal; an encrypted key is refused instead."""
    raise ValueError("encrypted keys are not used")


def _worth_repeating(answer: Answer) -> bool:
    return answer.status >= 400 and answer.kind in _RETRIED


def quiet_sdk() -> None:
    """Pin the SDK's loggers: at DEBUG they print request lines, and http.client below them whole headers."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.WARNING:
            logger.setLevel(logging.WARNING)
