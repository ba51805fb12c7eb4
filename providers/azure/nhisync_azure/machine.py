"""Tokens of a managed identity, from the metadata service of the machine that nhisync runs on.

azure-identity's own credential is not used: variables of the environment (``IDENTITY_ENDPOINT``, ``MSI_ENDPOINT``,
``AZURE_POD_IDENTITY_AUTHORITY_HOST``) would choose whom it asks. Source of the protocol and of its errors:
learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token.
"""

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from azure.core import PipelineClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError
from azure.core.pipeline import policies
from azure.core.rest import HttpRequest

from nhisync.spi import ErrorKind, ProviderError
from nhisync_azure.errors import Called, malformed, translate
from nhisync_azure.settings import ManagedIdentityAuth
from nhisync_azure.transport import retry_options

_PATH, _VERSION = "/metadata/identity/oauth2/token", "2018-02-01"
_UPDATING = (404, 410)
"""What the metadata service answers for up to 70 seconds while it is updated."""

_LONGEST = timedelta(days=1)


def ask(auth: ManagedIdentityAuth, audience: str, transport: Any, attempts: int) -> tuple[AccessToken, timedelta]:
    """A token for `audience`, and how much longer it lives: the service hands out older ones, too.

    Raises:
        ProviderError: why there is none.
    """
    called = Called(name="token", resource=auth.endpoint)
    query = {"api-version": _VERSION, "resource": quote(audience, safe=""), "client_id": auth.client_id}
    retries = policies.RetryPolicy(**retry_options(attempts - 1), retry_on_status_codes=list(_UPDATING))
    steps = [policies.UserAgentPolicy("nhisync"), retries]
    client: PipelineClient[Any, Any] = PipelineClient(auth.endpoint, policies=steps, transport=transport)
    try:
        response = client.send_request(
            HttpRequest("GET", f"{auth.endpoint}{_PATH}", params=query, headers={"Metadata": "true"})
        )
        body = _object(response)
    except AzureError as error:
        raise translate(error, called) from None
    if response.status_code != 200:
        raise _refusal(response.status_code, body, auth)
    text, lasts, ends = body.get("access_token"), _seconds(body, "expires_in"), _seconds(body, "expires_on")
    if not isinstance(text, str) or not text or lasts is None or ends is None:
        raise malformed(called, "the metadata service answered without a token")
    return AccessToken(text, ends), min(timedelta(seconds=lasts), _LONGEST)


def _object(response: Any) -> dict[str, Any]:
    """The body, {} when it is no JSON object."""
    try:
        found = response.json()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(body: dict[str, Any], name: str) -> int | None:
    """A number of seconds, which comes as text; None when it is none."""
    held = str(body.get(name))
    return int(held) if held.isascii() and held.isdigit() and len(held) <= 12 else None


def _refusal(status: int, body: dict[str, Any], auth: ManagedIdentityAuth) -> ProviderError:
    """What an error status means; only the service's own error document is a refusal."""
    if status == 429:
        return _error(ErrorKind.THROTTLED, auth, "the metadata service asked to slow down", "")
    if status in _UPDATING or status >= 500:
        said = f"the metadata service is being updated, or out of order (status {status})"
        return _error(ErrorKind.UNREACHABLE, auth, said, "Wait a minute; check that this is a machine of Azure.")
    if not isinstance(body.get("error"), str):
        return malformed(Called(name="token", resource=auth.endpoint), "something that is not Azure's answered")
    return _error(
        ErrorKind.AUTH_FAILED,
        auth,
        f"this machine has no managed identity {auth.client_id}, or gets no token for it (status {status})",
        "Assign it: az vm identity assign --identities <its resource id>; or correct auth.client_id.",
    )


def _error(kind: ErrorKind, auth: ManagedIdentityAuth, said: str, fix: str) -> ProviderError:
    return ProviderError(kind, f"{said} (token)", resource=auth.endpoint, fix=fix)
