"""wallet, a tier that asks for live transactions and for what workloads have loaded: every credential is tried."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from nhisync.testing.demo_parts import HOUR, canary, kv, nothing, pair, plant, secret
from nhisync.testing.judge import Account
from nhisync.testing.scenario import PlannedApp, PlannedPair, Plant

TIER = {
    "version": 1,
    "tier": "tried",
    "inherits": "high",
    "live": {"min_depth": "txn", "max_age": "10m", "grace": "1h", "previous_refused": True, "overlap": "24h"},
    "consumers": {"ask": "named", "max_age": "2h", "grace": "1h"},
}
"""The built-in tiers ask for no live authentication and for no consumers; this one does."""

_NOW = timedelta(minutes=5)


def _probe(name: str, **changes: Any) -> dict[str, Any]:
    """An HTTP probe of the path's own account at the demo's judge."""
    return {
        "type": "http",
        "url": f"https://{{judge}}/{name}",
        "auth": "bearer",
        "ca_file": "{judge_ca}",
        "seen_as": "account.id",
        "depth": "txn",
        **changes,
    }


def _script(name: str) -> dict[str, Any]:
    """A thing that is made below the backup's account and removed again."""
    path = f"/backup/{name}/things/nhisync-{{run}}"
    return {
        "read": {"path": path, "expect": [404]},
        "modify": {"method": "PUT", "path": path, "body": {"note": "nhisync {run}"}},
        "verify": {"path": path, "equals": {"note": "nhisync {run}"}},
        "undo": {"method": "DELETE", "path": path},
        "undone": {"path": path, "expect": [404]},
    }


def _tried(
    name: str,
    story: str,
    *expects: str,
    backup: Mapping[str, Any] | None = None,
    there: Plant | None = None,
    ages: Mapping[str, Any] | None = None,
    consumers: Mapping[str, Any] | None = None,
) -> PlannedPair:
    """A pair whose two sides are probed; `backup` changes the backup's probe, `consumers` are the backup's."""
    probes = {
        "primary": _probe(f"primary/{name}"),
        "backup": _probe(f"backup/{name}", **(backup or {})),
    }
    here = kv(f"wallet/{name}", **(ages or {}))
    other = there or secret(f"wallet/{name}", **(ages or {}))
    used = {} if consumers is None else {"consumers": {"backup": consumers}}
    return pair(name, "api-key", here, other, story, *expects, document={"probe": probes, **used})


def _used(name: str, story: str, *expects: str, **consumers: Any) -> PlannedPair:
    """A pair with workloads, which the backup keeps in OpenBao: its generations are numbers."""
    return _tried(name, story, *expects, there=kv(f"wallet/{name}", source="bao"), consumers=consumers)


def _worker(name: str) -> dict[str, Any]:
    """A workload that can be asked."""
    return {"url": f"https://{{judge}}/consumers/{name}", "generation": "loaded.generation", "ca_file": "{judge_ca}"}


_WRITTEN = {"orders": "done", "deposits": "refused", "clearing": "silent"}
"""Pairs whose backup's probe runs a script, and what becomes of its undo."""


def _accounts() -> dict[str, Account]:
    found = {}
    for name in ("ledger", "bank", "cards", "fraud", "loyalty", "refunds", "audit", "vouchers", "payouts", *_WRITTEN):
        found[f"/primary/{name}"] = Account(f"{name}-west", canary(f"vault-secret/wallet/{name}"))
        found[f"/backup/{name}"] = Account(f"{name}-north", canary(f"aws-wallet/{name}"))
    for name in ("bank", "refunds"):  # rotated at the service, or not told there yet
        found[f"/backup/{name}"] = Account(f"{name}-north", f"a newer value of {name}")
    for name, generation in (("invoicing", "2"), ("payroll", "1"), ("tips", "")):
        found[f"/primary/{name}"] = Account(f"{name}-west", canary(f"vault-secret/wallet/{name}"))
        found[f"/backup/{name}"] = Account(f"{name}-north", canary(f"bao-secret/wallet/{name}"))
        found[f"/consumers/{name}"] = Account(f"{name}-worker", "", open=True, generation=generation)
    found["/backup/loyalty"] = Account("loyalty-west", canary("aws-wallet/loyalty"))
    payouts = canary("aws-wallet/payouts")  # the emulator's value of a version before ends in -previous
    found["/backup/payouts"] = Account("payouts-north", payouts, also=frozenset({f"{payouts}-previous"}))
    for name, undo in _WRITTEN.items():
        found[f"/backup/{name}"] = replace(found[f"/backup/{name}"], undo=undo)
    found["/primary/leases"] = Account("leases-west", canary("vault-secret/wallet/auto/leases"))
    leases = canary("kv-wallet-auto-leases")
    found["/backup/leases"] = Account("leases-north", leases, also=frozenset({f"{leases}-old0"}))
    found["/primary/limits"] = Account("limits-west", canary("vault-secret/wallet/limits"))
    found["/backup/limits"] = Account("limits-north", canary("bao-secret/wallet/limits"))
    found["/backup/fraud"] = Account("fraud-north", "", open=True)
    return found


