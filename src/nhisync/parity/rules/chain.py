"""Family 6, first half: a certificate chain builds from what is served, and keeps building through a failover.

Adapters verify twice, with the served certificates alone and with the configured intermediates added; these rules only
read what came out. Chains follow RFC 5280 §6; the order of TLS 1.3 (RFC 8446 §4.4.2) is a recommendation that old
clients rely on.
"""

from nhisync.model import Consequence, Layer, Severity
from nhisync.parity.rule import Outcome, PairView, Rule, RuleInfo, fail, unknown
from nhisync.parity.rules.controls import CHAIN, EXPIRY
from nhisync.parity.rules.facts import CHAIN_MARK, CertificateRow, ChainRow, OutlookRow, chain_of
from nhisync.parity.rules.sides import answered, either
from nhisync.parity.text import clean, span, when

NOT_BUILT = RuleInfo(
    code="NHS601",
    title="certificate chain does not build",
    severity=Severity.ERROR,
    layer=Layer.CHAIN,
    consequence=Consequence.OUTAGE,
    block="CHAIN",
    compared="Whether the chain reaches a configured root, with the served certificates and with the configured "
    "intermediates added. A leaf outside its own validity is NHS301's or NHS306's.",
    hurts="Every client that verifies refuses the backup: a switch ends in handshake errors for all of them at once.",
    false_alarm="The root is a private one that nhisync was not given. Name it in the source's trust_file, and check "
    "that the consumers trust it, too.",
    remediation={
        "aws": "Import the whole chain: aws acm import-certificate --certificate-chain …",
        "azure": "Import again with the whole chain: az keyvault certificate import --file …, a PEM or PFX with all "
        "intermediates",
        "vault": "Let the role issue under an issuer whose chain ends in the consumers' root: vault read "
        "pki/issuer/…; vault write pki/config/issuers default=…",
        "tls": "Serve leaf and all intermediates of one chain; look at it with openssl s_client -showcerts",
        "file": "Write leaf and all intermediates into the file, leaf first",
        "kubernetes": "Check the issuer's CA and the Secret's ca.crt: kubectl describe clusterissuer …; then cmctl "
        "renew …",
        "acme": "Serve fullchain.pem, not cert.pem; another root: certbot renew --cert-name … --preferred-chain … "
        "--force-renewal",
        "*": "Install a chain for {app}/{pair} on the backup that ends in a root its consumers trust",
    },
    frameworks=CHAIN,
)


def check_not_built(view: PairView) -> Outcome | None:
    """Fail for each side whose chain does not build either way; None without a verified chain."""
    found = chains(view)
    if found is None:
        return None
    b, p = (_verified(view, chain) for chain in found)
    if b is None and p is None:
        return None
    return either(fail, _broken(b), _broken(p), "a chain to a trusted root")


MISSING_INTERMEDIATE = RuleInfo(
    code="NHS602",
    title="intermediate certificate not served",
    severity=Severity.ERROR,
    layer=Layer.CHAIN,
    consequence=Consequence.OUTAGE,
    block="CHAIN",
    compared="Whether the chain builds from the served certificates alone, where it builds with the configured "
    "intermediates added.",
    hurts="Browsers that have cached the intermediate work, machines do not: after a switch API clients, agents and "
    "phones fail while a look from a desk says that all is well.",
    false_alarm="All consumers are known to carry the intermediate themselves. Waive it with that reason; a new "
    "consumer will not.",
    remediation={
        "aws": "Import again with the intermediates: aws acm import-certificate --certificate-chain …",
        "azure": "Import again with the intermediates: az keyvault certificate import --file …; issued ones: pending "
        "merge with the chain",
        "vault": "Write ca_chain behind the certificate when it is installed, not the leaf alone",
        "tls": "Append the intermediates to the served chain (fullchain instead of cert), reload, and check with "
        "openssl s_client -showcerts",
        "file": "Append the intermediates to the file, leaf first",
        "acme": "Let the listener serve fullchain.pem instead of cert.pem, reload, and check with openssl s_client "
        "-showcerts",
        "*": "Serve the intermediates of {app}/{pair} together with its leaf",
    },
    frameworks=CHAIN,
)


