"""Minting a token of a service account, the shortest that there is, for one probe.

A TokenRequest is asked for ten minutes, below which the API server makes none, and for the server's own audience
(kubernetes/kubernetes ``pkg/registry/core/serviceaccount/storage/token.go``, ``pkg/apis/authentication/validation``).
Nothing takes it back before its end, but the end of the account itself.
"""

from collections.abc import Iterator
from typing import Final

from nhisync.spi import ErrorKind, FieldValue, Locator, ProviderError, SecretBytes
from nhisync_kubernetes.api import Api
from nhisync_kubernetes.names import split

LIFE: Final = 600
"""Seconds."""


def requested(api: Api, wanted: Locator) -> Iterator[FieldValue]:
    """The field ``token`` of a new token.

    Raises:
        ProviderError: UNSUPPORTED for other kinds; else why there is none: no such account, or we may not ask.
    """
    if wanted.kind != "service-account":
        raise ProviderError(ErrorKind.UNSUPPORTED, f"an item of the kind {wanted.kind} mints nothing")
    yield FieldValue(wanted, "token", SecretBytes(api.token(*split(wanted.name), LIFE).encode()))
