"""Kind ``certificate``: ACM, with all key types and origins; named by domain, or by id where a domain has several."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nhisync.spi import CredentialState, ErrorFact, ErrorKind, Item, Lifecycle, Locator, Observation, Presence
from nhisync.spi.runs import Sweep
from nhisync_aws.collectors.pem import described, judged_by
from nhisync_aws.paging import Listing
from nhisync_aws.run import Run, attributes, marker, moment
from nhisync_aws.statements import certificate_id

KIND = "certificate"

KEY_TYPES = (
    "RSA_1024",
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "EC_prime256v1",
    "EC_secp384r1",
    "EC_secp521r1",
)
"""All of ACM's; without them ListCertificates hides everything but RSA_1024 and RSA_2048 (botocore's ACM model)."""

_ORIGINS = ("AWS_MANAGED", "ACME", "CUSTOMER_PROVIDED")
_STATES = {
    "ISSUED": CredentialState.ACTIVE,
    "PENDING_VALIDATION": CredentialState.PRE_ACTIVATION,
    "REVOKED": CredentialState.COMPROMISED,
}

_UNISSUED = frozenset({"PENDING_VALIDATION", "VALIDATION_TIMED_OUT", "FAILED"})


def collect(run: Run) -> Iterator[Observation]:
    """One list in pages of 1,000; PEM and tags only for what pairs name and what changed."""
    parameters = {
        "Includes": {"keyTypes": list(KEY_TYPES)},
        "CertificateKeyPairOrigins": list(_ORIGINS),
        "MaxItems": 1000,
    }
    listing = Listing("acm", "ListCertificates", "CertificateSummaryList", "NextToken", "NextToken", parameters)
    sweep = Sweep()
    rows = list(run.list(listing, sweep))
    by_domain: dict[str, list[Mapping[str, Any]]] = {}
    by_id: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        by_domain.setdefault(str(row.get("DomainName") or ""), []).append(row)
        by_id[_id(row)] = row
    named = {name: _find(name, by_domain, by_id) for name in run.wanted(KIND)}
    yield from _unnamed(run, by_domain, {_id(row) for found in named.values() for row in found})
    yield from run.each(run.wanted(KIND).values(), lambda locator: _single(run, locator, named[locator.name], sweep))
    if run.swept(KIND):
        yield run.coverage(KIND, sweep, authoritative=True)


def _unnamed(run: Run, by_domain: Mapping[str, Sequence[Mapping[str, Any]]], taken: set[str]) -> Iterator[Observation]:
    for domain, rows in by_domain.items():
        for row in rows:
            name = domain if len(rows) == 1 and domain else _id(row)
            if _id(row) not in taken and run.asked_for(KIND, name):
                yield from run.row(run.locator(KIND, name), _item, row)


def _find(
    name: str, by_domain: Mapping[str, Sequence[Mapping[str, Any]]], by_id: Mapping[str, Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """Certificates that a locator's name may mean; of several for one domain the only issued one."""
    known = certificate_id(name)
    if known:
        return [by_id[known]] if known in by_id else []
    rows = by_domain.get(name, ())
    issued = [row for row in rows if row.get("Status") == "ISSUED"]
    return issued if len(issued) == 1 else rows


def _single(run: Run, locator: Locator, rows: Sequence[Mapping[str, Any]], sweep: Sweep) -> Iterator[Observation]:
    if len(rows) > 1:
        yield _ambiguous(run, locator, len(rows))
    elif rows:
        yield from _detail(run, locator, rows[0])
    elif sweep.error is not None:
        yield run.failed(locator, sweep.error)
    else:
        yield run.absent(locator)


def _detail(run: Run, locator: Locator, row: Mapping[str, Any]) -> Iterator[Observation]:
    listed = run.known(judged_by(run, _item(run, locator, row)))
    if not isinstance(listed, Item):
        yield listed
        return
    arn = str(row.get("CertificateArn") or "")
    tags = run.connection.call("acm", "ListTagsForCertificate", run.budget, CertificateArn=arn).get("Tags")
    if row.get("Status") in _UNISSUED:
        # There is no certificate to fetch; GetCertificate answers RequestInProgressException.
        yield described(run, listed, leaf="", chain="", tags=tags)
        return
    found = run.connection.call("acm", "GetCertificate", run.budget, CertificateArn=arn)
    leaf, chain = str(found.get("Certificate") or ""), str(found.get("CertificateChain") or "")
    yield described(run, listed, leaf=leaf, chain=chain, tags=tags, issued_by_aws=row.get("Type") == "AMAZON_ISSUED")


def _ambiguous(run: Run, locator: Locator, count: int) -> Item:
    error = ErrorFact(
        kind=ErrorKind.MISCONFIGURED.value,
        message=f"{count} certificates carry this domain name; name one by its id: certificate/<id>",
    )
    return Item(locator=locator, observed_at=run.now, presence=Presence.AMBIGUOUS, error=error)


def _item(run: Run, locator: Locator, row: Mapping[str, Any]) -> Item:
    status = str(row.get("Status") or "")
    created, imported = moment(row.get("CreatedAt")), moment(row.get("ImportedAt"))
    again = imported if imported is not None and created is not None and imported.at > created.at else None
    facts = [row.get(m) for m in ("CertificateArn", "Status", "NotBefore", "NotAfter", "ImportedAt", "IssuedAt")]
    return Item(
        locator=locator,
        observed_at=run.now,
        provider_id=str(row.get("CertificateArn") or ""),
        region=run.region,
        lifecycle=_lifecycle(row, renewed=again is not None),
        state=_STATES.get(status, CredentialState.DEACTIVATED),
        created=created,
        rotated=again or moment(row.get("IssuedAt")),
        not_before=moment(row.get("NotBefore")),
        expires=moment(row.get("NotAfter")),
        # Tags change without a trace in the list: the day makes them at most a day old.
        marker=marker(facts, row.get("InUse"), run.now.date()),
        attributes=attributes(
            in_use="yes" if row.get("InUse") else "no",
            key_type=str(row.get("KeyAlgorithm") or ""),
            renewal=str(row.get("RenewalEligibility") or "").lower(),
            status=status.lower(),
            type=str(row.get("Type") or "").lower(),
        ),
    )


def _lifecycle(row: Mapping[str, Any], *, renewed: bool) -> Lifecycle:
    """ACM renews what it issued while it is in use; an import is renewed by whoever imported it, once it is shown."""
    if row.get("Type") == "IMPORTED":
        return Lifecycle.OWN if renewed else Lifecycle.UNKNOWN
    return Lifecycle.OWN if row.get("RenewalEligibility") == "ELIGIBLE" else Lifecycle.UNKNOWN


def _id(row: Mapping[str, Any]) -> str:
    return str(row.get("CertificateArn") or "").rpartition("/")[2]
