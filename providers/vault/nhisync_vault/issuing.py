"""Minting a login of a dynamic database role, for as long as one probe takes.

``creds/<role>`` makes a login that hangs on the token that asked for it: revoking that token, which `close` does, takes
the login back at once (Vault docs, "Lease, renew, and revoke"). A token from a file is not ours to revoke, and Vault
revokes no batch token, so nothing is minted with one: what could not be given back is not asked for.
"""

from collections.abc import Iterator

from nhisync.spi import ErrorKind, FieldValue, Locator, ProviderError, SecretBytes
from nhisync_vault.api import Api
from nhisync_vault.facts import check_name
from nhisync_vault.mounts import MountTable
from nhisync_vault.settings import TokenAuth, VaultSettings

MINTED = ("username", "password", "rsa_private_key", "client_certificate", "private_key")
"""Fields of an answer that are a credential; the rest of it describes the role."""


def check_issuing(settings: VaultSettings, wanted: Locator) -> None:
    """See that `wanted` mints something and that it can be given back.

    Raises:
        ProviderError: UNSUPPORTED, with what to change.
    """
    if wanted.kind != "db-dynamic":
        raise ProviderError(ErrorKind.UNSUPPORTED, f"an item of the kind {wanted.kind} mints nothing")
    if isinstance(settings.auth, TokenAuth):
        raise not_ours("Let the source log in for itself: auth.method approle, kubernetes, jwt or cert.")


def not_ours(fix: str) -> ProviderError:
    """Our token is not revoked when we leave, so that what hangs on it would stay."""
    told = "a login that is minted with this token could not be given back"
    return ProviderError(ErrorKind.UNSUPPORTED, told, fix=fix)


def minted(api: Api, table: MountTable, wanted: Locator) -> Iterator[FieldValue]:
    """The fields of a new login.

    Raises:
        ProviderError: the role mints none: it is not there, the database behind it fails, or we may not ask.
    """
    mount, name = table.place(wanted)
    check_name(name)
    data = api.get(f"{mount.api}/creds/{name}")
    fields = {one: data[one] for one in MINTED if isinstance(data.get(one), str) and data[one]}
    if not fields:
        raise ProviderError(ErrorKind.MALFORMED, "the role's answer holds no login")
    for field, value in fields.items():
        yield FieldValue(wanted, field, SecretBytes(value.encode("utf-8", "surrogatepass")))
