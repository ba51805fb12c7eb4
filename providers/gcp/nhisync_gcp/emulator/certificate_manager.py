"""Certificate Manager's reading methods."""

import re
from typing import Any

from google.cloud.certificate_manager_v1 import types

from nhisync_gcp.emulator.collection import Collection
from nhisync_gcp.emulator.messages import plain
from nhisync_gcp.emulator.rpc import Call, Rpc

SERVICE = "google.cloud.certificatemanager.v1.CertificateManager"
CERTIFICATES = Collection(
    key="certificatemanager.certificates",
    parent=re.compile(r"projects/([^/]+)/locations/[^/]+"),
    name=re.compile(r"projects/([^/]+)/locations/[^/]+/certificates/[^/]+"),
    permissions=("certificatemanager.certs.list", "certificatemanager.certs.get"),
)
_ListResponse = plain(types.ListCertificatesResponse)


def list_certificates(call: Call) -> Any:
    """ListCertificates: ``locations/-`` lists all locations, and names those that did not answer."""
    found, down = CERTIFICATES.list(call)
    return _ListResponse(certificates=found.rows, next_page_token=found.token, unreachable=down)


METHODS = (
    Rpc(
        service=SERVICE,
        method="ListCertificates",
        request=plain(types.ListCertificatesRequest),
        handler=list_certificates,
    ),
    Rpc(
        service=SERVICE,
        method="GetCertificate",
        request=plain(types.GetCertificateRequest),
        handler=CERTIFICATES.get,
    ),
)
