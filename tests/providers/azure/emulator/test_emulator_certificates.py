"""Certificates of Key Vault as the real SDK sees them: operations, issuers, twins, renewal."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.keyvault.certificates import (
    CertificateOperation,
    CertificatePolicy,
    KeyVaultCertificate,
    LifetimeAction,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from nhisync.testing.world import Seed

from .conftest import code_of, fresh


def policy(issuer: str = "Self", **more: Any) -> CertificatePolicy:
    """An EC certificate for one name."""
    facts = {"subject": "CN=pay.example", "san_dns_names": ["pay.example", "www.pay.example"], "key_type": "EC"}
    return CertificatePolicy(issuer, **{**facts, "key_curve_name": "P-256", "validity_in_months": 3, **more})


def create(cloud: Any, name: str, wanted: CertificatePolicy, **more: Any) -> Any:
    """Begin a certificate and wait for what the poller makes of it."""
    poller = cloud.certificates.begin_create_certificate(name, wanted, _polling_interval=cloud.polls, **more)
    return poller.result()


def signed(csr: bytes, *, other_key: bool = False) -> bytes:
    """A certificate for a signing request, from a CA that the vault does not know; PEM as the SDK merges it."""
    request, key = x509.load_der_x509_csr(csr), ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(request.subject)
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "somebody's CA")]))
        .public_key(key.public_key() if other_key else request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.DER)


def test_a_self_signed_certificate_comes_after_a_while(cloud: Any) -> None:
    """The creation is an operation that completes at a later look; the version holds certificate and policy."""
    name = fresh("self")
    poller = cloud.certificates.begin_create_certificate(name, policy(), _polling_interval=cloud.polls, tags={"a": "1"})
    made = poller.result()
    assert isinstance(made, KeyVaultCertificate)
    parsed = x509.load_der_x509_certificate(bytes(made.cer))
    assert parsed.subject.rfc4514_string() == "CN=pay.example"
    assert parsed.issuer == parsed.subject
    assert made.properties.x509_thumbprint == parsed.fingerprint(hashes.SHA1())
    assert (made.properties.expires_on - parsed.not_valid_after_utc) == timedelta()
    assert (made.policy.issuer_name, made.policy.validity_in_months, made.properties.tags) == ("Self", 3, {"a": "1"})
    operation = cloud.certificates.get_certificate_operation(name)
    assert (operation.status, operation.issuer_name) == ("completed", "Self")


def test_a_certificate_is_also_a_key_and_a_secret_of_one_name_and_version(cloud: Any) -> None:
    """The twins are managed, share the version, and the secret's value holds the private key."""
    name = fresh("twins")
    made = create(cloud, name, policy(exportable=True))
    version = made.properties.version
    key = next(row for row in cloud.keys.list_properties_of_keys() if row.name == name)
    row = next(row for row in cloud.secrets.list_properties_of_secrets() if row.name == name)
    assert key.managed
    assert row.content_type == "application/x-pkcs12"
    secret = cloud.secrets.get_secret(name)
    assert secret.properties.version == cloud.keys.get_key(name).properties.version == version
    private, certificate, _ = pkcs12.load_key_and_certificates(base64.b64decode(secret.value), None)
    assert certificate is not None
    assert private is not None
    assert certificate.public_bytes(serialization.Encoding.DER) == bytes(made.cer)
    assert made.secret_id.endswith(f"/secrets/{name}/{version}")
    assert made.key_id.endswith(f"/keys/{name}/{version}")


def test_an_unknown_issuer_leaves_a_request_to_be_merged(cloud: Any) -> None:
    """Issuer Unknown: the operation waits with a CSR; only a certificate for that key completes it."""
    name = fresh("csr")
    operation = create(cloud, name, policy("Unknown"))
    assert isinstance(operation, CertificateOperation)
    assert (operation.status, operation.issuer_name) == ("inProgress", "Unknown")
    with pytest.raises(HttpResponseError) as refused:
        cloud.certificates.merge_certificate(name, [signed(operation.csr, other_key=True)])
    assert refused.value.status_code == 400
    made = cloud.certificates.merge_certificate(name, [signed(operation.csr)])
    assert made.properties.version
    assert cloud.certificates.get_certificate_operation(name).status == "completed"


