"""An HTTP answer after it was read whole, checked and parsed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from nhisync.spi import Budget, ErrorKind, ProviderError
from nhisync_kubernetes.errors import Called, kind_of, malformed, refused

MAX_BODY = 64 * 1024 * 1024
"""Largest believable answer: a page of 500 issued certificates with their history is about ten megabytes."""

_PLAIN = frozenset({404, 429})
"""Error statuses that the API server itself answers in plain text: unknown paths, too many requests in flight."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        status: HTTP status code.
        body: the JSON object; empty for plain text.
        headers: of the answer, lower case.
        called: what was asked.
        served: the body is JSON; a plain 404 means that the API server does not serve the path at all.
    """

    status: int
    body: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    called: Called
    served: bool = True

    @property
    def kind(self) -> ErrorKind:
        """What this error status stands for."""
        return kind_of(self.status)

    @property
    def not_served(self) -> bool:
        """404 about the path, not about an object."""
        return self.status == 404 and not (self.served and self.missing)

    @property
    def missing(self) -> str:
        """Name of the object that does not exist, as the server says it."""
        details = self.body.get("details")
        name = details.get("name") if isinstance(details, dict) else None
        return name if isinstance(name, str) else ""

    @property
    def resumed(self) -> str:
        """Where an expired listing could be continued, inconsistently; "" = nowhere."""
        metadata = self.body.get("metadata")
        token = metadata.get("continue") if isinstance(metadata, dict) else None
        return token if isinstance(token, str) else ""

    def checked(self) -> "Answer":
        """Itself, when the status is a success.

        Raises:
            ProviderError: what the status means.
        """
        if 200 <= self.status < 300:
            return self
        raise self.failure()

    def failure(self) -> ProviderError:
        """The typed error of an error status."""
        message = self.body.get("message")
        return refused(self.status, message if isinstance(message, str) else "", self.headers, self.called)


def read_answer(response: httpx.Response, called: Called, budget: Budget) -> Answer:
    """Read the body within the budget, then parse it.

    Raises:
        ProviderError: MALFORMED for what is no JSON object or too long, THROTTLED when the cycle ends while reading.
        httpx.HTTPError: the connection broke.
    """
    headers = {name.lower(): value for name, value in response.headers.items()}
    seen = Called(called.method, called.path, called.grant, headers.get("audit-id", ""))
    raw = _body(response, seen, budget)
    status = response.status_code
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        if status >= 500 or (status in _PLAIN and headers.get("content-type", "").startswith("text/plain")):
            return Answer(status, {}, headers, seen, served=False)
        raise malformed(seen, "the answer is no JSON (a proxy's page?)")
    return Answer(status, _parsed(raw, seen), headers, seen)


def _body(response: httpx.Response, called: Called, budget: Budget) -> bytes:
    chunks: list[bytes] = []
    length = 0
    for chunk in response.iter_bytes():
        budget.check()
        chunks.append(chunk)
        length += len(chunk)
        if length > MAX_BODY:
            raise malformed(called, "the answer is longer than any believable one")
    return b"".join(chunks)


def _parsed(raw: bytes, called: Called) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise malformed(called, "the answer is no JSON object")
    return body
