"""custody, tier guarded: keys to other people's money, which must lie as safely on the backup as on the primary."""

from datetime import timedelta
from typing import Any

from nhisync.testing.demo_parts import kv, pair, secret
from nhisync.testing.scenario import PlannedApp

GUARDED: dict[str, Any] = {
    "version": 1,
    "tier": "guarded",
    "inherits": "high",
    "protection": {"key": True, "audit": True},
}
"""A tier that asks how credentials are guarded."""

SEALED = {"seal": "awskms", "audit": {"file/": {"file_path": "/var/log/vault/audit.log"}}}
"""The primary's Vault: a root key in hardware, and every request on record."""

TRAILS = ({"name": "organisation", "region": "us-east-1", "everywhere": True},)
"""One trail for all Regions of the AWS account."""

CUSTODY = PlannedApp(
    name="custody",
    tier="guarded",
    owner="custody-oncall",
    runbook="https://wiki.example/custody/failover",
    pairs=(
        pair(
            "ledger-key",
            "api-key",
            kv("custody/ledger"),
            secret("custody/ledger", kms={"rotation_in": timedelta(days=90)}),
            "Healthy: another kind of store, under a key of one's own that is replaced by itself, with a trail.",
        ),
        pair(
            "settlement-key",
            "api-key",
            kv("custody/settlement"),
            secret("custody/settlement"),
            "The backup's secret lies under the key that AWS gives to everybody who names none.",
            "NHS511",
        ),
        pair(
            "vaulting-key",
            "api-key",
            kv("custody/vaulting"),
            kv("custody/vaulting", source="bao"),
            "The second cluster was set up in a hurry: unsealed by shares in software, and nobody records who reads.",
            "NHS511",
            "NHS512",
        ),
        pair(
            "signing-pin",
            "api-key",
            kv("custody/signing-pin"),
            kv("custody/signing-pin", source="annex"),
            "A third cluster as backup, where nhisync may not look at the audit devices: not known is not recorded.",
            "NHS511",
            "NHS512:unknown",
        ),
    ),
)