ACCOUNTS = _accounts()
"""Resource of the judge → whom it lets in."""

WALLET = PlannedApp(
    name="wallet",
    tier="tried",
    owner="wallet-oncall",
    runbook="https://wiki.example/wallet/failover",
    pairs=(
        _tried("ledger", "Healthy: both credentials are let in, as two accounts."),
        _tried("bank", "The bank has a newer token than the backup's store: current by every date, refused.", "NHS801"),
        pair(
            "cards",
            "api-key",
            kv("wallet/cards"),
            secret("wallet/cards"),
            "Somebody checked that the port is open.",
            "NHS802",
            document={"probe": {"type": "tcp", "address": "{judge}"}},
        ),
        _tried("fraud", "The backup's endpoint answers everybody: it proves nothing.", "NHS803:unknown"),
        _tried(
            "vouchers",
            "Last tried yesterday; the store has been silent since.",
            "NHS804:unknown",
            "NHS817:unknown",
            "NHS901:unknown",
            there=nothing("attic", "kv/secret/wallet/vouchers"),
        ),
        _tried("loyalty", "Two tokens, one account.", "NHS805"),
        _tried(
            "refunds",
            "Rotated five minutes ago, and the service does not know it yet.",
            "NHS806:unknown",
            ages={"created": 30 * HOUR, "rotated": _NOW},
        ),
        _tried("payouts", "Rotated five days ago, and the bank still takes the old token.", "NHS816"),
        _tried(
            "limits",
            "Somebody destroyed the version before, and not the token at the bank: nobody knows whether it is dead.",
            "NHS817:unknown",
            there=kv("wallet/limits", source="bao", forgotten=True),
        ),
        _tried("audit", "The probe logs in and tries no transaction.", "NHS807", backup={"depth": "auth"}),
        _tried("orders", "Healthy: an order is written, seen and removed.", backup={"script": _script("orders")}),
        _tried(
            "deposits",
            "The backup's token may write a deposit and not remove it: one is left.",
            "NHS803:unknown",
            "NHS818",
            backup={"script": _script("deposits")},
        ),
        _tried(
            "clearing",
            "The service falls silent when the probe removes what it wrote: nobody knows whether it is there.",
            "NHS803:unknown",
            "NHS819:unknown",
            backup={"script": _script("clearing")},
        ),
        pair(
            "leases",
            "api-key",
            kv("wallet/auto/leases"),
            plant("kv", "secret", "wallet-auto-leases"),
            "Paired and tried by a template. Rotated in Key Vault five days ago; the old token still works.",
            "NHS816",
            explicit=False,
        ),
        _used(
            "invoicing",
            "Healthy: one workload says that it has loaded the current generation, of the other its deployment did.",
            worker=_worker("invoicing"),
            batch={},
        ),
        _used(
            "payroll",
            "Rotated five days ago, current in the store; the workload still runs with what it loaded before.",
            "NHS814",
            worker=_worker("payroll"),
        ),
        _used("tips", "Nobody ever asked the workload what it has loaded.", "NHS815:unknown", worker={}),
    ),
    matches=(
        {
            "kind": "api-key",
            "primary": "vault:kv/secret/wallet/auto/{name}",
            "backup": "kv:secret/wallet-auto-{name}",
            "probe": {"primary": _probe("primary/{name}"), "backup": _probe("backup/{name}")},
        },
    ),
)
