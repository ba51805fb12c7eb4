"""Live authentication from the configuration to the verdict: a real child, real files, a real judging service."""

import io
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.app import live, probing
from nhisync.app.live import Probed, authenticate, wanted
from nhisync.app.permissions import need_of, permissions
from nhisync.app.session import Session
from nhisync.app.sync import sync
from nhisync.clock import SystemClock
from nhisync.errors import UsageError
from nhisync.model import Word
from nhisync.parity.proof import AUTH, TLS, Proof, proof_of, text_of
from nhisync.parity.row import Row
from nhisync.spi import AccessMode, ProviderError, SecretBytes
from nhisync.testing.clocks import CountingRandomness
from nhisync.testing.judge import Account
from nhisync.testing.rows import row

from .live_world import VALUES, World, told


@pytest.mark.requirement("R17", "R22")
def test_credentials_that_work_make_the_backup_ready(world: World) -> None:
    """Both are presented where they are used; the layers are asked, and the store holds facts only."""
    report = world.diff(live=True)
    assert told(report) == dict.fromkeys(["NHS801", "NHS802", "NHS803", "NHS804", "NHS805", "NHS806"], "pass")
    assert [verdict.word for verdict in report.verdicts] == [Word.READY]
    layers = {count.layer.value: count.passed for count in report.apps[0].layers}
    assert layers["live"] == 6
    (held,) = world.rows("backup")
    proof = proof_of(held)
    assert held.auth == 1
    assert proof is not None
    assert (proof.rung, proof.seen_as) == (AUTH, f"ledger-north at {world.judge.address}")
    assert report.verdicts[0].valid_until <= report.generated_at + timedelta(minutes=30)
    assert any(e.kind == "probe" for f in report.findings for e in f.evidence)


@pytest.mark.requirement("R17", "R18", "R25")
def test_a_credential_that_is_current_by_every_date_and_refused_is_not_ready(world: World) -> None:
    """Presence, age and lockstep are fine; the service has moved on."""
    world.judge.accounts["/north"] = Account("ledger-north", "a newer one")
    report = world.diff(live=True)
    assert told(report)["NHS801"] == "fail"
    assert [verdict.word for verdict in report.verdicts] == [Word.NOT_READY]
    assert "AUTH_FAILED" in report.verdicts[0].blocks


@pytest.mark.requirement("R22")
def test_a_tier_that_asks_is_not_satisfied_by_silence(world: World) -> None:
    """`diff` without --live tries nothing, and says that nobody knows."""
    report = world.diff()
    assert told(report) == {"NHS803": "unknown"}
    assert [verdict.word for verdict in report.verdicts] == [Word.UNKNOWN]
    assert world.judge.requests == 0


def test_a_tier_that_does_not_ask_says_nothing(world: World) -> None:
    """Nobody's app becomes unknown because this version can probe; --live tells what it sees all the same."""
    world.configure(tier="standard")
    assert told(world.diff()) == {}
    world.judge.accounts["/north"] = Account("ledger-north", "a newer one")
    assert told(world.diff(live=True))["NHS801"] == "fail"


@pytest.mark.requirement("R22")
def test_sync_probes_at_its_own_cadence(world: World) -> None:
    """A fresh result is not repeated, a sweep keeps it, and a rotation ends it."""
    for _ in range(3):
        with world.store() as store:
            report = sync(world.session(), store)
        assert report.verdicts[0].word is Word.READY
    assert world.judge.requests == 6  # each side with its credential, without and with a made-up one, once
    world.store_value("backup", "canary-rotated-51c0de", age=1800.0)
    with world.store() as store:
        report = sync(world.session(), store)
    assert world.judge.requests == 7  # the backup's new generation, which is refused
    assert report.verdicts[0].word is Word.NOT_READY


def test_sync_asks_nothing_where_no_tier_asks(world: World) -> None:
    """No value is read and no service is spoken to."""
    world.configure(tier="standard")
    with world.store() as store:
        sync(world.session(), store)
    assert world.judge.requests == 0


