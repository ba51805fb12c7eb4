"""Rows for tests of the engine, the store and the rules."""

from typing import Any

from nhisync.parity.row import Row, digest_of

NOW = 1_795_403_529
"""2026-11-23 03:12:09 UTC, the instant of the fake clock."""


def row(key: str = "payments/stripe-api", **changes: Any) -> Row:
    """A present, healthy row; `changes` override single columns and the digest follows."""
    values: dict[str, Any] = dict.fromkeys(Row._fields)
    values.update(
        key=key,
        locator=f"vault:kv/secret/{key}",
        presence="present",
        lifecycle="own",
        state="active",
        domain="vault/eu-west-1",
        version="7",
        created=NOW - 86400 * 90,
        rotated=NOW - 86400 * 5,
        owner="platform-oncall",
        marker="",
        observed=NOW - 10,
        digest=0,
    )
    made = Row(**{**values, **changes})
    return made._replace(digest=digest_of(made))
