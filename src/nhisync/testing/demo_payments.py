"""payments, tier critical: what keeps a person on call awake. Every story is one thing that really goes wrong."""

from nhisync.testing.demo_parts import DAY, HOUR, NORTH, WEST, canary, kv, nothing, pair, plant, secret, tls
from nhisync.testing.demo_rights import RIGHTS
from nhisync.testing.demo_trust import TRUST
from nhisync.testing.scenario import PlannedApp, PlannedPair

_HEALTHY = (
    pair(
        "stripe-api",
        "api-key",
        kv("payments/stripe", field="password"),
        secret("payments/stripe-api", field="password"),
        "Two independent keys, rotated in step: how it should be.",
    ),
    pair(
        "ledger-reader",
        "db-role",
        plant("vault", "db-static", "database/reader", username="reader", connection="reader", period=30 * DAY),
        plant(
            "bao",
            "db-static",
            "database/reader",
            username="reader",
            connection="reader",
            host="db.north.example:5432",
            period=30 * DAY,
        ),
        "Each cluster rotates its own database account.",
    ),
)

_PRESENCE = (
    pair(
        "card-vault",
        "api-key",
        kv("payments/card-vault"),
        nothing("aws", "secret/payments/card-vault"),
        "Nobody ever created it in the backup.",
        "NHS101",
    ),
    pair(
        "refunds",
        "api-key",
        kv("payments/refunds"),
        secret("payments/refunds", deletion_in=3 * DAY),
        "Somebody cleaned up: the backup's secret is planned for deletion.",
        "NHS104",
        "NHS401:unknown",
    ),
    pair(
        "invoices",
        "api-key",
        kv("payments/invoices", field="api_key", fields={"api_key": canary("invoices-a")}),
        kv("payments/invoices", source="bao", field="api_key", fields={"key": canary("invoices-b")}),
        "The application asks for a field that the backup's secret does not have.",
        "NHS105",
    ),
)

_LOCKSTEP = (
    pair(
        "ledger-db",
        "db-role",
        plant("vault", "db-static", "database/ledger", username="ledger", connection="ledger", period=30 * DAY),
        secret("payments/ledger-db", rotated=29 * DAY),
        "The primary was rotated five days ago, the backup a month ago.",
        "NHS201",
    ),
    pair(
        "quotes",
        "db-role",
        plant(
            "vault",
            "db-static",
            "database/quotes",
            username="quotes",
            connection="quotes",
            period=6 * HOUR,
            rotated=1 * HOUR,
        ),
        secret("payments/quotes", rotated=21 * HOUR),
        "Within the allowed hours, but three rotations behind.",
        "NHS203",
    ),
    pair(
        "fraud-model",
        "api-key",
        kv("payments/fraud", rotated=9 * DAY),
        secret("payments/fraud", rotated=9 * DAY, rotation={"every_days": 7, "next": 1 * DAY}),
        "Rotation is enabled and has not happened.",
        "NHS204",
    ),
    pair(
        "chargebacks",
        "api-key",
        kv("payments/chargebacks"),
        secret("payments/chargebacks", pending=1 * DAY),
        "A rotation began yesterday and never ended.",
        "NHS205",
    ),
    pair(
        "payouts",
        "api-key",
        kv("payments/payouts"),
        secret("payments/payouts", rotation={"every_days": 30, "enabled": False}),
        "Somebody switched the schedule off and left its rules behind.",
        "NHS206",
    ),
    pair(
        "settlement",
        "api-key",
        kv("payments/settlement", created=200 * DAY, rotated=None),
        secret("payments/settlement", created=200 * DAY, rotated=None, rotation={"every_days": 400, "next": 100 * DAY}),
        "Created with the company, never rotated.",
        "NHS207",
    ),
    pair(
        "tokenizer",
        "api-key",
        kv("payments/tokenizer", created=300 * DAY, rotated=120 * DAY),
        secret("payments/tokenizer", created=300 * DAY, rotated=120 * DAY, rotation={"every_days": 180}),
        "Rotated once, four months ago.",
        "NHS208",
    ),
)

