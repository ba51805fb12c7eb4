"""An HTTP answer after it was read whole, checked and parsed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from nhisync.spi import Budget, ErrorKind, ProviderError
from nhisync_vault.errors import Called, kind_of, malformed, refused

_CHUNK = 65_536
MAX_BODY = 64 * 1024 * 1024
"""Largest believable answer: ten thousand keys with their metadata are about six megabytes."""

_DIGITS = 18  # of a length; what is longer announces no body that can come, and `int` refuses thousands of digits
_NO_CONTENT, _NOT_FOUND = 204, 404


_SPOKEN = frozenset({"errors", "data", "warnings"})
"""A 404 of the server itself holds one of these (OpenBao ``http/logical.go``); a gateway's own holds none, and says
nothing about the item."""


class CutError(requests.RequestException):
    """Fewer bytes came than the answer announced."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        status: HTTP status code.
        body: the JSON object; empty for 204.
        headers: of the answer.
        called: what was asked.
    """

    status: int
    body: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    called: Called

    @property
    def errors(self) -> tuple[str, ...]:
        """Texts of the ``errors`` list, and of ``data.error`` where the server hides it there."""
        listed = self.body.get("errors")
        texts = [text for text in listed if isinstance(text, str)] if isinstance(listed, list) else []
        data = self.body.get("data")
        hidden = data.get("error") if isinstance(data, dict) else None
        return (*texts, *([hidden] if isinstance(hidden, str) else []))

    @property
    def data(self) -> dict[str, Any]:
        """The envelope's ``data``.

        Raises:
            ProviderError: MALFORMED when it is no object.
        """
        data = self.body.get("data")
        if not isinstance(data, dict):
            raise malformed(self.called, "the answer holds no data")
        return data

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
        return refused(self.status, self._phrases, self.headers, self.called)

    @property
    def kind(self) -> ErrorKind:
        """What this error status stands for."""
        return kind_of(self.status, self._phrases)

    @property
    def empty_listing(self) -> bool:
        """An empty listing is a 404 whose ``errors`` is there and empty; any other 404 says something else."""
        return self.status == _NOT_FOUND and self.body.get("errors") == []

    @property
    def _phrases(self) -> tuple[str, ...]:
        """The error texts; a 404 of the key/value engine that only warns means that it lacks the endpoint."""
        if self.status == _NOT_FOUND and "errors" not in self.body and self.body.get("warnings"):
            return (*self.errors, "unsupported path")
        return self.errors


def read_answer(response: requests.Response, called: Called, budget: Budget) -> Answer:
    """Read the body within the budget, then parse it.

    Raises:
        ProviderError: MALFORMED for what is no JSON object or too long, THROTTLED when the cycle ends while reading.
        requests.RequestException: the connection broke.
    """
    with response:
        raw = _body(response, called, budget)
    headers = dict(response.headers)
    if response.status_code == _NOT_FOUND and not raw.strip():
        raise _foreign(called)
    if response.status_code == _NO_CONTENT or not raw.strip():
        return Answer(response.status_code, {}, headers, called)
    body = _parsed(raw, response, called)
    if response.status_code == _NOT_FOUND and not _SPOKEN & body.keys():
        raise _foreign(called)
    request_id = body.get("request_id")
    seen = Called(called.method, called.path, request_id if isinstance(request_id, str) else "")
    return Answer(response.status_code, body, headers, seen)


def _body(response: requests.Response, called: Called, budget: Budget) -> bytes:
    chunks: list[bytes] = []
    length = 0
    for chunk in response.iter_content(_CHUNK):
        budget.check()
        chunks.append(chunk)
        length += len(chunk)
        if length > MAX_BODY:
            raise malformed(called, "the answer is longer than any believable one")
    announced = response.headers.get("Content-Length", "")
    if announced.isdecimal() and length != int(announced[:_DIGITS]) and not response.headers.get("Content-Encoding"):
        raise CutError
    return b"".join(chunks)


def _foreign(called: Called) -> ProviderError:
    return malformed(called, "the 404 is none of the server's own (a gateway's?)")


def _parsed(raw: bytes, response: requests.Response, called: Called) -> dict[str, Any]:
    content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise malformed(called, "the answer is no JSON (a proxy's page?)")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise malformed(called, "the answer cannot be parsed") from None
    if not isinstance(body, dict):
        raise malformed(called, "the answer is no JSON object")
    return body
