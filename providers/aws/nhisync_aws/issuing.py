"""Minting a session of a role, the shortest there is, that can do nothing but say who it is.

STS knows no session below 15 minutes and takes none back (AWS STS API Reference, AssumeRole). So this one is born with
a session policy that denies everything; GetCallerIdentity, which the probe asks, no policy can deny.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from nhisync.spi import Budget, ErrorKind, FieldValue, Locator, ProviderError, SecretBytes
from nhisync_aws.connection import Connection
from nhisync_aws.errors import Called, malformed

LIFE: Final = 900
"""Seconds; the least that STS takes."""

NOTHING: Final = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
)
"""A session's rights are those of its role that its own policy allows, too."""

_SESSION: Final = "nhisync-probe"
_FIELDS: Final = {
    "access_key_id": "AccessKeyId",
    "secret_access_key": "SecretAccessKey",
    "session_token": "SessionToken",
}


def assumed(connection: Connection, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
    """The three fields of a new session of the role `wanted`.

    Raises:
        ProviderError: UNSUPPORTED for other kinds; else why there is none: the role is not there, it does not trust us,
            we may not ask.
    """
    if wanted.kind != "role":
        raise ProviderError(ErrorKind.UNSUPPORTED, f"an item of the kind {wanted.kind} mints nothing")
    role = connection.require("iam", "GetRole", budget, "Role", RoleName=wanted.name)
    asked = {"RoleArn": str(role.get("Arn") or ""), "RoleSessionName": _SESSION}
    found = connection.mint("sts", "AssumeRole", budget, "Credentials", **asked, DurationSeconds=LIFE, Policy=NOTHING)
    values = {field: _text(found.get(name)) for field, name in _FIELDS.items()}
    if not all(values.values()):
        raise malformed(Called("sts:AssumeRole", 200), "the answer holds no whole session")
    for field, value in values.items():
        yield FieldValue(wanted, field, SecretBytes(value.encode()))


def _text(raw: Any) -> str:
    return raw if isinstance(raw, str) else ""