def check_missing_intermediate(view: PairView) -> Outcome | None:
    """Fail for each side that only builds with known intermediates; None without a verified chain."""
    found = chains(view)
    if found is None:
        return None
    b, p = (_verified(view, chain) for chain in found)
    if b is None and p is None:
        return None
    text = "builds only with intermediates that are not served"
    return either(fail, text if _lacking(b) else None, text if _lacking(p) else None, "every intermediate served")


DISORDERED = RuleInfo(
    code="NHS603",
    title="served chain out of order",
    severity=Severity.WARNING,
    layer=Layer.CHAIN,
    consequence=Consequence.INCONSISTENCY,
    block="CHAIN",
    compared="Whether each served certificate is followed by its issuer, and whether certificates are served that "
    "the chain does not use.",
    hurts="Strict or old TLS stacks refuse such a chain, newer ones sort it: some clients of the backup fail and "
    "nobody can say which.",
    false_alarm="A surplus cross-signed certificate is served on purpose, for old trust stores. Waive it until the "
    "last of them is gone.",
    remediation={
        "aws": "Import again with the chain in order, leaf's issuer first, without the root",
        "azure": "Import again with the chain in order, leaf first, without the root: az keyvault certificate import "
        "--file …",
        "vault": "Install certificate and ca_chain in the order in which they are returned",
        "tls": "Put the served file in order: leaf, its issuer, that one's issuer; without the root and strangers",
        "file": "Put the file in order: leaf, its issuer, that one's issuer; without the root and strangers",
        "acme": "Serve fullchain.pem as certbot writes it, and nothing appended to it",
        "*": "Serve the chain of {app}/{pair} in order, and nothing else",
    },
    frameworks=CHAIN,
)


def check_disordered(view: PairView) -> Outcome | None:
    """Fail for each side that serves its chain out of order or with surplus; None without a chain."""
    found = chains(view)
    if found is None:
        return None
    b, p = found
    if not _served(b) and not _served(p):
        return None
    return either(fail, _disorder(b), _disorder(p), "leaf first, each followed by its issuer, nothing else")


CHAIN_ENDS = RuleInfo(
    code="NHS604",
    title="chain ends inside the horizon",
    severity=Severity.ERROR,
    layer=Layer.CHAIN,
    consequence=Consequence.OUTAGE,
    block="CHAIN",
    compared="The first second at which no path builds any more because an intermediate or a root ends, in the "
    "source's trust and in every other store that was asked, with the present plus the chain horizon. A path over a "
    "cross-signed authority that takes over is followed; the leaf's own end is family 3's.",
    hurts="Everything below an intermediate or root stops verifying in the same second, renewed leaves included; it "
    "cannot be mended during a failover.",
    false_alarm="A longer-lived cross-signed path exists that is not served, and every consumer finds it. Serve that "
    "one.",
    remediation={
        "aws": "Install leaf and chain of the CA's next intermediate; AWS Private CA: renew the CA certificate",
        "azure": "Create the certificate again under the authority's next intermediate: az keyvault certificate "
        "create --policy @…",
        "vault": "Generate and import the next issuer (vault write pki/intermediate/generate/…), make it the default, "
        "and issue {pair} again",
        "tls": "Install a leaf and chain issued under the CA's next intermediate",
        "file": "Write a leaf and chain issued under the CA's next intermediate",
        "acme": "certbot renew --cert-name … --force-renewal brings the authority's next intermediate; "
        "--preferred-chain chooses one",
        "*": "Move {app}/{pair} to the CA's next intermediate or root, after its consumers trust it",
    },
    policy=("chain.horizon",),
    frameworks=(*CHAIN, *(control for control in EXPIRY if control not in CHAIN)),
)


