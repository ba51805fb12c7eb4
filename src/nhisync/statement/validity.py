"""When a publication may be believed, and what one of its signals is worth at one moment.

Two clocks must agree that a signal is fresh: the wall clock, which people and other machines share but which jumps,
and CLOCK_BOOTTIME, which never jumps and counts in suspend but means something only within one boot.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from nhisync.model import Word
from nhisync.statement.codec import StatementError
from nhisync.statement.publication import Publication, Signal

FUTURE_TOLERANCE = timedelta(seconds=30)
"""How far ahead of the reader's wall clock a publication may be dated (time skew between writer and reader)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The reader's clocks.

    Attributes:
        now: wall clock, UTC.
        boottime: CLOCK_BOOTTIME in seconds.
        boot_id: the kernel's boot id; "" where the platform has none.
    """

    now: datetime
    boottime: float
    boot_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The span in which a signal counts, on both clocks; the ends are outside.

    Attributes:
        wall_from: earliest wall clock at which the signal is believed.
        wall_until: first wall clock at which it is not.
        boot_from: boot clock of the evaluation, in seconds.
        boot_until: first boot clock at which it is not believed, in seconds.
    """

    wall_from: datetime
    wall_until: datetime
    boot_from: float
    boot_until: float

    @classmethod
    def of(cls, publication: Publication, signal: Signal) -> "Window":
        """The window of `signal`; its end on the boot clock lies as far from the evaluation as on the wall clock."""
        left = (signal.valid_until - publication.at).total_seconds()
        return cls(
            wall_from=publication.at - FUTURE_TOLERANCE,
            wall_until=signal.valid_until,
            boot_from=publication.boottime,
            boot_until=publication.boottime + left,
        )

    def covers(self, now: datetime, boottime: float) -> bool:
        """Whether both clocks lie inside."""
        return self.wall_from <= now < self.wall_until and self.boot_from <= boottime < self.boot_until


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a signal is worth at one moment.

    Attributes:
        open: whether traffic may come in.
        fresh: whether the signal still counts; a stale one is never open.
    """

    open: bool
    fresh: bool


def admit(publication: Publication, moment: Moment, *, last_sequence: int | None = None) -> None:
    """Refuse a publication that must not be believed by this reader.

    Args:
        publication: what was read.
        moment: the reader's clocks.
        last_sequence: sequence of the publication this reader holds, or None.

    Raises:
        StatementError: it is dated more than 30 seconds ahead, comes from another boot, or is not newer.
    """
    if publication.at > moment.now + FUTURE_TOLERANCE:
        raise StatementError(
            "the publication is dated more than 30 seconds ahead", fix="Compare this machine's clock with the writer's."
        )
    if publication.boot_id != moment.boot_id:
        raise StatementError(
            "the publication was written in another boot, or on another machine",
            fix="Run the sync process on this machine; a restart blocks until one full evaluation.",
        )
    if last_sequence is not None and publication.sequence <= last_sequence:
        raise StatementError(f"the publication is not newer than sequence {last_sequence}, which is already served")


def decide(publication: Publication, signals: tuple[Signal, ...], moment: Moment) -> Decision:
    """What `signals` (several backups answer together) are worth at `moment`; no signals are worth nothing."""
    same_boot = publication.boot_id == moment.boot_id
    fresh = bool(signals) and all(
        same_boot and Window.of(publication, signal).covers(moment.now, moment.boottime) for signal in signals
    )
    return Decision(open=fresh and all(signal.opens for signal in signals), fresh=fresh)


def word_of(publication: Publication, signals: tuple[Signal, ...], moment: Moment) -> Word:
    """The one word that `decide` comes down to: ready exactly when open, unknown when stale, else the signals' own."""
    decision = decide(publication, signals, moment)
    if decision.open:
        return Word.READY
    closed = {signal.word for signal in signals if not signal.opens}
    return Word.NOT_READY if decision.fresh and Word.NOT_READY in closed else Word.UNKNOWN


def next_sequence(previous: int | None, now: datetime) -> int:
    """The sequence after `previous`: unix time like a DNS zone's serial, so it rises even if the old one was lost."""
    seconds = int(now.timestamp())
    return seconds if previous is None else max(previous + 1, seconds)
