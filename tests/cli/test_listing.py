"""A document whose list is written as it comes is the document, and one entry is one line."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nhisync.app.inventory import Held, Inventory
from nhisync.cli.output.listing import as_json, as_json_lines
from nhisync.cli.output.stock import render_json
from nhisync.model import Item, Locator, Presence
from nhisync.parity.row import row_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4), st.lists(VALUES, max_size=5))
def test_the_document_is_the_same(document: dict[str, Any], entries: list[Any]) -> None:
    """Whatever it holds, reading it gives what the plain writer would have written, with the list last."""
    document.pop("entries", None)
    text = "".join(as_json_lines(document, "entries", iter(entries)))
    assert json.loads(text) == json.loads(as_json({**document, "entries": entries}))
    assert list(json.loads(text))[-1] == "entries"
    assert text.isascii()


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_one_entry_is_one_line(entries: list[Any]) -> None:
    """Each entry can be found and counted by line, and nothing is written before it comes."""
    parts = list(as_json_lines({"path": "primary"}, "entries", entries))
    lines = "".join(parts).splitlines()
    assert lines[:3] == ["{", '  "path": "primary",', '  "entries": [']
    assert [json.loads(line.rstrip(",")) for line in lines[3:-2]] == entries
    assert lines[-2:] == ["  ]", "}"]
    assert len(parts) == len(entries) + 2


def test_an_inventory_shows_what_its_provider_noted() -> None:
    """Facts that no rule asks for, like the client certificate that an endpoint demands, are in the JSON form."""
    now = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)
    edge = Locator("edge", "tls", "192.0.2.10:443")
    noted = (("client-certificate", "required"), ("tls-version", "TLSv1.3"))
    item = Item(locator=edge, observed_at=now, presence=Presence.PRESENT, attributes=noted)
    held = Held(row=row_of(item, key="payments/edge", domain=None))
    inventory = Inventory(path="p", region="", taken_at=now, items=(held,), sources=(), coverage=())
    (shown,) = json.loads("".join(render_json(inventory)))["items"]
    assert shown["facts"] == {"client-certificate": "required", "tls-version": "TLSv1.3"}
