"""Identifiers and passwords as Vault and OpenBao shape them, drawn from the injected randomness."""

from nhisync.spi import Randomness

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Ids:
    """Source of all random names of one cluster."""

    def __init__(self, randomness: Randomness) -> None:
        self._randomness = randomness

    def base62(self, length: int) -> str:
        """`length` base62 digits; injective in the drawn bytes up to `length` digits."""
        number = int.from_bytes(self._randomness.bytes(length), "big")
        digits = []
        for _ in range(length):
            number, digit = divmod(number, 62)
            digits.append(_BASE62[digit])
        return "".join(reversed(digits))

    def uuid(self) -> str:
        """A UUID-shaped identifier."""
        text = self._randomness.hex(16)
        return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:32]))

    def serial(self) -> int:
        """A positive certificate serial of at most 19 octets (RFC 5280 §4.1.2.2)."""
        return int.from_bytes(self._randomness.bytes(19), "big") | 1
