"""Who is calling, and may they: signature check, key status, session expiry, policies and trust.

moto's own authorization mode matches every Allow against ``*``, lets inactive keys authenticate and answers JSON
services in XML; this module replaces it. Texts and codes are AWS's (IAM user guide, "Troubleshoot access denied error
messages"; common errors of the service references).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.iam.models import AccessKeyLastUsed, IAMBackend, Role, User, iam_backends

from nhisync_aws.emulator.attached import boundary_of, documents_of, policies_of
from nhisync_aws.emulator.policy import Effect, Query, evaluate
from nhisync_aws.emulator.wire import ApiError, Call, is_query

PARTITION = "aws"
_LEEWAY = timedelta(minutes=5)
_SHORTEST = 900
_ACTIONS = {"kms:ReEncrypt": "kms:ReEncryptFrom"}
_ALWAYS_ALLOWED = frozenset({"sts:GetCallerIdentity", "sts:AssumeRoleWithWebIdentity"})


@dataclass(frozen=True, slots=True)
class Session:
    """Temporary credentials of an assumed role.

    Attributes:
        account: account of the role.
        role: role name.
        name: session name.
        secret_key: signing key.
        token: session token, compared byte for byte.
        expires: instant after which the session no longer authenticates, aware UTC.
        policy: session policy; None = the role's own rights.
    """

    account: str
    role: str
    name: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)
    expires: datetime
    policy: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller; `documents` are all policy documents that apply to it, `entity` the user or role."""

    arn: str
    account: str
    user_id: str
    documents: tuple[Mapping[str, Any], ...] = field(repr=False)
    boundary: tuple[Mapping[str, Any], ...] | None = field(default=None, repr=False)
    session: tuple[Mapping[str, Any], ...] | None = field(default=None, repr=False)
    entity: User | Role | None = field(default=None, repr=False)

    @property
    def context(self) -> dict[str, str]:
        """Condition keys about the caller, lower case (IAM user guide, "Properties of the principal")."""
        if self.entity is None:
            return {}
        kind = "User" if isinstance(self.entity, User) else "AssumedRole"
        told = {"aws:principalarn": str(self.entity.arn), "aws:userid": self.user_id, "aws:principaltype": kind}
        return {**told, "aws:username": self.entity.name} if kind == "User" else told


def check_duration(seconds: int, longest: int) -> None:
    """Refuse a session that is too short or too long.

    Raises:
        ApiError: ValidationError, in the words of STS.
    """
    if seconds < _SHORTEST:
        told = f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: "
        raise ApiError("ValidationError", f"{told}Member must have value greater than or equal to {_SHORTEST}")
    if seconds > longest:
        told = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        raise ApiError("ValidationError", told)


ANONYMOUS = Principal(arn="", account="", user_id="", documents=())


def iam(account: str) -> IAMBackend:
    """Moto's IAM of one account."""
    return iam_backends[account][PARTITION]


def authenticate(call: Call, accounts: frozenset[str], sessions: Mapping[str, Session], now: datetime) -> Principal:
    """Find the caller and check the signature.

    Raises:
        ApiError: unknown or inactive key, wrong session token, expired session, wrong signature.
    """
    if not call.access_key:
        return ANONYMOUS
    session = sessions.get(call.access_key)
    if session is not None:
        return _session_principal(call, session, now)
    return _user_principal(call, accounts)


def record_use(call: Call, principal: Principal, now: datetime) -> None:
    """Remember the last use of a user's key, refused calls included."""
    key = iam(principal.account).access_keys.get(call.access_key) if principal.account else None
    if key is not None:
        key.last_used = AccessKeyLastUsed(now.astimezone(UTC).replace(tzinfo=None), call.service, call.region)


def authorize(
    call: Call, principal: Principal, resource: str, context: Mapping[str, str], *, granted: bool = False
) -> None:
    """Evaluate the caller's policies.

    Args:
        call: what is asked for.
        principal: who asks.
        resource: ARN of what it is asked of.
        context: condition keys.
        granted: a policy of the resource allows it; then the caller's own need not (same account).

    Raises:
        ApiError: AccessDenied(Exception) with AWS's text, which names who, what, on what, and why.
    """
    if call.name in _ALWAYS_ALLOWED:
        return
    query = Query(iam_action(call), resource, {**principal.context, **context})
    effect = evaluate(principal.documents, query)
    if granted and effect is Effect.IMPLICIT_DENY:
        effect = Effect.ALLOWED
    limits = (("permissions boundary", principal.boundary), ("session policy", principal.session))
    for policy, documents in limits if effect is Effect.ALLOWED else ():
        bounded = Effect.ALLOWED if documents is None else evaluate(documents, query)
        if bounded is not Effect.ALLOWED:
            raise denial(call, principal, resource, bounded, policy=policy)
    if effect is not Effect.ALLOWED:
        raise denial(call, principal, resource, effect)


