"""Staleness is decided at the moment of the request, by two clocks, and the start is blocked."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from nhisync.app.publish import publish, retract
from nhisync.model import Mode, Word
from nhisync.statement import Role, SignalState
from nhisync.testing.clocks import FakeClock

BACKUP, PRIMARY = "/v1/ready/payments/backup", "/v1/ready/payments/primary"


class Drifting(FakeClock):
    """A clock whose boot side can be moved alone."""

    shift = 0.0

    def boottime(self) -> float:
        """Seconds since boot, shifted."""
        return super().boottime() + self.shift


@pytest.fixture
def clock() -> Drifting:
    """Replace the plain fake clock of this folder."""
    return Drifting()


@pytest.mark.requirement("R9")
def test_frozen_sync_process_becomes_503_by_itself(served: Any, clock: FakeClock) -> None:
    """With nobody publishing, both signals are 200 until `valid_until` and 503 from that very instant on."""
    clock.advance(timedelta(seconds=89.999))
    assert served.get(BACKUP)[0] == served.get(PRIMARY)[0] == 200
    clock.advance(timedelta(seconds=0.001))
    assert served.get(BACKUP)[0] == served.get(PRIMARY)[0] == 503
    assert served.get(f"{BACKUP}.txt") == (503, b"NHISYNC-BLOCKED payments/backup\n")


@pytest.mark.requirement("R9")
def test_stale_answer_says_stale_to_those_who_may_know(served: Any, publication: Any, clock: FakeClock) -> None:
    """A stale signal is STANDBY_BLOCKED with the block word STALE, whatever it said while it was fresh."""
    served.publish(publication(sequence=42, public_profile=False))
    clock.advance(timedelta(seconds=90))
    status, body = served.get(BACKUP)
    assert status == 503
    assert b'"state":"STANDBY_BLOCKED"' in body
    assert body.endswith(b'"blocks":["STALE"]}')


@pytest.mark.requirement("R9")
@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1)])
def test_jumping_wall_clock_blocks(served: Any, clock: FakeClock, jump: timedelta) -> None:
    """A wall clock set forward ends the validity, one set back puts the evaluation into the future: both block."""
    clock.jump(jump)
    assert served.get(BACKUP)[0] == 503


def test_small_skew_is_tolerated(served: Any, clock: FakeClock) -> None:
    """An NTP step of 30 seconds back changes nothing; one second more blocks."""
    clock.jump(timedelta(seconds=-30))
    assert served.get(BACKUP)[0] == 200
    clock.jump(timedelta(seconds=-1))
    assert served.get(BACKUP)[0] == 503


@pytest.mark.requirement("R9")
def test_suspend_ages_the_signal_although_the_wall_clock_does_not(served: Any, clock: Drifting) -> None:
    """After a suspend the boot clock has gone on; a wall clock set back to before it cannot revive a signal."""
    clock.shift = 90.0
    assert served.get(BACKUP)[0] == 503


def test_boot_clock_behind_the_evaluation_blocks(served: Any, clock: Drifting) -> None:
    """A boot clock below that of the evaluation means another boot: blocked."""
    clock.shift = -1.0
    assert served.get(BACKUP)[0] == 503


def test_start_without_publication_is_init(serve: Callable[..., Any]) -> None:
    """Before anything is published every known URL is 503 with state INIT, unknown ones are 404."""
    served = serve()
    for word in ("primary", "backup", "eu-west", "eu-north"):
        status, body = served.get(f"/v1/ready/payments/{word}")
        assert (status, b'"state":"INIT"' in body) == (503, True)
        assert served.get(f"/v1/ready/payments/{word}.txt")[0] == 503
    assert served.get("/v1/ready/other/backup")[0] == 404


def test_publication_of_an_earlier_start_is_not_believed(
    serve: Callable[..., Any], publication: Any, clock: FakeClock, tmp_path: Any
) -> None:
    """After a restart of the service only an evaluation of this start opens a signal, however valid an old one is."""
    file = tmp_path / "publication.json"
    publish(file, publication())
    clock.advance(timedelta(seconds=1))
    served = serve(not_before=clock.boottime())
    assert served.get(BACKUP)[0] == 503
    served.publish(publication(sequence=42))
    assert served.get(BACKUP)[0] == 200


def test_restarted_listener_serves_what_is_still_valid(
    serve: Callable[..., Any], served: Any, clock: FakeClock
) -> None:
    """A listener alone that is restarted goes on from the publication of the living sync process."""
    clock.advance(timedelta(seconds=5))
    assert serve(file=served.file).get(BACKUP)[0] == 200


def test_init_publication_blocks_both_paths_even_in_observe_mode(served: Any, publication: Any, signal: Any) -> None:
    """A sync process that has just started blocks both signals until one full evaluation, in every mode."""
    waiting = {"word": Word.UNKNOWN, "state": SignalState.INIT, "mode": Mode.OBSERVE}
    served.publish(publication(signal(path="eu-west", role=Role.PRIMARY, **waiting), signal(**waiting), sequence=42))
    assert served.get(BACKUP)[0] == served.get(PRIMARY)[0] == 503


def test_observe_mode_does_not_survive_silence(served: Any, publication: Any, signal: Any, clock: FakeClock) -> None:
    """Observe gates nothing while evaluations arrive; silence blocks as ever, so a dead nhisync leads nobody."""
    served.publish(publication(signal(mode=Mode.OBSERVE, word=Word.NOT_READY), sequence=42))
    clock.advance(timedelta(seconds=90))
    status, body = served.get(BACKUP)
    assert status == 503
    assert b'"would_block":true' in body


def test_primary_stays_open_whatever_the_backup_is(served: Any, publication: Any, signal: Any) -> None:
    """A backup that is not ready never closes the primary's signal."""
    primary = signal(path="eu-west", role=Role.PRIMARY, state=SignalState.STANDBY_BLOCKED)
    served.publish(publication(primary, signal(word=Word.NOT_READY, state=SignalState.STANDBY_BLOCKED), sequence=42))
    assert (served.get(PRIMARY)[0], served.get(BACKUP)[0]) == (200, 503)


