"""`nhisync attest --result fail` beside a daemon: heard at once, recorded by its next cycle, never lost on the way."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nhisync.app.attest import attest, attestations, ended, overtaken
from nhisync.app.objections import folder_of, standing
from nhisync.app.restore import restore_store
from nhisync.app.status import status
from nhisync.app.sync import PacedSession, sync
from nhisync.errors import StoreError, UsageError
from nhisync.model import Attestation, Word
from nhisync.store import Store

from .conftest import PAIR

if TYPE_CHECKING:
    from .conftest import Lab

pytestmark = pytest.mark.requirement("R2")

ASKING = "version: 1\ntier: critical\ninherits: critical\nattestations: {data-lag: 2h}\n"


@pytest.fixture
def asked(lab: "Lab") -> "Lab":
    """A healthy app whose tier asks for one kind, attested and served as ready."""
    lab.configure(PAIR, policies=ASKING)
    lab.see(lambda: [lab.item("a"), lab.covered()], lambda: [lab.item("a"), lab.covered()])
    attest(lab.session(), word(lab, holds=True), actor="alice")
    assert cycle(lab) is Word.READY
    assert lab.served() is Word.READY
    lab.clock.advance(timedelta(seconds=5))
    return lab


def word(lab: "Lab", **changes: object) -> Attestation:
    """Somebody's word about the backup, now."""
    said = Attestation(
        app="payments", path="backup", kind="data-lag", holds=False, observed_at=lab.now, attested_by="dba-oncall"
    )
    return replace(said, **changes)  # type: ignore[arg-type]


def cycle(lab: "Lab") -> Word:
    """The verdict of one cycle."""
    (verdict,) = lab.sync().verdicts
    return verdict.word


def daemon(lab: "Lab") -> Store:
    """What a daemon holds."""
    return Store.open(lab.session().configuration.store_url, clock=lab.clock, randomness=lab.randomness)


def said(lab: "Lab") -> list[bool]:
    """What the store holds of the kind: whether it holds."""
    with daemon(lab) as store, store.reader() as reader:
        return [one.holds for one in reader.attestations()]


def test_it_is_said_beside_a_daemon_and_recorded_by_its_next_cycle(asked: "Lab") -> None:
    """At once not ready for pollers and for `diff`; the cycle records and audits it, and only then removes the file."""
    with daemon(asked) as store:
        assert attest(asked.session(), word(asked), actor="alice") == 0
        assert asked.served() is Word.NOT_READY
        (verdict,) = asked.diff().verdicts
        assert verdict.word is Word.NOT_READY
        (standing_now,) = status(asked.session()).standings
        assert (standing_now.backup, standing_now.blockers) == (Word.NOT_READY, ("ATTESTATION",))
        assert standing_now.since is None, "the store knows since when it was ready, not since when it is not"
        report = sync(PacedSession.of(asked.session()), store)
        with store.reader() as reader:
            (act,) = [one for one in reader.audit() if one.action == "attest"][1:]
    assert report.verdicts[0].word is Word.NOT_READY
    assert (act.actor, act.detail["holds"], act.detail["attested_by"]) == ("alice", False, "dba-oncall")
    assert standing(asked.session().configuration.publish.snapshot).said == ()
    assert asked.served() is Word.NOT_READY
    asked.clock.advance(timedelta(seconds=30))
    assert cycle(asked) is Word.NOT_READY


def test_permission_still_comes_from_the_writer(asked: "Lab") -> None:
    """A word that opens waits beside a daemon: nothing serves it before that process has recorded and judged it."""
    with daemon(asked):
        attest(asked.session(), word(asked), actor="alice")
        asked.clock.advance(timedelta(seconds=1))
        assert attest(asked.session(), word(asked, holds=True), actor="alice") == 0
        assert asked.served() is Word.NOT_READY
    assert cycle(asked) is Word.READY
    with daemon(asked) as store, store.reader() as reader:
        assert [one.actor for one in reader.audit() if one.action == "attest"][-2:] == ["alice", "alice"]


