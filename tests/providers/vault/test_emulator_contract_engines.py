"""Database, PKI, transit and LDAP: what hvac sees of rotation, leases, certificates and key versions."""

from datetime import timedelta
from typing import Any

import hvac.exceptions
import pytest
from cryptography import x509

from nhisync_vault.emulator.database import DatabaseEngine
from nhisync_vault.emulator.fakedb import FakeDatabase


@pytest.fixture
def database(emulated: Any) -> tuple[str, FakeDatabase]:
    """A database mount with one connection, and the server behind it."""
    mount = emulated.mount("database")
    emulated.root.secrets.database.configure(
        "pg",
        plugin_name="postgresql-database-plugin",
        allowed_roles=["*"],
        connection_url="postgresql://root:canary@db:5432/app",
        username="root",
        password="canary",
        mount_point=mount,
    )
    engine = emulated.core.mounts[f"{mount}/"].engine
    assert isinstance(engine, DatabaseEngine)
    server = engine.server("pg")
    assert isinstance(server, FakeDatabase)
    return mount, server


def static_role(emulated: Any, mount: str, name: str = "ro", period: int = 3600) -> dict[str, Any]:
    """Create a static role and read it back."""
    api = emulated.root.secrets.database
    api.create_static_role(
        name, db_name="pg", username=f"{name}-user", rotation_statements=[], rotation_period=period, mount_point=mount
    )
    return dict(api.read_static_role(name, mount_point=mount)["data"])


def creds(emulated: Any, mount: str, name: str = "ro") -> dict[str, Any]:
    """Read a static role's credentials."""
    return dict(emulated.root.secrets.database.get_static_credentials(name, mount_point=mount)["data"])


def test_a_config_never_shows_its_password(emulated: Any, database: Any) -> None:
    """The connection URL is redacted and the password is missing."""
    answer = emulated.raw("GET", f"{database[0]}/config/pg")
    assert answer.json()["data"]["connection_details"]["username"] == "root"
    assert "canary" not in answer.text


def test_creating_a_static_role_rotates_at_once(emulated: Any, database: Any, clock: Any) -> None:
    """The role shows the first rotation, and the password it gives really logs in."""
    mount, server = database
    role = static_role(emulated, mount)
    assert role["last_vault_rotation"] == "2026-11-23T03:12:09Z"
    assert role["rotation_period"] == 3600
    shown = creds(emulated, mount)
    assert shown["ttl"] == 3600
    assert server.login("ro-user", shown["password"])


def test_the_queue_rotates_when_a_period_has_passed(emulated: Any, database: Any, clock: Any) -> None:
    """After each period the password is another one, and only the new one logs in."""
    mount, server = database
    static_role(emulated, mount)
    old = creds(emulated, mount)["password"]
    clock.advance(timedelta(hours=2, minutes=30))
    new = creds(emulated, mount)
    assert new["last_vault_rotation"] == "2026-11-23T05:12:09Z"
    assert not server.login("ro-user", old)
    assert server.login("ro-user", new["password"])


def test_a_failing_rotation_keeps_a_wal_and_is_retried(emulated: Any, database: Any, clock: Any) -> None:
    """A refused change is a 500 that promises retries; the retry uses the password of the WAL."""
    mount, server = database
    static_role(emulated, mount)
    before = creds(emulated, mount)
    server.refusal = "the database is in recovery"
    clock.advance(timedelta(minutes=1))
    with pytest.raises(hvac.exceptions.InternalServerError, match="retries will continue in the background"):
        emulated.root.secrets.database.rotate_static_role_credentials("ro", mount_point=mount)
    assert creds(emulated, mount)["last_vault_rotation"] == before["last_vault_rotation"]
    server.refusal = None
    clock.advance(timedelta(seconds=9))
    assert creds(emulated, mount)["password"] == before["password"]
    clock.advance(timedelta(seconds=6))
    after = creds(emulated, mount)
    assert after["password"] != before["password"]
    assert server.login("ro-user", after["password"])


