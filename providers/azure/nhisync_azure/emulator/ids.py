"""Identifiers and secrets as Azure shapes them, drawn from the injected randomness."""

from nhisync.spi import Randomness

_SECRET_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-~."


class Ids:
    """Source of all random names of one cloud."""

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness

    def guid(self) -> str:
        """A lower-case GUID, as object ids, key ids and request ids are."""
        text = self._randomness.hex(16)
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:32]))

    def version(self) -> str:
        """32 hex digits, as Key Vault names versions."""
        return self._randomness.hex(16)

    def password(self) -> str:
        """40 characters, as Entra draws client secrets."""
        return "".join(_SECRET_ALPHABET[byte % len(_SECRET_ALPHABET)] for byte in self._randomness.bytes(40))

    def serial(self) -> int:
        """A positive certificate serial of at most 19 octets (RFC 5280 §4.1.2.2)."""
        return int.from_bytes(self._randomness.bytes(19), "big") | 1

    def bytes(self, size: int) -> bytes:
        """`size` random bytes."""
        return self._randomness.bytes(size)
