"""From hostile bytes to public facts: parse, describe, verify and judge X.509 chains.

Self-contained (only `nhisync.spi`, `cryptography` and the standard library) and free of IO and clocks. The TLS and the
file provider carry the very same files, because an adapter may not import another one; a test compares them byte by
byte.
"""

from .chain import chain_facts, state_at
from .facts import MalformedError, certificate_facts, decode, decode_pem, public_ids, quiet, text
from .paths import Profile, Trust, holds_until

__all__ = [
    "MalformedError",
    "Profile",
    "Trust",
    "certificate_facts",
    "chain_facts",
    "decode",
    "decode_pem",
    "holds_until",
    "public_ids",
    "quiet",
    "state_at",
    "text",
]
