"""A row of a vault's page that is none costs itself: not its page, not what follows, and it is never guessed at."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.spi import Presence
from nhisync_azure.sifting import OddRow, sifted

NAMES = [f"s{number:02d}" for number in range(60)]
MIDDLES = ["s12", "s37", "s55"]
"""The middle rows of three pages of 25, 25 and 10."""

ROWS: dict[str, Any] = {
    "null": None,
    "text": "x",
    "list": [],
    "empty": {},
    "no-url": {"id": "nope", "attributes": {"enabled": True}},
    "a-number-for-a-url": {"id": 5, "attributes": {"enabled": True}},
    "a-port-that-is-none": {"id": "https://vault:bad/secrets/s12", "attributes": {"enabled": True}},
}
FIELDS: dict[str, Any] = {
    "attributes-text": {"attributes": "x"},
    "attributes-list": {"attributes": [1]},
    "attributes-none": {"attributes": None},
    "tags-text": {"tags": "x"},
    "tags-list": {"tags": ["a"]},
    "type-number": {"contentType": 5},
    "managed-text": {"managed": "true"},
    "managed-number": {"managed": 1},
}


@pytest.fixture
def sixty(backup):
    """Three pages of secrets."""
    for name in NAMES:
        backup.seed("secret", name)
    return backup


@pytest.mark.parametrize("row", ROWS)
def test_a_row_that_is_none_costs_itself(sixty, row):
    """Its neighbours and the pages after it are seen; the coverage says that something was not read."""
    sixty.fault("odd-row", row=ROWS[row])
    seen = sixty.see(kinds="secret")
    assert {name.partition("/")[2] for name in seen.items} == set(NAMES) - set(MIDDLES)
    assert {item.presence for item in seen.items.values()} == {Presence.PRESENT}
    assert seen.status == {"secret": "partial"}
    assert seen.coverage["secret"].error.kind == "malformed"


@pytest.mark.parametrize("fields", FIELDS)
def test_an_odd_field_costs_its_item_and_is_not_guessed_at(sixty, fields):
    """The text "true" does not make a secret a certificate's twin; what pairs name is asked for by itself."""
    sixty.fault("odd-row", fields=FIELDS[fields])
    seen = sixty.see("secret/s12", "secret/s13", kinds="secret")
    assert {name.partition("/")[2] for name in seen.items} == {"s12", *set(NAMES) - set(MIDDLES)}
    assert {item.presence for item in seen.items.values()} == {Presence.PRESENT}
    assert seen.status == {"secret": "partial"}


@pytest.mark.parametrize("fields", FIELDS)
def test_an_odd_version_makes_its_item_unknown(sixty, fields):
    """Where the odd row is the item's own version nothing is concluded of the item, and nothing is lost of others."""
    sixty.fault("odd-row", versions=True, fields=FIELDS[fields])
    seen = sixty.see("secret/s12")
    assert (seen["secret/s12"].presence, seen["secret/s12"].error.kind) == (Presence.UNKNOWN, "malformed")


@pytest.mark.parametrize("kind", ["key", "certificate"])
@pytest.mark.parametrize("fields", ["attributes-text", "tags-list", "managed-text"])
def test_keys_and_certificates_are_sifted_alike(backup, kind, fields):
    """Every list of a vault is read the same way."""
    for name in ("a", "b", "c"):
        backup.seed(kind, name)
    backup.fault("odd-row", fields=FIELDS[fields])
    seen = backup.see(kinds=kind)
    assert {name.partition("/")[2] for name in seen.items} == {"a", "c"}
    assert seen.status == {kind: "partial"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "kid", "tags", "x"]), inner),
    max_leaves=6,
)


@given(st.lists(JSON, max_size=5), st.integers(0, 3))
def test_sifting_keeps_what_is_well_formed(rows, good):
    """Whatever stands beside them, good rows come through as they are and in order; nothing is lost uncounted."""
    fine = [{"id": f"https://v.example/secrets/n{number}", "attributes": {}} for number in range(good)]
    page = {"value": [*rows, *fine], "nextLink": None}
    body, odd = sifted(json.dumps(page).encode())
    left = json.loads(body)
    assert left["nextLink"] is None
    assert len(left["value"]) + len(odd) == len(page["value"])
    assert left["value"][len(left["value"]) - good :] == fine
    assert all(isinstance(one, OddRow) for one in odd)


@given(st.binary(max_size=60))
def test_what_is_no_page_stays_as_it_is(body):
    """It is not ours to repair; the reader after us refuses it."""
    left, odd = sifted(body)
    assert odd == [] or json.loads(left) is not None
    assert odd or left == body
