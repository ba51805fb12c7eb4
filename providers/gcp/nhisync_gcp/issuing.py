"""Minting an access token of a service account, for one probe: `generateAccessToken` impersonates the account.

Google takes no such token back, and bounds its life by an hour, or by twelve where the organisation allows it; a least
life is not documented ("Method: projects.serviceAccounts.generateAccessToken"). So it is asked for five minutes and for
a scope that opens nothing but the account's own address (OAuth 2.0 scopes, ``userinfo.email``).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from nhisync.spi import Budget, ErrorKind, FieldValue, Locator, ProviderError, SecretBytes
from nhisync_gcp.connection import Connection
from nhisync_gcp.errors import Called, malformed
from nhisync_gcp.names import AccountName
from nhisync_gcp.permissions import MINT

LIFE: Final = 300
"""Seconds."""

SCOPE: Final = "https://www.googleapis.com/auth/userinfo.email"
"""With it the token information endpoint names the account, and no other service lets the token in."""

CALL: Final = "iamcredentials.generate_access_token"

_PERIMETER: Final = "security policy violated"
"""A refusal for another reason than roles, which says itself what helps."""

_TOLD: Final[Mapping[ErrorKind, tuple[str, str]]] = {
    ErrorKind.DENIED: (
        "nhisync may not mint a token of this account, or it is not there",
        "Bind what `nhisync permissions --mode probe` prints.",
    ),
    ErrorKind.CONFLICT: (
        "the account mints no token: it is disabled",
        "Enable it: gcloud iam service-accounts enable …",
    ),
    ErrorKind.NOT_FOUND: ("there is no such account", "Create it, or correct the pair's item."),
}
"""What the answers mean here, and the next step."""


def impersonated(connection: Connection, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
    """The field ``access_token`` of a new token of the account `wanted`.

    Raises:
        ProviderError: UNSUPPORTED for other kinds; else why there is none: no such account, it is disabled, we may not.
    """
    if wanted.kind != "service-account":
        raise ProviderError(ErrorKind.UNSUPPORTED, f"an item of the kind {wanted.kind} mints nothing")
    email = AccountName.of(wanted).email
    try:
        answer = connection.mint(CALL, budget, **asked(email))
    except ProviderError as error:
        raise _told(error, email) from None
    if not answer.access_token:
        raise malformed(Called(CALL, MINT), "the answer holds no token")
    yield FieldValue(wanted, "access_token", SecretBytes(answer.access_token.encode()))


def asked(email: str) -> dict[str, Any]:
    """The request; the API takes no project in place of the hyphen."""
    return {"name": f"projects/-/serviceAccounts/{email}", "scope": [SCOPE], "lifetime": {"seconds": LIFE}}


def _told(error: ProviderError, email: str) -> ProviderError:
    """The error in the words of an issuer."""
    if error.kind not in _TOLD or error.fact.reason == _PERIMETER:
        return error
    said, fix = _TOLD[error.kind]
    fact = error.fact
    return ProviderError(
        error.kind,
        said,
        action=fact.action or MINT,
        resource=email,
        reason=fact.reason,
        request_id=fact.request_id,
        fix=fix,
    )