def test_a_manual_rotation_moves_the_time(emulated: Any, database: Any, clock: Any) -> None:
    """rotate-role answers 204 and last_vault_rotation moves; an unknown role is a 400."""
    mount, _ = database
    static_role(emulated, mount)
    clock.advance(timedelta(minutes=5))
    assert emulated.raw("POST", f"{mount}/rotate-role/ro").status_code == 204
    assert creds(emulated, mount)["last_vault_rotation"] == "2026-11-23T03:17:09Z"
    unknown = emulated.raw("POST", f"{mount}/rotate-role/none")
    assert (unknown.status_code, unknown.json()["errors"]) == (400, ["no static role found for role name"])


def test_static_roles_are_checked_when_they_are_made(emulated: Any, database: Any) -> None:
    """Too short a period, a missing username, and a clash with a dynamic role are 400."""
    mount, _ = database
    path = f"{mount}/static-roles/r"
    short = emulated.raw("POST", path, json={"db_name": "pg", "username": "u", "rotation_period": 4})
    assert "rotation_period must be 5 seconds or more" in short.text
    assert "username is a required field" in emulated.raw("POST", path, json={"db_name": "pg"}).text
    emulated.raw("POST", f"{mount}/roles/r", json={"db_name": "pg", "creation_statements": ["x"]})
    clash = emulated.raw("POST", path, json={"db_name": "pg", "username": "u", "rotation_period": 60})
    assert "names must be unique" in clash.text


def test_dynamic_credentials_are_leased_and_revoked(emulated: Any, database: Any, clock: Any) -> None:
    """Reading creds mints a login with a lease; revoking or outliving the lease drops the login."""
    mount, server = database
    emulated.root.secrets.database.create_role(
        "app", db_name="pg", creation_statements=["x"], default_ttl="1h", max_ttl="2h", mount_point=mount
    )
    first = emulated.root.secrets.database.generate_credentials("app", mount_point=mount)
    assert first["lease_duration"] == 3600
    assert server.login(first["data"]["username"], first["data"]["password"])
    looked = emulated.raw("PUT", "sys/leases/lookup", json={"lease_id": first["lease_id"]}).json()["data"]
    assert looked["expire_time"] == "2026-11-23T04:12:09Z"
    emulated.root.sys.revoke_lease(first["lease_id"])
    assert not server.login(first["data"]["username"], first["data"]["password"])
    second = emulated.root.secrets.database.generate_credentials("app", mount_point=mount)
    clock.advance(timedelta(minutes=50))
    assert emulated.root.sys.renew_lease(second["lease_id"], increment=7200)["lease_duration"] == 70 * 60
    clock.advance(timedelta(minutes=71))
    emulated.raw("GET", "sys/mounts")
    assert server.users() == []


def test_a_lease_that_cannot_be_revoked_says_why(emulated: Any, database: Any) -> None:
    """When the target refuses, the lease stays with revoke_error."""
    mount, server = database
    emulated.root.secrets.database.create_role("app", db_name="pg", creation_statements=["x"], mount_point=mount)
    lease = emulated.root.secrets.database.generate_credentials("app", mount_point=mount)["lease_id"]
    server.refusal = "connection refused"
    emulated.raw("PUT", "sys/leases/revoke", json={"lease_id": lease, "sync": True})
    looked = emulated.raw("PUT", "sys/leases/lookup", json={"lease_id": lease}).json()["data"]
    assert looked["revoke_error"] == "connection refused"


def test_root_rotation_hides_the_new_password(emulated: Any, database: Any) -> None:
    """rotate-root answers 204 and the old root password no longer logs in."""
    mount, server = database
    server.set_password("root", "canary")
    assert emulated.raw("POST", f"{mount}/rotate-root/pg").status_code == 204
    assert not server.login("root", "canary")


def make_pki(server: Any) -> str:
    """Mount a PKI with a root and one role, ``web``."""
    mount: str = server.mount("pki")
    api = server.root.secrets.pki
    api.generate_root(
        "internal", "Example Root", extra_params={"key_type": "ec", "issuer_name": "root-1"}, mount_point=mount
    )
    api.create_or_update_role(
        "web",
        extra_params={
            "allowed_domains": ["example.com"],
            "allow_subdomains": True,
            "key_type": "ec",
            "key_bits": 256,
            "ttl": "24h",
        },
        mount_point=mount,
    )
    return mount