@pytest.mark.requirement("R13", "R42")
def test_no_value_leaves_the_child(world: World) -> None:
    """Neither its output, nor its errors, nor the store, nor a report holds a value or a digest of one."""
    task = {
        "config": str(world.file),
        "policies": None,
        "seconds": 20.0,
        "digest": Session.open(world.file).configuration.digest,
        "rests": [],
        "wanted": [[path, "wallet/ledger", "files:json/ledger.json", "", False, "51c0de", ""] for path in VALUES],
    }
    command = [sys.executable, "-P", "-m", "nhisync.app.probing"]
    child = subprocess.run(command, input=json.dumps(task).encode(), capture_output=True, check=True)
    assert [json.loads(line)["accepted"] for line in child.stdout.splitlines()] == [True, True]
    world.judge.accounts["/north"] = Account("ledger-north", "a newer one")
    world.diff(live=True)
    seen = child.stdout + child.stderr + (world.folder / "nhisync.db").read_bytes()
    for value in VALUES.values():
        for spelling in (value.encode(), value[::-1].encode(), value.encode().hex().encode()):
            assert spelling not in seen


def test_the_task_reaches_the_child(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child's main in this process, without hardening it: one line for each side."""
    monkeypatch.setattr(probing, "harden", lambda: None)
    sides = [["backup", "wallet/ledger", "files:json/ledger.json", "x=1\nspki-sha256=00", False, "51c0de", ""]]
    digest = Session.open(world.file).configuration.digest
    facts = {"config": str(world.file), "policies": None, "digest": digest, "rests": []}
    task = {**facts, "seconds": 20.0, "wanted": sides}
    out = io.StringIO()
    assert probing.main(io.StringIO(json.dumps(task)), out) == 0
    (line,) = out.getvalue().splitlines()
    assert json.loads(line) | {"seen_as": ""} == {
        "path": "backup",
        "key": "wallet/ledger",
        "depth": "auth",
        "accepted": True,
        "seen_as": "",
        "error": "",
        "message": "",
    }


def sides(world: World, **changes: Any) -> list[Probed]:
    """Both sides as the store would bring them."""
    found = row(key="wallet/ledger", locator="files:json/ledger.json", **changes)
    return [Probed(path, found) for path in VALUES]


def proofs(world: World, probed: list[Probed]) -> dict[str, Proof]:
    """Path → what was learned."""
    found = authenticate(world.session(), probed)
    return {path: read for path, ((_, _, _, text),) in found.items() if (read := proof_of(row(probe=text)))}


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (", secret_field: nothing", "accepted"),  # the pair names its field
        (", timeout: 1ms", "did not answer in time"),
    ],
)
def test_what_kept_a_probe_from_being_made_is_told(world: World, more: str, says: str) -> None:
    """Each is unknown with its reason, and the other side is tried all the same."""
    world.configure(more=more)
    found = proofs(world, sides(world))
    assert found["primary"].accepted is True
    if says == "accepted":
        assert found["backup"].accepted is True
    else:
        assert found["backup"].accepted is None
        assert says in found["backup"].message


def test_a_configuration_that_is_not_in_force_proves_nothing(world: World) -> None:
    """A file edited after it was read (a daemon takes it over on SIGHUP) may name other services: no proof of these."""
    session = world.session()
    world.configure(more=", timeout: 9s")
    for ((_, _, auth, text),) in authenticate(session, sides(world)).values():
        proof = proof_of(row(probe=text)) or Proof(at=0)
        assert (auth, proof.accepted, proof.rung) == (None, None, 0)
        assert "not in force yet" in proof.message


def test_an_item_that_cannot_be_read_is_not_refused(world: World) -> None:
    """Our own missing permission or a missing file says nothing about the credential."""
    (world.folder / "backup/ledger.json").unlink()
    found = proofs(world, sides(world))
    assert found["backup"].accepted is None
    assert found["backup"].error
    assert found["primary"].accepted is True


@pytest.mark.requirement("R6")
def test_a_child_that_fails_leaves_nothing_known(world: World) -> None:
    """Without a usable configuration every side is answered for: not made."""
    session, probed = world.session(), sides(world)
    world.file.write_text("version: 1\npaths: {}\n", encoding="utf-8")
    found = authenticate(session, probed)
    assert {path: proof_of(row(probe=text)) for path, ((_, _, _, text),) in found.items()} == {
        path: Proof(
            at=proof.at,
            version=probed[0].row.version,
            rotated=probed[0].row.rotated,
            error="unreachable",
            message="the probing process ended before it tried this",
        )
        for path, ((_, _, _, text),) in found.items()
        if (proof := proof_of(row(probe=text)))
    }


