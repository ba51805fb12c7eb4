"""Signed attestations: a file of somebody whom the configuration names, checked before a word of it counts.

A compact JWS (RFC 7515). Its ``typ`` says what it is, so that no other token of the same key passes for one; its
``kid`` names the attester, whose key decides the algorithm (RFC 8725 §3.1); its payload is one JSON object. An old file
that is shown again changes nothing: what was observed last counts, not what was recorded last.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from nhisync.app.payload import claim_of, members
from nhisync.app.session import Session
from nhisync.config import Attester
from nhisync.errors import UsageError
from nhisync.model import Attestation
from nhisync.spi.files import read_file

TYPE: Final = "nhisync-attestation+jws"
MOST: Final = 65_536
"""Bytes of a file that are read."""

SIGNED_BY: Final = ", signed by "
"""Stands between who answers for it and the attester, where these are two."""

_EXTENSIONS: Final = frozenset({"crit", "b64"})


class UnusableKeyError(UsageError):
    """The configured key cannot be used, so nobody can say whether what was signed with it counts."""


def read(name: str) -> bytes:
    """The content of a signed file.

    Raises:
        UsageError: it cannot be read, or is none.
    """
    try:
        return read_file(Path(name), MOST)
    except OSError as failure:
        raise UsageError(f"{name} cannot be read: {failure.strerror}", fix="Name a file that you may read.") from None


def verified(session: Session, text: bytes) -> tuple[Attestation, str]:
    """What a signed attestation says, and the attester's name.

    Raises:
        UsageError: it is none, nobody known signed it, or it speaks about what its attester may not attest.
    """
    if len(text) > MOST:
        raise _none("it is larger than any")
    name = _signer(text)
    attester = session.configuration.attesters.get(name)
    if attester is None:
        fix = f"attesters of nhisync.yaml: {', '.join(sorted(session.configuration.attesters)) or 'none'}."
        raise UsageError("nobody of the configuration's attesters signed this", fix=fix)
    try:
        said = members(_payload(text, name, attester))
    except ValueError as why:
        raise _none(f"its payload {why}") from None
    if said["kind"] not in attester.kinds:
        fix = f"It may attest: {', '.join(sorted(attester.kinds))} (attesters.{name}.kinds)."
        raise UsageError(f"the attester `{name}` may not attest this kind", fix=fix)
    claim = claim_of(session, said, by=name)
    if claim.holds and claim.observed_at > session.clock.now():  # shown again and again it would count as seen then
        told = f"{claim.observed_at:%Y-%m-%dT%H:%M:%SZ} is ahead of this clock; a later refusal could be overridden"
        raise UsageError(f"{told} with it", fix="Show it again after that time, and compare the clocks (NTP).")
    if claim.attested_by != name:
        claim = replace(claim, attested_by=f"{claim.attested_by}{SIGNED_BY}{name}")
    return claim, name


def _signer(text: bytes) -> str:
    """The name in the header, which is believed only after its key verified the whole.

    Raises:
        UsageError: this is no attestation.
    """
    from joserfc import errors, jws  # noqa: PLC0415 - only this use case needs it

    try:
        header = jws.extract_compact(text.strip()).headers()
    except (errors.JoseError, ValueError, RecursionError):
        raise _none("it is no compact JWS") from None
    if header.keys() & _EXTENSIONS:
        raise _none("its header names extensions, and there are none")
    name = header.get("kid")
    if header.get("typ") != TYPE or not isinstance(name, str):
        raise _none(f"its header does not say typ {TYPE} and kid")
    return name


def _payload(text: bytes, name: str, attester: Attester) -> bytes:
    """The payload, verified.

    Raises:
        UsageError: the signature or the key is wrong.
    """
    from joserfc import errors, jws  # noqa: PLC0415 - only this use case needs it

    key, algorithms = _key(name, attester.key_file)
    try:
        return jws.deserialize_compact(text.strip(), key, algorithms=algorithms).payload
    except (errors.JoseError, ValueError):
        told = f"the key of the attester `{name}` did not sign this"
        raise UsageError(told, fix=f"Compare attesters.{name}.key_file with the key that signs.") from None


def _key(name: str, file: Path) -> tuple[Any, list[str]]:
    """The attester's key and the algorithms that it may be used with.

    Raises:
        UsageError: the file cannot be used.
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - only this use case needs it
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415
    from joserfc.jwk import ECKey, OKPKey, RSAKey  # noqa: PLC0415

    fix = f"Let attesters.{name}.key_file name a public key in PEM: Ed25519, P-256, or RSA of 2048 bits or more."
    try:
        pem = read_file(file)
        found = serialization.load_pem_public_key(pem)
    except (OSError, ValueError) as failure:
        why = (failure.strerror if isinstance(failure, OSError) else "") or "it is no public key in PEM"
        raise UnusableKeyError(f"the key of the attester `{name}`, {file}, cannot be used: {why}", fix=fix) from None
    if isinstance(found, ed25519.Ed25519PublicKey):
        return OKPKey.import_key(pem), ["Ed25519", "EdDSA"]
    if isinstance(found, ec.EllipticCurvePublicKey) and isinstance(found.curve, ec.SECP256R1):
        return ECKey.import_key(pem), ["ES256"]
    if isinstance(found, rsa.RSAPublicKey) and found.key_size >= 2048:
        return RSAKey.import_key(pem), ["PS256", "RS256"]
    raise UnusableKeyError(f"the key of the attester `{name}` is of a kind that is not used", fix=fix)


def _none(why: str) -> UsageError:
    fix = f"A compact JWS with typ {TYPE}, kid and the payload of docs/readiness.md."
    return UsageError(f"this is no signed attestation: {why}", fix=fix)
