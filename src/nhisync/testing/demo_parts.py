"""Short forms in which the demo's pairs are written."""

from datetime import timedelta
from typing import Any

from nhisync.testing.scenario import PlannedPair, Plant
from nhisync.testing.world import Seed

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def canary(name: str) -> str:
    """A value that can be recognised in any output."""
    return f"canary-{name}-7f3a9c51"


def kv(name: str, *, source: str = "vault", value: str = "", field: str = "", **seed: Any) -> Plant:
    """A KV secret in Vault or OpenBao; its own value unless one is given."""
    values = seed.pop("fields", {"password": value or canary(f"{source}-{name.replace('/', '-')}")})
    return Plant(source=source, field=field, seed=Seed(kind="kv", name=f"secret/{name}", fields=values, **_aged(seed)))


def secret(name: str, *, source: str = "aws", value: str = "", field: str = "", **seed: Any) -> Plant:
    """A secret in AWS Secrets Manager."""
    values = seed.pop("fields", {"password": value or canary(f"{source}-{name.replace('/', '-')}")})
    return Plant(source=source, field=field, seed=Seed(kind="secret", name=name, fields=values, **_aged(seed)))


def plant(source: str, kind: str, name: str, *, field: str = "", **seed: Any) -> Plant:
    """Anything else."""
    values = seed.pop("fields", {"password": canary(f"{source}-{kind}-{name.replace('/', '-')}")})
    return Plant(source=source, field=field, seed=Seed(kind=kind, name=name, fields=values, **_aged(seed)))


def tls(name: str, *, source: str = "edge", **seed: Any) -> Plant:
    """A TLS endpoint; renewed 20 days ago, 70 days to go."""
    dates = {"created": 20 * DAY, "rotated": 20 * DAY, "expires": 70 * DAY, "owner": None}
    return Plant(source=source, seed=Seed(kind="tls", name=name, **{**dates, **_options(seed)}))


def pair(
    name: str, kind: str, primary: Plant | None, backup: Plant | None, story: str, *expects: str, **more: Any
) -> PlannedPair:
    """A pair; `expects` are codes that must fail, or ``CODE:state``."""
    states = dict(e.split(":") if ":" in e else (e, "fail") for e in expects)
    explicit = bool(more.pop("explicit", True))
    return PlannedPair(
        name=name,
        kind=kind,
        primary=primary,
        backup=backup,
        story=story,
        expects=states,
        explicit=explicit,
        document=more,
    )


def _aged(seed: dict[str, Any]) -> dict[str, Any]:
    """Created 60 and rotated 5 days ago unless the story says otherwise."""
    return {"created": 60 * DAY, "rotated": 5 * DAY, **_options(seed)}


_SEED_FIELDS = frozenset({"created", "rotated", "expires", "owner", "tags", "fields"})


def _options(seed: dict[str, Any]) -> dict[str, Any]:
    """Everything that is no field of `Seed` is an option of the provider's emulator."""
    known = {name: value for name, value in seed.items() if name in _SEED_FIELDS}
    options = {name: value for name, value in seed.items() if name not in _SEED_FIELDS}
    return {**known, "options": options}
