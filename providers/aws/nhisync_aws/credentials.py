"""nhisync's own credentials: read exactly where the configuration says, never from the ambient chain.

The environment, default profiles and metadata services are not asked unless the method names them, so that the sources
of two paths cannot become one identity by accident.
"""

import configparser
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
from botocore import exceptions as sdk
from botocore.credentials import create_credential_resolver
from botocore.utils import InstanceMetadataFetcher

from nhisync.spi import ErrorKind, ProviderError, SourceContext
from nhisync.spi.files import expanded, small_text, usable_file
from nhisync.spi.oddities import ODD
from nhisync_aws.settings import (
    AssumeRoleAuth,
    AwsSettings,
    BaseAuth,
    InstanceRoleAuth,
    KeysFileAuth,
    ProfileAuth,
    WebIdentityAuth,
)

_AMBIENT = ("env", "container-role", "iam-role", "boto-config", "ec2-credentials-file")
"""Providers of botocore's chain that answer for whoever started the process."""

_PROFILE_LIFETIME = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Keys:
    """A key pair, perhaps temporary; shows nothing of itself.

    Attributes:
        access_key: access key id.
        secret_key: signing key.
        token: session token, or None.
        expires: end of a temporary pair, aware UTC; None = lasts.
        principal: ARN, when the exchange that gave the keys said so.
    """

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires: datetime | None = None
    principal: str = ""


StsCall = Callable[[Keys | None, str, dict[str, Any]], dict[str, Any]]
"""(keys or None for an unsigned call, operation, parameters) → answer."""


def resolve(settings: AwsSettings, context: SourceContext, sts: StsCall) -> Keys:
    """Follow the source's `auth` to keys.

    Args:
        settings: the source's settings.
        context: for relative files and the clock.
        sts: makes one STS call in the source's region.

    Raises:
        ProviderError: MISCONFIGURED for files and sections that are not there, AUTH_FAILED for refused exchanges.
    """
    auth = settings.auth
    if not isinstance(auth, AssumeRoleAuth):
        return _base(auth, context, sts)
    parameters: dict[str, Any] = {
        "RoleArn": auth.role_arn,
        "RoleSessionName": auth.session_name,
        "DurationSeconds": int(auth.duration.total_seconds()),
    }
    if auth.external_id:
        parameters["ExternalId"] = auth.external_id
    return _session(sts(_base(auth.base, context, sts), "AssumeRole", parameters))


def _base(auth: BaseAuth, context: SourceContext, sts: StsCall) -> Keys:
    if isinstance(auth, KeysFileAuth):
        return _from_file(auth, context)
    if isinstance(auth, ProfileAuth):
        return _from_profile(auth, context)
    if isinstance(auth, WebIdentityAuth):
        return _from_token(auth, context, sts)
    return _from_instance(auth)


def _from_file(auth: KeysFileAuth, context: SourceContext) -> Keys:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(small_text(context.file(auth.file), f"the keys file {auth.file}"))
    except configparser.Error:
        raise _unusable(f"the keys file {auth.file} is not in the form of an AWS credentials file") from None
    if not parser.has_section(auth.profile):
        raise _unusable(f"the keys file {auth.file} has no section [{auth.profile}]")
    section = parser[auth.profile]
    access_key, secret_key = section.get("aws_access_key_id", ""), section.get("aws_secret_access_key", "")
    if not access_key or not secret_key:
        raise _unusable(f"section [{auth.profile}] of {auth.file} lacks aws_access_key_id or aws_secret_access_key")
    return Keys(access_key, secret_key, section.get("aws_session_token") or None)


def _from_profile(auth: ProfileAuth, context: SourceContext) -> Keys:
    try:
        session = botocore.session.Session(profile=auth.name)
        _look_at(session)
        session.get_scoped_config()
        resolver = create_credential_resolver(session)
        for name in _AMBIENT:
            resolver.remove(name)
        found = resolver.load_credentials()
        frozen = found.get_frozen_credentials() if found is not None else None
    except (sdk.BotoCoreError, sdk.ClientError) as error:
        raise _no_profile(auth.name, error) from None
    if frozen is None or not frozen.access_key or not frozen.secret_key:
        raise _unusable(f"the profile {auth.name} holds no credentials")
    expires = context.clock.now() + _PROFILE_LIFETIME if frozen.token else None
    return Keys(frozen.access_key, frozen.secret_key, frozen.token, expires)