_EXPIRY = (
    pair(
        "smtp",
        "credential",
        kv("payments/smtp"),
        plant("aws", "service-credential", "codecommit.amazonaws.com/smtp", created=40 * DAY, expires=-1 * DAY),
        "It ended yesterday; the primary's did not.",
        "NHS301",
    ),
    pair(
        "ses",
        "credential",
        kv("payments/ses"),
        plant("aws", "service-credential", "cassandra.amazonaws.com/ses", created=40 * DAY, expires=1 * DAY),
        "It ends tomorrow, in the middle of the next outage.",
        "NHS302",
    ),
    pair(
        "bedrock",
        "credential",
        kv("payments/bedrock", rotated=60 * DAY),
        plant(
            "aws", "service-credential", "bedrock.amazonaws.com/agent", created=60 * DAY, rotated=None, expires=5 * DAY
        ),
        "Five of sixty-five days left: nobody renewed it.",
        "NHS303",
    ),
    pair(
        "kyc",
        "api-key",
        kv("payments/kyc"),
        secret("payments/kyc", rotation={"every_days": 30, "next": -2 * DAY}),
        "The service announced a rotation for the day before yesterday.",
        "NHS305",
    ),
    pair(
        "next-year-tls",
        "certificate",
        tls("next.pay.example.com"),
        tls("next-b", server_name="next.pay.example.com", starts_in=1 * DAY),
        "Installed too early: valid from tomorrow.",
        "NHS306",
    ),
)

_REUSE = (
    pair(
        "acquirer",
        "api-key",
        kv("payments/acquirer", field="password", fields={"password": canary("copied")}),
        secret("payments/acquirer", field="password", fields={"password": canary("copied")}),
        "A script copies the primary's value.",
        "NHS401",
    ),
    pair(
        "s3-export",
        "access-key",
        plant("aws", "access-key", "svc-export"),
        plant("aws", "access-key", "svc-export"),
        "IAM is global: both regions hold the very same access key.",
        "NHS402",
    ),
    pair(
        "risk-feed",
        "api-key",
        secret("payments/risk-feed"),
        secret("payments/risk-feed", replica_of=WEST),
        "A multi-Region replica is a copy, whatever its status says.",
        "NHS403",
        "NHS401",
        "NHS407",
        "NHS703",
        "NHS704",
    ),
    pair(
        "ci-deploy",
        "token",
        kv("payments/ci-deploy"),
        plant(
            "cluster",
            "service-account-token",
            "payments/ci-deploy",
            created=5 * DAY,
            rotated=None,
            fields={"token": canary("ci-deploy")},
        ),
        "The backup deploys with a service account token from before tokens had an end; what it may do is known, and "
        "cannot be held against a token of which the primary keeps only the value.",
        "NHS408",
        "NHS405",
        "NHS504:unknown",
    ),
    pair(
        "reporting",
        "db-role",
        plant(
            "vault",
            "db-static",
            "database/reporting",
            username="reporting",
            connection="reporting",
            host="db.example:5432",
        ),
        plant(
            "bao",
            "db-static",
            "database/reporting",
            username="reporting",
            connection="reporting",
            host="db.example:5432",
        ),
        "Two rotators drive one database account and break each other.",
        "NHS404",
    ),
    pair(
        "legacy-psp",
        "api-key",
        kv("payments/legacy-psp", rotated=None),
        secret("payments/legacy-psp", rotated=None, rotation=None),
        "Its own value, but nobody rotates it on the backup.",
        "NHS405",
    ),
    pair(
        "hsm-pin",
        "shared-secret",
        kv("payments/hsm"),
        secret("payments/hsm"),
        "Shared by design, until a date that has passed.",
        "NHS406",
        document={"class": "shared", "owner": "payments-oncall", "until": "2026-01-31", "reason": "one HSM cluster"},
    ),
    pair(
        "host-key",
        "key-file",
        plant("files", "pem", "host.pem", owner=None),
        plant("files", "pem", "host.pem", owner=None, mode=0o644),
        "Everybody on the backup host can read the private key.",
        "NHS510",
    ),
)

