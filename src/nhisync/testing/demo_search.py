"""search, tier high: nothing is known to be wrong, and that is not enough. Every unknown has its own reason."""

from typing import Any

from nhisync.testing.demo_parts import DAY, kv, nothing, pair, plant, secret
from nhisync.testing.scenario import PlannedApp

RENEWED: dict[str, Any] = {"created": 20 * DAY, "rotated": 20 * DAY, "expires": 70 * DAY}

SEARCH = PlannedApp(
    name="search",
    tier="high",
    owner="search-oncall",
    runbook="https://wiki.example/search/failover",
    pairs=(
        pair("index-api", "api-key", kv("search/index"), secret("search/index"), "Healthy."),
        pair(
            "query-api",
            "api-key",
            kv("search/auto/query-api"),
            secret("search/auto/query-api"),
            "Healthy, found by a template.",
            explicit=False,
        ),
        pair(
            "crawler",
            "api-key",
            kv("search/crawler"),
            kv("search/crawler", source="bao", denied=True),
            "nhisync may not look at it.",
            "NHS902:unknown",
        ),
        pair(
            "ranking",
            "api-key",
            kv("search/ranking"),
            kv("search/ranking", source="attic"),
            "Its store does not answer.",
            "NHS903:unknown",
        ),
        pair(
            "synonyms",
            "api-key",
            kv("search/synonyms"),
            nothing("attic", "kv/secret/search/synonyms-old"),
            "Its store went silent thirty hours ago; what was known then is too old.",
            "NHS901:unknown",
        ),
        pair(
            "suggest",
            "api-key",
            kv("search/suggest"),
            secret("search/suggest", source="busy"),
            "Its provider throttles every call.",
            "NHS908:unknown",
        ),
        pair(
            "images",
            "api-key",
            kv("search/auto/images"),
            secret("search/auto/images"),
            "Two secrets of the backup claim to be its counterpart.",
            "NHS904:unknown",
            explicit=False,
            others=(("backup", secret("search/old/images")),),
        ),
        pair(
            "maps",
            "api-key",
            kv("search/maps"),
            nothing("bao", "kv/geo/search/maps"),
            "Its mount does not exist there, which proves nothing about the secret.",
            "NHS905:unknown",
        ),
        pair(
            "trends",
            "api-key",
            kv("search/trends"),
            kv("search/trends", source="bao", rotated=-2 * DAY),
            "The clock of its store was two days ahead when it was rotated, so nobody knows how old it is.",
            "NHS909:unknown",
            "NHS201:unknown",
        ),
        pair(
            "admin-cert",
            "certificate",
            plant("aws", "certificate", "admin.search.example.com", **RENEWED),
            plant("aws", "certificate", "admin.search.example.com", **RENEWED),
            "Healthy: what ACM keeps was verified with the roots of its clients.",
        ),
        pair(
            "legacy-cert",
            "certificate",
            kv("search/legacy-cert", rotated=20 * DAY),
            plant("aws", "certificate", "legacy.search.example.com", **RENEWED),
            "The primary keeps its certificate as a blob in KV, so nobody verified its chain.",
            "NHS609:unknown",
        ),
    ),
    matches=(
        {
            "kind": "secret",
            "primary": "vault:kv/secret/search/auto/{name}",
            "backup": "aws:secret/search/auto/{name}",
        },
        {"kind": "secret", "primary": "vault:kv/secret/search/old/{name}", "backup": "aws:secret/search/old/{name}"},
    ),
    verdict="unknown",
)
