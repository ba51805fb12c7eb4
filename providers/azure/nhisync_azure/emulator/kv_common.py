"""What secrets, keys and certificates share: names, attributes, pages, deletion and recovery."""

import base64
import binascii
import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from nhisync_azure.emulator.kv import Call, bad_parameter
from nhisync_azure.emulator.vaults import Deletion, Entry, Shelf, Version
from nhisync_azure.emulator.wire import RefusedError, Reply, reply

PAGE: Final = 25
_NAME = re.compile(r"[0-9A-Za-z-]{1,127}")
_HELP = "For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
V = TypeVar("V", bound=Version)


def checked_name(call: Call) -> str:
    """The name in the path, when new objects may have it.

    Raises:
        RefusedError: it may not.
    """
    if not _NAME.fullmatch(call.name):
        raise bad_parameter(f"The request URI contains an invalid name: {call.name}")
    return call.name


def not_found(kind: str, name: str) -> RefusedError:
    """404 for a secret, key or certificate."""
    text = f"A {kind.lower()} with (name/id) {name} was not found in this key vault."
    extra = f" If you recently deleted this {kind.lower()} you may be able to recover it. {_HELP}"
    return RefusedError(404, f"{kind}NotFound", text + extra)


def entry_of(call: Call, shelf: Shelf[V], kind: str) -> Entry[V]:
    """The living entry of the call's name.

    Raises:
        RefusedError: 404.
    """
    entry = shelf.get(call.name)
    if entry is None:
        raise not_found(kind, call.name)
    if entry.hidden > 0:
        entry.hidden -= 1
        raise not_found(kind, call.name)
    return entry


def version_of(call: Call, shelf: Shelf[V], kind: str) -> tuple[Entry[V], V]:
    """Entry and version that the call names; without a version the newest.

    Raises:
        RefusedError: 404.
    """
    entry = entry_of(call, shelf, kind)
    version = entry.version(call.version)
    if version is None:
        raise not_found(kind, f"{call.name}/{call.version}")
    return entry, version


def refuse_deleted(call: Call, shelf: Shelf[V], kind: str) -> None:
    """A deleted name cannot be reused.

    Raises:
        RefusedError: 409.
    """
    entry = shelf.deleted.get(call.name.lower())
    if entry is None:
        return
    text = (
        f"{kind} {call.name} is currently in a deleted but recoverable state, and its name cannot be reused; in this "
        "state, the secret can only be recovered or purged."
    )
    raise RefusedError(409, "Conflict", text, inner="ObjectIsDeletedButRecoverable")


def refuse_managed(call: Call, shelf: Shelf[V], what: str) -> None:
    """Keys and secrets that belong to a certificate are changed only through it.

    Raises:
        RefusedError: 403.
    """
    entry = shelf.get(call.name)
    if entry is not None and entry.newest.managed:
        text = f"Operation {what} is not allowed on an object that belongs to the certificate of the same name."
        raise RefusedError(403, "Forbidden", text, inner="OperationNotAllowed")


def attributes(call: Call, version: Version) -> dict[str, Any]:
    """The ``attributes`` object."""
    found: dict[str, Any] = {
        "enabled": version.enabled,
        "created": stamp(version.created),
        "updated": stamp(version.updated),
        "recoveryLevel": call.vault.recovery_level,
        "recoverableDays": call.vault.retention.days,
    }
    if version.not_before is not None:
        found["nbf"] = stamp(version.not_before)
    if version.expires is not None:
        found["exp"] = stamp(version.expires)
    return found


def apply_attributes(version: Version, body: dict[str, Any], now: datetime) -> None:
    """Change what the body names; everything else stays.

    Raises:
        RefusedError: a wrong type, or too many tags.
    """
    given = body.get("attributes") or {}
    if "enabled" in given and given["enabled"] is not None:
        version.enabled = bool(given["enabled"])
    if given.get("nbf") is not None:
        version.not_before = moment(given["nbf"])
    if given.get("exp") is not None:
        version.expires = moment(given["exp"])
    tags = body.get("tags")
    if tags is not None:
        if len(tags) > 15 or any(len(name) > 512 or len(value) > 512 for name, value in tags.items()):
            raise bad_parameter("There can be at most 15 tags of 512 characters each.")
        version.tags = {str(name): str(value) for name, value in tags.items()}
    version.updated = now


def stamp(instant: datetime) -> int:
    """Unix seconds."""
    return int(instant.timestamp())


def moment(seconds: object) -> datetime:
    """An instant from unix seconds.

    Raises:
        RefusedError: it is no number.
    """
    if not isinstance(seconds, int):
        raise bad_parameter("Dates are unix seconds.")
    return datetime.fromtimestamp(seconds, UTC)


def listed(call: Call, shelf: Shelf[V], render: Callable[[Entry[V]], dict[str, Any]]) -> Reply:
    """One page of the names of a shelf."""
    fault = call.traffic.faults.state("list-lag", "kv")
    if fault is None:
        return paged(call, shelf.names, lambda low: render(shelf.living(low)))
    seen = call.now - timedelta(seconds=fault.seconds(60))
    entries = {entry.name.lower(): entry for entry in shelf if entry.versions[0].created <= seen}
    for entry in shelf.deleted.values():
        if entry.deletion is not None and entry.deletion.at > seen:
            entries[entry.name.lower()] = entry
    return paged(call, sorted(entries), lambda low: render(entries[low]))


