"""From hostile bytes to public facts: parse, describe, verify and judge X.509 chains.

Without a clock, and without IO but for reading trust files. For adapters; `nhisync.spi` itself does not import it, so
that nobody pays for it who needs no certificate.
"""

from nhisync.spi.x509.chain import chain_facts, state_at
from nhisync.spi.x509.facts import (
    MalformedError,
    certificate_facts,
    decode,
    decode_pem,
    public_ids,
    quiet,
    root_id,
    text,
)
from nhisync.spi.x509.paths import Profile, Purpose, Trust, build, purpose_of
from nhisync.spi.x509.timeline import Span, holds_until, spans
from nhisync.spi.x509.trust import Loaded, is_root, load_trust
from nhisync.spi.x509.views import NO_VIEWS, RevocationLists, TrustStore, Views, decode_lists, examine_views, load_views

__all__ = [
    "NO_VIEWS",
    "Loaded",
    "MalformedError",
    "Profile",
    "Purpose",
    "RevocationLists",
    "Span",
    "Trust",
    "TrustStore",
    "Views",
    "build",
    "certificate_facts",
    "chain_facts",
    "decode",
    "decode_lists",
    "decode_pem",
    "examine_views",
    "holds_until",
    "is_root",
    "load_trust",
    "load_views",
    "public_ids",
    "purpose_of",
    "quiet",
    "root_id",
    "spans",
    "state_at",
    "text",
]
