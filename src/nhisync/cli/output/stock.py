"""An inventory as table, JSON and CycloneDX 1.6 (CBOM); metadata only, as nothing else is known."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from nhisync import __version__
from nhisync.app.inventory import Held, Inventory
from nhisync.cli.invocation import Invocation
from nhisync.cli.output.document import error_document
from nhisync.cli.output.listing import as_json_lines, painter, table
from nhisync.cli.output.prose import age, plural, zulu
from nhisync.cli.safe import printable
from nhisync.model import Coverage, CoverageStatus, Presence, SourceSummary
from nhisync.parity.row import Row, instant

INVENTORY_VERSION = "1.0"
"""Of the JSON inventory; the minor part rises with every addition."""

_COLUMNS = ("ITEM", "STATE", "PAIRS", "LIFECYCLE", "VERSION", "ROTATED", "EXPIRES", "OWNER", "SEEN")


def render_table(found: Inventory, invocation: Invocation) -> Iterator[str]:
    """One line an item, then coverage, then the counts that matter (unmapped, unowned, never rotated)."""
    paint = painter(invocation)
    now = found.taken_at
    rows = [_line(held, now) for held in found.items]
    if rows:
        yield table(invocation, _COLUMNS, rows)
        yield "\n"
    for entry in found.coverage:
        yield paint.line(_covered(entry, now))
    yield paint.line(summary(found))


def summary(found: Inventory) -> str:
    """``14 items on primary: 3 unmapped, 2 without owner, 1 never rotated; coverage complete``."""
    counts = (
        f"{len(found.unmapped)} unmapped",
        f"{len(found.unowned)} without owner",
        f"{len(found.never_rotated)} never rotated",
    )
    unread = f" and {len(found.unread)} that could not be read" if found.unread else ""
    coverage = "complete" if found.complete else "INCOMPLETE: what is not listed is not known to be absent"
    stock = f"{plural(len(found.present), 'item')} on {found.path}{unread}"
    return f"{stock}: {', '.join(counts)}; coverage {coverage}"


def _line(held: Held, now: datetime) -> tuple[str, ...]:
    row = held.row
    return (
        row.locator,
        row.state or row.presence if row.presence == Presence.PRESENT.value else row.presence,
        ", ".join(held.pairs) or "unmapped",
        row.lifecycle,
        row.version or "",
        _day(row.rotated if row.rotated is not None else row.created),
        _day(row.expires) if row.expires is not None else "never" if row.presence == Presence.PRESENT.value else "",
        "none" if row.owner == "" else row.owner or "",
        f"{age(now - instant(row.observed))} ago",
    )


def _day(seconds: int | None) -> str:
    return "" if seconds is None else str(instant(seconds).date())


def _covered(entry: Coverage, now: datetime) -> str:
    scope = f" in {entry.scope}" if entry.scope else ""
    seen = f", {plural(entry.items, 'item')}" if entry.status is CoverageStatus.COMPLETE else ""
    why = f": {entry.error.message}" if entry.error else ""
    return f"{entry.source}:{entry.kind}{scope}  {entry.status.value}{seen}, {age(now - entry.as_of)} old{why}"


def render_json(found: Inventory) -> Iterator[str]:
    """The whole inventory as one document."""
    return as_json_lines(
        {
            "schema_version": INVENTORY_VERSION,
            "path": found.path,
            "region": found.region,
            "generated_at": zulu(found.taken_at),
            "complete": found.complete,
            "counts": {
                "present": len(found.present),
                "unmapped": len(found.unmapped),
                "unowned": len(found.unowned),
                "never_rotated": len(found.never_rotated),
            },
            "sources": [_source(source) for source in found.sources],
            "coverage": [_coverage(entry) for entry in found.coverage],
        },
        "items",
        map(_item, found.items),
    )


def _source(source: SourceSummary) -> dict[str, Any]:
    return {
        "name": source.name,
        "provider": source.provider,
        "region": source.region,
        "identity": source.identity,
        "error": error_document(source.error),
        "calls": source.calls,
    }


def _coverage(entry: Coverage) -> dict[str, Any]:
    return {
        "source": entry.source,
        "kind": entry.kind,
        "scope": entry.scope,
        "status": entry.status.value,
        "items": entry.items,
        "as_of": zulu(entry.as_of),
        "error": error_document(entry.error),
    }


def _item(held: Held) -> dict[str, Any]:
    row = held.row
    detail = _detail(row)
    return {
        "locator": row.locator,
        "presence": row.presence,
        "pairs": list(held.pairs),
        "lifecycle": row.lifecycle,
        "state": row.state,
        "fault_domain": row.domain,
        "version": row.version,
        "created": _instant(row.created),
        "rotated": _instant(row.rotated),
        "not_before": _instant(row.not_before),
        "expires": _instant(row.expires),
        "next_rotation": _instant(row.next_rotation),
        "rotation_enabled": None if row.rotation is None else bool(row.rotation),
        "rotation_interval_seconds": row.interval,
        "owner": row.owner,
        "ids": row.ids.splitlines() if row.ids else [],
        "fields": detail.get("fields"),
        "exposure": detail.get("exposure", ""),
        "facts": detail.get("attributes", {}),
        "observed_at": _instant(row.observed),
        "error": detail.get("error"),
    }


def _detail(row: Row) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(row.detail) if row.detail else {}
    return found


def _instant(seconds: int | None) -> str | None:
    return None if seconds is None else zulu(instant(seconds))


def render_cbom(found: Inventory, serial: str) -> Iterator[str]:
    """CycloneDX 1.6: certificates as such, everything else as related cryptographic material; never a value.

    Args:
        found: the inventory.
        serial: 32 hex digits that make this document's serial number.
    """
    uuid = f"{serial[:8]}-{serial[8:12]}-4{serial[13:16]}-a{serial[17:20]}-{serial[20:32]}"
    return as_json_lines(
        {
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "serialNumber": f"urn:uuid:{uuid}",
            "version": 1,
            "metadata": {
                "timestamp": zulu(found.taken_at),
                "tools": {"components": [{"type": "application", "name": "nhisync", "version": __version__}]},
                "component": {"type": "platform", "name": found.path, "bom-ref": f"path:{found.path}"},
                "properties": [{"name": "nhisync:coverage", "value": "complete" if found.complete else "incomplete"}],
            },
        },
        "components",
        map(_component, found.present),
    )


def _component(held: Held) -> dict[str, Any]:
    row = held.row
    certificates = (_detail(row).get("chain") or {}).get("certificates") or []
    properties = [
        {"name": "nhisync:pairs", "value": ",".join(held.pairs)},
        {"name": "nhisync:lifecycle", "value": row.lifecycle},
        {"name": "nhisync:owner", "value": row.owner or ""},
        {"name": "nhisync:fault-domain", "value": row.domain or ""},
        {"name": "nhisync:observed-at", "value": zulu(instant(row.observed))},
    ]
    return {
        "type": "cryptographic-asset",
        "bom-ref": row.locator,
        "name": printable(row.locator.partition("/")[2]),
        "cryptoProperties": _certificate(certificates[0]) if certificates else _material(row),
        "properties": [entry for entry in properties if entry["value"]],
    }


def _certificate(leaf: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "assetType": "certificate",
        "certificateProperties": {
            "subjectName": leaf["subject"],
            "issuerName": leaf["issuer"],
            "notValidBefore": _instant(leaf["not_before"]),
            "notValidAfter": _instant(leaf["not_after"]),
            "certificateFormat": "X.509",
        },
    }


def _material(row: Row) -> dict[str, Any]:
    material = {
        "type": "credential",
        "id": row.version,
        "state": row.state,
        "creationDate": _instant(row.created),
        "activationDate": _instant(row.not_before),
        "updateDate": _instant(row.rotated),
        "expirationDate": _instant(row.expires),
    }
    return {
        "assetType": "related-crypto-material",
        "relatedCryptoMaterialProperties": {key: value for key, value in material.items() if value is not None},
    }
