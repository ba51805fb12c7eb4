"""HTTP calls to Initech: an answer is checked before it is believed, a failure is typed, no text is passed on."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nhisync.spi import Budget, ErrorKind, ProviderError

_KINDS = {
    401: ErrorKind.AUTH_FAILED,
    403: ErrorKind.DENIED,
    404: ErrorKind.NOT_FOUND,
    429: ErrorKind.THROTTLED,
}


class Client:
    """Reads only; one connection per call.

    Args:
        address: host and port.
        token_file: file with the access token.
        timeout: longest silence of the service.
    """

    def __init__(self, address: str, token_file: Path, timeout: timedelta) -> None:
        self._address, self._token_file, self._timeout = address, token_file, timeout
        self._closed = threading.Event()

    def close(self) -> None:
        """Send nothing more."""
        self._closed.set()

    def get(self, path: str, budget: Budget) -> dict[str, Any]:
        """The JSON object at `path`.

        Raises:
            ProviderError: there is no believable one.
        """
        if self._closed.is_set():
            raise ProviderError(ErrorKind.THROTTLED, "the source was closed while it was read")
        budget.spend("read")
        status, request_id, wait, body = self._exchange(path, budget)
        if status != 200:
            kind = _KINDS.get(status, ErrorKind.UNREACHABLE)
            raise ProviderError(
                kind,
                f"Initech answers {status}",
                action="keys:describe",
                resource=path,
                request_id=request_id,
                retry_after=timedelta(seconds=int(wait)) if wait.isdecimal() and len(wait) < 7 else None,
                fix="Apply the document of: nhisync permissions" if kind is ErrorKind.DENIED else "",
            )
        try:
            found = json.loads(body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise _malformed(path)
        return found

    def pages(self, path: str, size: int, budget: Budget) -> Iterator[dict[str, Any]]:
        """All entries of a list; short and empty pages are followed while a next one is named.

        Raises:
            ProviderError: a page is lost, or the pages do not come to an end.
        """
        after: str | None = ""
        while after is not None:
            page = self.get(f"{path}?limit={size}&after={quote(after, safe='')}", budget)
            entries, following = page.get("keys"), page.get("next")
            if not isinstance(entries, list):
                raise _malformed(path)
            yield from entries
            if following is not None and not str(following) > after:
                raise ProviderError(ErrorKind.MALFORMED, "the pages of Initech's list do not end", resource=path)
            after = None if following is None else str(following)

    def _exchange(self, path: str, budget: Budget) -> tuple[int, str, str, bytes]:
        """Status, request id, Retry-After and body."""
        token = self._token()
        connection = HTTPConnection(self._address, timeout=min(self._timeout.total_seconds(), budget.remaining or 0.01))
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
            answer: HTTPResponse = connection.getresponse()
            headers = answer.headers
            return answer.status, headers["X-Request-Id"] or "", headers["Retry-After"] or "", answer.read()
        except HTTPException:
            raise _malformed(path) from None
        except OSError:
            budget.check()  # when our own cycle cut the wait short, the service's silence says nothing
            raise ProviderError(ErrorKind.UNREACHABLE, "Initech does not answer", resource=self._address) from None
        finally:
            connection.close()

    def _token(self) -> str:
        try:
            return self._token_file.read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            raise ProviderError(
                ErrorKind.MISCONFIGURED, "the token file cannot be read", resource=str(self._token_file)
            ) from None


def _malformed(path: str) -> ProviderError:
    return ProviderError(ErrorKind.MALFORMED, "this is not an answer of Initech", resource=path)
