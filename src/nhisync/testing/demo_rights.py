"""payments, once more: identities that log in on the backup and may do something else there."""

from typing import Any

from nhisync.testing.demo_parts import DAY, HOUR, pair, plant
from nhisync.testing.scenario import Plant

_LEDGER = 'path "secret/data/ledger/*" { capabilities = [%s] }'
_READ, _WRITE = '"read"', '"create", "read", "update"'


def _approle(source: str, name: str, policy: str, **options: Any) -> Plant:
    """An AppRole with one policy of its own, and a secret ID that lasts."""
    role = f"approle/{name}"
    return plant(source, "approle", role, expires=60 * DAY, policies=(name,), texts={name: policy}, **options)


def _login(path: str, source: str, name: str, policy: str) -> tuple[str, Plant]:
    """The token of a workload that logged in with the role `name` while it had another policy."""
    old = f"{name}-then"
    token = plant(
        source, "token", f"{name}-login", expires=1 * DAY, created=20 * HOUR, rotated=None, owner=None, fields={},
        policies=(old,), texts={old: policy}, login="auth/approle/login", tags={"role_name": name},
    )  # fmt: skip
    return path, token


_SIGNED = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}]}

RIGHTS = (
    pair(
        "ledger-writer",
        "machine",
        _approle("vault", "ledger-writer", _LEDGER % _WRITE),
        _approle("bao", "ledger-writer", _LEDGER % _READ),
        "The backup's policy was copied before the service began to write: it logs in and is refused.",
        "NHS501",
    ),
    pair(
        "ledger-audit",
        "machine",
        _approle("vault", "ledger-audit", _LEDGER % _READ),
        _approle("bao", "ledger-audit", 'path "secret/data/*" { capabilities = ["read"] }'),
        "Somebody was in a hurry: the backup's identity reads every secret there is.",
        "NHS502",
    ),
    pair(
        "ledger-batch",
        "machine",
        _approle("vault", "ledger-batch", _LEDGER % _READ, token_max_ttl=1 * HOUR),
        _approle("bao", "ledger-batch", _LEDGER % _READ, token_max_ttl=30 * DAY),
        "The same policy, but the backup's tokens live for a month.",
        "NHS503",
    ),
    pair(
        "ledger-export",
        "machine",
        _approle("vault", "ledger-export", _LEDGER % _READ),
        plant("aws", "role", "ledger-export"),
        "An AppRole here, an IAM role there: nobody can say whether they may do the same.",
        "NHS504:unknown",
    ),
    pair(
        "ledger-replay",
        "machine",
        _approle("vault", "ledger-replay", _LEDGER % _WRITE),
        _approle("bao", "ledger-replay", _LEDGER % _WRITE),
        "The role got its write policy last week; the workload on the backup still runs with the login before that.",
        "NHS505",
        "NHS506:unknown",
        others=(
            _login("primary", "vault", "ledger-replay", _LEDGER % _WRITE),
            _login("backup", "bao", "ledger-replay", _LEDGER % _READ),
        ),
    ),
    pair(
        "ledger-notify",
        "machine",
        plant("aws", "role", "ledger-notify", policies={"own": _SIGNED}),
        plant("aws", "role", "ledger-notify-standby", policies={"own": _SIGNED}),
        "Two roles with the same policy, and nhisync may not ask IAM what an organisation's policy makes of it.",
        "NHS507:unknown",
    ),
)
"""Authorization parity: under, over, another limit, not comparable, contradicted by the service, not asked."""
