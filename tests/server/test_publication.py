"""The publication: canonical bytes, strict reading, admission, and the file it lives in."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhisync.app.publish import believed, boot_id, load, moment, publish, read
from nhisync.model import App, Mode, Verdict, Word
from nhisync.server.answers import LARGEST_BODY, READY, table_of
from nhisync.statement import (
    BLOCK_WORDS,
    Moment,
    Publication,
    Role,
    Signal,
    SignalState,
    StatementError,
    Window,
    admit,
    blocked,
    compose,
    decide,
    encode,
    next_sequence,
    parse,
)
from nhisync.testing.clocks import FakeClock

NOW = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)

FIRST, LAST = datetime(2000, 1, 2, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
instants = st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None), timezones=st.just(UTC))
app_names = st.from_regex(r"[a-z0-9-]{1,63}", fullmatch=True).filter(lambda n: "nhisync-ready" not in n)
path_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", fullmatch=True).filter(
    lambda n: "nhisync-ready" not in n.lower() and not n.endswith(".txt")
)


@st.composite
def publications(draw: st.DrawFn) -> Publication:
    """Any publication that the writer could make."""
    at = draw(instants)
    signals = []
    for app in draw(st.lists(app_names, max_size=3, unique=True)):
        for number, path in enumerate(draw(st.lists(path_names, min_size=1, max_size=3, unique=True))):
            evaluated = at - draw(st.timedeltas(timedelta(0), timedelta(hours=1)))
            signals.append(
                Signal(
                    app=app,
                    path=path,
                    role=Role.PRIMARY if number == 0 else Role.BACKUP,
                    tier=draw(path_names),
                    mode=draw(st.sampled_from(Mode)),
                    word=draw(st.sampled_from(Word)),
                    state=draw(st.sampled_from(SignalState)),
                    evaluated_at=evaluated,
                    valid_until=evaluated + draw(st.timedeltas(timedelta(0), timedelta(days=2))),
                    blocks=tuple(draw(st.lists(st.sampled_from(sorted(BLOCK_WORDS)), max_size=5, unique=True))),
                )
            )
    return Publication(
        instance=draw(path_names),
        sequence=draw(st.integers(0, 2**63 - 1)),
        at=at,
        boot_id=draw(st.sampled_from(["", "0b7c3a52-6f0e-4cf2-9f6c-0d3a5a0f1c11"])),
        boottime=draw(st.floats(0, 1e9)),
        public_profile=draw(st.booleans()),
        signals=tuple(signals),
    )


@settings(deadline=None)
@given(publications())
def test_bytes_and_value_are_the_same_thing(publication: Publication) -> None:
    """Reading what was written gives the same value, and writing it again the same bytes: one line of ASCII."""
    data = encode(publication)
    assert parse(data) == publication
    assert encode(parse(data)) == data
    assert data.isascii()
    assert data.count(b"\n") == 1


@settings(deadline=None)
@given(publications(), st.data())
def test_a_cut_publication_is_refused(publication: Publication, data: st.DataObject) -> None:
    """Whatever is missing at the end, the rest is no publication."""
    whole = encode(publication).rstrip()
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(StatementError):
        parse(whole[:cut])


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """The reader knows one error; nothing else ever leaves it."""
    with pytest.raises(StatementError):
        parse(data)


@settings(deadline=None)
@given(publications(), instants, st.floats(0, 1e9))
def test_no_blocked_answer_ever_holds_the_ready_token(publication: Publication, now: datetime, boottime: float) -> None:
    """In every answer: 200 with the token in the first bytes, or 503 without it in any letter case; size and ASCII."""
    for url, gate in table_of(publication).items():
        for answer in (gate.fresh, gate.stale, gate.at(now, boottime)):
            assert len(answer.body) <= LARGEST_BODY
            assert answer.body.isascii()
            assert not answer.body[:1].isdigit()
            assert dict(answer.headers)[b"content-length"] == str(len(answer.body)).encode()
            if answer.status == 200:
                assert READY.encode() in answer.body[:64]
            else:
                assert answer.status == 503
                assert b"nhisync-ready" not in answer.body.lower() + b"".join(v for _, v in answer.headers).lower()
        assert gate.stale.status == 503
        # The HTTP answer and the decision that `nhisync ready` prints are one and the same.
        app, word = url.split("/")[3:]
        word = word.removesuffix(".txt")
        here = Moment(now=now, boottime=boottime, boot_id=publication.boot_id)
        decision = decide(publication, publication.find(app, word), here)
        assert decision.open is (gate.at(now, boottime).status == 200)


def document(publication: Callable[..., Publication]) -> dict[str, Any]:
    """The publication as a mutable JSON document."""
    loaded: dict[str, Any] = json.loads(encode(publication()))
    return loaded


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "unknown version": lambda d: d.update(schema_version="2.0"),
    "version missing": lambda d: d.pop("schema_version"),
    "unknown key": lambda d: d.update(extra=1),
    "missing key": lambda d: d.pop("boottime"),
    "unknown key in a signal": lambda d: d["signals"][0].update(pairs=3),
    "sequence as text": lambda d: d.update(sequence="41"),
    "sequence as truth": lambda d: d.update(sequence=True),
    "negative sequence": lambda d: d.update(sequence=-1),
    "sequence of 64 bits": lambda d: d.update(sequence=2**63),
    "whole boottime": lambda d: d.update(boottime=1000),
    "negative boottime": lambda d: d.update(boottime=-1.0),
    "naive instant": lambda d: d.update(at="2026-11-23T03:12:09"),
    "other zone": lambda d: d.update(at="2026-11-23T03:12:09+01:00"),
    "no such day": lambda d: d.update(at="2026-02-30T03:12:09Z"),
    "another millennium": lambda d: d.update(at="0001-01-01T00:00:00Z"),
    "digits of another script": lambda d: d.update(at="2026-11-2३T03:12:09Z"),
    "unknown word": lambda d: d["signals"][1].update(word="READY"),
    "unknown state": lambda d: d["signals"][1].update(state="FINE"),
    "unknown mode": lambda d: d["signals"][1].update(mode="audit"),
    "unknown role": lambda d: d["signals"][1].update(role="active"),
    "unknown block": lambda d: d["signals"][1].update(blocks=["BROKEN"]),
    "six blocks": lambda d: d["signals"][1].update(blocks=["UNKNOWN"] * 6),
    "app in capitals": lambda d: d["signals"][1].update(app="Payments"),
    "path with a slash": lambda d: d["signals"][1].update(path="a/b"),
    "path that looks like a text URL": lambda d: d["signals"][1].update(path="backup.txt"),
    "token as a path": lambda d: d["signals"][1].update(path="x-NHISYNC-Ready"),
    "token as an app": lambda d: d["signals"][1].update(app="nhisync-ready-app"),
    "token as the instance": lambda d: d.update(instance="nhisync-ready"),
    "instance with a line break": lambda d: d.update(instance="a\r\nSet-Cookie: b"),
    "two signals for one path": lambda d: d["signals"].append(d["signals"][1]),
    "two primaries": lambda d: d["signals"][1].update(role="primary"),
    "ends before it begins": lambda d: d["signals"][1].update(valid_until="2026-11-23T03:12:08Z"),
    "younger than its publication": lambda d: d["signals"][1].update(evaluated_at="2026-11-23T03:12:10Z"),
    "signals as an object": lambda d: d.update(signals={}),
    "signal as text": lambda d: d.update(signals=["payments"]),
    "profile as a number": lambda d: d.update(public_profile=1),
}


@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG.keys())
def test_strict_reading(publication: Callable[..., Publication], spoil: Callable[[dict[str, Any]], object]) -> None:
    """One thing wrong anywhere, and the whole publication is refused."""
    wrong = document(publication)
    spoil(wrong)
    with pytest.raises(StatementError):
        parse(json.dumps(wrong).encode())


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"[" * 100_000, b"null", b"[]", b'"\\ud800"'])
def test_no_object_no_publication(text: bytes) -> None:
    """JSON that is no object, or no JSON, is refused without another error."""
    with pytest.raises(StatementError):
        parse(text)


def test_escaped_token_is_found(publication: Callable[..., Publication]) -> None:
    """A token hidden in JSON escapes is refused as the plain one is."""
    data = encode(publication()).replace(b'"nhisync-a"', b'"nhisync\\u002dready"')
    with pytest.raises(StatementError, match="ready token"):
        parse(data)


def test_nobody_publishes_what_nobody_may_read(publication: Callable[..., Publication], tmp_path: Path) -> None:
    """The writer refuses by the reader's own rules, and leaves no file."""
    with pytest.raises(StatementError):
        publish(tmp_path / "publication.json", publication(instance="nhisync-ready"))
    assert not list(tmp_path.iterdir())


