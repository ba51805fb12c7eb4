"""The inbox: signed attestations come in while a daemon runs, and nothing else does."""

import logging
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nhisync.app.attest import told
from nhisync.app.inbox import AT_ONCE, take_in
from nhisync.cli import main
from nhisync.model import Attestation, State
from nhisync.store import Store
from nhisync.testing.clocks import CountingRandomness, FakeClock

from .test_signed import NOW, SAID, Lab, sign

pytestmark = pytest.mark.requirement("R2", "R24")


class Inbox(Lab):
    """The lab, with an inbox and a store that this process holds, as a daemon does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.place = folder / "inbox"
        self.place.mkdir()
        more = f"store: {{url: 'sqlite:///{folder}/store.db'}}\nattestations: {{inbox: inbox}}\n"
        self.file.write_text(self.file.read_text(encoding="utf-8") + more, encoding="utf-8")
        url = self.session.configuration.store_url
        self.store = Store.open(url, clock=FakeClock(NOW), randomness=CountingRandomness(), purpose="nhisync serve")

    def put(self, name: str, text: bytes) -> Path:
        """Somebody puts a file there."""
        file = self.place / name
        file.write_bytes(text)
        return file

    def cycle(self) -> int:
        """What every cycle begins with."""
        return take_in(self.session, self.store)

    @property
    def names(self) -> set[str]:
        """What stands there."""
        return {file.name for file in self.place.iterdir()}

    def state(self, kind: str = "capacity-test") -> State:
        """What the tier was told."""
        (one,) = [one.attested for one in told(self.session) if one.attested.kind == kind]
        return one.state


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    """An inbox."""
    made = Inbox(tmp_path)
    yield made
    made.store.close()


def test_a_signed_file_is_recorded_once_and_removed(inbox: Inbox) -> None:
    """It counts from the next cycle on; shown again it is the same attestation."""
    assert inbox.state() is State.UNKNOWN
    for expected in (1, 0):
        inbox.put("lab.jws", sign(inbox.key))
        assert inbox.cycle() == expected
        assert inbox.names == set()
    assert inbox.state() is State.PASS


def test_a_later_word_lifts_an_earlier_one_while_the_store_is_held(inbox: Inbox) -> None:
    """What was found unfit is fit again by whom the configuration names, without stopping the daemon."""
    early = (NOW - timedelta(hours=2)).isoformat()
    inbox.put("a.jws", sign(inbox.key, {**SAID, "result": "fail", "observed_at": early}))
    inbox.cycle()
    assert inbox.state() is State.FAIL
    inbox.put("b.jws", sign(inbox.key))
    inbox.cycle()
    assert inbox.state() is State.PASS
    inbox.put("again.jws", sign(inbox.key, {**SAID, "result": "pass", "observed_at": early}))
    inbox.put("c.jws", sign(inbox.key, {**SAID, "result": "fail", "observed_at": NOW.isoformat()}))
    assert inbox.cycle() == 2
    assert inbox.state() is State.FAIL
    inbox.put("old.jws", sign(inbox.key, {**SAID, "result": "fail", "observed_at": early}))
    inbox.put("older.jws", sign(inbox.key, {**SAID, "result": "pass", "observed_at": early}))
    assert inbox.cycle() == 0, "an old word that is shown again and again would fill the store"


@pytest.mark.parametrize(
    "text",
    [b"", b"no token", b"\xff" * 70_000, b"a.b.c"],
    ids=["empty", "text", "too large", "dots"],
)
def test_what_is_no_attestation_is_set_aside(inbox: Inbox, text: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """It is told once, stands there for a person to see, and keeps nothing else from counting."""
    inbox.put("a.jws", text)
    inbox.put("b.jws", sign(inbox.key))
    with caplog.at_level(logging.WARNING):
        assert inbox.cycle() == 1
        assert inbox.cycle() == 0
    assert inbox.names == {"a.jws.refused"}
    assert sum("does not count" in line for line in caplog.messages) == 1
    assert inbox.state() is State.PASS


def test_only_the_signature_counts(inbox: Inbox) -> None:
    """Whoever can write there and holds no attester's key changes nothing."""
    inbox.put("a.jws", sign(inbox.dba, alg="ES256"))
    inbox.put("b.jws", sign(inbox.dba, alg="ES256", kid="dba"))
    assert inbox.cycle() == 0
    assert inbox.names == {"a.jws.refused", "b.jws.refused"}
    assert inbox.state() is State.UNKNOWN


def test_odd_things_in_the_folder_hold_nobody_up(inbox: Inbox) -> None:
    """A named pipe, a folder, a dangling link, a draft: none is waited for, and none is taken for an attestation."""
    (inbox.place / "folder.jws").mkdir()
    (inbox.place / "link.jws").symlink_to("nowhere")
    (inbox.place / ".draft.jws").write_bytes(sign(inbox.key))
    (inbox.place / "notes.txt").write_text("later")
    os.mkfifo(inbox.place / "pipe.jws")
    assert inbox.cycle() == 0
    assert {".draft.jws", "notes.txt", "folder.jws.refused", "pipe.jws.refused", "link.jws.refused"} == inbox.names


def test_a_flood_is_taken_in_by_and_by(inbox: Inbox) -> None:
    """One cycle takes a bounded number of files; the rest waits."""
    for number in range(AT_ONCE + 3):
        inbox.put(f"{number:05d}.jws", b"")
    inbox.cycle()
    assert sum(name.endswith(".jws") for name in inbox.names) == 3


