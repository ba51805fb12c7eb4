"""Table tests of policies: what a tier must say, row by row. Judging sample facts is left to the caller."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from nhisync.config.case_documents import CaseDocument, CasesDocument, SideDocument
from nhisync.config.fields import parse_share
from nhisync.config.policies import effective_values
from nhisync.config.policy_checks import dotted_keys, value_text
from nhisync.config.problems import Loc, Report, dotted, nearest
from nhisync.config.reading import read_yaml
from nhisync.config.secrecy import shown
from nhisync.config.tree import Node
from nhisync.config.validation import refuse_empty, validate
from nhisync.model import CredentialState, Lifecycle, Presence, Severity
from nhisync.policy import Tier
from nhisync.spi import format_duration, parse_duration

OFF = "off"
"""Severity of a rule that a tier does not ask."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSide:
    """Facts of one side relative to the moment of the test; None = not known. See the policy test format."""

    presence: Presence = Presence.PRESENT
    lifecycle: Lifecycle = Lifecycle.OWN
    state: CredentialState | None = None
    created_ago: timedelta | None = None
    rotated_ago: timedelta | None = None
    expires_in: timedelta | None = None
    next_rotation_in: timedelta | None = None
    pending_for: timedelta | None = None
    rotation_enabled: bool | None = None
    interval: timedelta | None = None
    owner: str | None = None
    observed_ago: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePair:
    """Facts of a pair; a side that is None has no row."""

    primary: SampleSide | None
    backup: SampleSide | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyCase:
    """One row of the table.

    Attributes:
        name: what the row proves.
        tier: tier that is asked.
        code: rule that is asked, or "".
        key: dotted policy key that is asked, or "".
        given: sample facts, or None.
        severity: expected severity, or "".
        state: expected result on `given`, or "".
        value: expected value of `key` as text, or "".
        origin: ``file:line`` of the row.
    """

    name: str
    tier: str
    code: str
    key: str
    given: SamplePair | None
    severity: str
    state: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """What came out of one row; it holds when `wrong` is empty.

    Attributes:
        case: the row.
        wrong: one sentence per expectation that was not met.
    """

    case: PolicyCase
    wrong: tuple[str, ...]


Judge = Callable[[Tier, str, SamplePair], str]
"""(tier, rule code, facts) → ``pass``, ``fail``, ``unknown``, or ``none`` when the rule does not apply."""


def load_cases(file: Path, tiers: Mapping[str, Tier], severities: Mapping[str, Severity]) -> tuple[PolicyCase, ...]:
    """Read a table; every name in it must exist.

    Args:
        file: the table.
        tiers: effective tiers.
        severities: known rule codes with the rules' own severities.

    Raises:
        ConfigurationError: with all problems.
    """
    yaml = read_yaml(file)
    report = yaml.report()
    refuse_empty(yaml.root, (), report)
    document = validate(CasesDocument, yaml.root, (), report)
    rows = document.cases if document else []
    cases = []
    for index, row in enumerate(rows):
        node = yaml.root.get("cases", index) or yaml.root
        _check(row, node, ("cases", index), report, tiers, severities)
        cases.append(_case(row, f"{yaml.name}:{node.mark.line}"))
    report.raise_any()
    return tuple(cases)


def run_cases(
    cases: tuple[PolicyCase, ...], tiers: Mapping[str, Tier], severities: Mapping[str, Severity], judge: Judge
) -> tuple[CaseResult, ...]:
    """Ask every row; `judge` answers for sample facts."""
    return tuple(_run(case, tiers[case.tier], severities, judge) for case in cases)


def _check(
    row: CaseDocument,
    node: Node,
    loc: Loc,
    report: Report,
    tiers: Mapping[str, Tier],
    severities: Mapping[str, Severity],
) -> None:
    def note(key: str, text: str, suggestion: str = "") -> None:
        place = node.get(key) or node
        report.add(place.mark, dotted((*loc, key)), f"{dotted((*loc, key))}: {text}", suggestion=suggestion)

    if row.tier not in tiers:
        note("tier", f"`{row.tier}` is not one of {', '.join(sorted(tiers))}", nearest(row.tier, tiers))
    if row.code is not None and row.code not in severities:
        note("code", f"there is no rule `{row.code}`", nearest(row.code, severities))
    if row.key is not None and row.key not in dotted_keys():
        note("key", f"there is no policy key `{shown(row.key)}`", nearest(row.key, dotted_keys()))
    for text in _unfitting(row):
        note("expect", text)


def _unfitting(row: CaseDocument) -> list[str]:
    """Expectations that cannot be asked with what the row gives."""
    expect = row.expect
    rules = (
        (not expect.model_fields_set, "expects nothing; name a severity, a state or a value"),
        (expect.severity is not None and row.code is None, "`severity` needs a `code`"),
        (expect.state is not None and (row.code is None or row.given is None), "`state` needs a `code` and `given`"),
        ((expect.value is None) != (row.key is None), "`value` and `key` belong together"),
    )
    return [text for wrong, text in rules if wrong]


def _case(row: CaseDocument, origin: str) -> PolicyCase:
    given = row.given
    return PolicyCase(
        name=row.name,
        tier=row.tier,
        code=row.code or "",
        key=row.key or "",
        given=None if given is None else SamplePair(primary=_side(given.primary), backup=_side(given.backup)),
        severity=row.expect.severity or "",
        state=row.expect.state or "",
        value="" if row.expect.value is None else _word(row.expect.value),
        origin=origin,
    )


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _side(side: SideDocument | None) -> SampleSide | None:
    if side is None:
        return None
    facts = side.model_dump(exclude={"expired_ago", "observed_ago"}, exclude_none=True)
    if side.expired_ago is not None:
        facts["expires_in"] = -side.expired_ago
    if side.observed_ago is not None:
        facts["observed_ago"] = side.observed_ago
    return SampleSide(**facts)


def _run(case: PolicyCase, tier: Tier, severities: Mapping[str, Severity], judge: Judge) -> CaseResult:
    wrong = []
    if case.severity:
        own = tier.severities.get(case.code, severities[case.code])
        found = OFF if case.code in tier.off else own.value
        wrong += _differs("severity", found, case.severity)
    if case.state and case.given is not None:
        wrong += _differs("state", judge(tier, case.code, case.given), case.state)
    if case.key:
        wrong += _differs(case.key, effective_values(tier)[case.key], _normal(case.value, case.key, tier))
    return CaseResult(case=case, wrong=tuple(wrong))


def _differs(what: str, found: str, expected: str) -> list[str]:
    return [] if found == expected else [f"{what} is {found}, expected {expected}"]


def _normal(text: str, key: str, tier: Tier) -> str:
    """`text` as an effective value is written, so that ``24h`` equals ``1d``."""
    section, _, name = key.partition(".")
    value = getattr(getattr(tier, section), name)
    try:
        if isinstance(value, timedelta):
            return format_duration(parse_duration(text))
        if isinstance(value, float):
            return value_text(parse_share(text))
    except (ValueError, OverflowError):
        return text
    return text
