"""One source's connection to Google Cloud: tokens and calls, each attempt spent, timed and judged here.

No channel and no client repeats anything by itself (`lines`). `call` repeats what reads, within the configured
attempts; `mint` repeats nothing that may have been done.
"""

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from nhisync.spi import Budget, ErrorKind, ProviderError, SourceContext
from nhisync_gcp.calls import CALLS, CHANGES, Call, host_of
from nhisync_gcp.errors import Called, malformed, translate
from nhisync_gcp.lines import Lines, quiet_sdk, trusted_roots
from nhisync_gcp.settings import GcpSettings
from nhisync_gcp.tokens import Token, fetch

_RETRIED = frozenset({ErrorKind.MALFORMED, ErrorKind.THROTTLED, ErrorKind.UNREACHABLE})
_FIRST_WAIT = 0.25
_SLOW_DOWN = 1.0
_MOST_PAGES = 2_000
_MOST_EMPTY = 50


class Connection:
    """Reads of one source; thread safe, opened by its first call."""

    def __init__(self, settings: GcpSettings, context: SourceContext) -> None:
        self._settings, self._context = settings, context
        self._lines = Lines(settings, context)
        self._token_lock = threading.Lock()
        self._token: Token | None = None

    def token(self, budget: Budget) -> Token:
        """The token in use, fetched or renewed where needed.

        Raises:
            ProviderError: why there is none.
        """
        with self._token_lock:
            if self._token is None or self._context.clock.monotonic() >= self._token.until:
                budget.check()
                quiet_sdk()
                self._token = fetch(self._settings, self._context, budget, trusted_roots(self._settings, self._context))
            return self._token

    def call(self, name: str, budget: Budget, /, *, location: str = "", **request: Any) -> Any:
        """One read, repeated within the configured attempts when it was throttled, lost or cut.

        Args:
            name: ``service.method`` of `CALLS`.
            budget: every attempt is spent.
            location: location of the regional Secret Manager; "" = the global endpoint.
            request: fields of the request message.

        Returns:
            The answer as a plain protobuf message; of a list its first page.

        Raises:
            ProviderError: every failure, typed; SDK exceptions never leave.
        """
        self.token(budget)  # has attempts of its own, which are not multiplied by these
        for attempt in range(self._settings.attempts - 1):
            try:
                return self._trusted(name, CALLS[name], budget, location, request)
            except ProviderError as error:
                wait = _wait(error, attempt)
                if error.kind not in _RETRIED or wait >= budget.remaining:
                    raise
            self._context.clock.sleep(wait)
        return self._trusted(name, CALLS[name], budget, location, request)

    def mint(self, name: str, budget: Budget, /, *, location: str = "", **request: Any) -> Any:
        """One call of `CHANGES`; only where our token was refused, and nothing was done, is it sent again.

        Raises:
            ProviderError: every failure, typed; after UNREACHABLE or MALFORMED it may have been done all the same.
        """
        return self._trusted(name, CHANGES[name], budget, location, request)

    def pages(
        self, name: str, budget: Budget, items: str, /, *, location: str = "", **request: Any
    ) -> Iterator[list[Any]]:
        """Yield the pages of a list to its end, each as a list of plain messages.

        A page may be empty and still carry a token; many empty ones in a row, a token that comes twice, or more pages
        than any project has, are an endless list.

        Raises:
            ProviderError: any page failed; pages that were yielded before are real, the list is not complete.
        """
        seen: set[str] = set()
        empty, token = 0, ""
        for _ in range(_MOST_PAGES):
            given = {"page_token": token} if token else {}
            answer = self.call(name, budget, location=location, **request, **given)
            found = list(getattr(answer, items))
            yield found
            if getattr(answer, "unreachable", ()):  # Certificate Manager and CAS leave such places out of a good answer
                fix = "Google could not look there; the next cycle asks again."
                raise ProviderError(ErrorKind.UNREACHABLE, f"a part of the list is missing ({name})", fix=fix)
            token = answer.next_page_token
            if not token:
                return
            empty = 0 if found else empty + 1
            if token in seen or empty > _MOST_EMPTY:
                break
            seen.add(token)
        raise malformed(Called(name), "the pages do not end")

    def endpoint(self, service: str) -> str:
        """URL of a service."""
        return self._settings.endpoint_of(service)

    def close(self) -> None:
        """Close all channels; calls in progress end."""
        self._lines.close()

    def skew(self) -> tuple[datetime, datetime] | None:
        """The token endpoint's time and ours when its last answer came; None when it told none."""
        token = self._token
        return None if token is None or token.theirs is None or token.ours is None else (token.theirs, token.ours)

    def _trusted(self, name: str, known: Call, budget: Budget, location: str, request: Mapping[str, Any]) -> Any:
        """One attempt; a token that ended early is replaced once."""
        token = self.token(budget)
        try:
            return self._send(name, known, budget, location, request, token)
        except ProviderError as error:
            if error.kind is not ErrorKind.AUTH_FAILED:
                raise
        self._forget(token)
        return self._send(name, known, budget, location, request, self.token(budget))

    def _send(
        self, name: str, known: Call, budget: Budget, location: str, request: Mapping[str, Any], token: Token
    ) -> Any:
        service, _, method = name.partition(".")
        called = Called(
            name,
            known.permission,
            _resource(request),
            self._settings.endpoint_of(host_of(service), location),
            known.scope,
            self._settings.project,
            self._settings.proxy or "",
        )
        budget.spend(known.family)
        seconds = min(self._settings.timeout.total_seconds(), budget.remaining)
        with self._lines.line(service, location) as line:
            try:
                answer = getattr(line.client, method)(
                    request=dict(request),
                    retry=None,
                    timeout=seconds,
                    metadata=[("authorization", f"Bearer {token.text}")],
                )
                return _plain(answer)
            except Exception as error:  # noqa: BLE001 - whatever an SDK raises becomes one typed error
                failure = translate(error, called)
            if failure.kind in {ErrorKind.UNREACHABLE, ErrorKind.MALFORMED}:
                line.retired = True
        if failure.kind is ErrorKind.UNREACHABLE:
            budget.check()  # when our own cycle cut the call short, it is not the service that is unreachable
        raise failure from None

    def _forget(self, token: Token) -> None:
        with self._token_lock:
            if self._token is token:
                self._token = None


def _resource(request: Mapping[str, Any]) -> str:
    """Name of what the request is about."""
    about = request.get("secret", request)  # UpdateSecret names it in the secret itself
    return str(about.get("parent") or about.get("name") or about.get("resource") or "")


def _plain(answer: Any) -> Any:
    """The protobuf message behind the SDK's wrapper; of a pager its first page, without fetching another."""
    if hasattr(answer, "pages"):
        answer = next(iter(answer.pages))
    kind = type(answer)
    return kind.pb(answer) if hasattr(kind, "pb") else answer


def _wait(error: ProviderError, attempt: int) -> float:
    """Seconds until the next attempt."""
    if error.fact.retry_after is not None:
        return error.fact.retry_after.total_seconds()
    first = _SLOW_DOWN if error.kind is ErrorKind.THROTTLED else _FIRST_WAIT
    return float(first * 2**attempt)
