"""Short forms in which the demo's pairs are written."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from nhisync.testing.scenario import PlannedPair, Plant
from nhisync.testing.world import Seed

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)

WEST, NORTH = "eu-west-1", "eu-north-1"
"""Regions of the primary and the backup path."""


def canary(name: str) -> str:
    """A value that can be recognised in any output."""
    return f"canary-{name.replace('/', '-')}-7f3a9c51"


def plant(source: str, kind: str, name: str, *, field: str = "", **seed: Any) -> Plant:
    """A credential: created 60 and rotated 5 days ago, with a value of its own, unless the story says otherwise.

    Keywords that are no fields of `Seed` are options of the provider's emulator.
    """
    known = {"created", "rotated", "expires", "owner", "tags", "fields"}
    facts: dict[str, Any] = {
        "created": 60 * DAY,
        "rotated": 5 * DAY,
        "fields": {"password": canary(f"{source}-{name}")},
    }
    facts |= {key: value for key, value in seed.items() if key in known}
    options = {key: value for key, value in seed.items() if key not in known}
    return Plant(source=source, field=field, seed=Seed(kind=kind, name=name, options=options, **facts))


def kv(name: str, *, source: str = "vault", **seed: Any) -> Plant:
    """A KV secret in Vault (primary) or OpenBao (backup)."""
    return plant(source, "kv", f"secret/{name}", **seed)


def secret(name: str, *, source: str = "aws", **seed: Any) -> Plant:
    """A secret in AWS Secrets Manager."""
    return plant(source, "secret", name, **seed)


def tls(name: str, *, source: str = "edge", **seed: Any) -> Plant:
    """A TLS endpoint whose certificate was renewed 20 days ago and has 70 days to go."""
    dates: dict[str, Any] = {"created": 20 * DAY, "rotated": 20 * DAY, "expires": 70 * DAY, "owner": None, "fields": {}}
    return plant(source, "tls", name, **{**dates, **seed})


def nothing(source: str, locator: str, *, field: str = "") -> Plant:
    """A place where nothing is planted."""
    return Plant(source=source, locator=locator, field=field)


def pair(
    name: str,
    kind: str,
    primary: Plant,
    backup: Plant,
    story: str,
    *expects: str,
    explicit: bool = True,
    document: Mapping[str, Any] | None = None,
    others: tuple[tuple[str, Plant], ...] = (),
) -> PlannedPair:
    """A pair; `expects` are codes that must fail, or ``CODE:state``."""
    states = (e.partition(":") for e in expects)
    return PlannedPair(
        name=name,
        kind=kind,
        primary=primary,
        backup=backup,
        story=story,
        expects={code: state or "fail" for code, _, state in states},
        document=document or {},
        explicit=explicit,
        others=others,
    )
