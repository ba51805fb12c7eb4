"""wiki, tier standard: ready, with remarks that nobody has to get up for."""

from nhisync.testing.demo_parts import DAY, kv, nothing, pair, plant, secret, tls
from nhisync.testing.scenario import PlannedApp

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Federated": "arn:aws:iam::111122223333:oidc-provider/idp.example.com"},
            "Action": "sts:AssumeRoleWithWebIdentity",
        }
    ],
}

WIKI = PlannedApp(
    name="wiki",
    tier="standard",
    owner="platform-oncall",
    runbook="https://wiki.example/wiki/failover",
    pairs=(
        pair("oauth", "api-key", kv("wiki/oauth"), secret("wiki/oauth"), "Healthy."),
        pair(
            "mail",
            "api-key",
            kv("wiki/mail"),
            secret("wiki/mail", owner=""),
            "Nobody owns the backup's half.",
            "NHS103",
        ),
        pair(
            "theme",
            "api-key",
            kv("wiki/theme", rotated=40 * DAY),
            secret("wiki/theme", rotated=10 * DAY),
            "The backup is ahead; the primary would fall behind after a failback.",
            "NHS202",
        ),
        pair(
            "www-tls",
            "certificate",
            tls("www.wiki.example.com", rotated=60 * DAY, created=60 * DAY, expires=15 * DAY),
            tls("www-b", server_name="www.wiki.example.com", rotated=60 * DAY, created=60 * DAY, expires=15 * DAY),
            "Renewal is due soon on both sides.",
            "NHS304",
        ),
        pair(
            "cdn-tls",
            "certificate",
            tls("cdn.wiki.example.com"),
            tls("cdn-b", server_name="cdn.wiki.example.com", chain="wrong_order"),
            "Served out of order; most clients cope.",
            "NHS603",
        ),
        pair(
            "docs-tls",
            "certificate",
            tls("docs.wiki.example.com", key="ec-p384"),
            tls("docs-b", server_name="docs.wiki.example.com"),
            "The backup's key is weaker than the primary's.",
            "NHS607",
        ),
        pair(
            "old-bot",
            "api-key",
            nothing("vault", "kv/secret/wiki/bots/old-bot"),
            secret("wiki/bots/old-bot"),
            "The primary retired it; the backup still lets it in.",
            "NHS102",
            explicit=False,
        ),
        pair(
            "ci-role",
            "role",
            plant("aws", "role", "wiki-ci", trust=_TRUST),
            plant("aws", "role", "wiki-ci-north", trust=_TRUST),
            "It trusts an identity provider whose region nobody knows.",
            "NHS706:unknown",
        ),
    ),
    matches=(
        {
            "kind": "secret",
            "primary": "vault:kv/secret/wiki/bots/{name}",
            "backup": "aws:secret/wiki/bots/{name}",
        },
    ),
    expects={"NHS812": "fail"},
    verdict="ready",
    document={
        "sessions": {
            "on_switch": "lost",
            "owner": "docs-team",
            "until": "2099-12-31",
            "reason": "readers log in again; drafts are kept",
        }
    },
)
