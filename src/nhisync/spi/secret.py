"""The one type in which a value may cross a boundary (law 2)."""

import hmac
from typing import Any, Never


class SecretBytes:
    """Bytes that do not show themselves.

    repr, str, format, pickling, copying, comparing, hashing and iterating are closed; `digest` and `reveal` are the
    only ways in, so that a search for them finds every use of a value.
    """

    __slots__ = ("_hidden",)

    def __init__(self, hidden: bytes) -> None:
        self._hidden = hidden

    def digest(self, key: bytes, domain: str) -> bytes:
        """HMAC-SHA-256 over the value, separated by `domain` (the field's role), cut to 128 bits."""
        return hmac.digest(key, domain.encode() + b"\0" + self._hidden, "sha256")[:16]

    def reveal(self) -> bytes:
        """The value itself, for the one call that must send it."""
        return self._hidden

    def __repr__(self) -> str:
        """Never the value."""
        return "SecretBytes(…)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        """Never the value, whatever the format."""
        return repr(self)

    def __reduce_ex__(self, protocol: Any) -> Never:
        """A value is never pickled or copied."""
        raise TypeError("a SecretBytes cannot be pickled or copied")

    def __eq__(self, other: object) -> bool:
        """Equality of values is only ever asked through digests."""
        raise TypeError("compare digests, not values")

    __hash__ = None  # type: ignore[assignment]
