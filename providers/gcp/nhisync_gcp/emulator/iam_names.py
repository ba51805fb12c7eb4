"""Names of IAM's resources, and the wildcard project that hides what is missing."""

import re
from typing import NamedTuple

from nhisync_gcp.emulator.accounts import Account, Key
from nhisync_gcp.emulator.refusals import denied, invalid, not_found
from nhisync_gcp.emulator.rpc import Call

SERVICE = "google.iam.admin.v1.IAM"
_ACCOUNT = re.compile(r"projects/([^/]+)/serviceAccounts/([^/]+)")
_KEY = re.compile(r"projects/([^/]+)/serviceAccounts/([^/]+)/keys/([^/]+)")


class Named(NamedTuple):
    """An account that a request names.

    Attributes:
        account: the account.
        wildcard: the request named no project (``projects/-``).
    """

    account: Account
    wildcard: bool


def project_of(call: Call, name: str, permission: str) -> str:
    """The id of the project that ``projects/…`` names; the caller holds `permission` there.

    Raises:
        RefusedError: INVALID_ARGUMENT or PERMISSION_DENIED.
    """
    head, _, text = name.partition("/")
    if head != "projects" or not text or "/" in text:
        raise invalid(f"Invalid resource name: {name}")
    project = call.cloud.find_project(text)
    if project is None:
        raise denied(permission, name)
    call.require(permission, f"projects/{project.id}")
    return project.id


def the_account(call: Call, name: str, permission: str) -> Named:
    """An existing service account.

    Raises:
        RefusedError: NOT_FOUND only for callers who may know, and never under ``projects/-``.
    """
    match = _ACCOUNT.fullmatch(name)
    if match is None:
        raise invalid(f"Invalid service account name: {name}")
    return _account(call, match.group(1), match.group(2), permission, name)


def the_key(call: Call, name: str, permission: str) -> tuple[Account, Key]:
    """An existing key.

    Raises:
        RefusedError: NOT_FOUND, or PERMISSION_DENIED under ``projects/-``.
    """
    match = _KEY.fullmatch(name)
    if match is None:
        raise invalid(f"Invalid service account key name: {name}")
    named = _account(call, match.group(1), match.group(2), permission, name)
    key = named.account.keys.get(match.group(3))
    if key is None or key.shown.current is None:
        if named.wildcard:
            raise denied(permission, name)
        raise not_found(f"Service account key {match.group(3)} does not exist.")
    return named.account, key


def resources(account: Account) -> tuple[str, str]:
    """The account and its project, as policies are kept."""
    return account.name, f"projects/{account.project}"


def _account(call: Call, project_text: str, identifier: str, permission: str, name: str) -> Named:
    account = call.cloud.accounts.find(identifier)
    wildcard = project_text == "-"
    project = None if wildcard else call.cloud.find_project(project_text)
    if not wildcard and (project is None or (account is not None and account.project != project.id)):
        raise denied(permission, name)
    if account is not None:
        call.require(permission, *resources(account), shown=name)
        return Named(account, wildcard)
    if project is None:
        raise denied(permission, name)
    call.require(permission, f"projects/{project.id}", shown=name)
    raise not_found(f"Unknown service account: {identifier}")
