"""Fold findings into a verdict: unknown never rolls up to ready, zero pairs are no parity, 99 of 100 is not ready."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from nhisync.model import App, Finding, Layer, Severity, Side, State, Verdict, Word
from nhisync.policy import Tier

BLOCK_LIMIT = 5
"""Most block words of a readiness body (contracts.md §4)."""


@dataclass(slots=True)
class Tally:
    """Counts of one app while its pairs stream by.

    Attributes:
        pairs: pairs judged or taken over unchanged.
        failing: pairs with a blocking fail (see `blocks`).
        unknown: pairs with no such fail but a blocking unknown.
        blockers: ``(rank, code, pair, block word)`` of what blocks.
    """

    pairs: int = 0
    failing: int = 0
    unknown: int = 0
    blockers: list[tuple[int, str, str, str]] = field(default_factory=list)

    def add(self, findings: Sequence[Finding], words: Iterable[str]) -> None:
        """Count one pair with its findings; `words` are the block words of their rules, in the same order."""
        self.pairs += 1
        states = {f.state for f in findings if blocks(f)}
        self.failing += State.FAIL in states
        self.unknown += State.UNKNOWN in states and State.FAIL not in states
        for finding, word in zip(findings, words, strict=True):
            if blocks(finding):
                self.blockers.append((_RANK[finding.state], finding.code, finding.pair, word))


_RANK = {State.FAIL: 0, State.UNKNOWN: 1}


def blocks(finding: Finding) -> bool:
    """Whether the finding keeps the *backup* from READY: a fail or an unknown of a rule whose fail would.

    A fail that speaks about the primary alone does not: an expired certificate of the primary is the very case in
    which traffic must be let in. Not knowing the primary does, because then nothing was compared; and so does a fail
    of independence, whichever side it is told of: a primary that is the backup's replica holds the backup's value.
    """
    if finding.state not in _RANK or finding.severity is not Severity.ERROR:
        return False
    about_primary = finding.side is Side.PRIMARY and finding.layer is not Layer.INDEPENDENT
    return not about_primary or finding.state is State.UNKNOWN


def fold(
    app: App, backup: str, tier: Tier, tally: Tally, *, now: datetime, evidence_expires: datetime | None
) -> Verdict:
    """The verdict of `app` on path `backup`.

    Args:
        app: the app.
        backup: name of the path judged.
        tier: its policy.
        tally: what was counted.
        now: the instant of the assessment.
        evidence_expires: earliest expiry of the evidence that entry rests on (the backup's), or None.
    """
    blockers = sorted(set(tally.blockers))
    latest = now + tier.evaluate.entry_max_age
    return Verdict(
        app=app.name,
        path=backup,
        word=_word(tally),
        tier=tier.name,
        mode=app.mode,
        evaluated_at=now,
        valid_until=latest if evidence_expires is None else max(now, min(latest, evidence_expires)),
        pairs=tally.pairs,
        passing=tally.pairs - tally.failing - tally.unknown,
        failing=tally.failing,
        unknown=tally.unknown,
        reasons=tuple(f"{code} {pair}".strip() for _, code, pair, _ in blockers),
        blocks=tuple(dict.fromkeys(word for *_, word in blockers))[:BLOCK_LIMIT],
        policy_digest=tier.digest,
    )


def _word(tally: Tally) -> Word:
    if tally.failing or any(rank == _RANK[State.FAIL] for rank, *_ in tally.blockers):
        return Word.NOT_READY
    return Word.UNKNOWN if tally.unknown or not tally.pairs or tally.blockers else Word.READY
