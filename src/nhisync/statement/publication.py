"""What one sync cycle publishes: one signal per app and path, and the clocks by which its age is judged.

Everything a listener needs and nothing more: no pair, no locator, no count, no reason beyond the block words.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from nhisync.model import Mode, Word

SCHEMA_VERSION = "1.0"
"""Of the publication; a listener refuses every other one, because it must not guess at a permission."""

BLOCK_WORDS = frozenset(
    {
        *("EXPIRED", "MISSING", "ROTATION_DRIFT", "REUSED", "AUTHZ", "CHAIN", "REGION_BOUND", "AUTH_FAILED"),
        *("UNKNOWN", "STALE", "ATTESTATION", "DRILL", "CANARY", "SPLIT_VIEW"),
        *("HOLD_DOWN", "SUPPRESSED", "PINNED", "FREEZE"),
    }
)
"""The words that may stand in ``blocks`` (external contract, HTTP)."""

FORBIDDEN = "nhisync-ready"
"""The token of a ready answer, folded. A name that held it would carry it into a blocked answer."""


class Role(StrEnum):
    """The part a path plays for an app."""

    PRIMARY = "primary"
    BACKUP = "backup"


class SignalState(StrEnum):
    """The state words of the readiness machine; the first three are reached without damping and failback."""

    INIT = "INIT"  # no full evaluation since the sync process started
    STANDBY_BLOCKED = "STANDBY_BLOCKED"  # the primary serves; the backup may not take the traffic
    STANDBY = "STANDBY"  # the primary serves; the backup may take the traffic
    FAILED_OVER = "FAILED_OVER"
    HOLD_DOWN = "HOLD_DOWN"
    FAILBACK_OK = "FAILBACK_OK"
    SUPPRESSED = "SUPPRESSED"
    PINNED_P = "PINNED_P"
    PINNED_B = "PINNED_B"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """May this path take this app's traffic?

    Attributes:
        app: app name, ``[a-z0-9-]``, at most 63 characters.
        path: name of the path, at most 63 characters, not ending in ``.txt``.
        role: the part the path plays for this app.
        tier: policy that judged.
        mode: observe never gates.
        word: ready, not_ready or unknown; only ready opens the gate in enforce mode.
        state: state word of the app.
        evaluated_at: the one `now` of the assessment, UTC.
        valid_until: from this instant on the signal is blocked, whatever it says.
        blocks: block words, worst first, at most five.
    """

    app: str
    path: str
    role: Role
    tier: str
    mode: Mode
    word: Word
    state: SignalState
    evaluated_at: datetime
    valid_until: datetime
    blocks: tuple[str, ...] = ()

    @property
    def opens(self) -> bool:
        """Whether the signal, while fresh, lets traffic in: ready, or observed only. INIT never does."""
        if self.state is SignalState.INIT:
            return False
        return self.word is Word.READY or self.mode is Mode.OBSERVE

    @property
    def would_block(self) -> bool:
        """Whether observe mode is all that keeps this signal open."""
        return self.mode is Mode.OBSERVE and self.word is not Word.READY


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """All signals of one cycle.

    Attributes:
        instance: which nhisync speaks (its host name).
        sequence: rises with every publication of this instance.
        at: wall clock right after the evaluation, UTC.
        boot_id: the kernel's boot id; "" where the platform has none.
        boottime: CLOCK_BOOTTIME at the very moment of `at`, in seconds; it counts in suspend and never jumps.
        public_profile: whether answers leave out the block words (readiness gaps are reconnaissance).
        signals: one per app and path.
    """

    instance: str
    sequence: int
    at: datetime
    boot_id: str
    boottime: float
    public_profile: bool
    signals: tuple[Signal, ...]

    def find(self, app: str, path: str) -> tuple[Signal, ...]:
        """Signals that answer for `path` of `app`: a role word first, then a path's name; () when unknown.

        Several backups answer together to the role word; whoever reads them must want all of them ready.
        """
        mine = [signal for signal in self.signals if signal.app == app]
        return tuple(s for s in mine if s.role == path) or tuple(s for s in mine if s.path == path)