@pytest.fixture
def pki(server: Any) -> str:
    """A PKI mount with a root and one role, ``web``."""
    return make_pki(server)


def test_issued_certificates_chain_to_the_issuer(server: Any, pki: str) -> None:
    """A leaf verifies against the issuer, and its serial is colon hex."""
    data = server.root.secrets.pki.generate_certificate("web", "api.example.com", mount_point=pki)["data"]
    leaf = x509.load_pem_x509_certificate(data["certificate"].encode())
    issuer = x509.load_pem_x509_certificate(data["issuing_ca"].encode())
    leaf.verify_directly_issued_by(issuer)
    assert int(data["serial_number"].replace(":", ""), 16) == leaf.serial_number
    assert data["private_key_type"] == "ec"


def test_a_role_refuses_other_names(server: Any, pki: str) -> None:
    """A name outside the role is a 400."""
    with pytest.raises(hvac.exceptions.InvalidRequest):
        server.root.secrets.pki.generate_certificate("web", "api.example.org", mount_point=pki)


def test_certificates_are_listed_read_and_revoked(server: Any, pki: str) -> None:
    """Lists name serials; reading needs no token; revoking sets the time and lists the serial as revoked."""
    serial = server.root.secrets.pki.generate_certificate("web", "api.example.com", mount_point=pki)["data"][
        "serial_number"
    ]
    assert serial in server.root.secrets.pki.list_certificates(mount_point=pki)["data"]["keys"]
    before = server.raw("GET", f"{pki}/cert/{serial}", token="").json()["data"]
    assert before["revocation_time"] == 0
    revoked = server.root.secrets.pki.revoke_certificate(serial, mount_point=pki)["data"]
    assert revoked["state"] == "revoked"
    assert server.raw("GET", f"{pki}/cert/{serial}", token="").json()["data"]["revocation_time"] > 0
    assert serial in server.raw("LIST", f"{pki}/certs/revoked").json()["data"]["keys"]
    unknown = server.raw("POST", f"{pki}/revoke", json={"serial_number": "11:22"})
    assert (unknown.status_code, "not found" in unknown.text) == (400, True)


def test_openbao_lists_certificates_in_detail(openbao: Any) -> None:
    """certs/detailed names the common name and the dates per serial."""
    pki = make_pki(openbao)
    made = openbao.root.secrets.pki.generate_certificate("web", "api.example.com", mount_point=pki)["data"]
    data = openbao.raw("LIST", f"{pki}/certs/detailed").json()["data"]
    assert data["key_info"][made["serial_number"]]["common_name"] == "api.example.com"


def test_openbao_pages_certificates_by_the_hyphen_form(openbao: Any) -> None:
    """After is compared with serials written with hyphens, although the list prints colons."""
    pki = make_pki(openbao)
    for _ in range(3):
        openbao.root.secrets.pki.generate_certificate("web", "api.example.com", mount_point=pki)
    everything = openbao.raw("LIST", f"{pki}/certs").json()["data"]["keys"]
    after = everything[0].replace(":", "-")
    assert openbao.raw("LIST", f"{pki}/certs?after={after}").json()["data"]["keys"] == everything[1:]


def test_issuers_are_listed_and_read_without_a_token(server: Any, pki: str) -> None:
    """Issuers and issuer/ref/json are public; config/issuers names the default."""
    listed = server.raw("LIST", f"{pki}/issuers", token="").json()["data"]
    issuer = listed["keys"][0]
    assert listed["key_info"][issuer]["issuer_name"] == "root-1"
    assert server.raw("GET", f"{pki}/config/issuers").json()["data"]["default"] == issuer
    by_name = server.raw("GET", f"{pki}/issuer/root-1/json", token="").json()["data"]
    assert by_name["issuer_id"] == issuer
    assert x509.load_pem_x509_certificate(by_name["certificate"].encode()).subject.rfc4514_string() == "CN=Example Root"
    assert server.raw("GET", f"{pki}/issuer/{issuer}").json()["data"]["revoked"] is False


