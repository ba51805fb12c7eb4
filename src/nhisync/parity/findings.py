"""From outcomes to findings: severity by tier, waivers, evidence, texts. Only what did not pass becomes an object."""

import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import NamedTuple

from nhisync.model import EvidenceRef, Finding, PairClass, Side, State
from nhisync.parity.book import AppTerms, PairTerms
from nhisync.parity.engine import Judged
from nhisync.parity.proof import proof_of
from nhisync.parity.row import Row, instant
from nhisync.parity.rule import Outcome, Rule
from nhisync.parity.rules.evidence import DENIED, STEPS, UNCOVERED
from nhisync.parity.rules.facts import dependencies_of
from nhisync.parity.rules.region import WHERE_UNKNOWN
from nhisync.parity.text import clean

ISSUER_STEP = (
    "No provider tells where an issuer runs: see that it does not stand in the primary's fault domain, or let {pair} "
    "trust one that stands in the backup's"
)
"""NHS706 of an issuer alone, whose region no right and no setting of nhisync brings to light."""


class Place(NamedTuple):
    """Where one side of a pair stands, or should stand.

    Attributes:
        locator: its address, or "" when only a tag could say.
        provider: name of the provider there, or "" when the address is not known.
    """

    locator: str
    provider: str


Places = Callable[[Side, str, Row | None, Row | None], Place]
"""(primary or backup, key, that side's row, the counterpart's row) → where that side stands or should stand."""


def seen_place(_side: Side, _key: str, own: Row | None, _other: Row | None) -> Place:
    """As far as the row alone tells: the address and the provider of its fault domain."""
    return Place("", "") if own is None else Place(own.locator, (own.domain or "").partition("/")[0])


def findings_of(
    judged: Judged, terms: AppTerms, *, primary: str, backup: str, now: int, places: Places = seen_place
) -> Iterable[Finding]:
    """The findings of one judged pair.

    Args:
        judged: the engine's result; unchanged pairs yield nothing.
        terms: the app's terms.
        primary: name of the primary path.
        backup: name of the backup path.
        now: epoch seconds of the assessment.
        places: where a side stands or should stand.
    """
    pair = terms.terms(judged.key)
    for rule, outcome in judged.outcomes or ():
        state, note = _waived(rule, outcome, terms, pair, judged.key, now)
        place = _place(judged, outcome.side, places)
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
            observed=_observed(judged, outcome, place),
            expected=outcome.expected,
            primary=describe(judged.primary),
            backup=describe(judged.backup),
            evidence=tuple(_evidence(judged, terms)),
            next=next_steps(rule, judged, place),
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
        return outcome.state, f"the exemption by {pair.owner} ended {day}"
    waiver = terms.waivers.find(key, rule.info.code)
    if waiver is not None and outcome.state is State.UNKNOWN:
        return outcome.state, "an unknown cannot be waived"
    if waiver is None:
        return outcome.state, ""
    ticket = f" ({waiver.ticket})" if waiver.ticket else ""
    if terms.waivers.holds(waiver, instant(now).date()):
        return State.WAIVED, f"until {waiver.until} by {waiver.approved_by}{ticket}: {waiver.reason}"
    return outcome.state, f"the waiver by {waiver.approved_by} ended {waiver.until}{ticket}"


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


def _place(judged: Judged, side: Side, places: Places) -> Place:
    """Where the finding's side stands; of a pair it is the backup, where the work is."""
    if side is Side.PRIMARY:
        return places(side, judged.key, judged.primary, judged.backup)
    return places(Side.BACKUP, judged.key, judged.backup, judged.primary)


def _observed(judged: Judged, outcome: Outcome, place: Place) -> str:
    """What was seen; of a side without a row it says where one was looked for."""
    row = {Side.PRIMARY: judged.primary, Side.BACKUP: judged.backup}.get(outcome.side)
    alone = outcome.side is not Side.PAIR and row is None and place.locator
    return f"{outcome.observed}: {clean(place.locator)}" if alone else outcome.observed


def next_steps(rule: Rule, judged: Judged, place: Place) -> tuple[str, ...]:
    """The exact next step for the provider at hand, then where to read more."""
    fixes = rule.info.remediation
    step = step_of_reason(rule, (judged.backup, judged.primary)) or fixes.get(place.provider) or fixes.get("*") or ""
    app, _, pair = judged.key.partition("/")
    filled = step.replace("{app}", app).replace("{pair}", pair)
    return tuple(s for s in (filled, f"nhisync explain {rule.info.code}") if s)


def step_of_reason(rule: Rule, rows: tuple[Row | None, ...]) -> str:
    """The step of the cause, or "": what is not covered, or lies nobody knows where, has more causes than providers.

    Args:
        rule: the finding's rule.
        rows: the backup's row first.
    """
    if rule.info.code == WHERE_UNKNOWN.code:
        lost = {d.kind for d in dependencies_of(rows[0]) if d.region is None and not d.multi_region}
        return ISSUER_STEP if lost == {"issuer"} else ""
    if rule.info.code not in {DENIED.code, UNCOVERED.code}:
        return ""
    kinds = (str(error_of(row).get("kind", "")) for row in rows)
    return next((STEPS[kind] for kind in kinds if kind in STEPS), "")


def error_of(row: Row | None) -> dict[str, object]:
    """The typed reason a row carries, or an empty dict."""
    if row is None or row.detail is None or '"error"' not in row.detail:
        return {}
    found = json.loads(row.detail).get("error")
    return found if isinstance(found, dict) else {}
