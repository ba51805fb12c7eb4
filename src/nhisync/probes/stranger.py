"""The stranger: a credential that nobody gave out, shown to learn whether a service looks at credentials at all.

Only where it is refused did the real one make a difference (ADR 51). It is shown after the real one was let in, so that
a counter of failed logins has just begun anew, and once per probe.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nhisync.probes.order import Presented, Shown, nobody_judges, not_made
from nhisync.spi import ErrorKind, ProviderError, SecretBytes

MADE_UP: Final = "nhisync-probe-no-such-password"
"""Password, token or key of the stranger; it says in a log what it is."""

NOBODY: Final = "nhisync-probe"
"""Its name, where a real one could be locked."""

_LIFE: Final = timedelta(hours=1)


def stranger(user: str = NOBODY, token: SecretBytes | None = None) -> Presented:
    """A made-up secret under the name `user`."""
    return Presented(user, SecretBytes(MADE_UP.encode()), token=token)


def stranger_certificate(epoch: int) -> Presented:
    """A client certificate that no authority signed, good around `epoch` (seconds)."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.fromtimestamp(epoch, UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NOBODY)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = builder.not_valid_before(now - _LIFE).not_valid_after(now + _LIFE).sign(key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Presented(NOBODY, SecretBytes(certificate.public_bytes(serialization.Encoding.PEM) + private))


def proven(shown: Shown, floor: str, ask: Callable[[], Shown]) -> Shown:
    """`shown`, unless it was let in where the stranger of `ask` is not refused: then the credential was not judged.

    A limit, a lost connection or a missing right is no refusal: the stranger might have been let in.
    """
    if not shown.accepted:
        return shown
    try:
        made_up = ask()
    except ProviderError:
        made_up = Shown(depth=floor, accepted=None)
    if made_up.accepted:
        return nobody_judges(floor, "the service lets a made-up credential in, too: it judges none")
    if made_up.accepted is False and made_up.error and made_up.error.kind == ErrorKind.AUTH_FAILED.value:
        return shown
    told = "the credential is let in, but the service did not say what it makes of a made-up one"
    return not_made(floor, ProviderError(ErrorKind.UNREACHABLE, told))