def test_one_operation_at_a_time(cloud: Any) -> None:
    """A second creation while one waits is a 409; cancelling and deleting the operation makes room."""
    name = fresh("busy")
    create(cloud, name, policy("Unknown"))
    with pytest.raises(ResourceExistsError):
        create(cloud, name, policy("Unknown"))
    assert cloud.certificates.cancel_certificate_operation(name).cancellation_requested
    cloud.certificates.delete_certificate_operation(name)
    with pytest.raises(ResourceNotFoundError):
        cloud.certificates.get_certificate_operation(name)
    assert create(cloud, name, policy()).properties.version


def test_an_issuer_that_fails_ends_the_operation(cloud: Any) -> None:
    """An order at an authority that refuses ends in status failed, with an error and without a version."""
    name, issuer = fresh("failed"), fresh("ca")
    cloud.certificates.create_issuer(issuer, "Test", account_id="a", password="b", enabled=False)
    assert issuer in {row.name for row in cloud.certificates.list_properties_of_issuers()}
    result = create(cloud, name, policy(issuer))
    assert isinstance(result, CertificateOperation)
    assert result.status == "failed"
    with pytest.raises(ResourceNotFoundError):
        cloud.certificates.get_certificate(name)
    cloud.certificates.delete_issuer(issuer)


def test_versions_policy_and_attributes(cloud: Any) -> None:
    """A second creation adds a version; disabling one leaves the other; the policy can be changed alone."""
    name = fresh("again")
    first = create(cloud, name, policy()).properties.version
    second = create(cloud, name, cloud.certificates.get_certificate_policy(name)).properties.version
    assert {row.version for row in cloud.certificates.list_properties_of_certificate_versions(name)} == {first, second}
    cloud.certificates.update_certificate_properties(name, first, enabled=False)
    assert cloud.certificates.get_certificate_version(name, first).properties.enabled is False
    with pytest.raises(HttpResponseError) as refused:
        cloud.secrets.get_secret(name, first)
    assert code_of(refused.value)[2] == "SecretDisabled"
    changed = policy(lifetime_actions=[LifetimeAction("EmailContacts", days_before_expiry=30)])
    cloud.certificates.update_certificate_policy(name, changed)
    action = cloud.certificates.get_certificate_policy(name).lifetime_actions[0]
    assert (str(action.action.value), action.days_before_expiry) == ("EmailContacts", 30)


def test_deletion_takes_the_twins_along(cloud: Any) -> None:
    """A deleted certificate is gone with key and secret, and all three come back."""
    name = fresh("gone")
    create(cloud, name, policy())
    cloud.certificates.begin_delete_certificate(name, _polling_interval=cloud.polls).wait()
    for read in (cloud.certificates.get_certificate, cloud.keys.get_key, cloud.secrets.get_secret):
        with pytest.raises(ResourceNotFoundError):
            read(name)
    assert name in {row.name for row in cloud.certificates.list_deleted_certificates()}
    cloud.certificates.begin_recover_deleted_certificate(name, _polling_interval=cloud.polls).wait()
    assert cloud.secrets.get_secret(name).value
    assert cloud.keys.get_key(name).key.crv == "P-256"


def test_a_twin_is_not_changed_by_itself(site: Any) -> None:
    """The secret of a certificate is neither set nor deleted through the secrets API."""
    create(site, "own", policy())
    for change in (lambda: site.secrets.set_secret("own", "v"), lambda: site.secrets.begin_delete_secret("own")):
        with pytest.raises(HttpResponseError) as refused:
            change()
        assert refused.value.status_code == 403


def test_a_plain_secret_blocks_the_name(site: Any) -> None:
    """A certificate cannot take the name of a secret that stands by itself."""
    site.secrets.set_secret("taken", "v")
    with pytest.raises(ResourceExistsError):
        create(site, "taken", policy())


