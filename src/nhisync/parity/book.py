"""What the engine must know about each app, prepared once per assessment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from nhisync.model import App, Needed, Pair, PairClass, Severity
from nhisync.parity.pairing import Aligned, aligned_of
from nhisync.parity.rule import Rule
from nhisync.parity.thresholds import Thresholds, thresholds_of
from nhisync.policy import Tier, Waivers


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTerms:
    """What differs from pair to pair.

    Attributes:
        shared: the pair is shared by design.
        exempt: the pair is exempt.
        until: epoch seconds of the end of a shared or exempt pair; None = neither.
        ends: epoch seconds of the stated end of the backup's credential; None = none is stated.
        owner: who answers for it.
        signing: its values or keys sign sessions or tokens.
        consumers_primary: who uses the primary's credential; None = the pair does not say.
        consumers_backup: the same of the backup's.
        needs: what the configuration says that the identities need.
        field_primary: field named on the primary, or None.
        field_backup: field named on the backup, or None.
        reason: why it is shared or exempt.
        line: its line in the configuration, 0 = none.
    """

    shared: bool = False
    exempt: bool = False
    until: int | None = None
    ends: int | None = None
    owner: str = ""
    signing: bool = False
    consumers_primary: tuple[str, ...] | None = None
    consumers_backup: tuple[str, ...] | None = None
    needs: tuple[Needed, ...] = ()
    field_primary: str | None = None
    field_backup: str | None = None
    reason: str = ""
    line: int = 0


_PLAIN = PairTerms()

JUDGED = frozenset({"presence", "observed", "rotated", "created", "pending", "not_before"})
"""Columns that the engine itself reads of every row: whether it answers, and whether its times can be believed."""

EVIDENCE = "NHS9"
"""Family of the rules about what is not known: no tier switches them off or lowers them (law 3)."""


def terms_of(pair: Pair) -> PairTerms:
    """The terms of one explicit pair."""
    return PairTerms(
        shared=pair.pair_class is PairClass.SHARED,
        exempt=pair.pair_class is PairClass.EXEMPT,
        until=last_second(pair.until),
        ends=last_second(pair.ends),
        owner=pair.owner,
        signing=pair.signing,
        consumers_primary=pair.consumers_primary,
        consumers_backup=pair.consumers_backup,
        needs=pair.needs,
        field_primary=pair.primary.field,
        field_backup=pair.backup.field,
        reason=pair.reason,
        line=pair.line,
    )


def last_second(day: date | None) -> int | None:
    """Epoch seconds of the last second of `day` (UTC), through which what was agreed until then holds."""
    return None if day is None else int(datetime.combine(day, time(23, 59, 59), UTC).timestamp())


@dataclass(frozen=True, slots=True, kw_only=True)
class AppTerms:
    """One app as the engine reads it.

    Attributes:
        app: the app.
        tier: its policy.
        rules: the rules its tier asks, ordered by code.
        thresholds: the tier's numbers.
        pairs: key → terms of explicit pairs.
        default: terms of pairs made by templates and tags.
        primary_domains: fault domains of the primary path.
        common_domains: fault domains that both paths declare.
        waivers: accepted exceptions.
        aligned: whether the locators of both sides can be one pair.
    """

    app: App
    tier: Tier
    rules: tuple[Rule, ...]
    thresholds: Thresholds
    pairs: Mapping[str, PairTerms] = field(default_factory=dict)
    default: PairTerms = _PLAIN
    primary_domains: frozenset[str] = frozenset()
    common_domains: frozenset[str] = frozenset()
    waivers: Waivers = field(default_factory=Waivers)
    aligned: Aligned | None = None

    @property
    def lost_until(self) -> int | None:
        """Epoch seconds of the last second in which the app's sessions are declared lost; None = they are not."""
        return None if self.app.lost is None else last_second(self.app.lost.until)

    def terms(self, key: str) -> PairTerms:
        """The terms of the pair with this key."""
        return self.pairs.get(key, self.default)

    def exempts(self, key: str, now: int) -> bool:
        """Whether the pair with this key is exempt at `now` (epoch seconds), so that nothing about it was judged."""
        return self.terms(key).exempt and self.spares(key, now)

    def spares(self, key: str, now: int) -> bool:
        """Whether the pair with this key is shared by design or exempt, and still is at `now` (epoch seconds)."""
        pair = self.terms(key)
        return (pair.exempt or pair.shared) and pair.until is not None and now <= pair.until

    def severity(self, rule: Rule) -> Severity:
        """The rule's severity in this tier; ignorance always blocks, whatever a tier says."""
        if rule.info.code.startswith(EVIDENCE):
            return Severity.ERROR
        return self.tier.severities.get(rule.info.code, rule.info.severity)


def columns_of(book: Mapping[str, AppTerms]) -> tuple[frozenset[str], frozenset[str]]:
    """The columns of the primary's and of the backup's rows that judging the apps in `book` takes."""
    rules = {id(terms.rules): terms.rules for terms in book.values()}
    reads = {name for asked in rules.values() for rule in asked for name in rule.reads}
    both = {name for name in reads if "." not in name} | JUDGED
    backup = {name.partition(".")[2] for name in reads if "." in name}
    if any(terms.aligned is not None for terms in book.values()):
        both.add("locator")
    return frozenset(both), frozenset(backup | both)


def _asks(tier: Tier, rule: Rule) -> bool:
    """Whether `tier` asks `rule`: what is not known is always asked."""
    code = rule.info.code
    return code.startswith(EVIDENCE) or (code not in tier.off and rule.asked_by(tier))


def app_terms(
    app: App,
    tier: Tier,
    rules: Iterable[Rule],
    *,
    primary_domains: frozenset[str],
    common_domains: frozenset[str] = frozenset(),
    waivers: Waivers,
) -> AppTerms:
    """Prepare `app` for the engine."""
    return AppTerms(
        app=app,
        tier=tier,
        rules=tuple(rule for rule in rules if _asks(tier, rule)),
        thresholds=thresholds_of(tier),
        pairs={pair.key: terms_of(pair) for pair in app.pairs},
        primary_domains=primary_domains,
        common_domains=common_domains,
        waivers=waivers,
        aligned=aligned_of(app),
    )