def test_admission(publication: Callable[..., Publication], clock: FakeClock) -> None:
    """From the future beyond 30 seconds, of another boot, or not newer than what is held: refused, with the reason."""
    here = moment(clock)
    admit(publication(sequence=42), here, last_sequence=41)
    admit(publication(at=here.now + timedelta(seconds=30), signals=()), here)
    with pytest.raises(StatementError, match="more than 30 seconds ahead"):
        admit(publication(at=here.now + timedelta(seconds=31), signals=()), here)
    with pytest.raises(StatementError, match="another boot"):
        admit(publication(boot_id="0"), here)
    for sequence in (41, 40):
        with pytest.raises(StatementError, match="not newer than sequence 41"):
            admit(publication(sequence=sequence), here, last_sequence=41)


def test_window_ends_are_outside(publication: Callable[..., Publication], signal: Callable[..., Signal]) -> None:
    """A signal counts from its evaluation until just before its end, on each clock."""
    window = Window.of(publication(), signal())
    assert window.covers(NOW, 1000.0)
    assert window.covers(NOW + timedelta(seconds=89.999), 1089.999)
    assert not window.covers(NOW + timedelta(seconds=90), 1089.0)
    assert not window.covers(NOW + timedelta(seconds=89), 1090.0)
    assert not window.covers(NOW, 999.9)


