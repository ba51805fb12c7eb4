"""signin, tier seamless: everybody stays logged in when traffic moves, because each path accepts the other's tokens."""

from typing import Any

from nhisync.testing.demo_parts import canary, kv, pair, plant, secret
from nhisync.testing.scenario import PlannedApp, Plant

SEAMLESS: dict[str, Any] = {
    "version": 1,
    "tier": "seamless",
    "inherits": "high",
    "evidence": {"compare_values": True},
    "sessions": {"ask": True},
}
"""A tier that asks whether sessions survive a switch."""

_SHARED = {
    "class": "shared",
    "owner": "signin-oncall",
    "until": "2099-12-31",
    "reason": "cookies of one path must open on the other",
}


def _served(name: str, *keys: str) -> Plant:
    """A key set over HTTPS."""
    return plant("edge", "jwks", name, owner=None, fields={}, keys=keys)


def _stored(name: str, *keys: str, **options: Any) -> Plant:
    """A key set in a file that everybody may read."""
    return plant("files", "jwks", f"signin/{name}.jwks", owner=None, fields={}, keys=keys, mode=0o644, **options)


def _cookie(name: str, here: str, there: str) -> tuple[Plant, Plant]:
    """A symmetric key in the store of each path."""
    return kv(f"signin/{name}", fields={"hmac_key": here}), secret(f"signin/{name}", fields={"hmac_key": there})


SIGNIN = PlannedApp(
    name="signin",
    tier="seamless",
    owner="signin-oncall",
    runbook="https://wiki.example/signin/failover",
    pairs=(
        pair(
            "id-tokens",
            "signing-key",
            _served("id", "west-10", "west-11", "north-11"),
            _served("id-b", "north-11", "west-11", "west-10"),
            "Healthy: each path signs with a key of its own, and publishes both paths' public keys.",
        ),
        pair(
            "access-tokens",
            "signing-key",
            _served("access", "west-10", "west-11"),
            _served("access-b", "west-10"),
            "The primary's new key never reached the backup's key set: its tokens are refused there.",
            "NHS808",
        ),
        pair(
            "device-tokens",
            "signing-key",
            _served("device", "west-11"),
            _served("device-b", "west-11", "north-12"),
            "The backup will sign with a key that the primary does not know: the failback logs everybody out.",
            "NHS809",
        ),
        pair(
            "partner-tokens",
            "signing-key",
            _stored("partner", "current=west-11"),
            _stored("partner", "current=north-11"),
            "Both paths call their own key by the same kid.",
            "NHS808",
            "NHS809",
        ),
        pair(
            "gateway-keys",
            "signing-key",
            _stored("gateway", "gate"),
            _stored("gateway", "gate", private=True),
            "Somebody published the whole key, its private half included.",
            "NHS810",
            "NHS510",
        ),
        pair(
            "cookie-key",
            "signing-key",
            *_cookie("cookie", canary("signin-cookie"), canary("signin-cookie")),
            "Healthy: one key on both paths by design, and the values are one.",
            document=_SHARED,
        ),
        pair(
            "csrf-key",
            "signing-key",
            *_cookie("csrf", canary("signin-csrf-a"), canary("signin-csrf-b")),
            "Meant to be one key; it was rotated on the primary alone.",
            "NHS808",
            document=_SHARED,
        ),
        pair(
            "refresh-tokens",
            "signing-key",
            *_cookie("refresh", canary("signin-refresh-a"), canary("signin-refresh-b")),
            "Each path has a secret key of its own: nothing shows that the other one accepts its tokens.",
            "NHS811:unknown",
        ),
    ),
)