def check_chain_ends(view: PairView) -> Outcome | None:
    """Fail for each side whose issuers end inside the horizon; None without a chain that names an issuer's end."""
    found = chains(view)
    if found is None:
        return None
    end_b, end_p = (_first_end(chain) for chain in found)
    if end_b is None and end_p is None:
        return None
    horizon = view.thresholds.chain_horizon
    return either(
        fail, _ending(view, end_b), _ending(view, end_p), f"every issuer valid for {span(horizon)} and longer"
    )


NOT_VERIFIED = RuleInfo(
    code="NHS609",
    title="certificate chain not verified",
    severity=Severity.ERROR,
    layer=Layer.CHAIN,
    consequence=Consequence.OUTAGE,
    block="CHAIN",
    compared="Whether the chain of each side was verified at all, and whether both sides have one.",
    hurts="Nobody knows whether clients will accept the backup; the first to find out would be the traffic.",
    false_alarm="The chain cannot be read without the value's permission, or no root is configured for the source. "
    "Set trust_file of the source, or pair the served endpoint (tls) instead of the stored item.",
    remediation={
        "aws": "Name the roots its clients trust in the source's trust_file; grant acm:GetCertificate or "
        "iam:GetServerCertificate (public part only; never acm:ExportCertificate)",
        "azure": "Let nhisync read the public part (certificates/get), and pair the served endpoint (kind tls), where "
        "the chain is verified against its clients' roots",
        "gcp": "Pair the served endpoint instead (kind tls): what Certificate Manager keeps is described, not "
        "verified; for a CA pool grant privateca.certificateAuthorities.list, whose roots the chain must reach",
        "vault": "Grant read on pki/cert/+ and pki/issuer/+, whose root the chain must reach; or pair the served "
        "endpoint (kind tls)",
        "tls": "Name the roots its clients trust in the source's trust_file, and check that the address answers: "
        "nhisync doctor",
        "file": "Name the roots its clients trust in the source's trust_file, and let nhisync read the public part of "
        "the file",
        "kubernetes": "Set trust_file of the source to the roots that clients trust; let nhisync list "
        "certificaterequests; or pair the served endpoint (kind tls)",
        "acme": "Name the roots its clients trust in the source's trust_file, and let nhisync read the certificate's "
        "PEM file",
        "*": "Let nhisync read the chain of {app}/{pair}, or pair the endpoint that serves it (provider tls)",
    },
    frameworks=CHAIN,
    fails=False,
)


def check_not_verified(view: PairView) -> Outcome | None:
    """Unknown for each side whose chain was not verified, or is missing beside the other's; None without any chain."""
    found = chains(view)
    if found is None:
        return None
    b, p = found
    if b is None and p is None:
        return None
    backup = _unverified(b) if b is not None or view.present else None
    primary = _unverified(p) if p is not None or view.present else None
    return either(unknown, backup, primary, "a verified chain on each side")


def chains(view: PairView) -> tuple[ChainRow | None, ChainRow | None] | None:
    """The chains of backup and primary, as far as each side answers and has one; None = nobody has one."""
    b, p = (view.backup, view.primary) if view.present else answered(view)
    here, there = None if b is None else b.detail, None if p is None else p.detail
    if (here is None or CHAIN_MARK not in here) and (there is None or CHAIN_MARK not in there):
        return None
    return chain_of(b), chain_of(p)


def path_of(chain: ChainRow) -> tuple[CertificateRow, ...]:
    """The served certificates that the path from the leaf uses, leaf first.

    Without surplus that is all of them. With surplus the issuers are followed by name; where several served
    certificates could be the issuer (cross-signing), the one that lives longest counts.
    """
    if not chain.surplus or not chain.certificates:
        return chain.certificates
    path = [chain.certificates[0]]
    rest = list(chain.certificates[1:])
    while True:
        issuers = [c for c in rest if c.subject == path[-1].issuer]
        if not issuers:
            return tuple(path)
        longest = max(issuers, key=lambda c: c.not_after)
        rest.remove(longest)
        path.append(longest)