def test_decision_over_nothing_is_blocked(publication: Callable[..., Publication], clock: FakeClock) -> None:
    """No signal for an app and path is never open."""
    decision = decide(publication(), (), moment(clock))
    assert not decision.open
    assert not decision.fresh


def test_sequence_rises_whatever_is_lost() -> None:
    """The next sequence is above the last one and follows unix time, so a lost file does not start again at one."""
    seconds = int(NOW.timestamp())
    assert next_sequence(None, NOW) == next_sequence(41, NOW) == seconds
    assert next_sequence(seconds, NOW) == seconds + 1
    assert next_sequence(seconds + 50, NOW) == seconds + 51


def verdict(**changes: Any) -> Verdict:
    """A ready verdict on one backup of `payments`."""
    values: dict[str, Any] = {
        "app": "payments",
        "path": "b1",
        "word": Word.READY,
        "tier": "critical",
        "mode": Mode.ENFORCE,
        "evaluated_at": NOW,
        "valid_until": NOW + timedelta(seconds=60),
        "pairs": 3,
        "passing": 3,
        "failing": 0,
        "unknown": 0,
    }
    return Verdict(**values | changes)


APP = App(name="payments", tier="critical", primary="p", backups=("b1", "b2"))
AGES = {"critical": timedelta(seconds=90)}


def test_primary_signal_never_follows_a_finding() -> None:
    """Judged or unknown, the backup's verdict leaves the primary open, for the tier's own maximum age."""
    for word in Word:
        signals = compose([APP], [verdict(word=word), verdict(path="b2")], NOW, AGES)
        primary = signals[0]
        assert (primary.path, primary.role, primary.opens) == ("p", Role.PRIMARY, True)
        assert primary.valid_until == NOW + timedelta(seconds=90)
        assert signals[1].opens is (word is Word.READY)
        assert signals[1].valid_until == NOW + timedelta(seconds=60)


