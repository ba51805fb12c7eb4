"""What must hold inside one tier: every value set, values that fit together, codes that exist."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from fractions import Fraction
from typing import Any, Final, NamedTuple

from nhisync.config.policy_documents import PolicyDocument
from nhisync.config.problems import Loc, Report, nearest
from nhisync.config.reading import YamlFile
from nhisync.model import Severity
from nhisync.policy import (
    Authorization,
    BlackoutLimits,
    ChainLimits,
    ConsumerLimits,
    Damping,
    Evaluate,
    Evidence,
    Expiry,
    Failback,
    LiveLimits,
    Lockstep,
    ProtectionLimits,
    RotationLimits,
    SessionLimits,
)
from nhisync.spi import format_duration

SECTIONS: Final[Mapping[str, type]] = {
    "evaluate": Evaluate,
    "evidence": Evidence,
    "authorization": Authorization,
    "lockstep": Lockstep,
    "rotation": RotationLimits,
    "expiry": Expiry,
    "chain": ChainLimits,
    "blackout": BlackoutLimits,
    "sessions": SessionLimits,
    "protection": ProtectionLimits,
    "live": LiveLimits,
    "consumers": ConsumerLimits,
    "failback": Failback,
    "damping": Damping,
}
"""Section of a policy file → the value it becomes."""


OPTIONAL: Final[Mapping[str, Any]] = {
    "authorization.compare": False,
    "authorization.max_age": timedelta(minutes=15),
    "authorization.second_opinion": False,
    "live.min_depth": "none",
    "live.max_age": timedelta(minutes=5),
    "live.grace": timedelta(minutes=1),
    "live.previous_refused": False,
    "live.overlap": timedelta(0),
    **{f"blackout.{one.name}": one.default for one in fields(BlackoutLimits)},
    "sessions.ask": SessionLimits().ask,
    **{f"protection.{one.name}": one.default for one in fields(ProtectionLimits)},
    **{f"consumers.{one.name}": one.default for one in fields(ConsumerLimits)},
}
"""Values of a tier that inherits none and sets none: what was asked for later stays off in older files."""


_ANSWER: Final = "NHS808"


class _Relation(NamedTuple):
    """Two values that must fit together: `holds` of both, `text` says how."""

    key: str
    other: str
    holds: Callable[[Any, Any], bool]
    text: str


_RELATIONS = (
    _Relation("evaluate.entry_max_age", "evaluate.every", lambda a, b: a >= 2 * b, "at least twice"),
    _Relation("evaluate.primary_baseline_max_age", "evaluate.entry_max_age", lambda a, b: a >= b, "at least"),
    _Relation("evidence.inventory_max_age", "evaluate.every", lambda a, b: a >= b, "at least"),
    _Relation("expiry.failover_window", "evaluate.stay_lease", lambda a, b: a >= b, "at least"),
    _Relation("expiry.warn_fraction", "expiry.block_fraction", lambda a, b: a >= b, "at least"),
    _Relation("chain.horizon", "evaluate.stay_lease", lambda a, b: a >= b, "at least"),
    _Relation("blackout.rto", "blackout.ask", lambda rto, ask: rto or not ask, "more than 0s with"),
    _Relation("blackout.longest_stay", "evaluate.stay_lease", lambda a, b: not a or a >= b, "0s, or at least"),
    _Relation("authorization.compare", "authorization.second_opinion", lambda a, b: a or not b, "true with"),
    _Relation("live.max_age", "evaluate.every", lambda a, b: a >= 2 * b, "at least twice"),
    _Relation(
        "live.min_depth",
        "live.previous_refused",
        lambda depth, ask: not ask or depth in {"auth", "txn"},
        "auth or txn with",
    ),
    _Relation("damping.reuse", "damping.suppress", lambda a, b: a < b, "less than"),
)


@dataclass(slots=True)
class Draft:
    """A tier in the making: dotted key → value, with origins."""

    values: dict[str, Any] = field(default_factory=dict)
    severities: dict[str, Severity] = field(default_factory=dict)
    off: frozenset[str] = frozenset()
    origins: dict[str, str] = field(default_factory=dict)
    critical: bool = False
    attestations: dict[str, timedelta] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy file that could be read."""

    document: PolicyDocument
    yaml: YamlFile
    report: Report


