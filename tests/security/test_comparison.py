"""The comparing process: what it does not compare is said, and it holds nothing but what nhisync installed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nhisync.app.comparing import doubts, side_of, valueless_kinds
from nhisync.app.reuse import _read_source
from nhisync.clock import SystemRandomness
from nhisync.collect.reuse import Classes, Wanted
from nhisync.model import ErrorFact, Locator, Word
from nhisync.parity.row import row_of
from nhisync.registry import Registry
from nhisync.spi import KindInfo
from nhisync.testing.provider import VALUES

if TYPE_CHECKING:
    from tests.security.conftest import Lab

CANARY = "canary-5d1f0c77ab"
PAIR = """
    pairs:
      - {name: a, kind: secret, primary: "one:kv/a", backup: "one:kv/a"}
"""
COMPARING = "version: 1\ntier: critical\ninherits: critical\nevidence: {compare_values: true}\n"


def unread(lab: "Lab", *wanted: str) -> list[dict[str, str]]:
    """What the comparing process says it could not compare."""
    asked = [Wanted("backup", f"payments/{text}", Locator.parse(text)) for text in wanted]
    return list(_read_source(lab.session(), "backup", "one", asked, Classes(SystemRandomness())))


@pytest.fixture
def values(lab: "Lab") -> Iterator[None]:
    """Two items: one with a field, one whose adapter yields nothing at all."""
    script = f"{lab.script}-b"
    VALUES[script, "kv/a"] = {"key": CANARY}
    VALUES[script, "kv/empty"] = {}
    VALUES[script, "kv/short"] = {"pin": "123456", "username": "a-long-user-name"}
    yield
    for name in ("kv/a", "kv/empty", "kv/short"):
        del VALUES[script, name]


@pytest.mark.usefixtures("values")
@pytest.mark.requirement("R31", "R42")
def test_what_was_not_compared_is_said(lab: "Lab") -> None:
    """An item without any value, and a named field that is not there, are unknown, never "not equal"."""
    assert unread(lab, "one:kv/a", "one:kv/a#key") == []
    told = unread(lab, "one:kv/a#other", "one:kv/empty")
    assert [(line["locator"], line["kind"]) for line in told] == [
        ("one:kv/a", "malformed"),
        ("one:kv/empty", "malformed"),
    ]
    assert CANARY not in json.dumps(told)


@pytest.mark.usefixtures("values")
@pytest.mark.requirement("R31", "R42")
def test_fields_that_take_no_part_are_no_comparison(lab: "Lab") -> None:
    """An item with nothing but short values and public names was not compared, unless the pair names its field."""
    (told,) = unread(lab, "one:kv/short")
    assert (told["locator"], told["kind"]) == ("one:kv/short", "malformed")
    assert "name the field" in told["message"]
    assert unread(lab, "one:kv/short#pin") == []


def test_current_folder_is_no_module_path(tmp_path: Path) -> None:
    """A file of the current folder never runs inside the process that holds values."""
    (tmp_path / "hmac.py").write_text("open('ran', 'w').close()\nraise SystemExit(9)\n")
    (tmp_path / "nhisync.py").write_text("open('ran', 'w').close()\nraise SystemExit(9)\n")
    command = """
import os, sys, types
from nhisync.app.reuse import compare
os.chdir(sys.argv[1])
configuration = types.SimpleNamespace(file="none.yaml", policies=None, digest="")
compare(types.SimpleNamespace(configuration=configuration, timeout=None), [])
"""
    call = [sys.executable, "-P", "-c", command, str(tmp_path)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert "the value comparison ended with code" in done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.requirement("R31", "R42")
def test_a_look_without_contact_takes_nothing_for_compared(lab: "Lab") -> None:
    """`--cached` reads no values: what the last cycle did not compare stays unknown, as under a new policy."""
    lab.see([lab.item("a"), lab.covered()], [lab.item("a"), lab.covered()])
    lab.sync()
    assert lab.cached() is Word.READY
    lab.configure(PAIR, policies=COMPARING)
    assert lab.cached() is Word.UNKNOWN
    lab.sync()  # its child has no such provider: nothing is compared
    assert lab.cached() is Word.UNKNOWN


SHARED = """
    pairs:
      - {name: a, kind: secret, class: shared, owner: x, until: 2026-12-20, reason: y,
         primary: "one:kv/a", backup: "one:kv/a"}