def listed_versions(call: Call, shelf: Shelf[V], kind: str, render: Callable[[Entry[V], V], dict[str, Any]]) -> Reply:
    """One page of a name's versions, in the order of their ids: no client may take the order for age."""
    entry = entry_of(call, shelf, kind)
    fault = call.traffic.faults.state("list-lag", "kv")
    seen = call.now - timedelta(seconds=fault.seconds(60)) if fault is not None else None
    versions = {one.id: one for one in entry.versions if seen is None or one.created <= seen}
    return paged(call, sorted(versions), lambda version: render(entry, versions[version]))


def listed_deleted(call: Call, shelf: Shelf[V], render: Callable[[Entry[V]], dict[str, Any]]) -> Reply:
    """One page of the deleted names."""
    purge_due(call, shelf)
    return paged(call, sorted(shelf.deleted), lambda low: render(shelf.deleted[low]))


def paged(call: Call, keys: Sequence[str], render: Callable[[str], dict[str, Any]]) -> Reply:
    """A page of sorted `keys`; ``$skiptoken`` carries the last key of the page before."""
    faults = call.traffic.faults
    size = _page_size(call)
    short = faults.state("short-pages", "kv")
    if short is not None:
        size = min(size, int(short.options.get("size", 1)))
    marker, empty_done = _marker(call)
    if faults.state("empty-pages", "kv") is not None and not empty_done:
        return reply({"value": [], "nextLink": _next_link(call, f"!{marker}")})
    start = bisect_right(keys, marker) if marker else 0
    end = min(start + size, len(keys))
    link = _next_link(call, keys[end - 1]) if end < len(keys) else None
    if link is None and faults.state("endless-paging", "kv") is not None:
        link = _next_link(call, "")
    rows: list[Any] = [render(key) for key in keys[start:end]]
    odd = faults.state("odd-row", "kv")
    if odd is not None and rows and bool(odd.options.get("versions")) == bool(call.name):
        middle = len(rows) // 2
        rows[middle] = odd.options["row"] if "row" in odd.options else {**rows[middle], **odd.options["fields"]}
    return reply({"value": rows, "nextLink": link})


def delete(call: Call, shelf: Shelf[V], kind: str) -> Entry[V]:
    """Move a name to the deleted shelf.

    Raises:
        RefusedError: 404.
    """
    fault = call.traffic.faults.state("delete-lag", "kv")
    hidden = int(fault.options.get("polls", 1)) if fault is not None else 0
    deletion = Deletion(at=call.now, purge_at=call.now + call.vault.retention, hidden=hidden)
    return shelf.bury(entry_of(call, shelf, kind).name, deletion)


def deleted_entry(call: Call, shelf: Shelf[V], kind: str) -> Entry[V]:
    """The deleted entry of the call's name.

    Raises:
        RefusedError: 404, also while the deletion is under way.
    """
    purge_due(call, shelf)
    entry = shelf.deleted.get(call.name.lower())
    if entry is None or entry.deletion is None:
        raise not_found(kind, call.name)
    if entry.deletion.hidden > 0:
        entry.deletion.hidden -= 1
        raise not_found(kind, call.name)
    return entry


def recover(call: Call, shelf: Shelf[V], kind: str) -> Entry[V]:
    """Bring a deleted name back.

    Raises:
        RefusedError: 404.
    """
    entry = shelf.restore(deleted_entry(call, shelf, kind).name)
    fault = call.traffic.faults.state("delete-lag", "kv")
    entry.hidden = int(fault.options.get("polls", 1)) if fault is not None else 0
    return entry


def purge(call: Call, shelf: Shelf[V], kind: str) -> None:
    """Remove a deleted name for good.

    Raises:
        RefusedError: 404, or 403 when the vault is protected.
    """
    entry = deleted_entry(call, shelf, kind)
    if call.vault.purge_protection:
        text = "Operation purge is not allowed because purge protection is enabled for this vault."
        raise RefusedError(403, "Forbidden", text, inner="PurgeProtectionEnabled")
    del shelf.deleted[entry.name.lower()]


def purge_due(call: Call, shelf: Shelf[V]) -> None:
    """The service purges by itself when the retention is over."""
    due = [low for low, one in shelf.deleted.items() if one.deletion is not None and one.deletion.purge_at <= call.now]
    for low in due:
        del shelf.deleted[low]


def deletion_fields(call: Call, collection: str, entry: Entry[V]) -> dict[str, Any]:
    """What a deleted object shows besides."""
    assert entry.deletion is not None, "only deleted entries are shown as deleted"
    return {
        "recoveryId": f"{call.base}/{collection}/{entry.name}",
        "deletedDate": stamp(entry.deletion.at),
        "scheduledPurgeDate": stamp(entry.deletion.purge_at),
    }


def _page_size(call: Call) -> int:
    text = call.query.get("maxresults", str(PAGE))
    if not text.isdecimal() or not 1 <= int(text) <= PAGE:
        raise bad_parameter(f"maxresults must be between 1 and {PAGE}")
    return int(text)


def _marker(call: Call) -> tuple[str, bool]:
    """The last key of the page before, and whether the empty page in between was sent already."""
    token = call.query.get("$skiptoken", "")
    try:
        text = base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, ValueError):
        raise bad_parameter("The skip token is malformed.") from None
    return text.removeprefix("!"), text.startswith("!")


def _next_link(call: Call, marker: str) -> str:
    token = base64.urlsafe_b64encode(marker.encode()).decode()
    size = f"&maxresults={call.query['maxresults']}" if "maxresults" in call.query else ""
    path = "/".join(call.request.segments)
    return f"{call.base}/{path}?api-version={call.query['api-version']}&$skiptoken={token}{size}"