def dotted_keys() -> list[str]:
    """``section.key`` of every value, in the order of a policy file."""
    return [f"{section}.{one.name}" for section, value in SECTIONS.items() for one in fields(value)]


def value_text(value: Any) -> str:
    """A policy value as a file would write it."""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else str(Fraction(value).limit_denominator(1000))
    return str(value)


def check_tier(name: str, draft: Draft, file: PolicyFile, codes: Collection[str] | None) -> None:
    """Report everything that does not hold in the tier `name` that `file` makes.

    Args:
        name: the tier.
        draft: its effective values.
        file: where they are set.
        codes: known rule codes; None = any.
    """
    missing = [key for key in dotted_keys() if key not in draft.values]
    for key in missing:
        said = f"tier `{name}` sets no {key}; set it, or inherit a tier that does"
        file.report.add(file.yaml.mark(("tier",)), key, said)
    if not missing:
        _check_relations(draft, file)
        _check_sessions(draft, file)
    if codes is not None:
        _check_codes(file, codes)
    if draft.critical:
        _check_critical(draft, file)


def _check_codes(file: PolicyFile, codes: Collection[str]) -> None:
    places: list[tuple[str, Loc]] = [(code, ("severities", code)) for code in file.document.severities]
    places += [(code, ("off", index)) for index, code in enumerate(file.document.off)]
    for code, loc in places:
        if code not in codes:
            said = f"{loc[0]}: there is no rule `{code}`"
            file.report.add(file.yaml.mark(loc), str(loc[0]), said, suggestion=nearest(code, codes))


def _check_relations(draft: Draft, file: PolicyFile) -> None:
    for relation in _RELATIONS:
        value, other = draft.values[relation.key], draft.values[relation.other]
        if relation.holds(value, other):
            continue
        here = relation.key if file.yaml.root.get(*relation.key.split(".")) else relation.other
        file.report.add(
            file.yaml.mark(tuple(here.split("."))),
            relation.key,
            f"{relation.key} ({value_text(value)}) must be {relation.text} {relation.other} ({value_text(other)})",
        )


def _check_sessions(draft: Draft, file: PolicyFile) -> None:
    """Who asks about sessions hears the answer of a pair from NHS808: muted, every pair would pass for an answer."""
    lowered = draft.severities.get(_ANSWER, Severity.ERROR) is not Severity.ERROR
    if not draft.values["sessions.ask"] or not (lowered or _ANSWER in draft.off):
        return
    word, key = ("lower", "severities") if lowered else ("switch off", "off")
    said = f"{key}: a tier that asks about sessions (sessions.ask) cannot {word} `{_ANSWER}`, which is the answer"
    place = file.yaml.root.get(key)
    file.report.add(place.mark if place else file.yaml.mark(("inherits",)), key, said)


def _check_critical(draft: Draft, file: PolicyFile) -> None:
    """A critical tier always asks whether a credential is there, has not expired, and could be seen at all (law 3)."""
    for code in sorted(draft.off):
        if code.startswith(("NHS1", "NHS9")) or code == "NHS301":
            listed = file.document.off
            loc: Loc = ("off", listed.index(code)) if code in listed else ("inherits",)
            said = f"off: a critical tier cannot switch `{code}` off (presence, expired, evidence)"
            file.report.add(file.yaml.mark(loc), "off", said)
    for code, severity in sorted(draft.severities.items()):
        if severity is not Severity.ERROR and (code.startswith("NHS9") or code in {"NHS101", "NHS301"}):
            loc = ("severities", code) if code in file.document.severities else ("inherits",)
            said = f"severities: a critical tier cannot lower `{code}` (presence, expired, evidence)"
            file.report.add(file.yaml.mark(loc), "severities", said)
