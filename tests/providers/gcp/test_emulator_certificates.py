"""Certificate Manager and Certificate Authority Service of the emulator through the real SDKs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from google.api_core import exceptions
from google.cloud.certificate_manager_v1 import types as manager
from google.cloud.security.privateca_v1 import types as cas

from .emulator_stand import Stand, open_stand

Managed = manager.Certificate.ManagedCertificate
POOL = "europe-west1/edge"


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """An emulated source."""
    with open_stand(tmp_path) as made:
        yield made


def certificates(stand: Stand) -> Any:
    """Nhisync's own Certificate Manager client: it may read, no more."""
    return stand.nhisync.certificates(stand.document["endpoints"]["certificatemanager"])


def authorities(stand: Stand) -> Any:
    """Nhisync's own CAS client."""
    return stand.nhisync.authorities(stand.document["endpoints"]["privateca"])


def leaf_of(pem: str) -> x509.Certificate:
    """The first certificate of a chain."""
    return x509.load_pem_x509_certificates(pem.encode())[0]


def spki(pem: str) -> Any:
    """The public key of the first certificate of a chain."""
    return leaf_of(pem).public_key()


def test_a_managed_certificate_shows_its_chain(stand: Stand) -> None:
    """Names, end, state and served chain fit one another."""
    stand.seed("certificate", "global/api", names=("api.example", "www.example"), expires=timedelta(days=20))
    found = certificates(stand).get_certificate(name=f"{stand.parent}/locations/global/certificates/api")
    chain = x509.load_pem_x509_certificates(found.pem_certificate.encode())
    names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(found.san_dnsnames) == names.get_values_for_type(x509.DNSName) == ["api.example", "www.example"]
    assert found.expire_time.timestamp() == (stand.clock.now() + timedelta(days=20)).timestamp()
    assert chain[0].not_valid_after_utc == stand.clock.now() + timedelta(days=20)
    chain[0].verify_directly_issued_by(chain[1])
    assert (len(chain), found.managed.state) == (2, Managed.State.ACTIVE)
    assert dict(found.labels) == {"owner": "platform-oncall"}


@pytest.mark.parametrize("state", ["PROVISIONING", "FAILED"])
def test_a_certificate_that_never_came_has_no_chain(stand: Stand, state: str) -> None:
    """The reason stands beside the state, and the failed attempt names its domain."""
    stand.seed("certificate", "global/api", state=state, issue="AUTHORIZATION_ISSUE", attempt="CAA")
    found = certificates(stand).get_certificate(name=f"{stand.parent}/locations/global/certificates/api")
    assert (found.pem_certificate, found.managed.state) == ("", Managed.State[state])
    assert found.managed.provisioning_issue.reason == Managed.ProvisioningIssue.Reason.AUTHORIZATION_ISSUE
    attempt = found.managed.authorization_attempt_info[0]
    assert (attempt.domain, attempt.failure_reason.name) == ("api.example", "CAA")


def test_a_self_managed_certificate_never_shows_its_key(stand: Stand) -> None:
    """The answer of a self-managed certificate holds no private key."""
    stand.seed("certificate", "global/api", managed=False, scope="ALL_REGIONS", used_by=("//x/targetHttpsProxies/p",))
    found = certificates(stand).get_certificate(name=f"{stand.parent}/locations/global/certificates/api")
    assert "self_managed" in found
    assert (found.self_managed.pem_private_key, found.scope.name) == ("", "ALL_REGIONS")
    assert [user.name for user in found.used_by] == ["//x/targetHttpsProxies/p"]


def test_lists_page_and_take_the_wildcard_location(stand: Stand) -> None:
    """``locations/-`` lists everywhere; a location that is down is named, and its rows are missing."""
    for place in ("global/a", "global/b", "europe-west1/c"):
        stand.seed("certificate", place)
    client = certificates(stand)

    def listed(location: str, **more: Any) -> list[str]:
        request = {"parent": f"{stand.parent}/locations/{location}", **more}
        return [row.name.rpartition("/")[2] for row in client.list_certificates(request=request)]

    assert listed("global") == ["a", "b"]
    assert listed("-", page_size=1) == ["a", "b", "c"]
    assert listed("us-east1") == []
    stand.fault("location-down", locations=("europe-west1",))
    page = next(iter(client.list_certificates(parent=f"{stand.parent}/locations/-").pages))
    assert [row.name.rpartition("/")[2] for row in page.certificates] == ["a", "b"]
    assert list(page.unreachable) == [f"{stand.parent}/locations/europe-west1"]
    with pytest.raises(exceptions.InvalidArgument):
        listed("global", filter="x")


def test_a_copied_key_shows_in_both_certificates(stand: Stand) -> None:
    """Seeds of one material have one public key, others have their own."""
    stand.seed("certificate", "global/one", material="copied")
    stand.seed("certificate", "global/two", material="copied")
    stand.seed("certificate", "global/three")
    client = certificates(stand)
    one, two, three = (
        spki(client.get_certificate(name=f"{stand.parent}/locations/global/certificates/{each}").pem_certificate)
        for each in ("one", "two", "three")
    )
    assert one == two != three


