"""One cycle: what is published, what stays when a source is silent, what happens when nothing can be written."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhisync.app.publish import load, moment, publish
from nhisync.app.sync import CYCLE_SHARE, announce, sync
from nhisync.errors import GuardError, StoreError
from nhisync.model import Word
from nhisync.spi import ErrorKind, SourceIdentity
from nhisync.statement import Role, SignalState, decide
from nhisync.testing.provider import IDENTITIES


def cycle(world: Any) -> Any:
    """Run one cycle with a store opened for it; the report."""
    with world.store() as store:
        return sync(world.session(), store)


def open_now(world: Any, path: str = "backup") -> bool:
    """Whether a listener would answer 200 now."""
    publication = load(world.publication)
    return decide(publication, publication.find("payments", path), moment(world.clock)).open


@pytest.mark.requirement("R9")
def test_cycle_publishes_what_it_found(world: Any) -> None:
    """A ready backup is open, the primary too, each until its own end, with state STANDBY."""
    report = cycle(world)
    publication = load(world.publication)
    assert [verdict.word for verdict in report.verdicts] == [Word.READY]
    assert report.command == "sync"
    assert [(s.path, s.role, s.word, s.state) for s in publication.signals] == [
        ("west", Role.PRIMARY, Word.READY, SignalState.STANDBY),
        ("north", Role.BACKUP, Word.READY, SignalState.STANDBY),
    ]
    assert publication.signals[1].valid_until == report.verdicts[0].valid_until
    assert open_now(world)
    assert open_now(world, "primary")
    world.clock.advance(timedelta(seconds=90))
    assert not open_now(world)
    assert not open_now(world, "primary")


def test_backup_that_lags_is_blocked_and_the_primary_is_not(world: Any) -> None:
    """A fail on the pair closes the backup's signal, with its block word, and leaves the primary's open."""
    world.answer("b", rotated=timedelta(days=200))
    cycle(world)
    publication = load(world.publication)
    assert publication.signals[1].word is Word.NOT_READY
    assert "ROTATION_DRIFT" in publication.signals[1].blocks
    assert not open_now(world)
    assert open_now(world, "primary")


@pytest.mark.requirement("R9")
def test_each_publication_has_a_higher_sequence(world: Any) -> None:
    """Also within one second, and after the file was lost, the sequence rises."""
    seen = []
    for _ in range(3):
        cycle(world)
        seen.append(load(world.publication).sequence)
    world.publication.unlink()
    world.clock.advance(timedelta(seconds=10))
    cycle(world)
    seen.append(load(world.publication).sequence)
    assert seen == sorted(set(seen))


@pytest.mark.requirement("R5", "R6")
@pytest.mark.parametrize("kind", [ErrorKind.UNREACHABLE, ErrorKind.THROTTLED])
def test_silent_primary_leaves_its_last_snapshot_as_the_reference(world: Any, kind: ErrorKind) -> None:
    """The outage case: the primary's stores are gone, and the backup must be allowed in.

    Its own evidence is fresh, so it stays ready for `primary_baseline_max_age`, and the verdict says on how old a
    reference; afterwards it is unknown.
    """
    with world.store() as store:
        assert sync(world.session(), store).verdicts[0].primary_baseline == ""
        world.vanish("p", kind)
        world.clock.advance(timedelta(minutes=7))
        verdict = sync(world.session(), store).verdicts[0]
        assert verdict.word is Word.READY
        assert verdict.primary_baseline == (
            "one on west gave no answer: its last observation is 7m old and stays the reference for 12h"
        )
        assert verdict.valid_until == world.clock.now() + timedelta(seconds=90)
        assert open_now(world)
        assert open_now(world, "primary")
        with store.reader() as reader:
            kept = reader.verdict("payments", "north")
        assert kept is not None
        assert kept.primary_baseline == verdict.primary_baseline
        world.clock.advance(timedelta(hours=12))
        late = sync(world.session(), store)
        assert late.verdicts[0].word is Word.UNKNOWN
        assert {finding.code for finding in late.findings} == {"NHS901"}
    assert not open_now(world)
    assert open_now(world, "primary")


@pytest.mark.requirement("R6")
def test_silent_primary_that_was_never_seen_is_unknown(world: Any) -> None:
    """Without any earlier snapshot there is no reference, and the backup is not let in."""
    world.vanish("p")
    assert cycle(world).verdicts[0].word is Word.UNKNOWN
    assert not open_now(world)


@pytest.mark.requirement("R5", "R6")
def test_cycle_without_budget_publishes_older_observations_with_their_true_age(world: Any) -> None:
    """When the backup was not read, its last observation counts with its own age.

    The signal ends when that is too old, and not one second later for having been published again.
    """
    with world.store() as store:
        first = sync(world.session(), store).verdicts[0]
        world.vanish("b", ErrorKind.THROTTLED)
        world.clock.advance(timedelta(seconds=60))
        second = sync(world.session(), store).verdicts[0]
        assert second.word is Word.READY
        assert second.valid_until == first.valid_until
        assert open_now(world)
        world.clock.advance(timedelta(seconds=31))
        assert sync(world.session(), store).verdicts[0].word is Word.UNKNOWN
    assert not open_now(world)


@pytest.mark.requirement("R6")
def test_denied_backup_is_unknown_at_once(world: Any) -> None:
    """A right that was taken away is news, not silence: the older observation does not stand."""
    with world.store() as store:
        sync(world.session(), store)
        world.vanish("b", ErrorKind.DENIED)
        assert sync(world.session(), store).verdicts[0].word is Word.UNKNOWN


def test_observe_mode_is_published_as_such(world: Any) -> None:
    """In observe mode a blocked backup stays open; the publication says that it would block."""
    world.configure(mode="observe")
    world.answer("b", rotated=timedelta(days=200))
    cycle(world)
    assert load(world.publication).signals[1].would_block
    assert open_now(world)


@pytest.mark.requirement("R9")
def test_start_publishes_init(world: Any) -> None:
    """A sync process that starts takes back what an earlier one said: both signals are blocked, state INIT."""
    cycle(world)
    assert open_now(world)
    announce(world.session())
    assert {signal.state for signal in load(world.publication).signals} == {SignalState.INIT}
    assert not open_now(world)
    assert not open_now(world, "primary")


def test_one_identity_on_both_paths_publishes_nothing(world: Any) -> None:
    """The guard refuses the cycle; what was published before ends by itself."""
    cycle(world)
    before = world.publication.read_bytes()
    same = SourceIdentity(authority="fake", principal="one", endpoint="fake")
    IDENTITIES.update({f"{world.name}-p": same, f"{world.name}-b": same})
    try:
        with pytest.raises(GuardError):
            cycle(world)
    finally:
        for side in "pb":
            del IDENTITIES[f"{world.name}-{side}"]
    assert world.publication.read_bytes() == before


@pytest.mark.requirement("R9")
def test_unwritable_publication_is_an_error_and_the_old_one_stands(world: Any, tmp_path: Path) -> None:
    """When the file cannot be written the cycle fails with the file's name and the key to look at."""
    cycle(world)
    before = world.publication.read_bytes()
    (tmp_path / ".nhisync.snapshot.draft").mkdir()
    with pytest.raises(StoreError, match=r"cannot be written: .*the old one stands[\s\S]*publish\.files\.snapshot"):
        cycle(world)
    assert world.publication.read_bytes() == before


