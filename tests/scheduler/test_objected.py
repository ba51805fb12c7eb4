"""What a person sees after "not ready" was said beside a daemon, before a cycle recorded it."""

from datetime import timedelta
from typing import Any

import pytest

from nhisync.app.folders import FOLDER_MODE
from nhisync.app.objections import folder_of

pytestmark = pytest.mark.requirement("R2")

OBJECT = ("attest", "payments", "on-call", "--result", "fail", "--by", "dba")

LIFT = ("attest", "payments", "on-call", "--result", "pass", "--by", "dba")


def test_status_says_that_a_person_objects(world: Any) -> None:
    """A closed signal has a reason, and the next command leads to who said what; no age that is somebody else's."""
    world.run("sync")
    world.clock.advance(timedelta(seconds=5))
    with world.store():
        assert world.run(*OBJECT).code == 0
    ended = world.run("status")
    assert ended.code == 1
    _, line, *rest = ended.out.splitlines()
    assert line.split()[4:] == ["NOT", "READY", "-", "00:05", "ATTESTATION"]
    assert rest[0] == "ATTESTATION: a person objected, and no cycle has recorded it yet."
    assert rest[-1] == "Next: nhisync attest payments"
    told = world.run("attest", "payments").out
    assert "FAIL" in told
    assert "by dba: does not hold" in told


def test_who_lifted_an_objection_is_shown(world: Any) -> None:
    """`nhisync attest APP` is the next command after every word: it shows the last one, and what an old time means."""
    world.run("sync")
    assert world.run(*LIFT).code == 0
    told = world.run("attest", "payments").out
    assert "PASS" in told
    assert "on-call  -" in told
    assert "by dba" in told
    assert "holds" not in told
    late = world.run(*OBJECT, "--observed-at", "2020-01-01T00:00:00Z")
    assert late.code == 0
    assert "blocks only until the next cycle ends: dba looked later" in late.err


def test_a_report_without_a_bad_pair_is_not_called_unjudged(world: Any) -> None:
    """The pair passes and the backup is not ready: both stand in the last line."""
    world.run("sync")
    with world.store():
        world.run(*OBJECT)
    out = world.run("diff", "--app", "payments").out
    assert "NOT READY  north cannot take payments: 1 of 1 pair pass, kept from it by NHS911." in out


@pytest.mark.parametrize("command", [("status",), ("attest", "payments")])
def test_what_cannot_be_read_is_named(world: Any, command: tuple[str, ...]) -> None:
    """A file that nobody can read blocks every backup and is in no store: only its name leads to it."""
    world.run("sync")
    folder = folder_of(world.publication)
    folder.mkdir(mode=FOLDER_MODE)
    (folder / "cut.json").write_text("{", encoding="utf-8")
    (folder / "cut.json").chmod(0o600)
    assert world.run("ready", "payments", "backup").out == "not_ready\n"
    assert f"{folder / 'cut.json'} cannot be read as an objection, so it blocks every backup" in world.run(*command).err
