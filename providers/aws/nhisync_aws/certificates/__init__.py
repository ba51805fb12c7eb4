"""From hostile bytes to public facts: parse, describe, verify and judge X.509 chains.

Self-contained (only `nhisync.spi`, `cryptography` and the standard library), without a clock, and without IO but for
reading trust files. The TLS and the file provider carry the very same files, because an adapter may not import another
one; a test compares them byte by byte.
"""

from .chain import chain_facts, state_at
from .facts import MalformedError, certificate_facts, decode, decode_pem, public_ids, quiet, text
from .paths import Profile, Purpose, Trust, holds_until, purpose_of
from .trust import Loaded, is_root, load_trust

__all__ = [
    "Loaded",
    "MalformedError",
    "Profile",
    "Purpose",
    "Trust",
    "certificate_facts",
    "chain_facts",
    "decode",
    "decode_pem",
    "holds_until",
    "is_root",
    "load_trust",
    "public_ids",
    "purpose_of",
    "quiet",
    "state_at",
    "text",
]