def test_a_second_root_stands_beside_the_first(server: Any, pki: str) -> None:
    """root/rotate adds an issuer and leaves the default alone."""
    default = server.raw("GET", f"{pki}/config/issuers").json()["data"]["default"]
    body = {"common_name": "Example Root 2", "key_type": "ec", "issuer_name": "root-2"}
    made = server.raw("POST", f"{pki}/root/rotate/internal", json=body).json()["data"]
    assert made["issuer_id"] != default
    assert len(server.raw("LIST", f"{pki}/issuers").json()["data"]["keys"]) == 2
    assert server.raw("GET", f"{pki}/config/issuers").json()["data"]["default"] == default


def test_signing_keeps_the_callers_key(server: Any, pki: str) -> None:
    """Sign answers with a certificate for the CSR's own public key, and no private key."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api.example.com")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = csr.public_bytes(serialization.Encoding.PEM).decode()
    data = server.root.secrets.pki.sign_certificate("web", pem, "api.example.com", mount_point=pki)["data"]
    assert "private_key" not in data
    assert x509.load_pem_x509_certificate(data["certificate"].encode()).public_key() == key.public_key()


def test_no_store_certificates_are_invisible(server: Any, pki: str) -> None:
    """A role with no_store issues certificates that no list shows and that a revocation does not find."""
    server.root.secrets.pki.create_or_update_role(
        "ghost",
        extra_params={"allow_any_name": True, "key_type": "ec", "key_bits": 256, "no_store": True, "ttl": "1h"},
        mount_point=pki,
    )
    serial = server.root.secrets.pki.generate_certificate("ghost", "x.example.com", mount_point=pki)["data"][
        "serial_number"
    ]
    assert serial not in server.root.secrets.pki.list_certificates(mount_point=pki)["data"]["keys"]
    assert server.raw("GET", f"{pki}/cert/{serial}").status_code == 404


def test_transit_keys_show_their_versions(server: Any) -> None:
    """Symmetric keys map versions to Unix seconds; a rotation adds a version."""
    mount = server.mount("transit")
    api = server.root.secrets.transit
    api.create_key("pay", mount_point=mount)
    api.rotate_key("pay", mount_point=mount)
    data = api.read_key("pay", mount_point=mount)["data"]
    assert data["latest_version"] == 2
    assert sorted(data["keys"]) == ["1", "2"]
    assert isinstance(data["keys"]["2"], int)
    assert data["exportable"] is False
    assert api.list_keys(mount_point=mount)["data"]["keys"] == ["pay"]
    assert server.raw("GET", f"{mount}/keys/none").status_code == 404


def test_asymmetric_transit_keys_show_public_keys(server: Any) -> None:
    """Asymmetric keys map versions to objects with creation_time and public key."""
    mount = server.mount("transit")
    server.root.secrets.transit.create_key("sig", key_type="ecdsa-p256", mount_point=mount)
    version = server.root.secrets.transit.read_key("sig", mount_point=mount)["data"]["keys"]["1"]
    assert version["public_key"].startswith("-----BEGIN PUBLIC KEY-----")
    assert version["creation_time"]


def test_transit_keys_rotate_by_themselves(emulated: Any, clock: Any) -> None:
    """auto_rotate_period adds versions as time passes."""
    mount = emulated.mount("transit")
    emulated.raw("POST", f"{mount}/keys/pay", json={"auto_rotate_period": "24h"})
    clock.advance(timedelta(hours=49))
    assert emulated.root.secrets.transit.read_key("pay", mount_point=mount)["data"]["latest_version"] == 3


def test_ldap_static_roles_rotate(emulated: Any, clock: Any) -> None:
    """A static role shows username, period and last rotation, and the queue rotates it."""
    mount = emulated.mount("ldap")
    body = {"username": "svc-pay", "dn": "cn=svc-pay,dc=example", "rotation_period": "1h"}
    emulated.raw("POST", f"{mount}/static-role/pay", json=body)
    clock.advance(timedelta(hours=1, minutes=1))
    data = emulated.raw("GET", f"{mount}/static-role/pay").json()["data"]
    assert data["last_vault_rotation"] == "2026-11-23T04:12:09Z"
    assert data["username"] == "svc-pay"
    assert emulated.raw("LIST", f"{mount}/static-role").json()["data"]["keys"] == ["pay"]
