"""Access tokens: fetched exactly as the configuration says, spent from the budget, and classified by cause.

google-auth has no deadline for a whole token exchange, sleeps between its own repetitions, and tells an outage of the
token endpoint and a rejected key apart by exception texts only. Its credential classes are used here with a transport
of our own that spends, limits and judges every HTTP request before they see the answer. The ambient chain
(``GOOGLE_APPLICATION_CREDENTIALS``, gcloud's files, the metadata server) is never asked.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from google.auth import exceptions, identity_pool
from google.oauth2 import service_account

from nhisync.spi import Budget, ErrorKind, ProviderError, SourceContext
from nhisync.spi.files import small_text, usable_file
from nhisync_gcp.settings import (
    AccessTokenFileAuth,
    GcpSettings,
    MetadataServerAuth,
    ServiceAccountKeyAuth,
    WorkloadIdentityAuth,
)
from nhisync_gcp.token_answers import judged, lost, trusted

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
"""The only scope that all services here accept; what may be done is limited by roles, not by scopes."""

_UNTOLD = timedelta(minutes=5)
"""How long a token is used whose end nobody told."""

_FIRST_WAIT = 0.25
_METADATA = "/computeMetadata/v1/instance/service-accounts"
_CHECKED = ("token_uri", "token_url", "service_account_impersonation_url")
_UNREADABLE = (exceptions.GoogleAuthError, ValueError, KeyError, TypeError, AttributeError)
"""What google-auth lets out for files and answers that are not what they should be."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; shows nothing of itself.

    Attributes:
        text: the token.
        principal: whose it is.
        until: monotonic second until which it is used.
        theirs: the token endpoint's own time, or None.
        ours: our time when its answer came, or None.
    """

    text: str = field(repr=False)
    principal: str
    until: float
    theirs: datetime | None = None
    ours: datetime | None = None


def fetch(settings: GcpSettings, context: SourceContext, budget: Budget, verify: str) -> Token:
    """A new token by the source's `auth`.

    Raises:
        ProviderError: AUTH_FAILED when the credential is rejected, UNREACHABLE when nobody judged it, MISCONFIGURED for
            files that are not there or not what they should be.
    """
    auth, web = settings.auth, Web(settings, context, budget, verify)
    begun = context.clock.monotonic()
    if isinstance(auth, ServiceAccountKeyAuth):
        text, principal = _by_key(auth, context, web)
    elif isinstance(auth, WorkloadIdentityAuth):
        text, principal = _by_federation(auth, context, web)
    elif isinstance(auth, MetadataServerAuth):
        text, principal = _by_metadata(auth, web)
    else:
        text, principal = _by_file(auth, context)
    lifetime = web.lifetime or _UNTOLD
    # Four fifths, so that a long listing does not end in the middle of a page; Google's tokens last an hour.
    return Token(text, principal, begun + 0.8 * lifetime.total_seconds(), web.theirs, web.ours)


class Web:
    """google-auth's transport: every request is spent, ends in time, and is judged here."""

    def __init__(self, settings: GcpSettings, context: SourceContext, budget: Budget, verify: str) -> None:
        self._settings, self._context, self._budget, self._verify = settings, context, budget, verify
        self.lifetime: timedelta | None = None
        self.theirs: datetime | None = None
        self.ours: datetime | None = None

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> "Reply":
        """One request, repeated within the configured attempts while nobody judged it.

        Raises:
            ProviderError: every failure, typed.
        """
        if not trusted(url):
            raise _unusable(f"a credential would travel to {urlsplit(url).hostname} without TLS")
        for attempt in range(self._settings.attempts - 1):
            try:
                return self._once(url, method, body, headers or {})
            except ProviderError as error:
                if error.kind is not ErrorKind.UNREACHABLE:
                    raise
            self._context.clock.sleep(min(_FIRST_WAIT * 2**attempt, self._budget.remaining))
        return self._once(url, method, body, headers or {})

    def _once(self, url: str, method: str, body: bytes | None, headers: Mapping[str, str]) -> "Reply":
        self._budget.spend("token")
        parts = urlsplit(url)
        # Without TLS it is this machine or its metadata service: a proxy would see the token, or answer with its own.
        near, host, proxy = parts.scheme == "http", parts.hostname or "", self._settings.proxy
        seconds = min(self._settings.timeout.total_seconds(), self._budget.remaining)
        try:
            with requests.Session() as session:
                session.trust_env = proxy is None and not near
                response = session.request(
                    method,
                    url,
                    data=body,
                    headers=dict(headers),
                    auth=_as_it_is,
                    timeout=seconds,
                    verify=self._verify,
                    proxies={"http": proxy, "https": proxy} if proxy and not near else None,
                    allow_redirects=False,
                )
                reply = Reply(response.status_code, response.headers, response.content)
        except requests.RequestException as error:
            failure: ProviderError | None = lost(error, host)
        else:
            failure = None
        if failure is not None:  # raised out here: what requests raised holds the request, and a credential in it
            self._budget.check()
            raise failure
        self.ours = self._context.clock.now()
        self.theirs, self.lifetime = judged(reply.status, reply.headers, reply.data, host, self.ours)
        return reply


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer in google-auth's form (`google.auth.transport.Response`); shows nothing of its body."""

    status: int
    headers: Mapping[str, str]
    data: bytes = field(repr=False)


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No further authentication: without this requests would take some from a .netrc file."""
    return request


def _by_key(auth: ServiceAccountKeyAuth, context: SourceContext, web: Web) -> tuple[str, str]:
    info = _document(auth.file, context, "service_account")
    if not all(isinstance(info.get(key), str) for key in ("client_email", "private_key", "token_uri")):
        raise _unusable(f"{auth.file} is not the JSON key file that Google hands out")
    try:
        made: Any = service_account.Credentials
        credentials = made.from_service_account_info(info, scopes=[SCOPE])
    except _UNREADABLE:
        raise _unusable(f"{auth.file} is not the JSON key file that Google hands out") from None
    return _refreshed(credentials, web), str(info["client_email"])


def _by_federation(auth: WorkloadIdentityAuth, context: SourceContext, web: Web) -> tuple[str, str]:
    info = _document(auth.file, context, "external_account")
    source = info.get("credential_source")
    if not isinstance(source, dict) or not ({"file", "url"} & source.keys()) or "executable" in source:
        raise _unusable(f"{auth.file} takes its subject token from neither a file nor a URL")
    if "file" in source:
        subject = usable_file(context.file(str(source["file"])), f"the subject token that {auth.file} names")
        info = {**info, "credential_source": {**source, "file": subject}}
    try:
        made: Any = identity_pool.Credentials
        credentials = made.from_info(info, scopes=[SCOPE])
    except _UNREADABLE:
        raise _unusable(f"{auth.file} is not a credential configuration of workload identity federation") from None
    target = str(info.get("service_account_impersonation_url") or "")
    acts_as = target.partition("/serviceAccounts/")[2].partition(":")[0]
    return _refreshed(credentials, web), acts_as or f"federated by {info.get('audience')}"


def _by_metadata(auth: MetadataServerAuth, web: Web) -> tuple[str, str]:
    place, headers = f"{auth.endpoint}{_METADATA}/{auth.account}", {"Metadata-Flavor": "Google"}
    email = web(f"{place}/email", headers=headers).data.decode("utf-8", "replace").strip()
    found = _parsed(web(f"{place}/token", headers=headers).data)
    text = found.get("access_token") if isinstance(found, dict) else None
    if not isinstance(text, str) or not text:
        raise _no_token()
    return text, email if "@" in email else auth.account


def _by_file(auth: AccessTokenFileAuth, context: SourceContext) -> tuple[str, str]:
    text = small_text(context.file(auth.file), f"file {auth.file}").strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise _unusable(f"{auth.file} holds no access token")
    return text, f"access token of {auth.file}"


def _refreshed(credentials: Any, web: Web) -> str:
    try:
        credentials.refresh(web)
    except ProviderError as error:
        raise error from None
    except _UNREADABLE:
        raise _no_token() from None
    if not isinstance(credentials.token, str) or not credentials.token:
        raise _no_token()
    return credentials.token


def _document(name: Path, context: SourceContext, kind: str) -> dict[str, Any]:
    """A credential file of Google's, whose URLs are fit to carry a credential."""
    info = _parsed(small_text(context.file(name), f"file {name}"))
    if info is None:
        raise _unusable(f"{name} is not JSON")
    if not isinstance(info, dict) or info.get("type") != kind:
        raise _unusable(f"{name} is not a credential file of type {kind}")
    for key in _CHECKED:
        if key in info and not trusted(str(info[key])):
            raise _unusable(f"{key} in {name} would send a credential without TLS")
    return info


def _parsed(text: str | bytes) -> Any:
    """JSON, or None and no error: the parser's holds all of the text, key or token included."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _unusable(message: str) -> ProviderError:
    return ProviderError(ErrorKind.MISCONFIGURED, message, fix="Correct the source's auth, or what it names.")


def _no_token() -> ProviderError:
    fix = "Look for a proxy or portal between nhisync and the token endpoint."
    return ProviderError(ErrorKind.MALFORMED, "the token endpoint answered without a token", fix=fix)
