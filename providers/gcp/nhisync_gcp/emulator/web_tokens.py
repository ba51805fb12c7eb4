"""Where tokens come from: assertions of service accounts, foreign identities, impersonation."""

import re
from datetime import UTC, datetime
from typing import Any

from nhisync_gcp.emulator.refusals import denied, invalid
from nhisync_gcp.emulator.rpc import Node
from nhisync_gcp.emulator.tokens import LIFETIME, Assertion, parse
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
    permission = "iam.serviceAccounts.getAccessToken"
    call = caller(node, request, "IAMCredentials.GenerateAccessToken")
    account = node.cloud.accounts.find(match.group(1))
    if account is None:
        raise denied(permission, f"projects/-/serviceAccounts/{match.group(1)}")
    call.require(permission, account.name, f"projects/{account.project}")
    if not request.form().get("scope"):
        raise invalid("Scope required.")
    ends = node.cloud.wall.now() + LIFETIME
    stamp = ends.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json_reply(200, {"accessToken": node.cloud.issue_token(account.member), "expireTime": stamp})


def token_info(node: Node, request: WebRequest, _match: re.Match[str]) -> WebReply:
    """``tokeninfo``: whose access token this is."""
    given = request.query.get("access_token") or str(request.form().get("access_token", ""))
    found = node.cloud.token(given)
    if found is None:
        return oauth_error("invalid_token", "Invalid Value")
    left = int((found.expires - node.cloud.wall.now()).total_seconds())
    answer: dict[str, Any] = {"expires_in": str(left), "scope": "https://www.googleapis.com/auth/cloud-platform"}
    account = node.cloud.accounts.find(found.member.partition(":")[2])
    if account is not None:
        unique = account.shown.current.unique_id
        answer |= {"email": account.email, "email_verified": "true", "azp": unique, "aud": unique}
    return json_reply(200, answer)


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
