"""orders, tier critical: its backup runs on Google Cloud. Google's own ways to be not quite ready."""

from typing import Any

from nhisync.testing.demo_parts import DAY, HOUR, WEST, canary, kv, nothing, pair, plant, tls
from nhisync.testing.scenario import PlannedApp, Plant

HERE, THERE = "europe-north1", "europe-west1"
"""Google's names for the backup's region, and for one in the primary's fault domain."""

PROJECT = "acme-orders"
"""One project for both paths: service accounts exist once in it."""

_POOL = f"{HERE}/orders"
_NAME = "orders.pay.example.com"
_KEY = f"projects/acme-keys/locations/{THERE}/keyRings/orders/cryptoKeys/psp"


def google(name: str, **seed: Any) -> Plant:
    """A secret in Secret Manager, with a schedule that somebody acts on."""
    return plant("google", "secret", f"orders-{name}", **{"rotation_period": 30 * DAY, **seed})


def _admin(name: str, domain: str) -> dict[str, str]:
    """What somebody wrote down of the credential that a rotation logs in with."""
    return {"kind": "master-secret", "name": name, "fault_domain": domain}


ORDERS = PlannedApp(
    name="orders",
    tier="critical",
    owner="orders-oncall",
    runbook="https://wiki.example/orders/failover",
    pairs=(
        pair("invoice-api", "api-key", kv("orders/invoices"), google("invoices"), "Healthy."),
        pair(
            "mandates",
            "api-key",
            kv("orders/mandates"),
            nothing("google", "secret/orders-mandates"),
            "Nobody ever created it at Google.",
            "NHS101",
        ),
        pair(
            "dunning",
            "api-key",
            kv("orders/dunning", created=6 * DAY, rotated=6 * DAY),
            google("dunning", created=6 * DAY, rotated=1 * HOUR, states=("DISABLED", "ENABLED")),
            "Rolled back by disabling the newest version: everybody who reads `latest` fails.",
            "NHS104",
            "NHS401:unknown",
        ),
        pair(
            "tax-feed",
            "api-key",
            kv("orders/tax", rotated=9 * DAY),
            google("tax", rotated=9 * DAY, rotation_period=7 * DAY, next_rotation=5 * DAY),
            "The schedule sent its message, and nobody rotated.",
            "NHS204",
        ),
        pair(
            "sepa-export",
            "api-key",
            kv("orders/sepa", rotated=None),
            google("sepa", rotated=None, rotation_period=None),
            "Its own value, but nobody rotates it at Google.",
            "NHS405",
        ),
        pair(
            "collector",
            "api-key",
            kv("orders/collector", field="password", fields={"password": canary("orders-copied")}),
            google("collector", field="password", fields={"password": canary("orders-copied")}),
            "A script copies the primary's value.",
            "NHS401",
        ),
        pair(
            "ledger-export",
            "access-key",
            plant("google", "service-account-key", "ledger-export", fields={}),
            nothing("google", f"service-account-key/ledger-export@{PROJECT}.iam.gserviceaccount.com"),
            "IAM is global: both paths hold the keys of one and the same service account.",
            "NHS402",
        ),
        pair(
            "psp-token",
            "api-key",
            kv("orders/psp"),
            google("psp", replicas=[THERE], kms={THERE: _KEY}),
            "Replicated to the primary's region only, under a key that stands there.",
            "NHS701",
            "NHS702",
        ),
        pair(
            "giro",
            "api-key",
            kv("orders/giro"),
            google("giro", replicas=[HERE, THERE]),
            "While one replica's region is down, no version can be added.",
            "NHS704",
        ),
        pair(
            "clearing",
            "api-key",
            kv("orders/clearing"),
            google("clearing"),
            "The function that acts on its schedule logs in with a credential of the primary's region.",
            "NHS707",
            document={"depends_on": {"backup": [_admin("clearing-admin in eu-west-1", f"vault/{WEST}")]}},
        ),
        pair(
            "refunds",
            "api-key",
            kv("orders/refunds"),
            google("refunds"),
            "One login rotates both: whoever locks it stops the rotation of both paths.",
            "NHS708",
            document={
                "depends_on": {
                    "primary": [_admin("refunds-admin at psp.example", "everywhere")],
                    "backup": [_admin("refunds-admin at psp.example", "everywhere")],
                }
            },
        ),
        pair(
            "ledger-db",
            "db-role",
            kv("orders/ledger-db"),
            plant(
                "google",
                "regional-secret",
                f"{HERE}/orders-ledger-db",
                type="CLOUD_SQL_DB_CREDENTIALS",
                managed="ACTIVE",
                managed_error="may not change the password",
            ),
            "Managed rotation is on and fails.",
            "NHS705",
        ),
        pair(
            "mesh-tls",
            "certificate",
            tls(_NAME),
            plant(
                "google",
                "cas-certificate",
                f"{_POOL}/cn/{_NAME}",
                created=20 * DAY,
                rotated=20 * DAY,
                expires=70 * DAY,
                fields={},
            ),
            "Under a root of its own, and the only authority of its pool is switched off: nothing will renew it.",
            "NHS607",
            "NHS705",
            others=(
                ("backup", plant("google", "certificate-authority", f"{_POOL}/root", state="DISABLED", fields={})),
            ),
        ),
    ),
    expects={"NHS910": "unknown"},
)
