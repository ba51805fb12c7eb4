"""Family 6, second half: the backup's certificate does for its peers what the primary's does.

Strengths are compared in bits of security (NIST SP 800-57 Part 1 Rev. 5, table 2), so that a change from RSA to an
elliptic curve is no loss.
"""

from nhisync.model import Consequence, Layer, Severity, Side
from nhisync.parity.rule import PASS, Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.chain import chains, path_of
from nhisync.parity.rules.controls import CHAIN
from nhisync.parity.rules.facts import CertificateRow, ChainRow
from nhisync.parity.rules.names import is_address, uncovered
from nhisync.parity.rules.sides import either
from nhisync.parity.text import clean, listed

NAMES = RuleInfo(
    code="NHS605",
    title="certificate lacks names in use",
    severity=Severity.ERROR,
    layer=Layer.CHAIN,
    consequence=Consequence.OUTAGE,
    block="CHAIN",
    compared="Whether each leaf covers the name that clients ask for, and whether the backup's leaf covers every "
    "DNS name of the primary's (RFC 9525: a wildcard stands for exactly one label).",
    hurts="Clients come with the primary's names. Names that the backup's certificate lacks are refused in the "
    "handshake, and only those, so the outage looks random.",
    false_alarm="A name of the primary's certificate is no longer in use, or means the primary site alone. Renew the "
    "primary without it, or waive it with that reason.",
    remediation={
        "aws": "Request or import a certificate with all names: aws acm request-certificate "
        "--subject-alternative-names …",
        "azure": "Put all names into the policy (subjectAlternativeNames), then: az keyvault certificate create "
        "--policy @…",
        "vault": "Issue again with alt_names for all names; check allowed_domains of the role",
        "tls": "Renew the backup's certificate with every name of the primary's, reload, and check that the right one "
        "is served for the name (SNI)",
        "file": "Renew the file's certificate with every name of the primary's",
        "acme": "certbot certonly --cert-name … -d … with every name of the primary's, on the backup host with its "
        "own account",
        "*": "Issue the backup's certificate of {app}/{pair} with every name that clients use",
    },
    frameworks=CHAIN,
)


def check_names(view: PairView) -> Outcome | None:
    """Fail for names a leaf does not cover; None when no name was asked for and the leaves cannot be compared."""
    found = chains(view)
    if found is None:
        return None
    b, p = found
    lost = _names_lost(b, p)
    asked = any(chain is not None and chain.covers_name is not None for chain in (b, p))
    if lost is None and not asked:
        return None
    backup = _wrong_name(b) or (f"does not cover {listed(lost)}" if lost else None)
    return either(fail, backup, _wrong_name(p), "every name that clients use")


WEAK_KEY = RuleInfo(
    code="NHS606",
    title="weak key or certificate",
    severity=Severity.ERROR,
    layer=Layer.CHAIN,
    consequence=Consequence.OUTAGE,
    block="CHAIN",
    compared="Type and size of every key in the path with the policy's least sizes, and what the adapter's own checks "
    "found (key types and usages that verifiers refuse).",
    hurts="Modern clients refuse weak keys, others accept them and can be impersonated: the backup is either down or "
    "open.",
    false_alarm="The key belongs to an old device that cannot do better. Keep it off the failover path, or waive it "
    "with an end.",
    remediation={
        "aws": "Import or request a certificate on an EC key (EC_prime256v1) or RSA 2048 and more",
        "azure": "Set keyProperties of the policy (EC P-256, or RSA 2048 and more), then: az keyvault certificate "
        "create --policy @…",
        "vault": "Set key_type and key_bits of the pki role (ec 256, or rsa 2048 and more), then issue again",
        "tls": "Renew the certificate on a new key: EC P-256, or RSA 2048 and more",
        "file": "Let the owning agent renew on a new key: EC P-256, or RSA 2048 and more",
        "acme": "certbot renew --cert-name … --key-type ecdsa --force-renewal, or --rsa-key-size 2048 and more",
        "*": "Renew {app}/{pair} on a key that the policy accepts; a weak issuer needs a new chain",
    },
    policy=("chain.min_rsa_bits", "chain.min_ec_bits"),
    frameworks=CHAIN,
)


def check_weak_key(view: PairView) -> Outcome | None:
    """Fail for each side with a weak key or certificate; unknown when a key's size is not known; None without any."""
    found = chains(view)
    if found is None:
        return None
    b, p = found
    if (b is None or not b.certificates) and (p is None or not p.certificates):
        return None
    expected = f"RSA {view.thresholds.min_rsa_bits}, EC {view.thresholds.min_ec_bits} bits and more"
    weak_b, weak_p = _weak(view, b), _weak(view, p)
    if weak_b or weak_p:
        return either(fail, weak_b, weak_p, expected)
    return either(unknown, _unsized(b), _unsized(p), expected)


