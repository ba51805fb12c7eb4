"""Certificates that cert-manager calls not ready although their dates are in force."""

from datetime import timedelta

import pytest

from nhisync.spi import CredentialState
from nhisync_kubernetes.emulator.definitions import CERTIFICATES

from .conftest import Site

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("reason", "status", "state"),
    [
        ("InvalidKeyPair", "False", CredentialState.SUSPENDED),
        ("InvalidCertificate", "False", CredentialState.SUSPENDED),
        ("MissingData", "False", CredentialState.SUSPENDED),
        ("DoesNotExist", "False", CredentialState.SUSPENDED),
        ("SomethingNew", "False", CredentialState.SUSPENDED),
        ("RequestChanged", "False", CredentialState.ACTIVE),
        ("InvalidKeyPair", "Unknown", CredentialState.ACTIVE),
    ],
)
def test_a_secret_that_nobody_can_serve(site: Site, reason: str, status: str, state: CredentialState) -> None:
    """Dates alone are no certificate in force: cert-manager says when key and certificate do not belong together."""
    certificate = site.seed("certificate", "p/tls", rotated=DAY, expires=89 * DAY)
    known = {certificate: site.observe(certificate)[certificate].marker}
    with site.cluster.lock:
        found = site.cluster.store.get(CERTIFICATES, "p", "tls")
        assert found is not None
        conditions = [{"type": "Ready", "status": status, "reason": reason}]
        site.cluster.store.put(CERTIFICATES, {**found, "status": {**found["status"], "conditions": conditions}})
    seen = site.observe(certificate, known=known)
    assert seen[certificate].state is state
    assert seen.attribute(certificate, "not_ready") == (reason if status == "False" else "")
