"""Where tokens come from: assertions of service accounts, foreign identities, impersonation."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from nhisync_gcp.emulator.iam_credentials import generate
from nhisync_gcp.emulator.refusals import invalid
from nhisync_gcp.emulator.rpc import Node
from nhisync_gcp.emulator.tokens import CLOUD_PLATFORM, EMAIL_SCOPES, LIFETIME, Assertion, parse
from nhisync_gcp.emulator.web import Route, WebReply, WebRequest, caller, json_reply

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
_AUDIENCES = ("https://oauth2.googleapis.com/token", "https://www.googleapis.com/oauth2/v4/token")


def oauth_error(error: str, description: str) -> WebReply:
    """An error of an OAuth endpoint (RFC 6749 section 5.2)."""
    return json_reply(400, {"error": error, "error_description": description})


def token_reply(text: str, **more: str) -> WebReply:
    """The answer of a token endpoint."""
    seconds = int(LIFETIME.total_seconds())
    return json_reply(200, {"access_token": text, "expires_in": seconds, "token_type": "Bearer", **more})


def token(node: Node, request: WebRequest, _match: re.Match[str]) -> WebReply:
    """``POST /token``: a signed assertion for an access token (RFC 7523)."""
    form = request.form()
    if form.get("grant_type") != JWT_GRANT:
        return oauth_error("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type')}")
    assertion = parse(str(form.get("assertion", "")))
    if assertion is None:
        return oauth_error("invalid_grant", "Invalid JWT: the assertion is malformed.")
    refusal = _refusal(node, assertion, f"https://{request.headers.get('host')}{request.path}")
    if refusal:
        return oauth_error("invalid_grant", refusal)
    if not assertion.claims.get("scope"):
        return oauth_error("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
    return token_reply(node.cloud.issue_token(f"serviceAccount:{assertion.claims['iss']}"))


def exchange(node: Node, request: WebRequest, _match: re.Match[str]) -> WebReply:
    """``POST /v1/token`` of the Security Token Service: a foreign identity's token for a federated one (RFC 8693)."""
    form, cloud = request.form(), node.cloud
    if form.get("grant_type") != EXCHANGE_GRANT:
        return oauth_error("invalid_request", "Invalid grant_type.")
    pool = cloud.pools.get(str(form.get("audience", "")))
    if pool is None:
        text = 'The target service indicated by the "audience" parameters is invalid.'
        return oauth_error("invalid_target", f"{text} This might either be because the pool or provider is disabled.")
    assertion = parse(str(form.get("subject_token", "")))
    if assertion is None or not assertion.signed_by(pool.key.public_key()):
        return oauth_error("invalid_grant", "Error connecting to the given credential's issuer.")
    if not _in_force(assertion, cloud.wall.now()) or assertion.claims.get("aud") != form["audience"]:
        return oauth_error("invalid_grant", "The given credential is rejected by the attribute condition or expired.")
    member = f"{pool.principal}/subject/{assertion.claims.get('sub')}"
    return token_reply(cloud.issue_token(member), issued_token_type=_ACCESS_TOKEN)


def impersonate(node: Node, request: WebRequest, match: re.Match[str]) -> WebReply:
    """``generateAccessToken`` of the IAM Service Account Credentials API."""
    call = caller(node, request, "IAMCredentials.GenerateAccessToken")
    form = request.form()
    made = generate(call, f"projects/-/serviceAccounts/{match.group(1)}", form.get("scope") or (), _lifetime(form))
    stamp = made.ends.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json_reply(200, {"accessToken": made.text, "expireTime": stamp})


def token_info(node: Node, request: WebRequest, _match: re.Match[str]) -> WebReply:
    """``tokeninfo``: whose access token this is."""
    given = request.query.get("access_token") or str(request.form().get("access_token", ""))
    found = node.cloud.token(given)
    if found is None:
        return oauth_error("invalid_token", "Invalid Value")
    left = int((found.expires - node.cloud.wall.now()).total_seconds())
    answer: dict[str, Any] = {"expires_in": str(left), "scope": " ".join(found.scopes or (CLOUD_PLATFORM,))}
    account = node.cloud.accounts.find(found.member.partition(":")[2])
    if account is not None:
        unique = account.shown.current.unique_id
        answer |= {"azp": unique, "aud": unique}
        if found.covers(*EMAIL_SCOPES):
            answer |= {"email": account.email, "email_verified": "true"}
    return json_reply(200, answer)


def _lifetime(form: Mapping[str, Any]) -> timedelta:
    """``"300s"`` (protobuf's JSON mapping of Duration); nothing named is zero.

    Raises:
        RefusedError: INVALID_ARGUMENT, it is no duration.
    """
    text = str(form.get("lifetime") or "0s")
    if not text.endswith("s") or not text[:-1].isdecimal() or len(text) > 8:
        raise invalid("Invalid value at 'lifetime' (type.googleapis.com/google.protobuf.Duration).")
    return timedelta(seconds=int(text[:-1]))


def _refusal(node: Node, assertion: Assertion, own: str) -> str:
    """Why an assertion is no valid grant; "" = it is."""
    cloud = node.cloud
    account = cloud.accounts.find(str(assertion.claims.get("iss")))
    if account is None or account.shown.current.disabled:
        return "Invalid grant: account not found"
    if cloud.signer(assertion) is None:
        return "Invalid JWT Signature."
    if not assertion.timely(cloud.wall.now()):
        text = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
        return f"{text} Check your iat and exp values in the JWT claim."
    return "" if assertion.claims.get("aud") in (*_AUDIENCES, own) else "Invalid JWT: Failed audience check."


def _in_force(assertion: Assertion, now: datetime) -> bool:
    ends = assertion.claims.get("exp")
    return isinstance(ends, int) and now.timestamp() < ends


ROUTES = (
    Route("POST", re.compile("/token"), token),
    Route("POST", re.compile("/v1/token"), exchange),
    Route("POST", re.compile("/v1/projects/-/serviceAccounts/([^/:]+):generateAccessToken"), impersonate),
    Route("GET", re.compile("/tokeninfo"), token_info),
    Route("POST", re.compile("/tokeninfo"), token_info),
)