WEAKER = RuleInfo(
    code="NHS607",
    title="certificate differs in strength or root",
    severity=Severity.WARNING,
    layer=Layer.CHAIN,
    consequence=Consequence.INCONSISTENCY,
    block="CHAIN",
    compared="The strength of both leaf keys, and the roots in which both chains end.",
    hurts="Consumers that pin a root, carry a small trust store, or are bound by a CAA record accept the primary and "
    "refuse the backup; a weaker key is the easier target.",
    false_alarm="Two CAs are used on purpose, so that one CA's failure cannot take both paths down, and all consumers "
    "trust both. Then waive it with that reason.",
    remediation={
        "aws": "Use the same key type, and check that every consumer's trust store holds the backup's root",
        "azure": "Use the primary's keyProperties and an issuer whose root every consumer trusts, then: az keyvault "
        "certificate create --policy @…",
        "vault": "Use the same key_type and key_bits, and distribute the backup issuer's root to every consumer",
        "tls": "Renew with the primary's key type; check pinning, trust stores and CAA records for the backup's CA",
        "acme": "certbot renew --cert-name … --key-type … --preferred-chain … as on the primary; check CAA records "
        "for the backup's authority",
        "*": "Give {app}/{pair} a key as strong as the primary's, and make sure that every consumer trusts its root",
    },
    frameworks=CHAIN,
)


def check_weaker(view: PairView) -> Outcome | None:
    """Fail when the backup's key is weaker or its root another one; None when neither can be compared."""
    found = chains(view)
    if found is None:
        return None
    b, p = found
    if b is None or p is None:
        return None
    parts = [part for part in (_strength_lost(b, p), _other_root(b, p)) if part is not None]
    if not parts:
        return None
    told = ", ".join(part for part in parts if part)
    return fail(Side.BACKUP, told, "the primary's strength and root") if told else PASS


USAGE_LOST = RuleInfo(
    code="NHS608",
    title="extended key usage lost",
    severity=Severity.ERROR,
    layer=Layer.CHAIN,
    consequence=Consequence.OUTAGE,
    block="CHAIN",
    compared="The purposes in the extended key usage of the primary's leaf with the backup's (RFC 5280 §4.2.1.12: no "
    "extension, or anyExtendedKeyUsage, means every purpose).",
    hurts="A certificate that serves as server on the primary and also as client there (mutual TLS) is refused in one "
    "of the two roles on the backup.",
    false_alarm="The purpose is not used any more; public CAs stopped issuing for client authentication in 2026. "
    "Renew the primary without it.",
    remediation={
        "aws": "Issue with a template that has both usages (AWS Private CA: EndEntityCertificate/V1)",
        "azure": "Set ekus of the policy's x509CertificateProperties, then: az keyvault certificate create --policy @…",
        "vault": "Set server_flag, client_flag or ext_key_usage of the pki role, then issue again",
        "tls": "Renew with every purpose of the primary's certificate; client certificates come from a private CA",
        "file": "Renew with every purpose of the primary's certificate; client certificates come from a private CA",
        "acme": "Public authorities issue for servers only: take the client's certificate from a private CA",
        "*": "Issue the backup's certificate of {app}/{pair} for every purpose the primary's has",
    },
    frameworks=CHAIN,
)


def check_usage_lost(view: PairView) -> Outcome | None:
    """Fail when the backup's leaf lacks a purpose of the primary's; None when the primary's names none."""
    found = chains(view)
    if found is None:
        return None
    b, p = found
    if b is None or p is None or b.leaf is None or p.leaf is None or not p.leaf.extended_key_usage:
        return None
    held = b.leaf.extended_key_usage
    if not held or _ANY_USAGE in held:
        return PASS
    lost = [_USAGES.get(oid, oid) for oid in p.leaf.extended_key_usage if oid not in held and oid != _ANY_USAGE]
    if not lost:
        return PASS
    return fail(Side.BACKUP, f"not for {listed(lost)}", "every purpose of the primary's certificate")


CLIENT_TRUST = RuleInfo(
    code="NHS610",
    title="client certificate demand differs",
    severity=Severity.ERROR,
    layer=Layer.CHAIN,
    consequence=Consequence.EXPOSURE,
    block="AUTHZ",
    compared="Whether both endpoints demand a certificate of the client in the handshake.",
    hurts="A backup that asks for none lets in everyone the primary would refuse; one that asks while the primary "
    "does not refuses clients that never had a certificate.",
    false_alarm="The demand is made elsewhere on one path (a proxy or mesh in front). Pair the endpoints that clients "
    "really reach.",
    remediation={
        "aws": "Set the same mutual TLS mode and trust store on the backup's listener (aws elbv2 modify-listener "
        "--mutual-authentication …)",
        "tls": "Set the same client verification and client CA file on both listeners (ssl_verify_client, "
        "verify required, …)",
        "*": "Make the backup of {app}/{pair} demand client certificates exactly as the primary does",
    },
    frameworks=(*CHAIN, "CSF2:PR.AA-05", "800-53r5:IA-9"),
)