def test_several_backups_answer_together_to_the_role_word(served: Any, publication: Any, signal: Any) -> None:
    """`backup` is 200 only when every backup is; each name answers for itself; the earliest end counts."""
    late = signal(path="us-east", valid_until=signal().valid_until + timedelta(minutes=5))
    served.publish(publication(signal(), late, sequence=42))
    assert b'"valid_until":"2026-11-23T03:13:39Z"' in served.get(BACKUP)[1]
    served.publish(publication(signal(word=Word.NOT_READY, blocks=("MISSING",)), late, sequence=43))
    assert served.get(BACKUP)[0] == served.get("/v1/ready/payments/eu-north")[0] == 503
    assert served.get("/v1/ready/payments/us-east")[0] == 200


def test_role_word_outranks_a_path_of_that_name(served: Any, publication: Any, signal: Any) -> None:
    """With opposite roles the word `backup` means the role, although a path is called so."""
    paths = (signal(path="backup", role=Role.PRIMARY), signal(path="primary", word=Word.NOT_READY))
    served.publish(publication(*paths, sequence=42))
    assert (served.get(BACKUP)[0], served.get(PRIMARY)[0]) == (503, 200)


def test_retracted_publication_blocks_at_once(served: Any) -> None:
    """Removing the file needs no room on a full disk and blocks every signal within a look of the watcher."""
    retract(served.file)
    served.until(lambda: served.get(BACKUP)[0] == 503)
    assert b'"state":"INIT"' in served.get(PRIMARY)[1]


REFUSED = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "another version": lambda data: data.replace(b'"schema_version":"1.0"', b'"schema_version":"1.1"'),
    "an older sequence": lambda data: data.replace(b'"sequence":41', b'"sequence":40'),
    "no publication": lambda data: b"{}",
}


@pytest.mark.parametrize("damage", REFUSED.values(), ids=REFUSED.keys())
def test_refused_file_changes_nothing_until_the_served_one_ends(
    served: Any, clock: FakeClock, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged or old file is refused with one line in the log; what is served stays and ends in its time."""
    served.file.write_bytes(damage(served.file.read_bytes()))
    served.until(lambda: "is refused" in caplog.text)
    assert served.get(BACKUP)[0] == 200
    clock.advance(timedelta(seconds=90))
    assert served.get(BACKUP)[0] == 503
