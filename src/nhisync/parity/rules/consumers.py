"""Family 8, consumers: has the running workload loaded the credential that its store shows as current (R18, R25)?

A generation is the version id of the store's item (`nhisync.parity.holding`). That nothing is known is asked of the
backup alone: in an outage the primary's workloads answer nobody. That an old generation is held is told of either side.
"""

from collections.abc import Iterator

from nhisync.model import Consequence, Layer, Severity, Side
from nhisync.parity.holding import Held, Holding, doubt, held_of, moved_on
from nhisync.parity.row import Row
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.controls import EVIDENCE, ROTATION
from nhisync.parity.rules.sides import PRESENT, answered, either
from nhisync.parity.text import clean, listed, when

_ASKED = "consumers.asked"

HOLDS_OLD = RuleInfo(
    code="NHS814",
    title="consumer holds an old generation",
    severity=Severity.ERROR,
    layer=Layer.LIVE,
    consequence=Consequence.OUTAGE,
    block="ROTATION_DRIFT",
    compared="The generation that each named consumer has loaded with the one that the store shows as current, once "
    "consumers.grace is over. A consumer of the primary that lags is told, and keeps no traffic from the backup.",
    hurts="The store is current and the running workload is not: it is refused the moment the old generation is "
    "retired. Until it has reloaded, nothing old may be retired.",
    false_alarm="One instance answered for several, or the workload reads the credential anew for each request. Let it "
    "tell the oldest generation that any instance holds, or take it out of the pair's consumers.",
    remediation={
        "kubernetes": "Restart what reads the Secret only when it starts (kubectl rollout restart deployment/…), then: "
        "nhisync diff primary backup --app {app}",
        "vault": "Let the workload's agent render the secret again or restart the workload, then: nhisync diff primary "
        "backup --app {app}",
        "*": "Let the consumer of {app}/{pair} load the current generation (reload or restart it); retire nothing old "
        "before that. Then: nhisync diff primary backup --app {app}",
    },
    policy=("consumers.ask", "consumers.grace"),
    frameworks=ROTATION,
)


def check_holds_old(view: PairView) -> Outcome | None:
    """Fail for each side with a consumer that lags; pass when all of the backup's are current or in time."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    age = view.thresholds.consumers_max_age
    there = _lagging(view, b, view.consumers_backup, age)
    baseline = max(age, view.thresholds.primary_baseline_max_age)
    here = _lagging(view, p, view.consumers_primary, baseline)
    outcome = either(fail, there, here, "the current generation")
    if outcome is not PASS:
        return outcome
    named = view.consumers_backup
    return PASS if b is not None and named and not list(_doubts(view, b, named)) else None


NOT_KNOWN = RuleInfo(
    code="NHS815",
    title="not known what consumers hold",
    severity=Severity.ERROR,
    layer=Layer.LIVE,
    consequence=Consequence.OUTAGE,
    block="UNKNOWN",
    compared="Whether somebody said of each named consumer of the backup, within consumers.max_age, which generation "
    "it has loaded, and whether that is one that the store has shown as current.",
    hurts="A workload that nobody asked may still hold the generation before the last rotation, and the failover is "
    "the first one to find out.",
    false_alarm="None: what nobody looked at is not known. A backup that no workload uses states an empty mapping of "
    "consumers.",
    remediation={
        "*": "Name who uses {app}/{pair} under consumers (nobody: an empty mapping), each with a url that tells its "
        "generation, or let its deployment say so: nhisync attest {app} consumer --pair {pair} --consumer NAME "
        "--generation ID --by WHO",
    },
    policy=("consumers.ask", "consumers.max_age"),
    frameworks=EVIDENCE,
    fails=False,
)


def check_not_known(view: PairView) -> Outcome | None:
    """Unknown when it is not known what a consumer of the backup holds; None where nobody asks."""
    b, named = view.backup, view.consumers_backup
    if b is None or b.presence != PRESENT:
        return None
    if named is None:
        told = "the pair does not say who uses it"
        return unknown(Side.BACKUP, told, "consumers of the backup") if view.thresholds.consumers_all else None
    doubts = list(_doubts(view, b, named))
    if not doubts:
        return PASS
    return unknown(Side.BACKUP, listed(doubts), "a look within consumers.max_age")


def _lagging(view: PairView, row: Row | None, named: tuple[str, ...] | None, age: int) -> str | None:
    """Which consumers hold an earlier generation for longer than they may; None = nobody is known to."""
    held = held_of(row)
    if row is None or held is None or not named or not _current(held, row):
        return None
    began = _began(held, row)
    if not view.passed(began + view.thresholds.consumers_grace):
        return None
    late = [
        f"{one.name} holds {clean(one.version, 40)}"
        for one in map(held.of, named)
        if not doubt(held, one, view.passed, view.now, age) and _late(view, one, row, began)
    ]
    if not late:
        return None
    return f"{listed(late)}; {clean(row.version or '', 40)} is current since {when(began)}"


def _doubts(view: PairView, row: Row, named: tuple[str, ...]) -> Iterator[str]:
    """Why it is not known what a consumer of the backup holds, one sentence each."""
    held = held_of(row) or Held()
    for one in map(held.of, named):
        why = doubt(held, one, view.passed, view.now, view.thresholds.consumers_max_age)
        if not why and not _current(held, row):
            why = "nobody has looked since the generation changed"
        if why or _overtaken(view, held, one, row):
            yield f"{one.name}: {why or f'last seen {when(one.at)}, before it had to be current'}"


def _overtaken(view: PairView, held: Held, one: Holding, row: Row) -> bool:
    """Whether it was seen, when it still might, before it had to be current, and the time for that is over now."""
    if one.version == row.version and not moved_on(held, one):
        return False
    end = _began(held, row) + view.thresholds.consumers_grace
    return view.passed(end) and one.at < end


def _late(view: PairView, one: Holding, row: Row, began: int) -> bool:
    return one.version != row.version and one.at >= began + view.thresholds.consumers_grace


def _current(held: Held, row: Row) -> bool:
    """Whether what was looked at is what the store shows now."""
    return row.version is not None and bool(held.tenures) and held.tenures[-1].version == row.version


def _began(held: Held, row: Row) -> int:
    """Epoch seconds from which the current generation is the current one: as the provider says, or as it was seen."""
    since = held.tenures[-1].since
    return since if row.rotated is None else min(since, row.rotated)


_READ = ("consumers", "presence", "version", "rotated")

RULES = (
    Rule(HOLDS_OLD, check_holds_old, _READ, asked=_ASKED),
    Rule(NOT_KNOWN, check_not_known, tuple(f"backup.{name}" for name in _READ), asked=_ASKED),
)