"""


@pytest.mark.parametrize(
    ("pair", "policies"), [(SHARED, COMPARING), (PAIR, COMPARING + "off: [NHS401]\n")], ids=["shared", "off"]
)
@pytest.mark.requirement("R31", "R42")
def test_who_may_share_is_not_asked(lab: "Lab", pair: str, policies: str) -> None:
    """A value that was not compared is no doubt where an equal one is allowed, or where nobody asks NHS401."""
    lab.configure(pair, policies=policies)
    lab.see([lab.item("a"), lab.covered()], [lab.item("a"), lab.covered()])
    (verdict,) = lab.sync().verdicts
    assert verdict.word is Word.READY


VALUED = {
    "acme": {"account"},  # its public key tells a copy, too
    "aws": {"parameter", "secret"},
    "azure": {"secret"},
    "file": {"json", "kubernetes-secret", "pem", "pkcs12", "yaml"},  # a closed store shows no public key
    "gcp": {"regional-secret", "secret"},
    "kubernetes": {"secret", "service-account-token"},
    "postgres": {"role"},
    "tls": set(),
    "vault": {"db-static", "kv", "ldap-static"},
}
"""Provider → kinds whose values a comparison owes an answer about."""


@pytest.mark.parametrize("name", VALUED)
@pytest.mark.requirement("R31", "R42")
def test_each_kind_that_may_hold_a_copied_value_says_so(name: str) -> None:
    """A kind that is missing here would be left out of a comparison in silence."""
    info = Registry(allow=("nhisync",)).load(name).info
    assert {kind.name for kind in info.kinds if kind.valued} == VALUED[name]


@pytest.mark.parametrize(
    ("kind", "ids", "error", "told"),
    [
        ("kv", "", "unsupported", True),
        ("kv", "login=svc@db\nsecret-version=1f", "unsupported", True),
        ("kv", "file=fd00-1a2b", "unsupported", True),
        ("kv", "resource=arn:aws:secretsmanager:eu-west-1:111122223333:secret:a", "unsupported", True),
        ("kv", "login=svc@db\nspki-sha256=ab", "unsupported", False),
        ("kv", "resource=vault/one", "unsupported", True),
        ("kv", "file=8:1234", "unsupported", True),
        ("kv", "spki-sha256=ab", "denied", True),
        ("unheard-of", "", "unsupported", True),
        ("bare", "", "unsupported", False),
        ("bare", "", "throttled", True),
    ],
)
@pytest.mark.requirement("R31", "R42")
def test_a_value_that_nobody_reads_is_unknown(lab: "Lab", kind: str, ids: str, error: str, told: bool) -> None:
    """Only where there is no value, or a public id tells a copy, is UNSUPPORTED no doubt; any other reason is."""
    item = lab.item("a", kind=kind)
    row = row_of(item, key="payments/a", domain=None)._replace(ids=ids or None)
    side = side_of(valueless_kinds(KINDS), "backup", row, None)
    found = doubts([side], [("backup", str(item.locator), ErrorFact(kind=error, message="the provider x reads none"))])
    assert found == ({"payments/a": "the value was not compared: the provider x reads none"} if told else {})


@pytest.mark.parametrize(
    ("kind", "ids", "told"),
    [
        ("kv", "", True),
        ("kv", "spki-sha256=ab", True),
        ("kv", "access-key-id=AKIA2", False),
        ("bare", "", False),
    ],
)
@pytest.mark.requirement("R31", "R42")
def test_a_value_that_cannot_be_read_may_stand_where_nothing_public_tells(
    lab: "Lab", kind: str, ids: str, told: bool
) -> None:
    """An access key on one path, any secret on the other: the secret may be that key's, and no id would say so."""
    unread = row_of(lab.item("key", kind="bare"), key="payments/a", domain=None)._replace(ids="access-key-id=AKIA1")
    other = row_of(lab.item("a", kind=kind), key="payments/a", domain=None)._replace(ids=ids or None)
    valueless = valueless_kinds(KINDS)
    sides = [side_of(valueless, "primary", unread, None), side_of(valueless, "backup", other, None)]
    found = doubts(sides, [("primary", unread.locator, ErrorFact(kind="unsupported", message="it reads none"))])
    assert found == ({"payments/a": "the value was not compared: it reads none"} if told else {})


KINDS = (KindInfo(name="kv", title="", locator="kv/a"), KindInfo(name="bare", title="", locator="bare/a", valued=False))
