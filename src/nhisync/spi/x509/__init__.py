"""From hostile bytes to public facts: parse, describe, verify and judge X.509 chains.

Without a clock, and without IO but for reading trust files. For adapters; `nhisync.spi` itself does not import it, so
that nobody pays for it who needs no certificate.
"""

from nhisync.spi.x509.chain import chain_facts, state_at
from nhisync.spi.x509.facts import MalformedError, certificate_facts, decode, decode_pem, public_ids, quiet, text
from nhisync.spi.x509.paths import Profile, Purpose, Trust, holds_until, purpose_of
from nhisync.spi.x509.trust import Loaded, is_root, load_trust

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