@pytest.mark.requirement("R9")
def test_start_that_cannot_write_init_removes_the_old_publication(world: Any, tmp_path: Path) -> None:
    """On a full disk INIT cannot be written; removing the file needs no room and blocks everything as well."""
    cycle(world)
    (tmp_path / ".nhisync.snapshot.draft").mkdir()
    announce(world.session())
    assert not world.publication.exists()


def test_sequence_follows_a_damaged_file(world: Any) -> None:
    """A damaged publication does not stop the next one."""
    world.publication.write_bytes(b"{")
    cycle(world)
    assert open_now(world)


def test_name_that_cannot_be_in_a_url_is_refused_with_a_reason(world: Any) -> None:
    """A path's name that is too long for a URL is told, not published in part."""
    long = "n" * 64
    world.file.write_text(world.file.read_text().replace("north", long), encoding="utf-8")
    with pytest.raises(StoreError, match="nothing can be published: path is not of the form"):
        announce_only(world)


def announce_only(world: Any) -> None:
    """Publish INIT, which a start of the sync process does first; whatever was refused is raised."""
    from nhisync.app.sync import publish_signals
    from nhisync.statement import blocked

    session = world.session()
    apps = session.configuration.apps
    publish_signals(session, blocked(apps, world.clock.now(), {"critical": timedelta(seconds=90)}))


def test_sources_end_with_the_cycle(world: Any) -> None:
    """All questions of a cycle share one end, 80 % of the strictest tier's period, however many rounds there are."""
    session = world.session()
    assert session.every == timedelta(seconds=30)
    session.begin()
    assert session.budget("west", "one").remaining == pytest.approx(CYCLE_SHARE * 30)
    world.clock.advance(timedelta(seconds=20))
    assert session.budget("west", "one").remaining == pytest.approx(CYCLE_SHARE * 30 - 20)
    world.clock.advance(timedelta(seconds=20))
    assert session.budget("west", "one").remaining == 0
    session.begin()
    assert session.budget("west", "one").remaining == pytest.approx(CYCLE_SHARE * 30)


def test_wall_clock_set_back_during_a_cycle_still_publishes(world: Any) -> None:
    """A publication is never dated before the evaluation it carries, so the listener can read it."""
    with world.store() as store:
        report = sync(world.session(), store)
    world.clock.jump(timedelta(seconds=-20))
    from nhisync.app.sync import publish_signals
    from nhisync.statement import compose

    session = world.session()
    signals = compose(session.configuration.apps, report.verdicts, report.generated_at, {"critical": timedelta(90)})
    publish_signals(session, signals)
    assert load(world.publication).at == report.generated_at


def test_publication_stays_readable_by_its_own_reader(world: Any) -> None:
    """What a cycle wrote can be published again from its own bytes."""
    cycle(world)
    publication = load(world.publication)
    publish(world.publication, publication)
    assert load(world.publication) == publication
