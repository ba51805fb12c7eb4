"""Cases of x509-limbo on which nhisync's verdict differs from the expected one, each with its reason.

Nothing here is an accident that was accepted: a new deviation, and one that disappears, both fail the test.
"""

_DEPTH = "the caller's own depth limit is a feature that a parity check has no use for; eight is the library's limit"
_AKI = "the library does not insist on key identifiers of this shape; path building does not rest on them"
_COMMON_NAME = "the common name is never matched against anything (RFC 9525), so its spelling does not matter"
_SUFFIX = "no public suffix list is consulted: it is a moving list of strangers, and private zones are ours to name"
_CA_LEAF = "stricter on purpose: an authority's certificate on a listener is reported as ca-leaf"
_NO_SERVER = "stricter on purpose: a certificate that names no server (DNS name or address) is none for a listener"

DEVIATIONS = {
    "crl::issuer-no-keyusage-extension": "the web profile wants key usage in an issuer (BR §7.1.2.10); see `private`",
    "pathlen::validation-ignores-pathlen-in-leaf": _CA_LEAF,
    "pathlen::self-issued-certs-pathlen": "the library counts self-issued authorities towards the path length",
    "pathlen::max-chain-depth-0-exhausted": _DEPTH,
    "pathlen::max-chain-depth-1-exhausted": _DEPTH,
    "rfc5280::aki::intermediate-missing-aki": _AKI,
    "rfc5280::aki::cross-signed-root-missing-aki": _AKI,
    "rfc5280::eku::ee-without-eku": "stricter on purpose: BR §7.1.2.7.10 demands the usage; reported as no-eku",
    "rfc5280::nc::permitted-dns-match-noncritical": "contradicts webpki::nc::permitted-dns-match-noncritical",
    "rfc5280::nc::permitted-dn-match": _NO_SERVER,
    "rfc5280::pc::ica-noncritical-pc": "the library does not evaluate policy constraints; clients do not either",
    "rfc5280::ski::root-missing-ski": _AKI,
    "rfc5280::ski::intermediate-missing-ski": _AKI,
    "rfc5280::ca-as-leaf": _CA_LEAF,
    "webpki::aki::root-with-aki-authoritycertissuer": _AKI,
    "webpki::aki::root-with-aki-authoritycertserialnumber": _AKI,
    "webpki::aki::root-with-aki-all-fields": _AKI,
    "webpki::aki::root-with-aki-ski-mismatch": _AKI,
    "webpki::cn::ipv4-hex-mismatch": _COMMON_NAME,
    "webpki::cn::ipv4-leading-zeros-mismatch": _COMMON_NAME,
    "webpki::cn::ipv6-uppercase-mismatch": _COMMON_NAME,
    "webpki::cn::ipv6-uncompressed-mismatch": _COMMON_NAME,
    "webpki::cn::ipv6-non-rfc5952-mismatch": _COMMON_NAME,
    "webpki::cn::punycode-not-in-san": _COMMON_NAME,
    "webpki::cn::utf8-vs-punycode-mismatch": _COMMON_NAME,
    "webpki::cn::not-in-san": _COMMON_NAME,
    "webpki::cn::case-mismatch": _COMMON_NAME,
    "webpki::eku::root-has-eku": "roots are configured by hand; what usages they list is the operator's decision",
    "webpki::san::public-suffix-wildcard-san": _SUFFIX,
    "webpki::san::public-suffix-multi-label-wildcard-san": _SUFFIX,
    "webpki::san::public-suffix-private-namespace-wildcard-san": _SUFFIX,
}

CLOSED = (
    "crl::revoked-certificate-with-crl",
    "crl::crlnumber-missing",
    "crl::issuer-missing-crlsign",
    "webpki::forbidden-weak-rsa-in-leaf",
    "webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf",
    "webpki::forbidden-rsa-not-divisible-by-8-in-root",
    "webpki::forbidden-p192-leaf",
    "webpki::forbidden-dsa-leaf",
    "webpki::eku::ee-without-eku",
    "webpki::eku::ee-anyeku",
    "rfc5280::serial::zero",
    "rfc5280::serial::negative",
)
"""Cases that the library alone passes although they must fail; our own checks close them."""