def test_a_folder_that_is_gone_ends_no_cycle(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    """It is told, and everything else goes on."""
    inbox.place.rmdir()
    assert inbox.cycle() == 0
    assert "cannot be listed" in caplog.text


def test_the_doctor_names_an_inbox_that_no_cycle_could_empty(
    inbox: Inbox, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A folder that is not there is told beforehand, with what to do; one that is there is not spoken of."""
    for side in ("primary", "backup"):
        (tmp_path / side).mkdir(exist_ok=True)
    main(["-c", str(inbox.file), "doctor"], clock=FakeClock(NOW))
    assert "attestations.inbox" not in capsys.readouterr().err
    inbox.place.rmdir()
    main(["-c", str(inbox.file), "doctor"], clock=FakeClock(NOW))
    assert f"attestations.inbox {inbox.place} is no folder" in capsys.readouterr().err


def test_a_sync_takes_in_what_waits(inbox: Inbox, tmp_path: Path) -> None:
    """`nhisync sync` does it without a further word."""
    inbox.store.close()
    for side in ("primary", "backup"):
        (tmp_path / side).mkdir(exist_ok=True)
        (tmp_path / side / "a.json").write_text(f'{{"key": "canary-{side}"}}')
    inbox.put("lab.jws", sign(inbox.key))
    main(["-c", str(inbox.file), "sync"], clock=FakeClock(NOW))
    assert inbox.names == set()
    assert inbox.state() is State.PASS


def test_an_inbox_without_attesters_is_a_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody's signature would count."""
    lab = Lab(tmp_path)
    text = lab.file.read_text(encoding="utf-8").partition("attesters:")[0] + "attestations: {inbox: inbox}\n"
    lab.file.write_text(text, encoding="utf-8")
    assert main(["-c", str(lab.file), "policy", "check"]) == 2
    assert "needs `attesters`" in capsys.readouterr().err


def test_who_can_write_there_keeps_nobodys_word_away(inbox: Inbox) -> None:
    """Links that lead nowhere and names too long for a suffix go, too; a flood waits behind what stood there before."""
    inbox.put("z.jws", sign(inbox.key))
    for number in range(AT_ONCE):
        inbox.put(f"a{number:03d}.jws", b"")
    assert inbox.cycle() == 1
    for number in range(AT_ONCE):
        (inbox.place / f"b{number:03d}.jws").symlink_to("nowhere")
        inbox.put(f"{'c' * 240}{number:03d}.jws", b"")
    for _ in range(3):
        inbox.cycle()
    assert not [name for name in inbox.names if name.endswith(".jws")]


def test_what_cannot_be_moved_takes_nobodys_place(inbox: Inbox) -> None:
    """A file that stays, as its refused name is a full folder, is looked at again and counts for no turn."""
    for number in range(AT_ONCE):
        inbox.put(f"a{number:03d}.jws", b"")
        (inbox.place / f"a{number:03d}.jws.refused" / "x").mkdir(parents=True)
    inbox.put("z.jws", sign(inbox.key))
    assert inbox.cycle() == 1


def test_a_name_writes_no_line_of_its_own(inbox: Inbox, caplog: pytest.LogCaptureFixture) -> None:
    """Line feeds, escapes and bytes that are no text: the record shows them, and nothing is taken for another line."""
    names = (b"x\nWARNING nhisync: all is well.jws", b"\x1b[2J.jws", b"\xff\xfe.jws")
    for name in names:
        (inbox.place / os.fsdecode(name)).write_bytes(b"")
    assert inbox.cycle() == 0
    assert len(caplog.messages) == len(names)
    assert all(line.isprintable() for line in caplog.messages)


def test_a_word_that_replaces_one_just_being_read_is_not_lost(inbox: Inbox) -> None:
    """Who writes under one name again and again is heard each time, also while the word before is being recorded."""

    def attest(claim: Attestation, *, actor: str) -> int:
        unfit = sign(inbox.key, {**SAID, "result": "fail", "observed_at": NOW.isoformat()})
        inbox.put("draft", unfit).replace(inbox.place / "lab.jws")
        return inbox.store.attest(claim, actor=actor)

    inbox.put("lab.jws", sign(inbox.key))
    hurried: Any = SimpleNamespace(reader=inbox.store.reader, attest=attest)
    assert take_in(inbox.session, hurried) == 1
    assert inbox.cycle() == 1
    assert (inbox.state(), inbox.names) == (State.FAIL, set())


@pytest.mark.parametrize("text", [None, b"no key"], ids=["gone", "garbage"])
def test_a_word_waits_for_a_key_that_cannot_be_used(inbox: Inbox, text: bytes | None) -> None:
    """The configuration is broken, not the word: a "fail" is not put aside, and counts when the key is back."""
    file = inbox.folder / "load-lab.pem"
    key = file.read_bytes()
    file.unlink()
    if text is not None:
        file.write_bytes(text)
    inbox.put("a.jws", sign(inbox.key, {**SAID, "result": "fail"}))
    assert inbox.cycle() == 0
    assert inbox.names == {"a.jws"}
    file.write_bytes(key)
    assert inbox.cycle() == 1
    assert inbox.state() is State.FAIL
