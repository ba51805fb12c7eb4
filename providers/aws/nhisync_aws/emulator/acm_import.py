"""ImportCertificate as AWS answers it: key, dates and chain must be right, by the world's clock.

Source: ACM user guide, "Prerequisites for importing ACM certificates", and the AWS knowledge centre's list of refusals.
What AWS says of a key that does not fit was not found anywhere; the code is that of its other refusals.
"""

import base64
import binascii
import itertools
from collections.abc import Mapping
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from nhisync_aws.emulator.acm_overlay import SeededBundle, bundles_of, facts_of, find
from nhisync_aws.emulator.authority import pem
from nhisync_aws.emulator.cloud import Context, Handler
from nhisync_aws.emulator.keypairs import PrivateKey, key_text
from nhisync_aws.emulator.wire import ApiError


def import_certificate(ctx: Context) -> dict[str, Any]:
    """ImportCertificate: new, or in the place of one that was imported before, whose tags and users stay."""
    before = find(ctx) if ctx.param("CertificateArn") else None
    if before is not None and before.type != "IMPORTED":
        raise _invalid(f"Certificate ARN: {before.arn} is not an imported certificate.")
    if before is not None and ctx.param("Tags"):
        raise _invalid("Tags may not be specified when a certificate is imported again.")
    leaf, key, chain = _leaf(ctx), _key(ctx), _chain(ctx)
    _check(ctx, leaf, key, chain)
    bundle = SeededBundle(
        ctx.account.id,
        pem(leaf).encode(),
        key_text(key).encode(),
        region=ctx.call.region,
        arn=None if before is None else before.arn,
    )
    if before is not None:
        bundle.tags, bundle.in_use_by = before.tags, before.in_use_by
    bundle.tags.update({str(tag["Key"]): tag.get("Value") for tag in ctx.param("Tags", [])})
    bundles_of(ctx)[bundle.arn] = bundle
    facts = facts_of(ctx, bundle)
    facts.pop("status", None)  # whatever the old one was seeded as, the new one is good
    facts |= {"created": facts.get("created", ctx.now), "imported": ctx.now, "chain_pem": pem(*chain) or None}
    return {"CertificateArn": bundle.arn}


def _leaf(ctx: Context) -> x509.Certificate:
    found = _parsed(_bytes(ctx, "Certificate"), "The certificate is not PEM-encoded or is not valid.")
    if len(found) > 1:
        text = "The certificate field contains more than one certificate. You can specify only one certificate in this"
        raise _invalid(f"{text} field.")
    return found[0]


def _key(ctx: Context) -> PrivateKey:
    try:
        key = load_pem_private_key(_bytes(ctx, "PrivateKey"), password=None)
    except (ValueError, TypeError):
        raise _invalid("The private key is not PEM-encoded or is not valid.") from None
    if not isinstance(key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise _invalid("The private key is not supported.")
    return key


def _chain(ctx: Context) -> list[x509.Certificate]:
    raw = _bytes(ctx, "CertificateChain")
    return _parsed(raw, "The certificate chain is not PEM-encoded or is not valid.") if raw else []


def _check(ctx: Context, leaf: x509.Certificate, key: PrivateKey, chain: list[x509.Certificate]) -> None:
    if leaf.not_valid_after_utc < ctx.now:
        raise _invalid("The certificate has expired, is not valid.")
    if leaf.not_valid_before_utc > ctx.now:
        raise _invalid("The certificate is not in effect yet, is not valid.")
    if key.public_key() != leaf.public_key():
        raise _invalid("The private key does not match the public key of the certificate.")
    if not chain and leaf.subject != leaf.issuer:
        text = "Provided certificate is not a valid self signed. Please provide either a valid self-signed certificate"
        raise _invalid(f"{text} or certificate chain.")
    line = [leaf, *chain]
    for below, above in itertools.pairwise(line):
        try:
            below.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature):
            raise _invalid("Could not validate the certificate with the certificate chain.") from None


def _parsed(raw: bytes, refusal: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(raw)
    except ValueError:
        raise _invalid(refusal) from None


def _bytes(ctx: Context, parameter: str) -> bytes:
    try:
        return base64.b64decode(str(ctx.param(parameter, "")), validate=True)
    except binascii.Error:
        raise _invalid(f"{parameter} is not base64-encoded.") from None


def _invalid(text: str) -> ApiError:
    return ApiError("ValidationException", text)


HANDLERS: Mapping[str, Handler] = {"acm:ImportCertificate": import_certificate}
