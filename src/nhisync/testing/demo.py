"""The demo's world: two paths, apps of four tiers and one unmapped, a planted fault for every rule.

Read it as a catalogue of what goes wrong with backup credentials: each `PlannedPair` is one story.
"""

from typing import Any

from nhisync.testing.demo_billing import BILLING
from nhisync.testing.demo_billing import SOURCES as BILLING_SOURCES
from nhisync.testing.demo_custody import CUSTODY, GUARDED, SEALED, TRAILS
from nhisync.testing.demo_dispatch import DISPATCH, LASTING
from nhisync.testing.demo_orders import HERE, ORDERS, PROJECT, THERE
from nhisync.testing.demo_own import OWN
from nhisync.testing.demo_parts import NORTH, WEST
from nhisync.testing.demo_payments import PAYMENTS
from nhisync.testing.demo_search import SEARCH
from nhisync.testing.demo_signin import SEAMLESS, SIGNIN
from nhisync.testing.demo_trust import TRUST_SOURCES
from nhisync.testing.demo_wallet import ACCOUNTS, TIER, WALLET
from nhisync.testing.demo_wiki import WIKI
from nhisync.testing.scenario import PlannedApp, PlannedFault, PlannedSource, Scenario

ACCOUNT, STRAY_ACCOUNT, BUSY_ACCOUNT = "111122223333", "222233334444", "333344445555"
"""AWS accounts: the one both regions live in, and those of two further sources of the backup path."""

INTRANET = PlannedApp(
    name="intranet",
    tier="standard",
    owner="platform-oncall",
    runbook="https://wiki.example/intranet/failover",
    pairs=(),
    matches=(
        {
            "kind": "secret",
            "primary": "vault:kv/secret/intranet/{name}",
            "backup": "archive:kv/secret/intranet/{name}",
        },
    ),
    expects={"NHS906": "unknown", "NHS907": "unknown", "NHS912": "unknown"},
    verdict="unknown",
)
"""An app that somebody added to the file and nobody mapped, on a store that lost its content overnight.

What that store is read with has ended, too (`nhisync.testing.demo_own`)."""

WAIVER = {
    "pair": "payments/statements-tls",
    "code": "NHS602",
    "until": "2099-12-31",
    "approved_by": "security-oncall",
    "ticket": "SEC-812",
    "reason": "CA cut-over",
}

CRITICAL = {
    "version": 1,
    "tier": "critical",
    "evidence": {"compare_values": True},
    "attestations": {"capacity-test": "90d", "data-lag": "15m", "patch-level": "7d"},
    "authorization": {"compare": True, "second_opinion": True},
}
"""Comparing values and rights, second opinions and attestations are opt-in; the demo's critical tier opts in."""


READS_ALL: dict[str, Any] = dict.fromkeys(("fingerprint", "census", "rights", "opinions", "listed", "protection"), True)
"""What nhisync may do in the clusters of both paths: everything that it can read."""


def scenario() -> Scenario:
    """The whole world."""
    return Scenario(
        sources=(
            _source("primary", "vault", "vault", WEST, guarded=SEALED, **READS_ALL),
            _source("primary", "aws", "aws", WEST, account=ACCOUNT, mode="fingerprint", trails=TRAILS),
            _source("primary", "edge", "tls", WEST),
            _source("primary", "files", "file", WEST),
            _source("primary", "google", "gcp", THERE, project=PROJECT, rights=True),
            _source("backup", "aws", "aws", NORTH, account=ACCOUNT, mode="fingerprint", protection=True),
            _source("backup", "bao", "vault", NORTH, **READS_ALL),
            _source("backup", "edge", "tls", NORTH),
            _source("backup", "files", "file", NORTH),
            _source("backup", "cluster", "kubernetes", NORTH, mode="fingerprint", rights=True),
            _source("backup", "google", "gcp", HERE, project=PROJECT, fingerprint=True, rights=True),
            _source("backup", "stray", "aws", WEST, account=STRAY_ACCOUNT, mode="fingerprint"),
            _source("backup", "archive", "vault", NORTH),
            _source("backup", "attic", "vault", NORTH),
            _source("backup", "annex", "vault", NORTH),
            _source("backup", "busy", "aws", NORTH, account=BUSY_ACCOUNT),
            *(_source("backup", name, "tls", NORTH, **options) for name, options in TRUST_SOURCES),
            *BILLING_SOURCES,
        ),
        apps=(PAYMENTS, SEARCH, WIKI, BILLING, ORDERS, DISPATCH, WALLET, SIGNIN, CUSTODY, INTRANET, OWN),
        waivers=(WAIVER,),
        policies={
            "critical.yaml": CRITICAL,
            "lasting.yaml": LASTING,
            "tried.yaml": TIER,
            "seamless.yaml": SEAMLESS,
            "guarded.yaml": GUARDED,
        },
        accounts=ACCOUNTS,
        faults=(
            PlannedFault(path="backup", source="attic", name="unreachable"),
            PlannedFault(path="backup", source="busy", name="throttled"),
        ),
    )


def _source(path: str, name: str, provider: str, region: str, **options: Any) -> PlannedSource:
    return PlannedSource(path=path, name=name, provider=provider, region=region, options=options)
