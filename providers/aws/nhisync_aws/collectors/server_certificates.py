"""Kind ``server-certificate``: certificates kept in IAM. They cannot be renewed in place, so nobody rotates them."""

from collections.abc import Iterator, Mapping
from typing import Any

from nhisync.spi import Item, Lifecycle, Locator, Observation
from nhisync.spi.runs import Sweep
from nhisync_aws.collectors.pem import described, judged_by
from nhisync_aws.paging import Listing
from nhisync_aws.run import Run, marker, moment

KIND = "server-certificate"


def collect(run: Run) -> Iterator[Observation]:
    """The list has names and dates; the public PEM is fetched for what pairs name."""
    listed: dict[str, Mapping[str, Any]] = {}
    sweep = Sweep()
    if run.swept(KIND):
        listing = Listing(
            "iam", "ListServerCertificates", "ServerCertificateMetadataList", "Marker", "Marker", {"MaxItems": 1000}
        )
        for row in run.list(listing, sweep):
            name = str(row.get("ServerCertificateName") or "")
            listed[name] = row
            if name not in run.wanted(KIND) and run.asked_for(KIND, name):
                yield from run.row(run.locator(KIND, name), _listed_item, row)
        yield run.coverage(KIND, sweep, authoritative=True)
    yield from run.each(run.wanted(KIND).values(), lambda locator: _single(run, locator, listed.get(locator.name)))


def _single(run: Run, locator: Locator, row: Mapping[str, Any] | None) -> Iterator[Observation]:
    if row is not None:
        unchanged = run.known(judged_by(run, _listed_item(run, locator, row)))
        if not isinstance(unchanged, Item):
            yield unchanged
            return
    found = run.connection.require(
        "iam", "GetServerCertificate", run.budget, "ServerCertificate", ServerCertificateName=locator.name
    )
    item = judged_by(run, _listed_item(run, locator, found.get("ServerCertificateMetadata") or {}))
    yield described(
        run,
        item,
        leaf=str(found.get("CertificateBody") or ""),
        chain=str(found.get("CertificateChain") or ""),
        tags=found.get("Tags"),
    )


def _listed_item(run: Run, locator: Locator, row: Mapping[str, Any]) -> Item:
    return Item(
        locator=locator,
        observed_at=run.now,
        provider_id=str(row.get("Arn") or ""),
        lifecycle=Lifecycle.STATIC,
        version=str(row.get("ServerCertificateId") or "") or None,
        created=moment(row.get("UploadDate")),
        expires=moment(row.get("Expiration")),
        marker=marker(row.get("Arn"), row.get("ServerCertificateId"), row.get("Expiration"), run.now.date()),
    )
