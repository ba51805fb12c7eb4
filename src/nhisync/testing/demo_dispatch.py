"""dispatch, tier lasting: everything works today. The question is for how long when nobody renews anything any more."""

from typing import Any

from nhisync.testing.demo_parts import DAY, kv, pair, plant, secret, tls
from nhisync.testing.scenario import PlannedApp

LASTING: dict[str, Any] = {
    "version": 1,
    "tier": "lasting",
    "inherits": "high",
    "blackout": {"ask": True, "rto": "3d", "longest_stay": "3d", "margin": "1d"},
}
"""A tier that asks for the blackout clock: seven days without issuers."""

_WEEKLY: dict[str, Any] = {"created": 4 * DAY, "rotated": 4 * DAY, "expires": 6 * DAY}

DISPATCH = PlannedApp(
    name="dispatch",
    tier="lasting",
    owner="dispatch-oncall",
    runbook="https://wiki.example/dispatch/failover",
    pairs=(
        pair(
            "router-tls",
            "certificate",
            tls("router.dispatch.example.com"),
            tls("router-b", server_name="router.dispatch.example.com"),
            "Healthy: seventy days left, whoever is gone.",
        ),
        pair(
            "label-tls",
            "certificate",
            tls("label.dispatch.example.com", **_WEEKLY),
            tls("label-b", server_name="label.dispatch.example.com", **_WEEKLY),
            "Renewed every week by an issuer that works; without it, it is dead on the sixth day.",
            "NHS307",
        ),
        pair(
            "fleet",
            "access-key",
            kv("dispatch/fleet"),
            plant("aws", "access-key", "svc-dispatch"),
            "Healthy: an access key does not end by itself.",
        ),
        pair(
            "carrier-api",
            "api-key",
            kv("dispatch/carrier"),
            secret("dispatch/carrier"),
            "Nobody wrote down when the carrier's key ends.",
            "NHS307:unknown",
        ),
        pair(
            "depot-api",
            "api-key",
            kv("dispatch/depot"),
            secret("dispatch/depot"),
            "Healthy: its owner states that the depot's key has no end.",
            document={"ends": "never"},
        ),
    ),
    verdict="not_ready",
)