def test_a_pool_shows_certificates_and_their_authority(stand: Stand) -> None:
    """A renewal is a new certificate; the chain leads to the pool's authority, whose end is known."""
    stand.seed("cas-certificate", f"{POOL}/cn/api.internal", created=timedelta(days=40), rotated=timedelta(days=3))
    client = authorities(stand)
    pool = f"{stand.parent}/locations/europe-west1/caPools/edge"
    assert [row.name for row in client.list_ca_pools(parent=f"{stand.parent}/locations/europe-west1")] == [pool]
    assert client.get_ca_pool(name=pool).tier == cas.CaPool.Tier.ENTERPRISE
    older, newer = sorted(client.list_certificates(parent=pool), key=lambda row: row.create_time)
    assert newer.create_time.timestamp() == (stand.clock.now() - timedelta(days=3)).timestamp()
    assert newer.certificate_description.subject_description.subject.common_name == "api.internal"
    leaf = leaf_of(newer.pem_certificate)
    root = leaf_of(newer.pem_certificate_chain[0])
    leaf.verify_directly_issued_by(root)
    described = newer.certificate_description.subject_description
    assert described.not_after_time == leaf.not_valid_after_utc.replace(tzinfo=UTC)
    assert int(described.hex_serial_number, 16) == leaf.serial_number
    authority = client.get_certificate_authority(name=newer.issuer_certificate_authority)
    assert authority.state == cas.CertificateAuthority.State.ENABLED
    assert leaf_of(authority.pem_ca_certificates[0]) == root
    assert older.name != newer.name
    assert client.get_certificate(name=newer.name) == newer


def test_a_revoked_certificate_says_why(stand: Stand) -> None:
    """The reason and the time of a revocation are shown."""
    stand.seed("cas-certificate", f"{POOL}/old", revoked="KEY_COMPROMISE", rotated=None)
    pool = f"{stand.parent}/locations/europe-west1/caPools/edge"
    found = authorities(stand).get_certificate(name=f"{pool}/certificates/old")
    assert found.revocation_details.revocation_state == cas.RevocationReason.KEY_COMPROMISE
    assert found.revocation_details.revocation_time == stand.clock.now()


def test_authorities_have_states_and_ends(stand: Stand) -> None:
    """A disabled or dying authority shows; only enabled ones are among the trusted certificates of the pool."""
    stand.seed("certificate-authority", f"{POOL}/dying", expires=timedelta(days=3))
    stand.seed("certificate-authority", f"{POOL}/off", state="DISABLED")
    stand.seed("certificate-authority", "europe-north1/core/on")
    client = authorities(stand)
    pool = f"{stand.parent}/locations/europe-west1/caPools/edge"
    rows = {row.name.rpartition("/")[2]: row for row in client.list_certificate_authorities(parent=pool)}
    assert rows.keys() == {"dying", "off"}
    assert rows["dying"].expire_time == stand.clock.now() + timedelta(days=3)
    assert rows["off"].state == cas.CertificateAuthority.State.DISABLED
    everywhere = client.list_certificate_authorities(parent=f"{stand.parent}/locations/-/caPools/-")
    assert {row.name.rpartition("/")[2] for row in everywhere} == {"dying", "off", "on"}
    fetched = client.fetch_ca_certs(ca_pool=pool).ca_certs
    assert [leaf_of(row.certificates[0]) for row in fetched] == [leaf_of(rows["dying"].pem_ca_certificates[0])]


def test_a_client_certificate_is_for_clients(stand: Stand) -> None:
    """The option client changes the extended key usage."""
    stand.seed("cas-certificate", f"{POOL}/robot", client=True, rotated=None)
    pool = f"{stand.parent}/locations/europe-west1/caPools/edge"
    leaf = leaf_of(authorities(stand).get_certificate(name=f"{pool}/certificates/robot").pem_certificate)
    usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_missing_and_forbidden_are_told_apart_only_for_those_who_may_know(stand: Stand) -> None:
    """With the permission NOT_FOUND, without it PERMISSION_DENIED; malformed names are INVALID_ARGUMENT."""
    name = f"{stand.parent}/locations/global/certificates/gone"
    pool = f"{stand.parent}/locations/europe-west1/caPools/gone"
    with pytest.raises(exceptions.NotFound):
        certificates(stand).get_certificate(name=name)
    with pytest.raises(exceptions.NotFound):
        authorities(stand).get_ca_pool(name=pool)
    stand.world.grant("primary", "gcp", {stand.parent: ()})
    with pytest.raises(exceptions.PermissionDenied, match=r"certificatemanager\.certs\.get"):
        certificates(stand).get_certificate(name=name)
    with pytest.raises(exceptions.PermissionDenied, match=r"privateca\.caPools\.get"):
        authorities(stand).fetch_ca_certs(ca_pool=pool)
    with pytest.raises(exceptions.InvalidArgument):
        certificates(stand).get_certificate(name="projects/x/certificates/y")
    with pytest.raises(exceptions.PermissionDenied):
        certificates(stand).get_certificate(name="projects/nowhere/locations/global/certificates/y")


def test_times_are_the_emulators_own(stand: Stand) -> None:
    """Creation and update stand where the seed put them, whatever the machine's clock says."""
    stand.seed("certificate", "global/api", created=timedelta(days=30), rotated=timedelta(days=2))
    found = certificates(stand).get_certificate(name=f"{stand.parent}/locations/global/certificates/api")
    assert isinstance(found.create_time, datetime)
    assert found.create_time == stand.clock.now() - timedelta(days=30)
    assert found.update_time == stand.clock.now() - timedelta(days=2)
