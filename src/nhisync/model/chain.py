"""Public facts of X.509 chains. Adapters parse and verify; rules only read these values."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """One certificate, public parts only (RFC 5280).

    Attributes:
        subject: RFC 4514 string.
        issuer: RFC 4514 string.
        serial: lower-case hex without separators.
        not_before: start of validity, aware.
        not_after: end of validity, aware.
        spki_sha256: hex SHA-256 of the SubjectPublicKeyInfo.
        key_type: ``rsa``, ``ec``, ``ed25519``, ``ed448``, ``dsa`` or ``unknown``.
        key_bits: modulus or curve size in bits; 0 = unknown.
        signature: signature algorithm name, lower case (``ecdsa-with-sha256``).
        names: DNS names and IP addresses of the SAN, lower case, sorted.
        is_ca: basicConstraints CA flag.
        extended_key_usage: dotted OIDs, sorted; empty = extension absent.
        self_issued: subject equals issuer.
    """

    subject: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    spki_sha256: str
    key_type: str
    key_bits: int
    signature: str
    names: tuple[str, ...] = ()
    is_ca: bool = False
    extended_key_usage: tuple[str, ...] = ()
    self_issued: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What one trust store says of a chain, for every second from the observation on.

    Attributes:
        store: ``own`` (the roots of the source), ``system`` (those of the operating system) or ``client:<name>``.
        fails_at: first second at which no path builds any more, over whatever cross-signed authority; None = no path
            builds at the observation.
        culprit: RFC 4514 subject of the certificate whose end that is, or "".
        role: what the culprit is in its path: ``leaf``, ``intermediate`` or ``anchor``; "" without one.
        anchor: id of the root (`nhisync.spi.x509.root_id`) in which the path ends at the observation, or "".
        accepts: ids of all roots of a ``client:`` store, sorted; empty for the others.
        problem: why the store cannot be used, or "".
    """

    store: str
    fails_at: datetime | None = None
    culprit: str = ""
    role: str = ""
    anchor: str = ""
    accepts: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """What the configured revocation lists say of the certificates below the root (RFC 5280 §5 and §6.3).

    Attributes:
        revoked: which certificate is revoked and since when, in our words, or "".
        unknown: for which certificate no current list answers, and why, or "".
        until: last second up to which every certificate has a list that is current; None = not even now, or for ever.
        issuer: RFC 4514 subject of whose list that is, or "".
    """

    revoked: str = ""
    unknown: str = ""
    until: datetime | None = None
    issuer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain in the order in which it was served or stored, and what verification said.

    Attributes:
        certificates: as served, leaf first, surplus included.
        builds: the path builds to a configured root from the served certificates alone; None = not verified.
        builds_with_known: the same with the configured intermediates added; None = not verified.
        ordered: each certificate is followed by its issuer.
        surplus: served certificates that the path does not use.
        anchor: RFC 4514 subject of the root the path ended in, or "".
        anchor_not_after: that root's end of validity, or None.
        problem: why it does not build, in our words, or "".
        name: the name that was asked for (SNI or configured), or "".
        covers_name: the leaf covers `name`; None = no name was asked for.
        asks_client_certificate: the server demands one; None = not tested, or not to be told.
        wishes_client_certificate: it asked for one, got none and went on; what is behind it may still refuse.
        weak: what our own checks found (``rsa-1024-leaf``, ``dsa-leaf``, ``no-eku`` …), sorted.
        outlooks: what each trust store says of it, ``own`` first.
        revocation: what revocation lists say of it; None = no list is configured.
    """

    certificates: tuple[CertificateFacts, ...]
    builds: bool | None = None
    builds_with_known: bool | None = None
    ordered: bool = True
    surplus: int = 0
    anchor: str = ""
    anchor_not_after: datetime | None = None
    problem: str = ""
    name: str = ""
    covers_name: bool | None = None
    asks_client_certificate: bool | None = None
    wishes_client_certificate: bool = False
    weak: tuple[str, ...] = ()
    outlooks: tuple[Outlook, ...] = ()
    revocation: Revocation | None = None

    @property
    def leaf(self) -> CertificateFacts | None:
        """The first certificate, or None for an empty chain."""
        return self.certificates[0] if self.certificates else None