def check_client_trust(view: PairView) -> Outcome | None:
    """Fail when exactly one endpoint demands a client certificate; None when that was not tested on both.

    Unknown when one demands it and the other only asks: whether something behind that one refuses was not tried.
    """
    found = chains(view)
    if found is None:
        return None
    b, p = found
    if b is None or p is None:
        return None
    for side, here, there in ((Side.BACKUP, b, p), (Side.PRIMARY, p, b)):
        if here.wishes_client_certificate and there.asks_client_certificate:
            return unknown(side, "asks for a client certificate and goes on without one", "the other endpoint's demand")
    if b.asks_client_certificate is None or p.asks_client_certificate is None:
        return None
    if b.asks_client_certificate is p.asks_client_certificate:
        return PASS
    told = "demands a client certificate" if b.asks_client_certificate else "demands no client certificate"
    return fail(Side.BACKUP, told, "the primary's demand")


_ANY_USAGE = "2.5.29.37.0"
_USAGES = {
    "1.3.6.1.5.5.7.3.1": "server authentication",
    "1.3.6.1.5.5.7.3.2": "client authentication",
    "1.3.6.1.5.5.7.3.3": "code signing",
    "1.3.6.1.5.5.7.3.4": "e-mail protection",
    "1.3.6.1.5.5.7.3.8": "time stamping",
    "1.3.6.1.5.5.7.3.9": "OCSP signing",
}

_RSA_STRENGTH = ((0, 0), (1024, 80), (2048, 112), (3072, 128), (7680, 192), (15360, 256))
_FIXED_STRENGTH = {"ed25519": 128, "ed448": 224}


def _wrong_name(chain: ChainRow | None) -> str | None:
    if chain is None or chain.covers_name is not False:
        return None
    return f"does not cover {clean(chain.name, 80) or 'the name asked for'}"


def _names_lost(b: ChainRow | None, p: ChainRow | None) -> list[str] | None:
    """DNS names of the primary's leaf that the backup's does not cover; None when the leaves cannot be compared.

    Addresses are left out: DNS failover moves names, and each path has addresses of its own.
    """
    if b is None or p is None or b.leaf is None or p.leaf is None or not p.leaf.names:
        return None
    return uncovered([name for name in p.leaf.names if not is_address(name)], b.leaf.names)


def _weak(view: PairView, chain: ChainRow | None) -> str | None:
    if chain is None:
        return None
    small = [c for c in path_of(chain) if _too_small(view, c)]
    untold = [c for c in small if not any(word.startswith(f"{_key(c)}-") for word in chain.weak)]
    return listed([*(f"{_key(c)} of {clean(c.subject, 80)}" for c in untold), *chain.weak]) or None


def _too_small(view: PairView, certificate: CertificateRow) -> bool:
    if certificate.key_type == "dsa":
        return True
    limits = view.thresholds
    least = {"rsa": limits.min_rsa_bits, "ec": limits.min_ec_bits}.get(certificate.key_type, 0)
    return 0 < certificate.key_bits < least


def _unsized(chain: ChainRow | None) -> str | None:
    if chain is None:
        return None
    unsized = [c.subject for c in path_of(chain) if _strength(c) is None]
    return f"type or size of the key of {listed(unsized)} is not known" if unsized else None


def _key(certificate: CertificateRow) -> str:
    bits = f"-{certificate.key_bits}" if certificate.key_type not in _FIXED_STRENGTH and certificate.key_bits else ""
    return f"{clean(certificate.key_type, 20)}{bits}"


def _strength(certificate: CertificateRow) -> int | None:
    """Bits of security, None when the type or size is not known."""
    if certificate.key_type in _FIXED_STRENGTH:
        return _FIXED_STRENGTH[certificate.key_type]
    if certificate.key_bits <= 0:
        return None
    if certificate.key_type == "ec":
        return certificate.key_bits // 2
    if certificate.key_type not in {"rsa", "dsa"}:
        return None
    return max(bits for size, bits in _RSA_STRENGTH if size <= certificate.key_bits)


def _strength_lost(b: ChainRow, p: ChainRow) -> str | None:
    """What was lost, "" when nothing was, None when it cannot be compared."""
    if b.leaf is None or p.leaf is None:
        return None
    here, there = _strength(b.leaf), _strength(p.leaf)
    if here is None or there is None:
        return None
    return f"{_key(b.leaf)} is weaker than {_key(p.leaf)}" if here < there else ""


def _other_root(b: ChainRow, p: ChainRow) -> str | None:
    """How the roots differ, "" when they do not, None when one is not known."""
    if not b.anchor or not p.anchor:
        return None
    return "" if b.anchor == p.anchor else f"ends in {clean(b.anchor, 80)}, the primary in {clean(p.anchor, 80)}"


RULES = (
    Rule(NAMES, check_names, ("detail",)),
    Rule(WEAK_KEY, check_weak_key, ("detail",)),
    Rule(WEAKER, check_weaker, ("detail",)),
    Rule(USAGE_LOST, check_usage_lost, ("detail",)),
    Rule(CLIENT_TRUST, check_client_trust, ("detail",)),
)
