"""The shape of a rule: declared metadata and one pure function over the two rows of a pair."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from nhisync.model import Consequence, Layer, Needed, Severity, Side, State
from nhisync.parity.row import Row
from nhisync.parity.thresholds import Thresholds
from nhisync.policy import Tier

FUTURE_TOLERANCE: Final = 30
"""Seconds that an observation, or a time which has passed, may lie ahead of the assessment (skew between clocks)."""


class Outcome(NamedTuple):
    """What one rule says about one pair.

    Attributes:
        state: pass, fail or unknown (waivers are applied by the engine).
        side: the role it speaks about.
        observed: what was seen, for a person; "" for a pass.
        expected: what policy wants, for a person.
    """

    state: State
    side: Side = Side.PAIR
    observed: str = ""
    expected: str = ""


PASS: Final = Outcome(State.PASS)
"""The rule was asked and holds; one shared value, so that a million passes cost nothing."""


def fail(side: Side, observed: str, expected: str = "") -> Outcome:
    """The rule was asked and does not hold."""
    return Outcome(State.FAIL, side, observed, expected)


def unknown(side: Side, observed: str, expected: str = "") -> Outcome:
    """The rule was asked and there is not enough evidence to answer."""
    return Outcome(State.UNKNOWN, side, observed, expected)


class PairView:
    """What a rule may read about one pair. One object is reused by the engine for all pairs: rules keep nothing.

    Attributes:
        key: ``app/pair``.
        primary: the primary's row, None when the run holds none.
        backup: the backup's row, None when the run holds none.
        ahead_primary: epoch seconds of a past time of the primary that lies in the future, else None; the row then has
            neither creation nor rotation time.
        ahead_backup: the same of the backup.
        present: both rows exist and say PRESENT; most rules ask only then.
        thresholds: the tier's numbers.
        now: epoch seconds of the assessment.
        shared: the pair is shared by design and that is still in force.
        shared_until: epoch seconds of the end of a shared pair; None = not shared.
        shared_owner: who answers for a shared pair.
        declared_end: epoch seconds of the end that the configuration states for the backup's credential
            (`nhisync.parity.lifetimes.NEVER` = it has none); None = none is stated.
        signing: the pair's values or keys sign sessions or tokens.
        lost_until: epoch seconds of the end of the declaration that the app's sessions are lost; None = there is none.
        consumers_primary: who uses the primary's credential; None = the pair does not say.
        consumers_backup: the same of the backup's.
        needs: what the configuration says that the identities need.
        field_primary: field named on the primary, or None.
        field_backup: field named on the backup, or None.
        missing_primary: why there is no primary row (word of `Presence`).
        missing_backup: why there is no backup row.
        primary_domains: fault domains of the primary path.
        common_domains: fault domains that both paths declare.
        recheck: earliest instant after `now` at which any rule may answer differently for the same rows.
    """

    __slots__ = (
        "ahead_backup",
        "ahead_primary",
        "backup",
        "common_domains",
        "consumers_backup",
        "consumers_primary",
        "declared_end",
        "field_backup",
        "field_primary",
        "key",
        "lost_until",
        "missing_backup",
        "missing_primary",
        "needs",
        "now",
        "present",
        "primary",
        "primary_domains",
        "recheck",
        "shared",
        "shared_owner",
        "shared_until",
        "signing",
        "thresholds",
    )

    key: str
    primary: Row | None
    backup: Row | None
    ahead_primary: int | None
    ahead_backup: int | None
    present: bool
    thresholds: Thresholds
    now: int
    shared: bool
    shared_until: int | None
    shared_owner: str
    declared_end: int | None
    signing: bool
    lost_until: int | None
    consumers_primary: tuple[str, ...] | None
    consumers_backup: tuple[str, ...] | None
    needs: tuple[Needed, ...]
    field_primary: str | None
    field_backup: str | None
    missing_primary: str
    missing_backup: str
    primary_domains: frozenset[str]
    common_domains: frozenset[str]
    recheck: int

    def passed(self, instant: int) -> bool:
        """Whether `instant` is over; every rule compares with time through this, so that `recheck` is right."""
        if instant <= self.now:
            return True
        if instant < self.recheck:  # noqa: PLR1730 - min() takes three times as long, a dozen times a pair
            self.recheck = instant
        return False

    def momentary(self) -> None:
        """The answer rests on when something was observed, which no stamp tells: a newer look is judged anew."""
        self.recheck = self.now


Check = Callable[[PairView], Outcome | None]
"""A rule's function: an outcome, `PASS`, or None when it does not apply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleInfo:
    """A rule's declaration; ``docs/rules/<code>.md`` and `nhisync explain` are made from it.

    Attributes:
        code: ``NHS`` + family digit + two digits.
        title: what holds when the rule passes fails to hold, in three to six words (``backup credential missing``).
        severity: default; tiers may change it.
        layer: layer of equivalence.
        consequence: what goes wrong in a failover.
        block: block word of the readiness body (contracts.md §4).
        compared: what is compared, one or two sentences.
        hurts: why it hurts in a failover, one or two sentences.
        false_alarm: when a fail is not a problem, and what to do then.
        remediation: provider or ``*`` → exact step; ``{app}`` and ``{pair}`` are substituted.
        policy: dotted policy keys that decide it.
        frameworks: control ids (must exist in policy.frameworks).
        fails: whether it ever answers fail; False = pass or unknown, so no waiver can take effect (ADR 1).
    """

    code: str
    title: str
    severity: Severity
    layer: Layer
    consequence: Consequence
    block: str
    compared: str
    hurts: str
    false_alarm: str
    remediation: Mapping[str, str]
    policy: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    fails: bool = True


@dataclass(frozen=True, slots=True)
class Rule:
    """Declaration and function together.

    Attributes:
        info: the declaration.
        check: the function.
        reads: columns of a row that it reads in most pairs, with ``backup.`` before those it reads of the backup
            alone. They only make the engine faster: a rule may read every column at any time.
        asked: dotted policy key that must be true for a tier to ask it; "" = every tier asks.
    """

    info: RuleInfo
    check: Check = field(compare=False)
    reads: tuple[str, ...] = ()
    asked: str = ""

    def asked_by(self, tier: Tier) -> bool:
        """Whether `tier` asks it, as far as the rule itself is concerned."""
        section, _, key = self.asked.partition(".")
        return not section or getattr(getattr(tier, section), key) is True
