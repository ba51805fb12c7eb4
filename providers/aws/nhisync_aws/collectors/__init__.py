"""One module per kind: lists first, single reads only for what a list cannot say."""

from collections.abc import Callable, Iterator, Mapping

from nhisync.spi import Observation
from nhisync_aws.collectors import (
    access_keys,
    acm,
    parameters,
    roles,
    secrets,
    server_certificates,
    service_credentials,
)
from nhisync_aws.run import Run

Collector = Callable[[Run], Iterator[Observation]]

COLLECTORS: Mapping[str, Collector] = {
    "secret": secrets.collect,
    "access-key": access_keys.collect,
    "role": roles.collect,
    "service-credential": service_credentials.collect,
    "server-certificate": server_certificates.collect,
    "certificate": acm.collect,
    "parameter": parameters.collect,
}
"""Kind → its collector."""

__all__ = ["COLLECTORS", "Collector"]
