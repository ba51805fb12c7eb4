"""Values for the opt-in reuse comparison; only ever called inside the comparing process."""

from collections.abc import Iterator

from nhisync.spi import ErrorFact, ErrorKind, FieldValue, Locator, ProviderError, SecretBytes
from nhisync_file.folder import Folder
from nhisync_file.keyfile import ROTATED, json_fields, yaml_fields
from nhisync_file.mount import DATA
from nhisync_file.pem import PRIVATE_KEY, private_keys
from nhisync_file.sweep import MOUNT

Answer = FieldValue | tuple[Locator, ErrorFact]
"""A value, or why there is none."""


def values_of(folder: Folder, locator: Locator) -> Iterator[Answer]:
    """Every readable field of one item.

    Line ends at the end of a value are left out on every kind, so that a key pasted into a file equals the same key
    stored elsewhere. Encrypted private keys and PKCS#12 keys are never decrypted: their public key ids tell a copy.

    Raises:
        ProviderError: nothing of the item can be read.
    """
    match locator.kind:
        case "json":
            yield from _scalars(locator, json_fields(folder.read(locator.name)[1]))
        case "yaml":
            yield from _scalars(locator, yaml_fields(folder.read(locator.name)[1]))
        case "pem":
            yield from _keys(locator, folder.read(locator.name)[1])
        case kind if kind == MOUNT:
            yield from _files(folder, locator)
        case "jwks":
            yield locator, _unsupported("a published key set holds no value to compare")
        case _:
            told = "private keys of PKCS#12 stores are not read; with password_file their certificates tell a copy"
            yield locator, _unsupported(told)


def _scalars(locator: Locator, fields: dict[str, str | None]) -> Iterator[Answer]:
    for name, value in sorted(fields.items()):
        if value is not None and name != ROTATED:
            yield FieldValue(locator, name, SecretBytes(_trimmed(value.encode())))


def _keys(locator: Locator, content: bytes) -> Iterator[Answer]:
    for key, encrypted in private_keys(content):
        if encrypted:
            yield locator, _unsupported("an encrypted private key is not decrypted")
        else:
            yield FieldValue(locator, PRIVATE_KEY, SecretBytes(_trimmed(key)))


def _files(folder: Folder, locator: Locator) -> Iterator[Answer]:
    _, names = folder.list(f"{locator.name}/{DATA}")
    for name in names:
        if name.startswith(".."):
            continue
        try:
            _, content = folder.read(f"{locator.name}/{DATA}/{name}")
        except ProviderError as failure:
            yield locator, failure.fact
            continue
        yield FieldValue(locator, name, SecretBytes(_trimmed(content)))


def _trimmed(value: bytes) -> bytes:
    return value.rstrip(b"\r\n")


def _unsupported(message: str) -> ErrorFact:
    return ErrorFact(kind=ErrorKind.UNSUPPORTED.value, message=message)