_CHAINS = (
    pair(
        "api-tls",
        "certificate",
        tls("api.pay.example.com"),
        tls("api-b", server_name="api.pay.example.com", chain="untrusted"),
        "The backup's chain leads to a root nobody trusts.",
        "NHS601",
    ),
    pair(
        "statements-tls",
        "certificate",
        tls("statements.pay.example.com"),
        tls("statements-b", server_name="statements.pay.example.com", chain="missing_intermediate"),
        "The backup does not send its intermediate; accepted until the CA cut-over.",
        "NHS602:waived",
    ),
    pair(
        "hooks-tls",
        "certificate",
        tls("hooks.pay.example.com"),
        tls("hooks-b", server_name="hooks.pay.example.com", chain="expiring_intermediate"),
        "The leaf is fine, its intermediate ends tomorrow.",
        "NHS604",
    ),
    pair(
        "checkout-tls",
        "certificate",
        tls("checkout.pay.example.com"),
        tls("checkout-b", server_name="checkout.pay.example.com", names=("shop.example.com",)),
        "The backup's certificate is for another name.",
        "NHS605",
    ),
    pair(
        "terminal-tls",
        "certificate",
        tls("terminal.pay.example.com", key="rsa-2048"),
        tls("terminal-b", server_name="terminal.pay.example.com", key="rsa-1024"),
        "The backup still has the old appliance's key.",
        "NHS606",
        "NHS607",
    ),
    pair(
        "agent-tls",
        "certificate",
        tls("agent.pay.example.com"),
        tls("agent-b", server_name="agent.pay.example.com", usages=("client_auth",)),
        "The backup serves a client certificate.",
        "NHS601",
        "NHS606",
        "NHS608",
    ),
    pair(
        "clearing-tls",
        "certificate",
        tls("clearing.pay.example.com"),
        tls("clearing-b", server_name="clearing.pay.example.com", client_certificate="required"),
        "Only the backup demands a client certificate, which nobody has.",
        "NHS610",
    ),
)

_REGIONS = (
    pair(
        "open-banking",
        "api-key",
        kv("payments/open-banking"),
        secret("payments/open-banking", source="stray"),
        "Somebody created the backup in the primary's region.",
        "NHS701",
        "NHS703",
    ),
    pair(
        "gateway",
        "api-key",
        kv("payments/gateway"),
        secret("payments/gateway", kms={"region": WEST}),
        "Its encryption key lives in the region that will be gone, and nobody can read it here.",
        "NHS702",
        "NHS401:unknown",
    ),
    pair(
        "wallet",
        "api-key",
        kv("payments/wallet"),
        secret("payments/wallet", rotation={"function_region": WEST}),
        "Its rotation function lives there.",
        "NHS703",
    ),
    pair(
        "loyalty",
        "api-key",
        kv("payments/loyalty"),
        secret("payments/loyalty", kms={"region": NORTH, "state": "Disabled"}),
        "Its encryption key is disabled: nobody can read it.",
        "NHS705",
        "NHS401:unknown",
    ),
)

_PAIRS: tuple[PlannedPair, ...] = (
    *_HEALTHY,
    *_PRESENCE,
    *_LOCKSTEP,
    *_EXPIRY,
    *_REUSE,
    *RIGHTS,
    *_CHAINS,
    *TRUST,
    *_REGIONS,
)

PAYMENTS = PlannedApp(
    name="payments",
    tier="critical",
    owner="payments-oncall",
    runbook="https://wiki.example/payments/failover",
    pairs=_PAIRS,
    expects={"NHS910": "unknown", "NHS911": "fail"},
    verdict="not_ready",
)
