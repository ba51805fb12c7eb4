"""IAM Service Account Credentials: an access token of another account, for a while and for some scopes."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from google.cloud.iam_credentials_v1 import types

from nhisync_gcp.emulator.messages import plain, timestamp
from nhisync_gcp.emulator.refusals import invalid, not_found, precondition
from nhisync_gcp.emulator.rpc import Call, Rpc
from nhisync_gcp.emulator.tokens import LIFETIME

PERMISSION = "iam.serviceAccounts.getAccessToken"
EXTENSION = "iam.allowServiceAccountCredentialLifetimeExtension"
"""Constraint that lets tokens of a project's accounts live for twelve hours."""

_NAME = re.compile(r"projects/-/serviceAccounts/([^/:]+)")
_HOUR, _HALF_DAY = timedelta(hours=1), timedelta(hours=12)
_Response = plain(types.GenerateAccessTokenResponse)


class Generated(NamedTuple):
    """A token and its end."""

    text: str
    ends: datetime


def generate(call: Call, name: str, scopes: Sequence[str], lifetime: timedelta) -> Generated:
    """GenerateAccessToken; a lifetime of zero is the default of one hour.

    Raises:
        RefusedError: no such account, no permission, disabled, no scope, or a life beyond its bound.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise invalid("Invalid form of account ID: the project must be the wildcard -.")
    account = call.cloud.accounts.find(match.group(1))
    if account is None:
        raise not_found(f"Not found; Gaia id not found for email {match.group(1)}")
    call.require(PERMISSION, account.name, f"projects/{account.project}", shown=account.name)
    if account.shown.current.disabled:
        raise precondition(f"Service account {account.email} is disabled.")
    if not scopes:
        raise invalid("Scope required.")
    longest = _HALF_DAY if EXTENSION in call.cloud.project(account.project).constraints else _HOUR
    if not timedelta(0) <= lifetime <= longest:
        raise invalid("The access token lifetime cannot exceed the bound of the account.")
    life = lifetime or LIFETIME
    ends = call.cloud.wall.now() + life
    return Generated(call.cloud.issue_token(account.member, scopes, life), ends)


def generate_access_token(call: Call) -> Any:
    """GenerateAccessToken over gRPC."""
    request = call.request
    made = generate(call, request.name, list(request.scope), request.lifetime.ToTimedelta())
    return _Response(access_token=made.text, expire_time=timestamp(made.ends))


METHODS = (
    Rpc(
        service="google.iam.credentials.v1.IAMCredentials",
        method="GenerateAccessToken",
        request=plain(types.GenerateAccessTokenRequest),
        handler=generate_access_token,
        writes=True,
    ),
)
