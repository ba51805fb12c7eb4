"""The result of one assessment; every output format derives from it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from nhisync.model.coverage import Coverage
from nhisync.model.finding import Finding, Verdict
from nhisync.model.item import ErrorFact
from nhisync.model.words import Layer, State

SCHEMA_VERSION = "1.2"
"""Of the JSON report; the minor part rises with every addition, nothing is ever removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSummary:
    """One source as the run met it.

    Attributes:
        name: source name.
        provider: provider name.
        region: its region, or "".
        identity: ``principal at authority``, or "".
        error: why nothing at all could be asked, or None.
        calls: requests made.
        seconds: how long it took.
    """

    name: str
    provider: str
    region: str = ""
    identity: str = ""
    error: ErrorFact | None = None
    calls: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSummary:
    """One path as the run met it.

    Attributes:
        name: path name.
        region: its region, or "".
        sources: its sources.
        coverage: what was seen of each kind and scope.
        items: rows held for it.
        unmapped: items that no pair claims.
        oldest: oldest observation among judged rows, or None.
    """

    name: str
    region: str = ""
    sources: tuple[SourceSummary, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    items: int = 0
    unmapped: int = 0
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCount:
    """How one layer of equivalence stands for one app (R21: all layers are shown, the report stops at none).

    Attributes:
        layer: which one.
        passed: rule answers that passed.
        failed: fails, whatever their severity.
        unknown: unknowns.
        waived: waived fails.
    """

    layer: Layer
    passed: int = 0
    failed: int = 0
    unknown: int = 0
    waived: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Blackout:
    """How long an app's identities on the backup keep authenticating if every issuer and rotator vanished now.

    Attributes:
        until: from then on at least one surely does not authenticate; None = no such instant is known.
        left: seconds until then, None without it.
        first: the pair that dies first, or "".
        cause: what ends then, or "".
        unknown: how many pairs there are of which an earlier end cannot be ruled out.
        unsure: the first of them in order of name; a million names would help nobody.
        endless: pairs that are known not to end by themselves.
        pairs: pairs that count.
        required: seconds that the tier asks for; None = it does not ask.
    """

    until: datetime | None = None
    left: int | None = None
    first: str = ""
    cause: str = ""
    unknown: int = 0
    unsure: tuple[str, ...] = ()
    endless: int = 0
    pairs: int = 0
    required: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppReport:
    """One app against one backup path.

    Attributes:
        app: app name.
        tier: policy name.
        owner: who is woken, or "".
        runbook: URL, or "".
        primary: primary path's name.
        backup: backup path's name.
        verdict: the folded result.
        layers: per layer counts, in order.
        pairs: pairs judged.
        unchanged: pairs whose remembered result was taken over.
        evidence_age: age of the oldest observation judged for this app, on either path; None when none was.
        warnings: fails and unknowns of severity warning: they stand beside the verdict and do not block.
        infos: those of severity info.
        primary_fails: fails of severity error that speak about the primary alone, which blocks no entry.
        blackout: how long the backup lives without issuers; None = not computed.
    """

    app: str
    tier: str
    owner: str
    runbook: str
    primary: str
    backup: str
    verdict: Verdict
    layers: tuple[LayerCount, ...] = ()
    pairs: int = 0
    unchanged: int = 0
    evidence_age: timedelta | None = None
    warnings: int = 0
    infos: int = 0
    primary_fails: int = 0
    blackout: Blackout | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One assessment.

    Attributes:
        run_id: hex id of the run.
        command: ``diff`` or ``sync``.
        generated_at: the one `now` of the assessment.
        expires_at: earliest `valid_until` of its verdicts.
        policy_digest: digest over all tiers used.
        config_file: the configuration as the user named it.
        primary: first argument of ``diff``.
        backup: second argument of ``diff``.
        paths: what was met.
        apps: one entry per app and backup path.
        findings: everything that did not pass (passes too when asked for), worst first.
        evidence_age: age of the oldest judged observation.
        notes: remarks for the reader (``the primary is 7m old``), most important first.
    """

    run_id: str
    command: str
    generated_at: datetime
    expires_at: datetime
    policy_digest: str
    config_file: str
    primary: str
    backup: str
    paths: tuple[PathSummary, ...]
    apps: tuple[AppReport, ...]
    findings: tuple[Finding, ...]
    evidence_age: timedelta = timedelta(0)
    notes: tuple[str, ...] = field(default=())

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts of all apps."""
        return tuple(app.verdict for app in self.apps)

    def count(self, state: State) -> int:
        """How many findings are in `state`."""
        return sum(finding.state is state for finding in self.findings)
