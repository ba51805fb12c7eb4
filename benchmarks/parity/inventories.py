"""Two deterministic inventories in key order, streamed: the same seed, rates and fields wherever they are made."""

import hashlib
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

SEED = 7
NOW = 1_790_000_000
DAY = 86_400
KINDS = ("api_key", "token", "service_account", "certificate", "db_role")
RIGHTS = tuple(
    f"svc:{verb}:{thing}"
    for verb in ("read", "write", "list", "admin")
    for thing in ("db", "queue", "obj", "kms", "mail", "pay")
)
HERE, THERE = "us-east-1", "us-west-2"

COUNTERS = ("missing", "extra", "lockstep", "stale", "expiring", "reuse", "authz", "region", "auth")
"""What a correct engine counts: pairs without a backup item, backup items without a primary one, generations more than
a day apart, backups not rotated for 90 days, ending within 30 days, holding any value of the primary, with other rights
than the primary, bound to the primary's region, refused by their service."""

EXPECTED = {
    1_000_000: {
        "missing": 7_999,
        "extra": 1_964,
        "lockstep": 9_878,
        "stale": 9_938,
        "expiring": 10_095,
        "reuse": 10_900,
        "authz": 10_006,
        "region": 10_198,
        "auth": 11_915,
        "backup items": 993_965,
    }
}
"""Published counts by size."""


class Record(NamedTuple):
    """One item as a provider might describe it."""

    key: str
    provider: str
    kind: str
    ref: str
    region: str
    bound_region: str | None
    version: int
    created_at: int
    rotated_at: int
    expires_at: int | None
    fp: str
    scopes: tuple[str, ...]
    auth_ok: bool | None


def fingerprint(text: str) -> str:
    """Stands for the digest of a value."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def inventories(size: int) -> Iterator[tuple[Record, list[Record]]]:
    """(primary item, its backup items: none, one, or one and an extra), in order of key."""
    draw = random.Random(SEED)
    for index in range(size):
        primary = _primary(index, draw)
        backup = _backup(index, primary, draw)
        yield _planted(index, primary, backup, draw.random())


def _primary(index: int, draw: random.Random) -> Record:
    kind = KINDS[index % len(KINDS)]
    key = f"app{index // 40:06d}/svc{index % 40:02d}/{kind}"
    rotated = NOW - draw.randrange(0, 60 * DAY)
    scopes = draw.sample(RIGHTS, draw.randrange(1, 5))
    version = draw.randrange(1, 50)
    return Record(
        key=key,
        provider="aws",
        kind=kind,
        ref=f"arn:aws:secretsmanager:{HERE}:123456789012:secret:{key}-{index:08x}",
        region=HERE,
        bound_region=None,
        version=version,
        created_at=rotated - 200 * DAY,
        rotated_at=rotated,
        expires_at=NOW + draw.randrange(31 * DAY, 400 * DAY) if index % 2 else None,
        fp=fingerprint(f"p{index}"),
        scopes=tuple(scopes),
        auth_ok=True,
    )


def _backup(index: int, primary: Record, draw: random.Random) -> Record:
    return primary._replace(
        ref=primary.ref.replace(HERE, THERE),
        region=THERE,
        fp=fingerprint(f"b{index}"),
        rotated_at=primary.rotated_at + draw.randrange(-3600, 3600),
        scopes=primary.scopes[::-1],
    )


Sides = tuple[Record, Record]

_FAULTS: tuple[tuple[float, Callable[[Record, Record], Sides]], ...] = (
    (0.010, lambda p, b: (p, b._replace(rotated_at=p.rotated_at - 20 * DAY))),
    (0.020, lambda p, b: (p._replace(rotated_at=NOW - 120 * DAY + 5), b._replace(rotated_at=NOW - 120 * DAY))),
    (0.030, lambda p, b: (p, b._replace(expires_at=NOW + DAY))),
    (0.040, lambda p, b: (p, b._replace(fp=p.fp))),
    (0.050, lambda p, b: (p, b._replace(scopes=(*b.scopes, "svc:admin:everything")))),
    (0.060, lambda p, b: (p, b._replace(bound_region=HERE))),
    (0.070, lambda p, b: (p, b._replace(auth_ok=False))),
    (0.072, lambda p, b: (p, b._replace(auth_ok=None))),
)
"""Below which share → what is planted; the first that applies."""

_MISSING, _COPIED, _EXTRA = 0.08, (0.99, 0.991), 0.998


def _planted(index: int, primary: Record, backup: Record, chance: float) -> tuple[Record, list[Record]]:
    """One fault at most, by where `chance` falls."""
    for share, plant in _FAULTS:
        if chance < share:
            primary, backup = plant(primary, backup)
            return primary, [backup]
    if chance < _MISSING:
        return primary, []
    if _COPIED[0] < chance < _COPIED[1]:
        return primary, [backup._replace(fp=fingerprint("p0"))]  # copied from another identity of the primary
    if chance > _EXTRA:
        return primary, [backup, backup._replace(key=f"{backup.key}/x", fp=fingerprint(f"x{index}"))]
    return primary, [backup]
