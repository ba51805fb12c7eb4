"""Pairs that templates make are tried like those that are named: each with its own probe, and none by a guess."""

from pathlib import Path

import pytest

from nhisync.app.permissions import need_of
from nhisync.app.presenting import Presenting
from nhisync.clock import SystemClock
from nhisync.spi import AccessMode, Locator
from nhisync.testing.judge import Account, Judge

from .live_world import VALUES, World, told

PAIRS = """    pairs:
      - name: ledger
        kind: api-key
        primary: "files:json/ledger.json#key"
        backup: "files:json/ledger.json#key"
"""
MATCH = """    match:
      - kind: api-key
        primary: "files:json/{{name}}.json#key"
        backup: "files:json/{{name}}.json#key"
        probe:
          primary: {{type: http, url: "https://{judge}/west/{{app}}/{{name}}", auth: bearer, ca_file: {ca}}}
          backup: {{type: http, url: "https://{judge}/north/{{app}}/{{name}}", auth: bearer, ca_file: {ca}}}
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """One item on each path, paired by a template."""
    judge = Judge(clock=SystemClock(), directory=tmp_path / "judge")
    judge.start()
    made = World(tmp_path, judge)
    text = made.file.read_text(encoding="utf-8")
    made.file.write_text(text[: text.index("    pairs:")] + MATCH.format(judge=judge.address, ca=judge.authority))
    judge.accounts["/west/wallet/ledger"] = Account("ledger-west", VALUES["primary"])
    judge.accounts["/north/wallet/ledger"] = Account("ledger-north", VALUES["backup"])
    return made


@pytest.mark.requirement("R17", "R22")
def test_a_pair_of_a_template_is_tried_at_its_own_place(world: World) -> None:
    """Accepted where its name leads to; refused when the service does not know it any more."""
    assert told(world.diff(live=True))["NHS801"] == "pass"
    assert all("canary" not in (row.probe or "") for path in VALUES for row in world.rows(path))
    world.judge.accounts["/north/wallet/ledger"] = Account("ledger-north", "a newer one")
    assert told(world.diff(live=True))["NHS801"] == "fail"


@pytest.mark.requirement("R22")
def test_what_a_template_proved_goes_with_its_probe(world: World) -> None:
    """Taken out of the configuration, it proves nothing any more."""
    assert told(world.diff(live=True))["NHS801"] == "pass"
    text = world.file.read_text(encoding="utf-8")
    world.file.write_text(text[: text.index("        probe:")], encoding="utf-8")
    assert told(world.diff(live=True))["NHS803"] == "unknown"


def test_a_named_pair_has_what_it_says_itself(world: World) -> None:
    """Nothing, although a template would lead to its item."""
    text = world.file.read_text(encoding="utf-8")
    world.file.write_text(text.replace("    match:", f"{PAIRS}    match:"), encoding="utf-8")
    assert told(world.diff(live=True)).get("NHS801") is None
    assert world.judge.requests == 0


def test_templates_that_disagree_offer_nothing(world: World) -> None:
    """Which of two probes is right would be a guess; an item of neither has none, nor has a name that fits nowhere."""
    text = world.file.read_text(encoding="utf-8")
    match = text[text.index("      - kind") :]
    world.file.write_text(text + match.replace("{name}.json", "led{name}.json").replace("/north/", "/other/"))
    session = world.session()
    (app,) = session.configuration.apps
    found = Presenting(app, session.configuration.details["wallet"], "backup")
    assert found
    assert found.asked("ledger", "files:json/ledger.json") is not None
    assert found.asked("ger", "files:json/ledger.json") is not None
    assert found.asked("ledger", "files:json/elsewhere.yaml") is None
    assert found.asked("a/b", "files:json/a/b.json") is None
    world.file.write_text(text + match.replace("/north/", "/other/"), encoding="utf-8")


@pytest.mark.requirement("R42")
def test_permissions_know_the_kinds_that_templates_read(world: World) -> None:
    """Mode probe asks for what the probes of templates present; one pair alone for its own item."""
    session = world.session()
    need = need_of(session, "backup", "files", mode=AccessMode.PROBE)
    assert (need.wanted, need.kinds) == ((), frozenset({"json"}))
    one = need_of(session, "backup", "files", "wallet/ledger", AccessMode.PROBE)
    assert (one.wanted, one.kinds) == ((Locator.parse("files:json/ledger.json"),), frozenset())
