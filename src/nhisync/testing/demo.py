"""The demo's world: two paths, three apps of three tiers (and one that nobody mapped yet), a planted fault for every rule.

Read it as a catalogue of what goes wrong with backup credentials: each `PlannedPair` is one story.
"""

from datetime import timedelta
from typing import Any

from nhisync.testing.demo_payments import PAYMENTS
from nhisync.testing.demo_search import SEARCH
from nhisync.testing.demo_wiki import WIKI
from nhisync.testing.scenario import PlannedApp, PlannedFault, PlannedSource, Scenario

ACCOUNT = "111122223333"
"""The one AWS account both regions live in; nhisync's own roles differ."""

INTRANET = PlannedApp(
    name="intranet",
    tier="standard",
    owner="platform-oncall",
    runbook="https://wiki.example/intranet/failover",
    pairs=(),
    matches=(
        {"kind": "secret", "primary": "vault:kv/secret/intranet/{name}", "backup": "bao:kv/secret/intranet/{name}"},
    ),
    expects={"NHS906": "unknown"},
    verdict="unknown",
)
"""An app that somebody added to the file and nobody mapped: it must not look fine."""


def _source(path: str, name: str, provider: str, region: str, **options: Any) -> PlannedSource:
    return PlannedSource(path=path, name=name, provider=provider, region=region, options=options)


def scenario() -> Scenario:
    """The whole world."""
    west, north = "eu-west-1", "eu-north-1"
    return Scenario(
        sources=(
            _source("primary", "vault", "vault", west, fingerprint=True, census=True),
            _source("primary", "aws", "aws", west, account=ACCOUNT, mode="fingerprint"),
            _source("primary", "edge", "tls", west),
            _source("primary", "files", "file", west),
            _source("backup", "aws", "aws", north, account=ACCOUNT, mode="fingerprint"),
            _source("backup", "bao", "vault", north, fingerprint=True, census=True),
            _source("backup", "edge", "tls", north),
            _source("backup", "files", "file", north),
            _source("backup", "attic", "vault", north),
            _source("backup", "busy", "aws", north),
        ),
        apps=(PAYMENTS, SEARCH, WIKI, INTRANET),
        waivers=(
            {
                "pair": "payments/statements-tls",
                "code": "NHS602",
                "until": "2099-12-31",
                "approved_by": "security-oncall",
                "ticket": "SEC-812",
                "reason": "CA cut-over",
            },
        ),
        policies={
            "critical.yaml": {"version": 1, "tier": "critical", "inherits": "critical", "evidence": COMPARE},
        },
        faults=(
            PlannedFault(path="backup", source="attic", name="unreachable"),
            PlannedFault(path="backup", source="busy", name="throttled"),
        ),
    )


COMPARE = {"compare_values": True}
"""The value comparison is opt-in; the demo's critical tier opts in."""

HISTORY = timedelta(hours=30)
"""How old the planted observation of a source that has gone silent is."""