@pytest.mark.requirement("R6")
def test_a_service_that_hangs_takes_only_its_own_result(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the time is over the child is ended, and what it told until then counts."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        text = world.file.read_text(encoding="utf-8").replace(f"{world.judge.address}/north", f"127.0.0.1:{port}/north")
        world.file.write_text(text.replace("seen_as: account.id}\n", "seen_as: account.id, timeout: 60s}\n"))
        monkeypatch.setattr(live, "GRACE", 0.0)
        session = world.session()
        session.timeout = session._asked = 6.0
        found = authenticate(session, sides(world))
    read = {path: proof_of(row(probe=text)) for path, ((_, _, _, text),) in found.items()}
    assert read["primary"] is not None
    assert read["primary"].accepted is True
    assert read["backup"] is not None
    assert read["backup"].accepted is None
    assert read["backup"].error == "unreachable"


def test_a_child_that_cannot_be_started(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's limit is named; nothing is claimed about credentials, and the run goes on."""
    monkeypatch.setattr(sys, "executable", str(world.folder / "no-python"))
    report = world.diff(live=True)
    assert told(report)["NHS803"] == "unknown"
    assert any("cannot be started" in finding.observed for finding in report.findings)


def test_an_earlier_answer_survives_an_attempt_that_nobody_judged(world: World) -> None:
    """An outage of the service does not erase what is known; it ages, and the reason stands beside it."""
    before = row(key="wallet/ledger", locator="files:json/ledger.json")
    good = Proof(at=before.observed - 100, rung=AUTH, accepted=True, version=before.version, rotated=before.rotated)
    probed = [Probed("backup", before._replace(probe=text_of(good)))]
    world.judge.stop()
    found = proofs(world, probed)["backup"]
    assert (found.at, found.accepted, found.error) == (good.at, True, "unreachable")
    overtaken = [Probed("backup", before._replace(probe=text_of(good._replace(version="other"))))]
    assert proofs(world, overtaken)["backup"].accepted is None


def test_only_what_is_due_is_tried(world: World) -> None:
    """Fresh results rest, absent items are not tried, and --live tries all that have a probe."""
    session = world.session()
    now = int(session.clock.now().timestamp())
    held = row(key="wallet/ledger", rotated=now - 86_400)
    targets = session.resolve("primary", "backup")
    fresh = Proof(at=now - 10, rung=TLS, accepted=True, version=held.version, rotated=held.rotated)
    probes = session.configuration.details["wallet"].probes["ledger"]
    by = {path: live.digest_of(probes[path]) for path in VALUES}
    assert by["primary"] != by["backup"]

    def due(*, proof: Proof | None = None, everything: bool = False, **changes: Any) -> int:
        def rows(path: str) -> Iterator[Row]:
            text = None if proof is None else text_of(proof if proof.by else proof._replace(by=by[path]))
            yield from [row(key="wallet/unprobed"), held._replace(probe=text, **changes)]

        return len(wanted(session, targets, rows, all_of_them=everything))

    assert due() == 2
    assert due(proof=fresh) == 0
    assert due(proof=fresh._replace(by="another")) == 2
    assert due(proof=fresh, everything=True) == 2
    assert due(presence="absent") == 0


def test_a_corrected_probe_is_made_at_once(world: World) -> None:
    """It asked a service that knows the old value; what that one said is no proof of the service that is meant."""
    with world.store() as store:
        assert sync(world.session(), store).verdicts[0].word is Word.READY
    world.judge.accounts["/meant"] = Account("ledger-north", "another value")
    world.file.write_text(world.file.read_text(encoding="utf-8").replace("/north", "/meant"), encoding="utf-8")
    with world.store() as store:
        assert sync(world.session(), store).verdicts[0].word is Word.NOT_READY


def test_a_corrected_probe_that_cannot_be_made_proves_nothing(world: World) -> None:
    """The answer of the probe before does not stand in for it."""
    with world.store() as store:
        assert sync(world.session(), store).verdicts[0].word is Word.READY
    world.file.write_text(world.file.read_text(encoding="utf-8").replace("/north", "/gone"), encoding="utf-8")
    with world.store() as store:
        assert sync(world.session(), store).verdicts[0].word is Word.UNKNOWN


@pytest.mark.parametrize(
    ("changes", "names", "presented"),
    [
        ({}, {"key"}, b"key"),
        ({"user_field": "user"}, {"user", "key"}, b"key"),
        ({"secret_field": "key"}, {"key", "other"}, b"key"),
        ({}, {"key", "other"}, None),
        ({}, set(), None),
        ({"secret_field": "gone"}, {"key"}, None),
        ({"user_field": "gone"}, {"key"}, None),
    ],
)
def test_which_field_is_presented(
    world: World, changes: dict[str, str], names: set[str], presented: bytes | None
) -> None:
    """The named one, or the only one; where that is not clear nothing is presented."""
    probe = world.session().configuration.details["wallet"].probes["ledger"]["backup"]
    fields = {name: SecretBytes(name.encode()) for name in names}
    if presented is None:
        with pytest.raises(ProviderError):
            probing.presented(replace(probe, **changes), None, fields)
        return
    found = probing.presented(replace(probe, **changes), None, fields)
    assert found.secret is not None
    assert found.secret.reveal() == presented
    assert found.user == changes.get("user_field", "")


def test_permissions_of_mode_probe_are_what_runs(world: World) -> None:
    """Only items whose values probes present are granted; before any pair has a probe, all of them are."""
    session = world.session()
    (wanted_item,) = need_of(session, "backup", "files", mode=AccessMode.PROBE).wanted
    assert str(wanted_item) == "files:json/ledger.json"
    text = world.file.read_text(encoding="utf-8")
    more = '      - {name: quiet, kind: key, primary: "files:json/q.json#key", backup: "files:json/q.json#key"}\n'
    world.file.write_text(text + more, encoding="utf-8")
    assert need_of(world.session(), "backup", "files", mode=AccessMode.PROBE).wanted == (wanted_item,)
    assert len(need_of(world.session(), "backup", "files", mode=AccessMode.FINGERPRINT).wanted) == 2
    bare = text.partition("        probe:")[0] + more
    world.file.write_text(bare, encoding="utf-8")
    assert len(need_of(world.session(), "backup", "files", mode=AccessMode.PROBE).wanted) == 2


MINTING = """
version: 1
paths:
  primary:
    region: here
    sources: {vault: {provider: vault, address: "https://vault.here.example", auth: {method: token, token_file: t}}}
  backup:
    region: there
    sources: {vault: {provider: vault, address: "https://vault.there.example", auth: {method: token, token_file: t}}}
apps:
  shop:
    tier: standard
    pairs:
      - name: minted
        kind: certificate
        primary: "vault:pki/pki/role/svc/robot.example.com"
        backup: "vault:pki/pki/role/svc/robot.example.com"
        probe: {type: tls, address: "api.example:443", auth: client-certificate, issue: true}
      - name: stored
        kind: api-key
        primary: "vault:kv/secret/shop"
        backup: "vault:kv/secret/shop"
        probe: {type: http, url: "https://api.example/", auth: bearer, issue: %s}
"""


@pytest.mark.requirement("R42", "R48")
def test_permissions_of_mode_probe_ask_to_mint_or_to_read(tmp_path: Path) -> None:
    """What a probe has minted needs the right to mint, and no stored value is read that no probe presents."""
    file = tmp_path / "nhisync.yaml"
    for issue, reads in (("false", True), ("true", False)):
        file.write_text(MINTING % issue, encoding="utf-8")
        session = Session.open(file, clock=SystemClock(), randomness=CountingRandomness())
        for pair in ("", "shop/minted", "stored"):
            found = permissions(session, AccessMode.PROBE, path="backup", pair=pair)
            actions = {action for one in found for action in one.document.actions}
            assert ("update pki/sign/svc" in actions) is (pair != "stored")
            assert ("read secret/data/shop" in actions) is (reads and pair != "shop/minted")
    with pytest.raises(UsageError):
        permissions(session, AccessMode.PROBE, pair="nobody")


def test_a_probe_that_was_taken_out_leaves_no_proof(world: World) -> None:
    """Nobody repeats it, so that it is believed no longer, however young it is."""
    world.diff(live=True)
    assert world.rows("backup")[0].auth == 1
    text = world.file.read_text(encoding="utf-8")
    world.file.write_text(text[: text.index("        probe:")], encoding="utf-8")
    report = world.diff(paced=True)
    (held,) = world.rows("backup")
    assert (held.auth, held.probe) == (None, None)
    assert told(report)["NHS803"] == "unknown"
