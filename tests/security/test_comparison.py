"""The comparing process: what it does not compare is said, and it holds nothing but what nhisync installed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nhisync.app.reuse import _read_source
from nhisync.clock import SystemRandomness
from nhisync.collect.reuse import Classes, Wanted
from nhisync.model import Locator, Word
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
