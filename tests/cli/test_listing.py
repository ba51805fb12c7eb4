"""A document whose list is written as it comes is the document, and one entry is one line."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nhisync.cli.output.listing import as_json, as_json_lines

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
