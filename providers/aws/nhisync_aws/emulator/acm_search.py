"""SearchCertificates, which shows every key type and origin unless a filter says otherwise.

Source: botocore's ACM model, SearchCertificates and the shapes of its filter statement.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from moto.acm.models import CertBundle

from nhisync_aws.emulator.acm_overlay import bundles_of, facts_of, is_issued, parsed_of, serial_of, summary
from nhisync_aws.emulator.cloud import Context, Handler
from nhisync_aws.emulator.paging import page
from nhisync_aws.emulator.wire import ApiError

Row = Mapping[str, Any]

_DEFAULT_RESULTS = 100
_MAX_RESULTS = 500
_USAGES = {
    "digital_signature": "DIGITAL_SIGNATURE",
    "content_commitment": "NON_REPUDIATION",
    "key_encipherment": "KEY_ENCIPHERMENT",
    "data_encipherment": "DATA_ENCIPHERMENT",
    "key_agreement": "KEY_AGREEMENT",
    "key_cert_sign": "CERTIFICATE_SIGNING",
    "crl_sign": "CRL_SIGNING",
}
_PURPOSES = {
    ExtendedKeyUsageOID.SERVER_AUTH: "TLS_WEB_SERVER_AUTHENTICATION",
    ExtendedKeyUsageOID.CLIENT_AUTH: "TLS_WEB_CLIENT_AUTHENTICATION",
    ExtendedKeyUsageOID.CODE_SIGNING: "CODE_SIGNING",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "EMAIL_PROTECTION",
    ExtendedKeyUsageOID.TIME_STAMPING: "TIME_STAMPING",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSP_SIGNING",
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "ANY",
}
_METADATA = (
    *("CreatedAt", "Exported", "ImportedAt", "InUse", "IssuedAt", "RenewalEligibility", "Status", "Type"),
    *("ExportOption", "CertificateKeyPairOrigin"),
)


def search_certificates(ctx: Context) -> dict[str, Any]:
    """SearchCertificates: filtered, sorted, in pages of at most 500."""
    rows = [_row(ctx, bundle) for bundle in bundles_of(ctx).values()]
    statement = ctx.param("FilterStatement")
    kept = [row for row in rows if statement is None or _holds(row, statement)]
    kept.sort(key=_order(str(ctx.param("SortBy", "CREATED_AT"))), reverse=ctx.param("SortOrder") == "DESCENDING")
    size, token = int(ctx.param("MaxResults", _DEFAULT_RESULTS)), ctx.param("NextToken")
    if not 1 <= size <= _MAX_RESULTS:
        raise ApiError("ValidationException", f"MaxResults must be between 1 and {_MAX_RESULTS}.")
    bad = ApiError("ValidationException", "The NextToken is invalid.")
    found = page(kept, name="SearchCertificates", token=token, size=size, bad_token=bad, endless=ctx.endless)
    return {"Results": list(found.items), "NextToken": found.token or None}


def _row(ctx: Context, bundle: CertBundle) -> Row:
    listed, renewal = summary(ctx, bundle), facts_of(ctx, bundle).get("renewal_summary") or {}
    metadata = {name: listed[name] for name in _METADATA} | {"RenewalStatus": renewal.get("RenewalStatus")}
    methods = facts_of(ctx, bundle).get("validations") or [{}]
    metadata["ValidationMethod"] = methods[0].get("ValidationMethod")
    attributes: dict[str, Any] = {
        "Subject": {"CommonName": bundle.common_name},
        "SubjectAlternativeNames": [{"DnsName": name} for name in bundle.sans],
        "KeyAlgorithm": listed["KeyAlgorithm"],
        "NotBefore": listed["NotBefore"],
        "NotAfter": listed["NotAfter"],
    }
    if is_issued(ctx, bundle):
        parsed = parsed_of(bundle)
        issuer = [str(one.value) for one in parsed.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)]
        attributes |= {"SerialNumber": serial_of(parsed), "Issuer": {"CommonName": next(iter(issuer), None)}}
        attributes |= {"KeyUsages": _usages(parsed), "ExtendedKeyUsages": _purposes(parsed)}
    return {
        "CertificateArn": bundle.arn,
        "X509Attributes": attributes,
        "CertificateMetadata": {"AcmCertificateMetadata": metadata},
    }


def _usages(certificate: x509.Certificate) -> list[str]:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return []
    return [word for name, word in _USAGES.items() if getattr(usage, name)]


def _purposes(certificate: x509.Certificate) -> list[str]:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return []
    return [_PURPOSES.get(purpose, "CUSTOM") for purpose in usage]


def _holds(row: Row, statement: Mapping[str, Any]) -> bool:
    """A filter statement: exactly one of And, Or, Not, Filter."""
    if len(statement) != 1:
        raise ApiError("ValidationException", "A filter statement must have exactly one member.")
    ((kind, inner),) = statement.items()
    if kind == "And":
        return all(_holds(row, one) for one in inner)
    if kind == "Or":
        return any(_holds(row, one) for one in inner)
    if kind == "Not":
        return not _holds(row, inner)
    return all(_fits(row, name, wanted) for name, wanted in inner.items())


def _fits(row: Row, name: str, wanted: Any) -> bool:
    if name == "CertificateArn":
        return bool(row["CertificateArn"] == wanted)
    if name == "AcmCertificateMetadataFilter":
        return all(_metadata(row).get(key) == value for key, value in wanted.items())
    return all(_ATTRIBUTES[key](row["X509Attributes"], value) for key, value in wanted.items())


def _metadata(row: Row) -> Row:
    found: Row = row["CertificateMetadata"]["AcmCertificateMetadata"]
    return found


def _named(names: Iterable[str], wanted: Mapping[str, str]) -> bool:
    """Names without letter case, equal to the value or holding it."""
    value, contains = wanted["Value"].lower(), wanted["ComparisonOperator"] == "CONTAINS"
    return any(value in name.lower() if contains else value == name.lower() for name in names)


def _within(instant: datetime | None, wanted: Mapping[str, float]) -> bool:
    """Both ends belong to the range; they come as seconds since 1970."""
    if instant is None:
        return False
    start, end = (wanted.get(name) for name in ("Start", "End"))
    after = start is None or instant >= datetime.fromtimestamp(start, UTC)
    return after and (end is None or instant <= datetime.fromtimestamp(end, UTC))


_ATTRIBUTES: Mapping[str, Callable[[Row, Any], bool]] = {
    "Subject": lambda row, wanted: _named([row["Subject"]["CommonName"]], wanted["CommonName"]),
    "SubjectAlternativeName": lambda row, wanted: _named(
        [name["DnsName"] for name in row["SubjectAlternativeNames"]], wanted["DnsName"]
    ),
    "KeyAlgorithm": lambda row, wanted: row["KeyAlgorithm"] == wanted,
    "SerialNumber": lambda row, wanted: row.get("SerialNumber") == wanted,
    "KeyUsage": lambda row, wanted: wanted in row.get("KeyUsages", ()),
    "ExtendedKeyUsage": lambda row, wanted: wanted in (row.get("ExtendedKeyUsages") or ("NONE",)),
    "NotAfter": lambda row, wanted: _within(row["NotAfter"], wanted),
    "NotBefore": lambda row, wanted: _within(row["NotBefore"], wanted),
}


def _order(field: str) -> Callable[[Row], tuple[bool, Any, str]]:
    """Rows without the field first, rows of one value by ARN."""

    def key(row: Row) -> tuple[bool, Any, str]:
        value = _sortable(row, field)
        return value is not None, "" if value is None else value, row["CertificateArn"]

    return key


def _sortable(row: Row, field: str) -> Any:
    if field == "CERTIFICATE_ARN":
        return row["CertificateArn"]
    if field == "COMMON_NAME":
        return row["X509Attributes"]["Subject"]["CommonName"]
    name = "".join(part.capitalize() for part in field.split("_"))
    return row["X509Attributes"].get(name, _metadata(row).get(name))


HANDLERS: Mapping[str, Handler] = {"acm:SearchCertificates": search_certificates}
