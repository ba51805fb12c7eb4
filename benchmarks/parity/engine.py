"""The real engine over the store's cursors: the nine questions as rules, the whole rule set, and runs with a memory."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from benchmarks.parity.inventories import COUNTERS, HERE, NOW
from benchmarks.parity.loading import open_store
from nhisync.model import App, Consequence, Finding, Layer, Severity, Side, State
from nhisync.parity.book import AppTerms, app_terms
from nhisync.parity.engine import Remembered, judge, reading, stamp
from nhisync.parity.findings import findings_of
from nhisync.parity.row import Row, instant
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail
from nhisync.parity.rules import BY_CODE, RULES
from nhisync.parity.stream import SHOWN
from nhisync.policy import BUILTIN, Waivers

DAY = timedelta(days=1)
PRIMARY_DOMAINS = frozenset({f"aws/{HERE}"})


def check_rights(view: PairView) -> Outcome | None:
    """Same attached rights on both sides (the rule of the product reads conditions too, which the data has not)."""
    p, b = view.primary, view.backup
    if p is None or b is None or not view.present:
        return None
    return PASS if p.grants == b.grants else fail(Side.BACKUP, "other rights", "the primary's rights")


def check_accepted(view: PairView) -> Outcome | None:
    """The backup's service accepted the credential."""
    b = view.backup
    if b is None:
        return None
    return PASS if b.auth == 1 else fail(Side.BACKUP, "not accepted", "accepted")


def _own(code: str, title: str, check: Callable[[PairView], Outcome | None], *reads: str) -> Rule:
    info = RuleInfo(
        code=code,
        title=title,
        severity=Severity.ERROR,
        layer=Layer.AUTHORISED,
        consequence=Consequence.OUTAGE,
        block="AUTHZ",
        compared=title,
        hurts=title,
        false_alarm="",
        remediation={},
    )
    return Rule(info, check, reads)


QUESTIONS: Mapping[str, tuple[Rule, ...]] = {
    "missing": (BY_CODE["NHS101"],),
    "extra": (BY_CODE["NHS102"],),
    "lockstep": (BY_CODE["NHS201"], BY_CODE["NHS202"]),
    "stale": (BY_CODE["NHS208"],),
    "expiring": (BY_CODE["NHS302"],),
    "reuse": (BY_CODE["NHS401"],),
    "authz": (_own("NHS500", "rights differ", check_rights, "grants"),),
    "region": (BY_CODE["NHS704"],),
    "auth": (_own("NHS800", "credential not accepted", check_accepted, "backup.auth"),),
}
"""Counter → the rules that answer it."""

ASKED = tuple(rule for name in COUNTERS for rule in QUESTIONS[name])
_COUNTER = {rule.info.code: name for name, rules in QUESTIONS.items() for rule in rules}

_HIGH = BUILTIN["high"]
TIER = replace(
    _HIGH,
    evidence=replace(_HIGH.evidence, inventory_max_age=DAY),
    lockstep=replace(_HIGH.lockstep, max_lag=DAY, grace=timedelta(0)),
    rotation=replace(_HIGH.rotation, max_age=90 * DAY),
    expiry=replace(_HIGH.expiry, failover_window=30 * DAY),
)
"""The generator's numbers as a policy."""


class Book(dict[str, AppTerms]):
    """Terms of every app by name; what all apps of one tier share is shared."""

    def __init__(self, rules: Iterable[Rule], apps: int) -> None:
        common = app_terms(
            App(name="", tier=TIER.name), TIER, rules, primary_domains=PRIMARY_DOMAINS, waivers=Waivers()
        )
        names = (f"app{number:06d}" for number in range(apps))
        super().__init__((name, replace(common, app=App(name=name, tier=TIER.name))) for name in names)


def absent(_role: str, _key: str, _row: Row) -> str:
    """Both sweeps were complete and authoritative."""
    return "absent"


def apps_of(size: int) -> int:
    """How many apps that many pairs belong to."""
    return -(-size // 40)


def counts(url: str, size: int, rules: tuple[Rule, ...] = ASKED) -> dict[str, int]:
    """Judge every pair and count what did not pass, by rule."""
    book, found = Book(rules, apps_of(size)), Counter[str]()
    with open_store(url, "read") as store, store.reader() as reader:
        p, b, _ = reading(book, None)
        for judged in judge(reader.stream("primary", p), reader.stream("backup", b), book, now=NOW, missing=absent):
            for rule, outcome in judged.outcomes or ():
                found[rule.info.code] += outcome.state is State.FAIL
    return dict(found)


def counts_of_all_rules(url: str, size: int) -> dict[str, int]:
    """The same with every rule there is."""
    return counts(url, size, RULES)


def answers(by_code: Mapping[str, int]) -> dict[str, int]:
    """The nine counts out of counts by rule."""
    found = dict.fromkeys(COUNTERS, 0)
    for code, count in by_code.items():
        found[_COUNTER[code]] += count
    return found


def recorded(url: str, size: int) -> dict[str, int]:
    """A run as `nhisync sync` makes it: judge what changed, take over what did not, keep findings and memories.

    Returns counts by rule, and how many pairs were ``unchanged``.
    """
    book, found = Book(ASKED, apps_of(size)), Counter[str]()
    with (
        open_store(url) as store,
        store.run("benchmark") as run,
        store.reader() as reader,
        run.comparison("primary", "backup", policy_digest="benchmark", now=instant(NOW)) as comparison,
    ):
        stored = reader.stored("primary", "backup")
        p_columns, b_columns, remembered = reading(book, reader.remembered("primary", "backup", "benchmark"), SHOWN)
        rows = reader.stream("primary", p_columns), reader.stream("backup", b_columns)
        for judged in judge(*rows, book, now=NOW, missing=absent, remembered=remembered):
            key = judged.key
            open_ones: Iterable[Finding] = ()
            if judged.outcomes is None:
                found["unchanged"] += 1
                open_ones = stored(key)
            else:
                p, b = judged.primary, judged.backup
                if p is not None and b is not None:
                    comparison.remember(Remembered(key, stamp(p), stamp(b), judged.recheck))
                if judged.outcomes:
                    terms = book[key.partition("/")[0]]
                    open_ones = findings_of(judged, terms, primary="primary", backup="backup", now=NOW)
            for finding in open_ones:
                comparison.finding(finding)
                found[finding.code] += finding.state is State.FAIL
    return dict(found)
