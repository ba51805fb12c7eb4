"""A person's "does not hold" blocks a running listener at once, and nothing in that folder opens anything."""

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.app import objections
from nhisync.app.objections import folder_of, say, settle, standing
from nhisync.app.publish import believed, moment, publish
from nhisync.model import Attestation, Mode, Word
from nhisync.statement import Against, Objection, Role, StatementError, objection_in, restricted, written
from nhisync.testing.clocks import FakeClock

from .conftest import make_publication, make_signal

pytestmark = pytest.mark.requirement("R2")

BACKUP, PRIMARY = "/v1/ready/payments/backup", "/v1/ready/payments/primary"
SAID = Attestation(
    app="payments",
    path="eu-north",
    kind="data-lag",
    holds=False,
    observed_at=datetime(2026, 11, 23, 3, 12, tzinfo=UTC),
    attested_by="dba-oncall",
)
OBJECTION = Objection(SAID, "alice@host")


def test_an_objection_blocks_at_once_and_until_a_newer_publication(
    served: Any, publication: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Both names of the path are blocked, the primary is not; removing it opens nothing that was evaluated before."""
    caplog.set_level(logging.WARNING)
    assert served.get(BACKUP)[0] == 200
    file = say(served.file, OBJECTION, "one.json")
    served.until(lambda: served.get(BACKUP)[0] == 503)
    assert served.get("/v1/ready/payments/eu-north")[0] == 503
    assert served.get(PRIMARY)[0] == 200
    assert "a person objects: payments/eu-north" in caplog.text
    settle([file])
    publish(served.file, publication(sequence=40))  # refused: not newer
    served.until(lambda: "is refused" in caplog.text)
    assert served.get(BACKUP)[0] == 503
    served.publish(publication(sequence=42))
    served.until(lambda: served.get(BACKUP)[0] == 200)


def test_an_objection_outlives_publications_that_do_not_know_it(served: Any, publication: Any) -> None:
    """A cycle that had begun before it was said publishes "ready" once more, and stays blocked."""
    say(served.file, OBJECTION, "one.json")
    served.until(lambda: served.get(BACKUP)[0] == 503)
    served.publish(publication(sequence=42))
    served.until(lambda: b'"seq":42' in served.get(PRIMARY)[1])
    assert served.get(BACKUP)[0] == 503


def test_a_listener_that_starts_hears_what_stands(serve: Callable[..., Any], served: Any) -> None:
    """It needs no change to notice."""
    say(served.file, OBJECTION, "one.json")
    assert serve(file=served.file).get(BACKUP)[0] == 503


def test_another_app_is_not_meant(served: Any, clock: FakeClock) -> None:
    """Only the path of the app that was named is blocked; `nhisync ready` decides alike."""
    say(served.file, Objection(replace(SAID, app="search"), "alice@host"), "one.json")
    here = moment(clock)
    assert [signal.word for signal in believed(served.file, here)[0].signals] == [Word.READY] * 2
    say(served.file, OBJECTION, "two.json")
    words = {signal.role: signal.word for signal in believed(served.file, here)[0].signals}
    assert words == {Role.PRIMARY: Word.READY, Role.BACKUP: Word.NOT_READY}


class TestFolder:
    """What may stand in the folder."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        """A publication's place with one good objection."""
        say(tmp_path / "publication.json", OBJECTION, "one.json")
        return tmp_path / "publication.json"

    def test_what_was_said_is_read_back(self, file: Path) -> None:
        """Private to owner and group, nothing left beside it."""
        (found,) = standing(file).said
        assert found == (folder_of(file) / "one.json", OBJECTION)
        assert oct(found[0].stat().st_mode & 0o777) == "0o640"
        assert os.listdir(folder_of(file)) == ["one.json"]

    @pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[" * 9000, b'{"version": "2.0"}', b"x" * 70_000])
    def test_what_nobody_can_read_blocks_everything(self, file: Path, content: bytes) -> None:
        """Somebody said something against somebody: better too much than the wrong one."""
        (folder_of(file) / "two.json").write_bytes(content)
        (folder_of(file) / "two.json").chmod(0o640)
        assert standing(file).against.everything

    def test_odd_things_block_everything_and_hold_nobody(self, file: Path) -> None:
        """A pipe, a link and a folder are no files; looking at them ends."""
        folder = folder_of(file)
        os.mkfifo(folder / "pipe", 0o600)
        (folder / "link").symlink_to("one.json")
        (folder / "folder").mkdir(mode=0o700)
        found = standing(file)
        assert (len(found.said), len(found.unreadable), found.against.everything) == (1, 3, True)

    def test_too_many_block_everything(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Reading them all four times a second would hold up the listener."""
        monkeypatch.setattr(objections, "MOST", 1)
        assert not standing(file).against.everything
        say(file, OBJECTION, "two.json")
        assert standing(file).against.everything

    def test_others_are_not_heard(self, file: Path) -> None:
        """A file that others may write is nobody's word; drafts are none yet."""
        for name, mode in (("two.json", 0o666), ("three.json", 0o660), (".four.json", 0o600)):
            (folder_of(file) / name).write_bytes(b"")
            (folder_of(file) / name).chmod(mode)
        found = standing(file)
        assert [place.name for place in found.foreign] == ["three.json", "two.json"]
        assert found.against == Against.of([OBJECTION])

    def test_the_same_name_is_never_said_twice(self, file: Path) -> None:
        """A draft in the way is not written over, and nothing is left of the attempt that failed."""
        (folder_of(file) / ".two.json").write_bytes(b"another's")
        with pytest.raises(FileExistsError):
            say(file, OBJECTION, "two.json")
        assert not (folder_of(file) / "two.json").exists()


texts = st.text(max_size=20)


@given(texts, texts, texts, texts, texts, texts, st.datetimes(timezones=st.just(UTC)))
def test_every_objection_comes_back(
    app: str, path: str, kind: str, by: str, evidence: str, actor: str, at: datetime
) -> None:
    """Whatever a person types."""
    said = Attestation(
        app=app,
        path=path,
        kind=kind,
        holds=False,
        observed_at=at,
        attested_by=by,
        evidence=evidence,
    )
    assert objection_in(written(Objection(said, actor))) == Objection(said, actor)


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    """By one typed error."""
    with pytest.raises(StatementError):
        objection_in(data)


names = st.sampled_from(["payments", "search", "eu-north", "eu-west"])


@given(st.frozensets(st.tuples(names, names)), st.booleans(), st.sampled_from(Word), st.sampled_from(Mode))
def test_an_objection_opens_nothing(
    places: frozenset[tuple[str, str]], everything: bool, word: Word, mode: Mode
) -> None:
    """Whatever is objected to: no signal opens by it, enforced ones that are meant close, and primaries stay."""
    clock = FakeClock()
    primary = make_signal(clock, path="eu-west", role=Role.PRIMARY)
    before = make_publication(clock, primary, make_signal(clock, word=word, mode=mode))
    after = restricted(before, Against(places, everything))
    meant = everything or ("payments", "eu-north") in places
    assert after.signals[0] == primary
    assert after.signals[1].opens <= before.signals[1].opens
    assert not (meant and mode is Mode.ENFORCE and after.signals[1].opens)
    assert meant or after == before
    assert replace(after, signals=()) == replace(before, signals=())
    assert timedelta(0) == after.signals[1].valid_until - before.signals[1].valid_until
