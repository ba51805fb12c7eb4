"""From outcomes to findings: severity by tier, waivers, evidence, texts. Only what did not pass becomes an object."""

import json
from collections.abc import Iterable
from datetime import timedelta

from nhisync.model import EvidenceRef, Finding, PairClass, Side, State
from nhisync.parity.book import AppTerms, PairTerms
from nhisync.parity.engine import Judged
from nhisync.parity.proof import proof_of
from nhisync.parity.row import Row, instant
from nhisync.parity.rule import Outcome, Rule


def findings_of(judged: Judged, terms: AppTerms, *, primary: str, backup: str, now: int) -> Iterable[Finding]:
    """The findings of one judged pair.

    Args:
        judged: the engine's result; unchanged pairs yield nothing.
        terms: the app's terms.
        primary: name of the primary path.
        backup: name of the backup path.
        now: epoch seconds of the assessment.
    """
    pair = terms.terms(judged.key)
    for rule, outcome in judged.outcomes or ():
        state, note = _waived(rule, outcome, terms, pair, judged.key, now)
        yield Finding(
            code=rule.info.code,
            state=state,
            severity=terms.severity(rule),
            app=terms.app.name,
            pair=judged.key.partition("/")[2],
            title=rule.info.title,
            side=outcome.side,
            path=primary if outcome.side is Side.PRIMARY else backup,
            layer=rule.info.layer,
            consequence=rule.info.consequence,
            observed=outcome.observed,
            expected=outcome.expected,
            primary=describe(judged.primary),
            backup=describe(judged.backup),
            evidence=tuple(_evidence(judged, terms)),
            next=next_steps(rule, judged, outcome.side),
            frameworks=rule.info.frameworks,
            waiver=note,
            line=pair.line,
        )


def _waived(rule: Rule, outcome: Outcome, terms: AppTerms, pair: PairTerms, key: str, now: int) -> tuple[State, str]:
    """A waiver turns a fail into waived through its last day; an expired one is said and changes nothing.

    An unknown cannot be waived (law 3): nobody can accept a risk that nobody has seen. Exempt pairs are not judged.
    """
    if outcome.state is State.PASS:
        return outcome.state, ""
    if pair.exempt and pair.until is not None:
        day = instant(pair.until).date()
        if now <= pair.until:
            return State.WAIVED, f"{PairClass.EXEMPT.value} until {day} by {pair.owner}: {pair.reason}"
        return outcome.state, f"the exemption ended {day}"
    waiver = terms.waivers.find(key, rule.info.code)
    if waiver is not None and outcome.state is State.UNKNOWN:
        return outcome.state, "an unknown cannot be waived"
    if waiver is None:
        return outcome.state, ""
    ticket = f" ({waiver.ticket})" if waiver.ticket else ""
    if terms.waivers.holds(waiver, instant(now).date()):
        return State.WAIVED, f"until {waiver.until} by {waiver.approved_by}{ticket}: {waiver.reason}"
    return outcome.state, f"the waiver ended {waiver.until}{ticket}"


def _evidence(judged: Judged, terms: AppTerms) -> Iterable[EvidenceRef]:
    ages = (terms.thresholds.primary_baseline_max_age, terms.thresholds.inventory_max_age)
    for row, age in zip((judged.primary, judged.backup), ages, strict=True):
        if row is not None:
            seen = instant(row.observed)
            yield EvidenceRef(
                kind="inventory", source=row.locator, evidence_at=seen, expires_at=seen + timedelta(seconds=age)
            )
            proof = proof_of(row)
            if proof is not None:
                tried, lasts = instant(proof.at), timedelta(seconds=terms.thresholds.live_max_age)
                yield EvidenceRef(kind="probe", source=row.locator, evidence_at=tried, expires_at=tried + lasts)


def describe(row: Row | None) -> str:
    """One side in a few words: what a table cell has room for."""
    if row is None:
        return "-"
    if row.presence != "present":
        return row.presence
    version = f"v{row.version}" if (row.version or "").isdigit() else (row.version or "")[:12]
    rotated = row.rotated if row.rotated is not None else row.created
    parts = (version, str(instant(rotated).date()) if rotated is not None else "")
    return " ".join(part for part in parts if part) or "present"


def next_steps(rule: Rule, judged: Judged, side: Side = Side.BACKUP) -> tuple[str, ...]:
    """The exact next step for the provider at hand, then where to read more."""
    own, other = (judged.primary, judged.backup) if side is Side.PRIMARY else (judged.backup, judged.primary)
    row = own if own is not None else other
    provider = (row.domain or "").partition("/")[0] if row is not None else ""
    fixes = rule.info.remediation
    step = fixes.get(provider) or fixes.get("*") or ""
    app, _, pair = judged.key.partition("/")
    filled = step.replace("{app}", app).replace("{pair}", pair)
    return tuple(s for s in (filled, f"nhisync explain {rule.info.code}") if s)


def error_of(row: Row | None) -> dict[str, object]:
    """The typed reason a row carries, or an empty dict."""
    if row is None or row.detail is None or '"error"' not in row.detail:
        return {}
    found = json.loads(row.detail).get("error")
    return found if isinstance(found, dict) else {}
