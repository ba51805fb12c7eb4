"""A published set of public keys (RFC 7517): what verifiers of a path accept, and which of it is wrong."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class SignatureKey:
    """One public key that verifies signatures.

    Attributes:
        kid: name by which tokens ask for it; "" = it has none.
        thumbprint: RFC 7638 with SHA-256, base64url: two keys with one thumbprint are one key.
        algorithms: what it may verify: the one it names, else all that fit the key (RFC 7518 §3, RFC 8037, RFC 9864).
    """

    kid: str
    thumbprint: str
    algorithms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySet:
    """What a set tells without a private or symmetric member; those are counted and dropped.

    Attributes:
        keys: usable signature keys, sorted; keys of other uses are left out.
        odd: why further keys cannot be judged, one clause in our own words each, sorted.
        private: how many keys of the set carry private or symmetric members.
    """

    keys: tuple[SignatureKey, ...] = ()
    odd: tuple[str, ...] = ()
    private: int = 0
