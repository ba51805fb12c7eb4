"""billing, tier high: its backup is Azure, a Key Vault and a tenant's applications. What goes wrong there, by name."""

from typing import Any

from nhisync.testing.demo_parts import DAY, HOUR, kv, pair, plant
from nhisync.testing.scenario import PlannedApp, PlannedSource, Plant

WEST, NORTH = "westeurope", "northeurope"
_SERVER = ("1.3.6.1.5.5.7.3.1",)
_AKS = "https://{}.oic.prod-aks.azure.com/billing/1/"


def _source(path: str, name: str, region: str, **options: Any) -> PlannedSource:
    return PlannedSource(path=path, name=name, provider="azure", region=region, options=options)


SOURCES = (
    _source("primary", "kv", WEST, graph=False),
    _source("primary", "entra", WEST, keyvault=False, tenant="billing"),
    _source("backup", "kv", NORTH, graph=False, mode="probe"),
    _source("backup", "entra", NORTH, keyvault=False, tenant="billing"),
    _source("backup", "mirror", NORTH, graph=False, vault_of="primary/kv"),
)
"""The mirror is a backup that somebody configured by copying the primary's vault address."""


def _secret(name: str, *, source: str = "kv", **seed: Any) -> Plant:
    """A secret in Key Vault."""
    return plant(source, "secret", f"billing-{name}", **seed)


def _certificate(name: str, **seed: Any) -> Plant:
    """A certificate of an integrated issuer, renewed 20 days ago, with 70 days to go."""
    dates = {"created": 20 * DAY, "rotated": 20 * DAY, "expires": 70 * DAY}
    facts = {"issuer": "DigiCert", "ekus": _SERVER, "names": [f"{name}.billing.example.com"], **dates, **seed}
    return plant("kv", "certificate", f"billing-{name}", **facts)


def _key(name: str, **seed: Any) -> Plant:
    """A key that the vault rotates by itself every 30 days."""
    return plant("kv", "key", f"billing-{name}", **{"rotate_after": "P30D", **seed})


def _app_secret(name: str, **seed: Any) -> Plant:
    """A client secret of an application."""
    return plant("entra", "app-secret", name, **seed)


BILLING = PlannedApp(
    name="billing",
    tier="high",
    owner="billing-oncall",
    runbook="https://wiki.example/billing/failover",
    pairs=(
        pair("gateway", "api-key", kv("billing/gateway"), _secret("gateway"), "Healthy."),
        pair(
            "invoicing",
            "api-key",
            kv("billing/auto/invoicing"),
            _secret("auto-invoicing"),
            "Healthy, found by a template.",
            explicit=False,
        ),
        pair(
            "exports",
            "api-key",
            kv("billing/exports"),
            _secret("exports", deleted=2 * DAY),
            "Somebody cleaned up: the backup's secret is soft-deleted and can still be recovered.",
            "NHS104",
        ),
        pair(
            "tax",
            "api-key",
            kv("billing/tax"),
            _secret("tax", rotated=29 * DAY),
            "The primary was rotated five days ago, the backup a month ago.",
            "NHS201",
        ),
        pair(
            "portal",
            "certificate",
            _certificate("portal"),
            _certificate("portal", action="EmailContacts"),
            "The primary's vault renews; the backup's vault sends an e-mail.",
            "NHS405",
            "NHS609:unknown",
        ),
        pair(
            "checkout",
            "certificate",
            _certificate("checkout", issuer="GlobalSign"),
            _certificate("checkout", issuer="GlobalSign", issuer_enabled=False),
            "The issuer object of the backup's vault is disabled: the next renewal fails there.",
            "NHS705",
            "NHS609:unknown",
        ),
        pair(
            "signing",
            "signing-key",
            _key("signing", rotated=9 * DAY),
            _key("signing", rotated=9 * DAY, rotate_after="P7D"),
            "The backup's key has a rotation policy, and the rotation that was due did not happen.",
            "NHS204",
        ),
        pair(
            "scheduler",
            "client-secret",
            _app_secret("billing-scheduler/primary"),
            _app_secret("billing-scheduler/backup"),
            "Two secrets of one application: whoever disables it takes both paths down.",
            "NHS404",
        ),
        pair(
            "reports",
            "client-secret",
            _app_secret("billing-reports-west"),
            _app_secret("billing-reports-north", expires=12 * HOUR),
            "The backup's client secret ends inside the failover window.",
            "NHS302",
        ),
        pair(
            "cluster",
            "federation",
            plant("entra", "app-federation", "billing-west/cluster", issuer=_AKS.format(WEST)),
            plant("entra", "app-federation", "billing-north/cluster", issuer=_AKS.format(WEST)),
            "The backup's workload gets its tokens from the primary's cluster.",
            "NHS704",
        ),
        pair(
            "archive",
            "api-key",
            _secret("archive"),
            Plant(source="mirror", locator="secret/billing-archive"),
            "The backup's source names the primary's vault.",
            "NHS402",
            "NHS403",
            "NHS701",
        ),
    ),
    matches=(
        {
            "kind": "secret",
            "primary": "vault:kv/secret/billing/auto/{name}",
            "backup": "kv:secret/billing-auto-{name}",
        },
    ),
)