def test_waiting_certificates_are_listed_only_on_demand(site: Any) -> None:
    """A certificate without a version yet is listed with include_pending, else not."""
    create(site, "waiting", policy("Unknown"))
    assert [row.name for row in site.certificates.list_properties_of_certificates()] == []
    rows = list(site.certificates.list_properties_of_certificates(include_pending=True))
    assert [(row.name, row.enabled, row.x509_thumbprint) for row in rows] == [("waiting", False, None)]


def test_an_integrated_issuer_signs_with_its_own_ca(site: Any) -> None:
    """Two vaults that order from one provider get certificates of one authority, each with its own key."""
    site.certificates.create_issuer("shop", "DigiCert", account_id="a", password="b")
    made = create(site, "bought", policy("shop"))
    parsed = x509.load_der_x509_certificate(bytes(made.cer))
    assert parsed.issuer != parsed.subject
    assert "DigiCert" in parsed.issuer.rfc4514_string()
    issuer = site.certificates.get_issuer("shop")
    assert (issuer.provider, issuer.account_id) == ("DigiCert", "a")


def test_the_vault_renews_by_itself_when_the_trigger_is_reached(site: Any, world: Any, clock: Any) -> None:
    """AutoRenew makes a new version at its share of the lifetime; EmailContacts never does."""
    for name, action in (("auto", "AutoRenew"), ("mail", "EmailContacts")):
        options = {"action": action, "lifetime_percentage": 50, "validity_months": 6}
        seed = Seed(kind="certificate", name=name, rotated=None, created=timedelta(days=1), options=options)
        world.seed("primary", "azure", seed)
    before = {name: site.certificates.get_certificate(name).properties.version for name in ("auto", "mail")}
    clock.advance(timedelta(days=190))
    assert site.certificates.get_certificate("auto").properties.version != before["auto"]
    assert site.certificates.get_certificate("mail").properties.version == before["mail"]
    renewed = site.certificates.get_certificate("auto").properties
    assert timedelta(days=1) < clock.now() - renewed.created_on < timedelta(days=60)
    versions = list(site.certificates.list_properties_of_certificate_versions("auto"))
    assert len(versions) == 2


def test_a_vault_without_the_issuer_does_not_renew(site: Any, world: Any, clock: Any) -> None:
    """AutoRenew of an integrated issuer needs that issuer in this vault; without it the certificate just expires."""
    for name, there in (("with", True), ("without", False)):
        options = {"issuer": f"Ca{name}", "issuer_exists": there, "lifetime_percentage": 50}
        world.seed(
            "primary", "azure", Seed(kind="certificate", name=name, expires=timedelta(days=100), options=options)
        )
    before = {name: site.certificates.get_certificate(name).properties.version for name in ("with", "without")}
    clock.advance(timedelta(days=99))
    assert site.certificates.get_certificate("with").properties.version != before["with"]
    assert site.certificates.get_certificate("without").properties.version == before["without"]


def test_an_operation_ends_though_nobody_looks(site: Any, clock: Any) -> None:
    """A client that died after the creation finds the finished version later."""
    site.certificates.begin_create_certificate("orphan", policy(), _polling_interval=0)
    clock.advance(timedelta(minutes=2))
    assert len(list(site.certificates.list_properties_of_certificate_versions("orphan"))) == 1


def test_reuse_key_keeps_the_public_key(site: Any) -> None:
    """With reuse_key the next version has the same key, else another."""
    for reuse in (True, False):
        name = f"reuse-{reuse}".lower()
        keys = set()
        for _ in range(2):
            made = create(site, name, policy(reuse_key=reuse))
            public = x509.load_der_x509_certificate(bytes(made.cer)).public_key()
            spki = serialization.PublicFormat.SubjectPublicKeyInfo
            keys.add(public.public_bytes(serialization.Encoding.DER, spki))
        assert len(keys) == (1 if reuse else 2)