def iam_action(call: Call) -> str:
    """The IAM action of a call; the same word but for the few operations that have another one."""
    return _ACTIONS.get(call.name, call.name)


def denial(
    call: Call, principal: Principal, resource: str, effect: Effect, *, policy: str = "identity-based policy"
) -> ApiError:
    """The denial in AWS's words."""
    action = iam_action(call)
    if effect is Effect.EXPLICIT_DENY:
        article = "an" if policy[0] in "aeiou" else "a"
        why = f"with an explicit deny in {article} {policy}"
    else:
        why = f"because no {policy} allows the {action} action"
    text = f"User: {principal.arn} is not authorized to perform: {action} on resource: {resource} {why}"
    if is_query(call.service):
        return ApiError("AccessDenied", text, status=403)
    return ApiError("AccessDeniedException", text, status=400)


def _session_principal(call: Call, session: Session, now: datetime) -> Principal:
    if call.raw.header("x-amz-security-token") != session.token:
        raise _unknown_key(call)
    _check_signature(call, session.secret_key, session.token)
    if now >= session.expires:
        raise expired(call)
    backend = iam(session.account)
    if session.role not in {role.name for role in backend.roles.values()}:
        raise _unknown_key(call)
    role = backend.get_role(session.role)
    boundary = boundary_of(backend, role)
    return Principal(
        arn=f"arn:{PARTITION}:sts::{session.account}:assumed-role/{session.role}/{session.name}",
        account=session.account,
        user_id=f"{role.id}:{session.name}",
        documents=documents_of(policies_of(backend, role)),
        boundary=None if boundary is None else (boundary,),
        session=None if session.policy is None else (session.policy,),
        entity=role,
    )


def _user_principal(call: Call, accounts: frozenset[str]) -> Principal:
    for account in accounts:
        backend = iam(account)
        key = backend.access_keys.get(call.access_key)
        if key is None or key.user_name is None:
            continue
        if key.status != "Active" or call.raw.header("x-amz-security-token"):
            raise _unknown_key(call)
        _check_signature(call, key.secret_access_key, "")
        user = backend.get_user(key.user_name)
        boundary = boundary_of(backend, user)
        return Principal(
            arn=str(user.arn),
            account=account,
            user_id=user.id,
            documents=documents_of(policies_of(backend, user)),
            boundary=None if boundary is None else (boundary,),
            entity=user,
        )
    raise _unknown_key(call)


def expired(call: Call) -> ApiError:
    """The answer to a session past its end."""
    text = "The security token included in the request is expired"
    if is_query(call.service):
        return ApiError("ExpiredToken", text, status=403)
    return ApiError("ExpiredTokenException", text, status=400)


def _unknown_key(call: Call) -> ApiError:
    text = "The security token included in the request is invalid."
    if is_query(call.service):
        return ApiError("InvalidClientTokenId", text, status=403)
    return ApiError("UnrecognizedClientException", text, status=400)


def check_time(call: Call, signed: datetime, now: datetime) -> None:
    """Refuse a signature that is more than five minutes away from AWS's time; unsigned calls have none.

    Raises:
        ApiError: in AWS's words (SigV4, troubleshooting).
    """
    if abs(now - signed) <= _LEEWAY or not call.access_key:
        return
    early = now < signed
    said, end, sign = ("not yet current", now + _LEEWAY, "+") if early else ("expired", now - _LEEWAY, "-")
    stamp, limit, there = (f"{one:%Y%m%dT%H%M%SZ}" for one in (signed, end, now))
    than = "still later than" if early else "now earlier than"
    code = "SignatureDoesNotMatch" if is_query(call.service) else "InvalidSignatureException"
    text = f"Signature {said}: {stamp} is {than} {limit} ({there} {sign} 5 min.)"
    raise ApiError(code, text, status=403 if is_query(call.service) else 400)


def _check_signature(call: Call, secret_key: str, token: str) -> None:
    """Recompute the SigV4 signature over the headers that the client signed."""
    authorization = call.raw.header("authorization")
    fields = dict(part.strip().partition("=")[::2] for part in authorization.partition(" ")[2].split(","))
    signed = {name: call.raw.header(name) for name in fields.get("SignedHeaders", "").split(";")}
    request = AWSRequest(method=call.raw.method, url=call.raw.path, data=call.raw.body, headers=signed)
    request.context["timestamp"] = call.raw.header("x-amz-date")
    signer = SigV4Auth(Credentials(call.access_key, secret_key, token or None), call.service, call.region)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    if signer.signature(text, request) != fields.get("Signature"):
        code = "SignatureDoesNotMatch" if is_query(call.service) else "InvalidSignatureException"
        message = (
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
        )
        raise ApiError(code, message, status=403 if is_query(call.service) else 400)