def _look_at(session: botocore.session.Session) -> None:
    """Botocore opens its own files by itself, and would wait for ever at a named pipe."""
    for variable in ("config_file", "credentials_file"):
        file = expanded(str(session.get_config_variable(variable)))
        if file.exists():
            usable_file(file, f"AWS's own {file}")


def _from_token(auth: WebIdentityAuth, context: SourceContext, sts: StsCall) -> Keys:
    token = small_text(context.file(auth.token_file), f"token_file {auth.token_file}").strip()
    parameters = {
        "RoleArn": auth.role_arn,
        "RoleSessionName": auth.session_name,
        "WebIdentityToken": token,
        "DurationSeconds": int(auth.duration.total_seconds()),
    }
    return _session(sts(None, "AssumeRoleWithWebIdentity", parameters))


def _from_instance(auth: InstanceRoleAuth) -> Keys:
    config = {"ec2_metadata_service_endpoint": f"{auth.endpoint}/"} if auth.endpoint else {}
    # An empty environment: AWS_EC2_METADATA_DISABLED must not turn a method off that the configuration names.
    fetcher = InstanceMetadataFetcher(timeout=2, num_attempts=2, env={}, config=config)
    try:
        found = fetcher.retrieve_iam_role_credentials()
        keys = _issued(found) if found else None
    except ODD:
        raise ProviderError(
            ErrorKind.MALFORMED,
            "the machine's metadata service answers something else than role credentials",
            fix="See what answers at auth.endpoint (without one, at 169.254.169.254): a proxy or another service.",
        ) from None
    if keys is None:
        raise ProviderError(
            ErrorKind.AUTH_FAILED,
            "the machine's metadata service gave no role credentials",
            fix="Attach an instance profile to this machine, or name another auth.method.",
        )
    return keys


def _issued(found: Mapping[str, Any]) -> Keys:
    expires = datetime.fromisoformat(str(found["expiry_time"]))
    return Keys(found["access_key"], found["secret_key"], found["token"], expires.astimezone(UTC))


def _session(answer: dict[str, Any]) -> Keys:
    """Keys out of an STS answer."""
    found, who = answer.get("Credentials") or {}, answer.get("AssumedRoleUser") or {}
    if not found.get("AccessKeyId") or not found.get("SecretAccessKey"):
        raise ProviderError(ErrorKind.MALFORMED, "STS answered without credentials")
    expires = found.get("Expiration")
    return Keys(
        found["AccessKeyId"],
        found["SecretAccessKey"],
        found.get("SessionToken"),
        expires.astimezone(UTC) if isinstance(expires, datetime) else None,
        str(who.get("Arn") or ""),
    )


def _no_profile(name: str, error: Exception) -> ProviderError:
    """Which of AWS's own files or logins the person has to look at; SDK text can quote a file and stays out."""
    if isinstance(error, sdk.ProfileNotFound):
        return ProviderError(
            ErrorKind.MISCONFIGURED,
            f"there is no profile {name} in AWS's own files of the user that runs nhisync",
            fix="Compare with: aws configure list-profiles, as that user; or use auth.method keys_file.",
        )
    if isinstance(error, sdk.SSOError):
        return ProviderError(
            ErrorKind.AUTH_FAILED,
            f"the single sign-on session of the profile {name} is missing or over",
            fix=f"aws sso login --profile {name}, as the user that runs nhisync; a daemon needs another auth.method.",
        )
    return _unusable(f"the profile {name} cannot be used", kind=ErrorKind.AUTH_FAILED)


def _unusable(message: str, *, kind: ErrorKind = ErrorKind.MISCONFIGURED) -> ProviderError:
    return ProviderError(kind, message, fix="Correct the source's auth, or what it names.")