def test_a_cycle_that_fails_forgets_nothing(asked: "Lab") -> None:
    """Recorded twice would be harmless; removed before it is published would open the gate for a moment."""
    with daemon(asked):
        attest(asked.session(), word(asked), actor="alice")
    publication = asked.session().configuration.publish.snapshot
    publication.unlink()
    publication.mkdir()
    with pytest.raises(StoreError):
        asked.sync()
    assert len(standing(publication).said) == 1
    publication.rmdir()
    assert cycle(asked) is Word.NOT_READY
    assert said(asked) == [False]
    with daemon(asked) as store, store.reader() as reader:
        assert [one.action for one in reader.audit()] == ["attest", "attest"]


def test_without_a_daemon_it_is_recorded_and_heard(asked: "Lab") -> None:
    """A listener still serves what the last cycle published: it hears of it, too; the next cycle tidies up."""
    assert attest(asked.session(), word(asked), actor="alice") > 0
    assert asked.served() is Word.NOT_READY
    assert cycle(asked) is Word.NOT_READY
    with daemon(asked) as store, store.reader() as reader:
        assert [one.action for one in reader.audit()] == ["attest", "attest"]
    assert standing(asked.session().configuration.publish.snapshot).said == ()


def test_where_nothing_is_served_no_file_is_left(asked: "Lab") -> None:
    """The store alone is enough for whoever runs diff by hand."""
    publication = asked.session().configuration.publish.snapshot
    publication.unlink()
    assert attest(asked.session(), word(asked), actor="alice") > 0
    assert standing(publication).said == ()


def test_a_later_word_that_holds_counts_again(asked: "Lab") -> None:
    """With the daemon stopped a person says it is repaired: the older objection, recorded later, changes nothing."""
    with daemon(asked):
        attest(asked.session(), word(asked), actor="alice")
    asked.clock.advance(timedelta(seconds=5))
    attest(asked.session(), word(asked, holds=True), actor="alice")
    assert asked.served() is Word.NOT_READY
    assert cycle(asked) is Word.READY
    assert asked.served() is Word.READY


def test_an_objection_seen_before_a_later_word_says_that_it_ends(
    asked: "Lab", caplog: pytest.LogCaptureFixture
) -> None:
    """What was observed last counts, so who says an older time must not believe that the backup stays blocked."""
    earlier = word(asked, observed_at=asked.now - timedelta(minutes=10))
    with daemon(asked):
        attest(asked.session(), earlier, actor="bob")
    later = overtaken(asked.session(), earlier)
    assert later is not None
    assert "bob" not in later.attested_by
    assert asked.served() is Word.NOT_READY
    assert cycle(asked) is Word.READY
    told = ended(earlier, later)
    assert "blocks only until the next cycle ends: dba-oncall looked later" in told
    assert told in caplog.text


def test_an_objection_that_nobody_looked_after_stands(asked: "Lab", caplog: pytest.LogCaptureFixture) -> None:
    """Of now, of another kind, beside a word that was found unfit as late, or without a store: nothing is said."""
    assert overtaken(asked.session(), word(asked)) is None
    assert overtaken(asked.session(), word(asked, holds=True, observed_at=asked.now - timedelta(minutes=10))) is None
    earlier = asked.now - timedelta(minutes=10)
    assert overtaken(asked.session(), word(asked, kind="on-call", observed_at=earlier)) is None
    attest(asked.session(), word(asked), actor="alice")
    assert overtaken(asked.session(), word(asked, observed_at=earlier)) is None
    assert cycle(asked) is Word.NOT_READY
    assert "blocks only until" not in caplog.text
    (asked.folder / "store.db").write_bytes(b"no store at all, and long enough to be none" * 100)
    assert overtaken(asked.session(), word(asked, observed_at=earlier)) is None


