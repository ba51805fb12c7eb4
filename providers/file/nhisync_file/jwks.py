"""JSON Web Key Sets in files: the public keys that verifiers of this path are given."""

from nhisync.spi.jwks import key_set_version, read_key_set
from nhisync_file.parsed import Parsed


def parse_jwks(content: bytes) -> Parsed:
    """The public facts of a key set. One with private members is a secret, whatever its name says.

    Raises:
        ProviderError: MALFORMED.
    """
    found = read_key_set(content)
    count = str(len(found.keys))
    return Parsed(
        fields=(),
        secret=found.private > 0,
        version=key_set_version(found),
        key_set=found,
        attributes={"content": "key-set", "signature-keys": count},
    )
