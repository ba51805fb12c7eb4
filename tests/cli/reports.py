"""Hand-made reports: what a person must be able to read, and what every format is made from."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from nhisync.model import (
    AppReport,
    Blackout,
    Consequence,
    Coverage,
    CoverageStatus,
    ErrorFact,
    EvidenceRef,
    Finding,
    Layer,
    LayerCount,
    Mode,
    PathSummary,
    Report,
    Severity,
    Side,
    SourceSummary,
    State,
    Verdict,
    Word,
)
from nhisync.parity.rule import RuleInfo

NOW = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)
HOSTILE = "evil\x1b[2J\x9b31m\u202e]0;x\x07[bold]|`<script>@team {0} [x](y)\n&\x00\xe9\ud800"
"""Everything that one of the readers would obey, in one name."""


def finding(code: str, state: State, pair: str, **more: Any) -> Finding:
    """A finding of the app payments."""
    defaults: dict[str, Any] = {
        "severity": Severity.ERROR,
        "app": "payments",
        "title": "check",
        "side": Side.BACKUP,
        "path": "backup",
        "next": (f"nhisync explain {code}",),
        "evidence": (
            EvidenceRef(
                kind="inventory",
                source=f"aws:secret/payments/{pair}",
                evidence_at=NOW - timedelta(seconds=38),
                expires_at=NOW + timedelta(seconds=52),
            ),
        ),
    }
    return Finding(code=code, state=state, pair=pair, **{**defaults, **more})


FINDINGS = (
    finding(
        "NHS801",
        State.FAIL,
        "stripe-api",
        title="live authentication refused",
        layer=Layer.LIVE,
        observed="the backup key is refused by the service itself",
        expected="an accepted login from eu-north-1",
        primary="200 as acct_live",
        backup="401 invalid key (from eu-north-1)",
        next=("nhisync plan payments --pair stripe-api --out p.json", "nhisync explain NHS801"),
        frameworks=("NHI4:2025", "CSF2:RC.RP-03"),
        since=NOW - timedelta(minutes=21),
        line=31,
    ),
    finding(
        "NHS201",
        State.FAIL,
        "ledger-db",
        title="generation lags behind",
        layer=Layer.FRESH,
        observed="the backup was not rotated after the primary's last rotation: 72d behind",
        expected="at most 24h",
        primary="v18 2026-11-12",
        backup="v11 2026-09-01",
        next=("nhisync plan payments --pair ledger-db --out p.json", "nhisync explain NHS201"),
        frameworks=("NHI7:2025", "CSF2:PR.AA-01"),
        line=34,
    ),
    finding(
        "NHS902",
        State.UNKNOWN,
        "fx-feed",
        title="inventory denied",
        observed="may not read metadata of the backup's secret",
        primary="v7 2026-11-01",
        backup="denied",
        next=("nhisync permissions --provider aws --mode read --pair fx-feed", "nhisync explain NHS902"),
        frameworks=("CSF2:DE.CM-09",),
        line=38,
    ),
    finding(
        "NHS303",
        State.UNKNOWN,
        "audit-sink",
        title="expiry not known",
        severity=Severity.WARNING,
        observed="the provider does not say when it expires",
        primary="v2 2026-10-01",
        backup="v2 2026-10-02",
    ),
    finding(
        "NHS602",
        State.WAIVED,
        "api-tls",
        title="old intermediate served",
        layer=Layer.CHAIN,
        observed="the chain ends in the old intermediate",
        backup="old intermediate",
        waiver="until 2026-12-15 by security-oncall (SEC-812): CA cut-over",
    ),
)

VERDICT = Verdict(
    app="payments",
    path="backup",
    word=Word.NOT_READY,
    tier="critical",
    mode=Mode.ENFORCE,
    evaluated_at=NOW,
    valid_until=NOW + timedelta(seconds=52),
    pairs=14,
    passing=11,
    failing=2,
    unknown=1,
    reasons=("NHS801 stripe-api", "NHS201 ledger-db", "NHS902 fx-feed"),
    blocks=("AUTH_FAILED", "ROTATION_DRIFT", "UNKNOWN"),
    policy_digest="sha256:4f2c",
)

DENIAL = ErrorFact(
    kind="denied",
    message="may not read metadata of this secret",
    action="secretsmanager:DescribeSecret",
    resource="arn:aws:secretsmanager:eu-north-1:111122223333:secret:payments/fx-feed-*",
    principal="arn:aws:sts::111122223333:assumed-role/nhisync-backup/run",
    reason="no identity-based policy allows it",
    request_id="5c1f",
)


def coverage(source: str, kind: str, status: CoverageStatus, error: ErrorFact | None = None) -> Coverage:
    """One coverage entry of a moment ago."""
    return Coverage(
        source=source,
        kind=kind,
        scope="",
        status=status,
        items=14,
        authoritative=error is None,
        as_of=NOW - timedelta(seconds=38),
        error=error,
    )


PATHS = (
    PathSummary(
        name="primary",
        region="eu-west-1",
        sources=(
            SourceSummary(
                name="vault",
                provider="vault",
                region="eu-west-1",
                identity="nhisync-reader at vault:5a1e",
                calls=31,
                seconds=0.412,
            ),
        ),
        coverage=(coverage("vault", "kv", CoverageStatus.COMPLETE),),
        items=14,
        unmapped=3,
        oldest=NOW - timedelta(seconds=38),
    ),
    PathSummary(
        name="backup",
        region="eu-north-1",
        sources=(
            SourceSummary(
                name="aws",
                provider="aws",
                region="eu-north-1",
                identity="nhisync-backup at aws:111122223333",
                calls=12,
                seconds=0.2,
            ),
        ),
        coverage=(coverage("aws", "secret", CoverageStatus.PARTIAL, DENIAL),),
        items=14,
        oldest=NOW - timedelta(seconds=35),
    ),
)


BLACKOUT = Blackout(
    until=NOW + timedelta(days=4, hours=6),
    left=4 * 86_400 + 6 * 3_600,
    first="api-tls",
    cause="CN=R11 ends",
    unknown=4,
    unsure=("stripe-api", "ledger-db", "smtp", "ses"),
    endless=3,
    pairs=14,
    required=7 * 86_400,
)


def app_report(verdict: Verdict = VERDICT, **more: Any) -> AppReport:
    """The report of the app of `verdict`."""
    layers = {
        Layer.EXISTS: LayerCount(layer=Layer.EXISTS, passed=28),
        Layer.FRESH: LayerCount(layer=Layer.FRESH, passed=12, failed=1, unknown=1),
        Layer.CHAIN: LayerCount(layer=Layer.CHAIN, passed=1, waived=1),
        Layer.LIVE: LayerCount(layer=Layer.LIVE, failed=1),
    }
    defaults: dict[str, Any] = {
        "tier": verdict.tier,
        "owner": "payments-oncall",
        "runbook": "https://wiki.example/payments/failover",
        "primary": "primary",
        "backup": verdict.path,
        "layers": tuple(layers.get(layer, LayerCount(layer=layer)) for layer in Layer),
        "pairs": verdict.pairs,
        "evidence_age": timedelta(seconds=38),
        "blackout": BLACKOUT,
    }
    return AppReport(app=verdict.app, verdict=verdict, **{**defaults, **more})


def make_report(**more: Any) -> Report:
    """The mock-up of the design: payments is not ready."""
    defaults: dict[str, Any] = {
        "run_id": "00000000000000000000000000000001",
        "command": "diff",
        "generated_at": NOW,
        "expires_at": NOW + timedelta(seconds=52),
        "policy_digest": "sha256:4f2c",
        "config_file": "nhisync.yaml",
        "primary": "primary",
        "backup": "backup",
        "paths": PATHS,
        "apps": (app_report(),),
        "findings": FINDINGS,
        "evidence_age": timedelta(seconds=38),
    }
    return Report(**{**defaults, **more})


READY = replace(
    VERDICT, word=Word.READY, passing=14, failing=0, unknown=0, reasons=(), blocks=(), valid_until=NOW + timedelta(90)
)
UNSURE = replace(VERDICT, word=Word.UNKNOWN, passing=13, failing=0, reasons=("NHS902 fx-feed",), blocks=("UNKNOWN",))

PASSED = finding("NHS101", State.PASS, "stripe-api", title="backup credential missing", primary="v1", backup="v1")

LOST = ErrorFact(kind="unreachable", message="no answer within 5s, 3 tries; TCP connects, TLS handshake stops")


def _lost_path(path: PathSummary) -> PathSummary:
    source = replace(path.sources[0], error=LOST, identity="")
    entry = coverage("vault", "kv", CoverageStatus.UNREACHABLE, LOST)
    return replace(path, sources=(source,), coverage=(entry,), items=0, unmapped=0)


def _blind() -> Report:
    """The primary did not answer at all."""
    verdict = replace(UNSURE, passing=0, unknown=14, reasons=("NHS903 stripe-api",))
    unseen = finding(
        "NHS903",
        State.UNKNOWN,
        "stripe-api",
        title="primary unreachable",
        side=Side.PRIMARY,
        path="primary",
        observed="the primary did not answer",
        primary="unreachable",
        next=("nhisync doctor primary -v", "nhisync explain NHS903"),
    )
    others = [replace(unseen, pair=f"pair-{number:02}") for number in range(1, 14)]
    return make_report(
        paths=(_lost_path(PATHS[0]), PATHS[1]),
        apps=(app_report(verdict, evidence_age=None),),
        findings=(unseen, *others),
    )


def _hostile() -> Report:
    """Every text of others holds what a reader would obey."""
    evil = replace(
        FINDINGS[0],
        pair=HOSTILE,
        title=HOSTILE,
        observed=HOSTILE,
        expected=HOSTILE,
        primary=HOSTILE,
        backup=HOSTILE,
        next=(HOSTILE,),
        frameworks=(HOSTILE,),
        waiver=HOSTILE,
    )
    paths = (replace(PATHS[0], name="primary", region=HOSTILE), replace(PATHS[1], region=HOSTILE))
    evil_clock = replace(BLACKOUT, first=HOSTILE, cause=HOSTILE, unknown=1, unsure=(HOSTILE,))
    app = app_report(replace(VERDICT, reasons=(HOSTILE,)), owner=HOSTILE, runbook=HOSTILE, blackout=evil_clock)
    waived = replace(evil, state=State.WAIVED, code="NHS602")
    return make_report(findings=(evil, waived), paths=paths, apps=(app,), notes=(HOSTILE,), config_file=HOSTILE)


def _two_apps() -> Report:
    """One app is ready, one only observes and would block."""
    search = replace(VERDICT, app="search", tier="standard", mode=Mode.OBSERVE, reasons=("NHS101 index-key",))
    missing = replace(
        finding("NHS101", State.FAIL, "index-key", title="backup credential missing", backup="absent"),
        app="search",
        consequence=Consequence.OUTAGE,
        observed="the backup holds no counterpart",
    )
    return make_report(
        apps=(
            app_report(READY, warnings=1, infos=2, primary_fails=1),
            app_report(
                replace(search, failing=1, unknown=0, passing=13), owner="", runbook="", evidence_age=timedelta(hours=5)
            ),
        ),
        findings=(missing,),
        notes=("the primary is 7m old",),
    )


REPORTS: dict[str, Callable[[], Report]] = {
    "drift": make_report,
    "ready": lambda: make_report(apps=(app_report(READY, warnings=2),), findings=(PASSED,)),
    "unknown": lambda: make_report(apps=(app_report(UNSURE),), findings=FINDINGS[2:3]),
    "blind": _blind,
    "apps": _two_apps,
    "empty": lambda: make_report(apps=(), findings=(), paths=()),
    "hostile": _hostile,
}

RULES = {
    "NHS801": RuleInfo(
        code="NHS801",
        title="live authentication refused",
        severity=Severity.ERROR,
        layer=Layer.LIVE,
        consequence=Consequence.OUTAGE,
        block="AUTH_FAILED",
        compared="The answer of the service to a login from the backup's position.",
        hurts="A failover now turns every request into an error.",
        false_alarm="The service was down for both sides.",
        remediation={"*": "Rotate the backup's credential."},
    )
}
