"""Pages of a list: opaque tokens that belong to one list, empty pages, pages without end."""

import base64
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from nhisync_gcp.emulator.refusals import invalid
from nhisync_gcp.emulator.rpc import Call
from nhisync_gcp.emulator.timeline import Shown


class Page(NamedTuple):
    """One page.

    Attributes:
        rows: the messages shown.
        token: of the next page; "" = this is the last.
        total: rows of the whole list.
    """

    rows: list[Any]
    token: str
    total: int


def page(
    call: Call,
    things: Iterable[Shown],
    *,
    default: int,
    cap: int,
    at: datetime | None = None,
    keep: Callable[[Any], bool] | None = None,
) -> Page:
    """The page a list request asks for; `things` come in the order in which they are shown.

    Raises:
        RefusedError: INVALID_ARGUMENT for a negative size or a token of another list.
    """
    request = call.request
    if request.page_size < 0:
        raise invalid("The page size must not be negative.")
    size = min(request.page_size or default, cap)
    short = call.node.faults.hit("short-pages", call.name)
    found = [(thing.serial, shown) for thing in things if (shown := thing.shown.at(at)) is not None]
    if keep is not None:
        found = [row for row in found if keep(row[1])]
    start = _start(call, [serial for serial, _ in found])
    if short is not None:
        size = 0 if not request.page_token else int(short.options.get("size", 1))
    rows = found[start : start + size]
    more = start + size < len(found) or (size == 0 and bool(found))
    token = _token(call, rows[-1][0] if rows else 0) if more else ""
    return _endless(call, Page([shown for _, shown in rows], token, len(found)))


def _start(call: Call, serials: list[int]) -> int:
    """Where the page begins: behind the row that the token names, which may be gone by now."""
    if not call.request.page_token:
        return 0
    try:
        name, after = json.loads(base64.urlsafe_b64decode(call.request.page_token))
    except ValueError:
        raise invalid("The provided page token is invalid.") from None
    if name != call.name:
        raise invalid("The provided page token is invalid.")
    if after == 0:
        return 0
    if len(serials) > 1 and serials[0] < serials[-1]:
        return sum(serial <= after for serial in serials)
    return sum(serial >= after for serial in serials)


def _token(call: Call, after: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([call.name, after]).encode()).decode()


def _endless(call: Call, found: Page) -> Page:
    fault = call.node.faults.hit("endless-paging", call.name)
    if fault is None:
        return found
    serial = 0 if fault.options.get("same") else call.cloud.secrets.next_serial()
    if found.token and not fault.options.get("same"):
        return found
    return Page(found.rows, _token(call, -serial if serial else 0), found.total)