@pytest.mark.requirement("R6")
def test_backup_without_verdict_is_blocked() -> None:
    """A backup that was not judged is blocked beside one that was; an app without verdicts is blocked on all paths."""
    assert [(s.path, s.opens) for s in compose([APP], [verdict()], NOW, AGES)] == [
        ("p", True),
        ("b1", True),
        ("b2", False),
    ]
    assert [(s.path, s.opens, s.state) for s in compose([APP], [], NOW, AGES)] == [
        (path, False, SignalState.INIT) for path in ("p", "b1", "b2")
    ]
    assert compose([APP], [], NOW, AGES) == blocked([APP], NOW, AGES)


def test_file_is_complete_private_and_leaves_no_draft(publication: Callable[..., Publication], tmp_path: Path) -> None:
    """The file holds the canonical bytes, mode 0640 whatever the umask is, and is alone in its folder."""
    file = tmp_path / "publication.json"
    before = os.umask(0o077)
    try:
        publish(file, publication())
    finally:
        os.umask(before)
    assert file.read_bytes() == encode(publication())
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert load(file) == publication()
    assert [entry.name for entry in tmp_path.iterdir()] == ["publication.json"]


def test_publication_is_a_new_file_each_time(publication: Callable[..., Publication], tmp_path: Path) -> None:
    """Replacing never writes into the served file: a reader that has it open keeps the old bytes whole."""
    file = tmp_path / "publication.json"
    publish(file, publication())
    with file.open("rb") as reader:
        publish(file, publication(sequence=42))
        assert reader.read() == encode(publication())
    assert load(file).sequence == 42


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from dataclasses import replace
from nhisync.app.publish import load, publish
file = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
try:
    publish(file, replace(load(file), sequence=42))
except OSError as error:
    print(type(error).__name__)
"""


def test_full_disk_keeps_the_old_file(publication: Callable[..., Publication], tmp_path: Path) -> None:
    """When the new bytes do not fit, the old publication stays whole, no draft remains, and the writer is told."""
    file = tmp_path / "publication.json"
    publish(file, publication())
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(file)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "OSError\n"
    assert load(file).sequence == 41
    assert [entry.name for entry in tmp_path.iterdir()] == ["publication.json"]


def test_draft_of_a_killed_writer_is_overwritten_and_links_are_not_followed(
    publication: Callable[..., Publication], tmp_path: Path
) -> None:
    """A draft left by a killed writer does no harm; a link planted in its place is refused, not written through."""
    file, draft, victim = (tmp_path / name for name in ("publication.json", ".publication.json.draft", "victim"))
    draft.write_bytes(b"half")
    publish(file, publication())
    assert load(file) == publication()
    victim.write_bytes(b"precious")
    draft.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        publish(file, publication(sequence=42))
    assert victim.read_bytes() == b"precious"


def test_reader_refuses_what_is_no_plain_small_file(tmp_path: Path) -> None:
    """A named pipe does not hang the reader, and a huge file is not read into memory."""
    pipe, huge = tmp_path / "pipe", tmp_path / "huge"
    os.mkfifo(pipe)
    with huge.open("wb") as stream:
        stream.truncate(17 * 1024 * 1024)
    for file in (pipe, huge):
        with pytest.raises(StatementError, match="no publication"):
            read(file)


def test_a_publication_that_may_not_be_read_says_so_in_words(tmp_path: Path, clock: FakeClock) -> None:
    """The operating system's refusal is told with the file and the next step, without its number or a repr."""
    (tmp_path / "file").write_text("")
    publication, why = believed(tmp_path / "file" / "publication", moment(clock))
    assert publication is None
    assert why == (
        f"{tmp_path}/file/publication cannot be read (Not a directory): ask as the user that runs nhisync serve"
    )


def test_boot_id_is_the_kernels() -> None:
    """The boot id is constant and of the kernel's form on Linux."""
    assert boot_id() == boot_id()
    assert len(boot_id()) in {0, 36}
