"""Certificate Authority Service's reading methods."""

import re
from typing import Any

from google.cloud.security.privateca_v1 import types

from nhisync_gcp.emulator.collection import Collection
from nhisync_gcp.emulator.messages import plain
from nhisync_gcp.emulator.refusals import denied, invalid
from nhisync_gcp.emulator.rpc import Call, Rpc

SERVICE = "google.cloud.security.privateca.v1.CertificateAuthorityService"
_LOCATION = r"projects/([^/]+)/locations/[^/]+"
_POOL = rf"{_LOCATION}/caPools/[^/]+"
POOLS = Collection(
    key="privateca.caPools",
    parent=re.compile(_LOCATION),
    name=re.compile(_POOL),
    permissions=("privateca.caPools.list", "privateca.caPools.get"),
)
AUTHORITIES = Collection(
    key="privateca.certificateAuthorities",
    parent=re.compile(_POOL),
    name=re.compile(rf"{_POOL}/certificateAuthorities/[^/]+"),
    permissions=("privateca.certificateAuthorities.list", "privateca.certificateAuthorities.get"),
)
CERTIFICATES = Collection(
    key="privateca.certificates",
    parent=re.compile(_POOL),
    name=re.compile(rf"{_POOL}/certificates/[^/]+"),
    permissions=("privateca.certificates.list", "privateca.certificates.get"),
)
_ListPools = plain(types.ListCaPoolsResponse)
_ListAuthorities = plain(types.ListCertificateAuthoritiesResponse)
_ListCertificates = plain(types.ListCertificatesResponse)
_CaCerts = plain(types.FetchCaCertsResponse)
_ENABLED = types.CertificateAuthority.State.ENABLED


def list_pools(call: Call) -> Any:
    """ListCaPools."""
    found, down = POOLS.list(call)
    return _ListPools(ca_pools=found.rows, next_page_token=found.token, unreachable=down)


def list_authorities(call: Call) -> Any:
    """ListCertificateAuthorities: of one pool, or of all with ``caPools/-``."""
    found, down = AUTHORITIES.list(call)
    return _ListAuthorities(certificate_authorities=found.rows, next_page_token=found.token, unreachable=down)


def list_certificates(call: Call) -> Any:
    """ListCertificates: of one pool, or of all with ``caPools/-``."""
    found, down = CERTIFICATES.list(call)
    return _ListCertificates(certificates=found.rows, next_page_token=found.token, unreachable=down)


def fetch_ca_certs(call: Call) -> Any:
    """FetchCaCerts: the chains of the pool's enabled authorities, which relying parties must trust."""
    name = call.request.ca_pool
    match = POOLS.name.fullmatch(name)
    project = call.cloud.find_project(match.group(1)) if match is not None else None
    if match is None:
        raise invalid(f"Malformed name: '{name}'")
    if project is None:
        raise denied("privateca.caPools.get", name)
    call.require("privateca.caPools.get", name, f"projects/{project.id}")
    answer = _CaCerts()
    for entry in call.cloud.catalogue.below(AUTHORITIES.key, name):
        if entry.shown.current.state == _ENABLED:
            answer.ca_certs.add(certificates=entry.shown.current.pem_ca_certificates)
    return answer


def _rpc(method: str, request: Any, handler: Any) -> Rpc:
    return Rpc(service=SERVICE, method=method, request=plain(request), handler=handler)


METHODS = (
    _rpc("ListCaPools", types.ListCaPoolsRequest, list_pools),
    _rpc("GetCaPool", types.GetCaPoolRequest, POOLS.get),
    _rpc("ListCertificateAuthorities", types.ListCertificateAuthoritiesRequest, list_authorities),
    _rpc("GetCertificateAuthority", types.GetCertificateAuthorityRequest, AUTHORITIES.get),
    _rpc("ListCertificates", types.ListCertificatesRequest, list_certificates),
    _rpc("GetCertificate", types.GetCertificateRequest, CERTIFICATES.get),
    _rpc("FetchCaCerts", types.FetchCaCertsRequest, fetch_ca_certs),
)
