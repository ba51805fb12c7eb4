"""The result of a rule on a pair, and the verdict over many."""

from dataclasses import dataclass
from datetime import datetime

from nhisync.model.words import Consequence, Layer, Mode, Severity, Side, State, Word


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRef:
    """One piece of evidence a finding rests on.

    Attributes:
        kind: ``inventory``, ``reuse`` …
        source: locator or source it came from.
        evidence_at: when it was observed.
        expires_at: when policy stops believing it.
    """

    kind: str
    source: str
    evidence_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule's result on one pair.

    Attributes:
        code: ``NHS`` + family digit + two digits.
        state: pass, fail, unknown or waived.
        severity: set by the tier.
        app: app name.
        pair: pair name inside the app; "" for a finding about the app as a whole.
        side: the role it speaks about.
        path: name of the path it speaks about; of a pair its backup, so that several backups can be told apart.
        title: the rule's title.
        layer: which layer of equivalence it belongs to.
        consequence: what goes wrong in a failover.
        observed: what was seen, for a person.
        expected: what the policy wants, for a person.
        primary: short description of the primary's side.
        backup: short description of the backup's side.
        evidence: what it rests on.
        next: commands or steps, most useful first.
        frameworks: control ids, like ``NHI7:2025`` and ``CSF2:PR.AA-01``.
        waiver: who accepted it until when, for WAIVED and for expired waivers; "" otherwise.
        since: when the finding first appeared in this state, or None when history is not kept.
        line: line of the pair in the configuration, 0 = none.
    """

    code: str
    state: State
    severity: Severity
    app: str
    pair: str
    title: str
    side: Side = Side.PAIR
    path: str = ""
    layer: Layer = Layer.EXISTS
    consequence: Consequence = Consequence.OUTAGE
    observed: str = ""
    expected: str = ""
    primary: str = ""
    backup: str = ""
    evidence: tuple[EvidenceRef, ...] = ()
    next: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    waiver: str = ""
    since: datetime | None = None
    line: int = 0

    @property
    def key(self) -> str:
        """``app/pair``, or the app alone."""
        return f"{self.app}/{self.pair}" if self.pair else self.app


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """May this path take this app's traffic, as far as its identities and their evidence go?

    Attributes:
        app: app name.
        path: name of the path judged (a backup).
        word: ready, not_ready or unknown.
        tier: policy that judged.
        mode: observe never gates.
        evaluated_at: the one `now` of the assessment.
        valid_until: after this instant the verdict is worth nothing (fail closed).
        pairs: pairs judged.
        passing: pairs without fail of severity error and without unknown.
        failing: pairs with a fail of severity error.
        unknown: pairs without such a fail but with an unknown.
        reasons: ``code pair`` of what blocks, worst first.
        blocks: block words of contracts.md §4, at most five, worst first.
        policy_digest: ``sha256:…`` of the policy that judged.
        primary_baseline: age statement when the primary's snapshot is an older one, or "".
    """

    app: str
    path: str
    word: Word
    tier: str
    mode: Mode
    evaluated_at: datetime
    valid_until: datetime
    pairs: int
    passing: int
    failing: int
    unknown: int
    reasons: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    policy_digest: str = ""
    primary_baseline: str = ""
