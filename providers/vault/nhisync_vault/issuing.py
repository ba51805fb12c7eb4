"""Minting what a store gives out for a short time: logins of database roles, certificates of PKI roles.

``creds/<role>`` makes a login that hangs on the token that asked for it: revoking that token, which `close` does, takes
the login back at once (Vault docs, "Lease, renew, and revoke"). A token from a file is not ours to revoke, and Vault
revokes no batch token, so no login is minted with one: what could not be given back is not asked for.

``sign/<role>`` certifies a key that is made here, shown to nobody but the probe and dropped. `close` revokes the
certificate; where that fails it ends two minutes after it began (Vault docs, "PKI secrets engine (API)").
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from nhisync.spi import ErrorKind, FieldValue, Locator, ProviderError, SecretBytes
from nhisync_vault.api import Api
from nhisync_vault.facts import check_name
from nhisync_vault.grants import LIFE
from nhisync_vault.mounts import Mount, MountTable
from nhisync_vault.settings import TokenAuth, VaultSettings

MINTED = ("username", "password", "rsa_private_key", "client_certificate", "private_key")
"""Fields of an answer that are a credential; the rest of it describes the role."""

Revoke = Callable[[Mount, str], None]
"""Remembers that a certificate (PEM) of a mount is to be revoked."""

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

_CURVES: Mapping[int, ec.EllipticCurve] = {
    0: ec.SECP256R1(),
    224: ec.SECP224R1(),
    256: ec.SECP256R1(),
    384: ec.SECP384R1(),
    521: ec.SECP521R1(),
}
_RSA_BITS = {0: 2048, 2048: 2048, 3072: 3072, 4096: 4096, 8192: 8192}
"""What a role may say, and the bits of the key (Vault docs, "PKI secrets engine (API)", key_bits): any other number
could keep the processor busy for ever."""


def check_issuing(settings: VaultSettings, wanted: Locator) -> None:
    """See that `wanted` mints something and that it can be given back.

    Raises:
        ProviderError: UNSUPPORTED, with what to change.
    """
    if wanted.kind == "pki":
        return
    if wanted.kind != "db-dynamic":
        raise ProviderError(ErrorKind.UNSUPPORTED, f"an item of the kind {wanted.kind} mints nothing")
    if isinstance(settings.auth, TokenAuth):
        raise not_ours("Let the source log in for itself: auth.method approle, kubernetes, jwt or cert.")


def not_ours(fix: str) -> ProviderError:
    """Our token is not revoked when we leave, so that what hangs on it would stay."""
    told = "a login that is minted with this token could not be given back"
    return ProviderError(ErrorKind.UNSUPPORTED, told, fix=fix)


def minted(api: Api, table: MountTable, wanted: Locator) -> Iterator[FieldValue]:
    """The fields of a new login.

    Raises:
        ProviderError: the role mints none: it is not there, the database behind it fails, or we may not ask.
    """
    mount, name = table.place(wanted)
    check_name(name)
    data = api.once(f"{mount.api}/creds/{name}")
    fields = {one: data[one] for one in MINTED if isinstance(data.get(one), str) and data[one]}
    if not fields:
        raise ProviderError(ErrorKind.MALFORMED, "the role's answer holds no login")
    for field, value in fields.items():
        yield FieldValue(wanted, field, SecretBytes(value.encode("utf-8", "surrogatepass")))


def certified(api: Api, table: MountTable, wanted: Locator, revoke: Revoke) -> Iterator[FieldValue]:
    """A new key, ``private_key``, and the chain that the role signs for it, ``certificate``; both PEM.

    Raises:
        ProviderError: UNSUPPORTED, the locator names no role; else why the role signs nothing.
    """
    mount, name = table.place(wanted)
    role, common_name = role_and_name(mount, name)
    terms = api.get(f"{mount.api}/roles/{role}")
    key = _key(terms.get("key_type"), terms.get("key_bits"))
    asked = {"csr": _request(key, common_name), "common_name": common_name, "ttl": LIFE, "format": "pem"}
    data = api.once(f"{mount.api}/sign/{role}", asked)
    leaf = data.get("certificate")
    if not isinstance(leaf, str) or not leaf:
        raise _malformed()
    revoke(mount, leaf)
    if not _certifies(leaf, key):
        raise _malformed()
    chain = "\n".join([leaf, *_above(data)])
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    yield FieldValue(wanted, "certificate", SecretBytes(chain.encode()))
    yield FieldValue(wanted, "private_key", SecretBytes(plain))


def role_and_name(mount: Mount, name: str) -> tuple[str, str]:
    """Role and common name of ``role/<role>/<common name>``.

    Raises:
        ProviderError: UNSUPPORTED, an issuer or a certificate names no role that would sign.
    """
    check_name(name)
    what, _, rest = name.partition("/")
    role, _, common_name = rest.partition("/")
    if what != "role" or not role or not common_name or "/" in common_name:
        told = "no role is named that would sign a certificate"
        fix = f"Name the pair's item pki/{mount.path}/role/<role>/<common name>."
        raise ProviderError(ErrorKind.UNSUPPORTED, told, fix=fix)
    return role, common_name


def _key(kind: Any, bits: Any) -> _Key:
    """A key of the sort that the role signs; a role of any sort gets P-256."""
    size = -1 if isinstance(bits, bool) else bits if isinstance(bits, int) else 0
    if kind == "rsa" and size in _RSA_BITS:
        return rsa.generate_private_key(65537, _RSA_BITS[size])
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    if kind in ("ec", "any") and size in _CURVES:
        return ec.generate_private_key(_CURVES[size])
    raise ProviderError(ErrorKind.UNSUPPORTED, "the role wants a key of a sort that is not made here")


def _request(key: _Key, common_name: str) -> str:
    """The signing request, PEM.

    Raises:
        ProviderError: MISCONFIGURED, the common name is none.
    """
    try:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    except ValueError:  # longer than a common name may be (RFC 5280, ub-common-name)
        raise ProviderError(ErrorKind.MISCONFIGURED, "a common name has 64 characters at most") from None
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, digest)
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _certifies(leaf: str, key: _Key) -> bool:
    try:
        return x509.load_pem_x509_certificate(leaf.encode()).public_key() == key.public_key()
    except ValueError:
        return False


def _above(data: dict[str, Any]) -> list[str]:
    """What a server may need to find its way to the root it trusts."""
    chain = data.get("ca_chain")
    return [one for one in chain if isinstance(one, str)] if isinstance(chain, list) else []


def _malformed() -> ProviderError:
    return ProviderError(ErrorKind.MALFORMED, "the role's answer holds no certificate for the key that was shown")