def test_what_nobody_asks_for_is_refused_or_stays(asked: "Lab") -> None:
    """A kind that no tier asks for is a usage error; one that a new policy dropped blocks until a person removes it."""
    with pytest.raises(UsageError):
        attest(asked.session(), word(asked, kind="patch-level"), actor="alice")
    with daemon(asked):
        attest(asked.session(), word(asked), actor="alice")
    (asked.folder / "policies/critical.yaml").write_text(ASKING.replace("data-lag", "patch-level"), encoding="utf-8")
    assert cycle(asked) is not Word.READY
    publication = asked.session().configuration.publish.snapshot
    assert len(standing(publication).said) == 1
    assert [one.kind for one in attestations(asked.session()) if not one.holds] == ["data-lag"]


def test_who_cannot_be_heard_is_told(asked: "Lab") -> None:
    """No folder and no lock: nothing was said, and the way out is named. Without a daemon the store is enough."""
    publication = asked.session().configuration.publish.snapshot
    folder_of(publication).write_text("in the way", encoding="utf-8")
    with daemon(asked), pytest.raises(StoreError, match="nothing was said") as refused:
        attest(asked.session(), word(asked), actor="alice")
    assert "the user that runs nhisync" in refused.value.fix
    assert attest(asked.session(), word(asked), actor="alice") > 0


def test_a_store_that_cannot_be_written_is_told_and_blocks_all_the_same(asked: "Lab") -> None:
    """What was said is heard; nobody may believe that it was not because it is in no store yet."""
    (asked.folder / "store.db").write_bytes(b"no store at all, and long enough to be none" * 100)
    with pytest.raises(StoreError, match=r"payments/backup is blocked from now on.*nothing was recorded"):
        attest(asked.session(), word(asked), actor="alice")
    assert asked.served() is Word.NOT_READY


def test_somebody_on_call_needs_no_tier_that_asks(lab: "Lab") -> None:
    """Under a built-in tier "not ready" is said beside the daemon, holds over cycles, and ends by a later word."""
    lab.configure(PAIR)
    lab.see(lambda: [lab.item("a"), lab.covered()], lambda: [lab.item("a"), lab.covered()])
    assert cycle(lab) is Word.READY
    with daemon(lab):
        assert attest(lab.session(), word(lab, kind="on-call"), actor="alice") == 0
    assert lab.served() is Word.NOT_READY
    for _ in range(3):
        lab.clock.advance(timedelta(seconds=30))
        report = lab.sync()
        assert report.verdicts[0].word is Word.NOT_READY
        assert [f.expected for f in report.findings if f.code == "NHS911"] == ["on-call that holds"]
    lab.clock.advance(timedelta(seconds=30))
    attest(lab.session(), word(lab, kind="on-call", holds=True), actor="alice")
    assert cycle(lab) is Word.READY


def test_a_restore_over_a_damaged_store_blocks_every_app_until_somebody_looked(lab: "Lab") -> None:
    """What was said against it since the backup may be lost: cycles alone never make it ready again."""
    lab.configure(PAIR)
    lab.see(lambda: [lab.item("a"), lab.covered()], lambda: [lab.item("a"), lab.covered()])
    assert cycle(lab) is Word.READY
    with daemon(lab) as store:
        copy = store.backup(lab.folder / "copy.db")
    (lab.folder / "store.db").write_bytes(b"\0" * 50_000)
    lab.clock.advance(timedelta(seconds=5))
    restore_store(lab.session().configuration, copy, clock=lab.clock, randomness=lab.randomness, actor="alice")
    assert lab.served() is not Word.READY
    for _ in range(3):
        lab.clock.advance(timedelta(seconds=30))
        assert cycle(lab) is Word.NOT_READY
    attest(lab.session(), word(lab, kind="on-call", holds=True), actor="alice")
    assert cycle(lab) is Word.READY