def _served(chain: ChainRow | None) -> bool:
    return chain is not None and bool(chain.certificates)


def _verified(view: PairView, chain: ChainRow | None) -> ChainRow | None:
    """The chain, when its verification says something about it: nothing builds on a leaf outside its own validity."""
    if chain is None or chain.builds is None:
        return None
    leaf = chain.leaf
    if leaf is not None and (view.passed(leaf.not_after) or not view.passed(leaf.not_before)):
        return None
    return chain


def _broken(chain: ChainRow | None) -> str | None:
    if chain is None or chain.builds or chain.builds_with_known:
        return None
    return clean(chain.problem) or "no path to a trusted root"


def _lacking(chain: ChainRow | None) -> bool:
    return chain is not None and not chain.builds and chain.builds_with_known is True


def _disorder(chain: ChainRow | None) -> str | None:
    if chain is None:
        return None
    parts = ("served out of order" if not chain.ordered else "", f"{chain.surplus} surplus" if chain.surplus else "")
    return ", ".join(part for part in parts if part) or None


def _first_end(chain: ChainRow | None) -> tuple[int, str] | None:
    """The last good second of the first store that loses its path to an issuer's end, and what happens there.

    Once the leaf itself ends nothing was looked at any more; issuers that end later are then found by name, as they
    are where no store was asked.
    """
    if chain is None:
        return None
    ends = [(o.fails_at - 1, _lost(o, o.fails_at)) for o in chain.outlooks if o.fails_at and o.role != "leaf"]
    own = next((o for o in chain.outlooks if o.store == "own" and o.fails_at is not None), None)
    if own is None or own.role == "leaf":
        after = 0 if own is None or own.fails_at is None else own.fails_at - 1
        ends += [(end, who) for end, who in _named_ends(chain) if end >= after]
    return min(ends, default=None)


def _named_ends(chain: ChainRow) -> list[tuple[int, str]]:
    """The ends of the issuers in the path that names alone make out, and of the root."""
    ends = [(c.not_after, c.subject) for c in path_of(chain)[1:]]
    if chain.anchor_not_after is not None:
        ends.append((chain.anchor_not_after, chain.anchor))
    return [(end, f"{clean(who, 80) or 'an issuer'} ends {when(end)}") for end, who in ends]


def _lost(outlook: OutlookRow, fails_at: int) -> str:
    """Who ends, what it is, the first failing second, and whose view that is when it is not the source's own."""
    view = "" if outlook.store == "own" else f" for {clean(outlook.store, 40)}"
    who = f"{clean(outlook.culprit, 80) or 'an issuer'} ends {when(fails_at - 1)}"
    return f"{who} ({clean(outlook.role, 20)}), no path from {when(fails_at)}{view}"


def _ending(view: PairView, end: tuple[int, str] | None) -> str | None:
    if end is None or not view.passed(end[0] - view.thresholds.chain_horizon):
        return None
    return end[1]


def _unverified(chain: ChainRow | None) -> str | None:
    if chain is None:
        return "no chain was read, the other side has one"
    if chain.builds is False or (chain.builds and chain.certificates):
        return None
    return clean(chain.problem) or "the chain was not verified"


RULES = (
    Rule(NOT_BUILT, check_not_built, ("detail",)),
    Rule(MISSING_INTERMEDIATE, check_missing_intermediate, ("detail",)),
    Rule(DISORDERED, check_disordered, ("detail",)),
    Rule(CHAIN_ENDS, check_chain_ends, ("detail",)),
    Rule(NOT_VERIFIED, check_not_verified, ("detail",)),
)
