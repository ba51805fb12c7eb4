"""The rows of a vault's page, looked at one by one before the SDK sees them.

The SDK reads a page as a whole: a row that it cannot read costs the page and all that follow, and the text ``"true"``
passes for True (azure-keyvault-secrets 4.12). Here such a row costs itself.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.response import HTTPResponse

_TEXTS = ("id", "kid", "contentType", "x5t")


@dataclass(frozen=True, slots=True)
class OddRow:
    """A row that is none.

    Attributes:
        name: of the item that it is about, "" where even that cannot be read.
    """

    name: str


def sifted(body: bytes) -> tuple[bytes, list[OddRow]]:
    """A page without its odd rows, and what is known of these; what is no page stays as it is."""
    try:
        page = json.loads(body)
    except (ValueError, RecursionError):
        return body, []
    rows = page.get("value") if isinstance(page, dict) else None
    if not isinstance(rows, list):
        return body, []
    odd = [row for row in rows if not _well_formed(row)]
    if not odd:
        return body, []
    good = [row for row in rows if _well_formed(row)]
    return json.dumps({**page, "value": good}).encode(), [OddRow(_name(row)) for row in odd]


def is_flag(value: Any) -> bool:
    """Whether `value` is a flag, or not there."""
    return value is None or isinstance(value, bool)


class SiftingAdapter(HTTPAdapter):
    """Hands on answers as they are, but for the pages for which `collect` returns where to keep odd rows."""

    def __init__(self, collect: Callable[[], list[OddRow] | None], most: int, **options: Any) -> None:
        super().__init__(**options)
        self._collect, self._most = collect, most

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """One request; a page with odd rows is answered without them."""
        response = super().send(request, *args, **options)
        odd = self._collect()
        if odd is None or not response.ok or len(response.content) > self._most:
            return response
        body, found = sifted(response.content)
        if not found:
            return response
        odd += found
        headers = {name: value for name, value in response.headers.items() if name.lower() not in _OF_THE_BODY}
        raw = HTTPResponse(BytesIO(body), headers=headers, status=response.status_code, preload_content=False)
        return self.build_response(request, raw)


_OF_THE_BODY = frozenset({"content-length", "content-encoding", "transfer-encoding"})


def _well_formed(row: Any) -> bool:
    """Whether a row has the documented shape, as far as the SDK would trip or guess."""
    if not isinstance(row, dict) or not _name(row):
        return False
    texts = (row.get(key) for key in _TEXTS)
    return (
        all(text is None or isinstance(text, str) for text in texts)
        and all(isinstance(row.get(key) or {}, Mapping) for key in ("attributes", "tags"))
        and is_flag(row.get("managed"))
    )


def _name(row: Any) -> str:
    """The item's name in a row's URL, ``<vault>/<collection>/<name>[/<version>]``."""
    held = (row.get("id") or row.get("kid")) if isinstance(row, dict) else None
    if not isinstance(held, str):
        return ""
    try:
        parts = urlsplit(held)
        _ = parts.port
    except ValueError:
        return ""
    names = parts.path.strip("/").split("/")
    return names[1] if parts.netloc and len(names) in (2, 3) else ""
