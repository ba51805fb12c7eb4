"""Minting for one probe: what the role gives out is let in, and it is gone when the adapter is closed."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from nhisync.clock import SystemClock
from nhisync.model import Presence
from nhisync.probes import KINDS, Order, Presented
from nhisync.probes.order import Patience
from nhisync.spi import AccessMode, ErrorKind, ProviderError
from nhisync_vault.emulator.fakedb import FakeDatabase
from nhisync_vault.emulator.pki_store import stored_serial
from nhisync_vault.emulator.pki_x509 import Subject, key_pem, make_leaf, new_key, pem, public_of
from nhisync_vault.emulator.seeding import DynamicOptions
from nhisync_vault.emulator.source_faults import AUTH_MOUNT

from .test_values_permissions_doctor import apply_policy


@pytest.fixture
def site(make_site: Any) -> Any:
    """A source that logs in for itself, under the printed policy of mode probe."""
    return make_site()


def allowed(site: Any, *wanted: Any, mode: AccessMode = AccessMode.PROBE) -> None:
    """Give nhisync's identity exactly what `nhisync permissions` prints."""
    (document,) = site.provider().permissions(mode, wanted, frozenset())
    apply_policy(site, document.text)


def database(site: Any) -> FakeDatabase:
    """The database behind the engine, which really checks passwords."""
    server = site.world.source(site.path, "vault").core.mounts["database/"].engine.server(DynamicOptions().connection)
    assert isinstance(server, FakeDatabase)
    return server


@pytest.mark.requirement("R48")
def test_a_login_is_minted_and_given_back(site: Any) -> None:
    """It opens the database while the adapter is open, and nothing of it is left afterwards."""
    role = site.seed("db-dynamic", "database/app")
    allowed(site, role)
    before = database(site).users()
    provider = site.provider()
    found = {one.field: one.value for one in provider.issue(role, site.budget())}
    assert set(found) == {"username", "password"}
    assert database(site).login(found["username"].reveal().decode(), found["password"].reveal().decode())
    assert found["password"].reveal().decode() not in repr(found)
    provider.close()
    assert database(site).users() == before


def test_without_the_line_the_very_permission_is_missed(site: Any) -> None:
    """Under the read policy nothing can be minted."""
    role = site.seed("db-dynamic", "database/app")
    with pytest.raises(ProviderError) as told:
        list(site.provider().issue(role, site.budget()))
    assert told.value.kind is ErrorKind.DENIED
    assert told.value.fact.resource.endswith("database/creds/app")


def test_a_database_that_is_down_mints_nothing(site: Any) -> None:
    """The store answers, and its issuer does not work: found before the failover."""
    role = site.seed("db-dynamic", "database/app")
    allowed(site, role)
    database(site)
    site.fault("database-down")
    with pytest.raises(ProviderError) as told:
        list(site.provider().issue(role, site.budget()))
    assert told.value.kind is ErrorKind.UNREACHABLE


LOST = ["drop-after-commit", "half-answer", "bad-gateway"]


@pytest.mark.parametrize("fault", LOST)
def test_a_login_is_never_minted_twice(site: Any, fault: str) -> None:
    """One whose answer was lost is not made again, and goes with our token, although nobody has seen it."""
    role = site.seed("db-dynamic", "database/app")
    allowed(site, role)
    before = database(site).users()
    site.fault(fault, paths=("database/creds/",))
    provider = site.provider(attempts=5)
    with pytest.raises(ProviderError):
        list(provider.issue(role, site.budget()))
    assert site.node.received.count("GET database/creds/app") == 1
    assert len(database(site).users()) == len(before) + (fault != "bad-gateway")
    provider.close()
    assert database(site).users() == before


def test_what_could_not_be_given_back_is_not_asked_for(make_site: Any) -> None:
    """A token from a file is not ours to revoke, and its logins would stay."""
    site = make_site(auth="token")
    role = site.seed("db-dynamic", "database/app")
    before = database(site).users()
    with pytest.raises(ProviderError) as told:
        list(site.provider().issue(role, site.budget()))
    assert told.value.kind is ErrorKind.UNSUPPORTED
    assert "auth.method" in told.value.fix
    assert database(site).users() == before


def test_a_batch_token_mints_nothing(site: Any) -> None:
    """Vault revokes no batch token, so that what hangs on one would stay until its own end."""
    role = site.seed("db-dynamic", "database/app")
    allowed(site, role)
    core = site.world.source(site.path, "vault").core
    with core.lock:
        view = core.view(core.mounts[f"auth/{AUTH_MOUNT}/"])
        for name in view.page("role/"):
            view.put(f"role/{name}", replace(view.get(f"role/{name}"), token_type="batch"))
        core.storage.commit()
    before = database(site).users()
    provider = site.provider()
    with pytest.raises(ProviderError) as told:
        list(provider.issue(role, site.budget()))
    provider.close()
    assert told.value.kind is ErrorKind.UNSUPPORTED
    assert "token_type" in told.value.fix
    assert database(site).users() == before


def test_other_kinds_mint_nothing(site: Any) -> None:
    """A stored secret is read, not issued."""
    with pytest.raises(ProviderError) as told:
        list(site.provider().issue(site.seed("kv", "secret/pay"), site.budget()))
    assert told.value.kind is ErrorKind.UNSUPPORTED


ROLE = "pki/role/svc/robot.example.com"


def engine(site: Any) -> Any:
    """The records of the PKI mount."""
    core = site.world.source(site.path, "vault").core
    return core.view(core.mounts["pki/"])


def serial_of(chain: bytes) -> str:
    """The leaf's serial as the engine stores it."""
    return stored_serial(x509.load_pem_x509_certificates(chain)[0].serial_number)


@contextmanager
def serving(site: Any, folder: Path) -> Iterator[tuple[str, Path]]:
    """Address of a service that lets in whom this PKI certifies, and the roots that it is known by."""
    view = engine(site)
    issuer = view.get(f"issuer/{view.get('default')}")
    key, now = new_key("ec"), site.clock.now()
    subject = Subject(common_name="localhost", dns=("localhost",), addresses=("127.0.0.1",))
    made = make_leaf(
        subject, public_of(key), issuer.authority(), serial=7, start=now - timedelta(hours=1),
        end=now + timedelta(days=1),
    )  # fmt: skip
    (folder / "roots.pem").write_text(pem(issuer.certificate))
    (folder / "server.pem").write_text(f"{pem(made)}\n{key_pem(key)}\n")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "roots.pem"))
    context.load_cert_chain(str(folder / "server.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_served, args=(listener, context), daemon=True)
        thread.start()
        yield f"localhost:{listener.getsockname()[1]}", folder / "roots.pem"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def _served(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            channel, _ = listener.accept()
        except OSError:
            return
        with suppress(OSError), context.wrap_socket(channel, server_side=True) as speaking:
            speaking.recv(4096)
            speaking.sendall(b"HTTP/1.0 200 OK\r\n\r\n")


@pytest.fixture
def today(make_site: Any) -> Any:
    """A site whose clock is the machine's: TLS believes no other."""
    site = make_site()
    site.clock.jump(SystemClock().now() - site.clock.now())
    return site


@pytest.mark.requirement("R48", "R22")
@pytest.mark.parametrize("key_type", ["ec", "rsa", "ed25519", "any"])
def test_a_certificate_is_signed_let_in_and_revoked(today: Any, tmp_path: Path, key_type: str) -> None:
    """The key never leaves this side, the service judges the certificate, and nothing of it lasts."""
    role = today.seed("pki", ROLE, key_type=key_type)
    allowed(today, role)
    provider = today.provider()
    found = {one.field: one.value for one in provider.issue(role, today.budget())}
    assert set(found) == {"certificate", "private_key"}
    leaf = x509.load_pem_x509_certificates(found["certificate"].reveal())[0]
    assert leaf.not_valid_after_utc - today.clock.now() <= timedelta(seconds=121)
    with serving(today, tmp_path) as (address, roots):
        order = Order(target=address, auth="client-certificate", ca_file=roots)
        shown = KINDS["tls"](
            order,
            Presented("", None, found["certificate"], found["private_key"]),
            Patience(SystemClock(), 20),
        )
    assert (shown.depth, shown.accepted) == ("auth", True), shown.error
    view, serial = engine(today), serial_of(found["certificate"].reveal())
    assert view.get(f"revoked/{serial}") is None
    provider.close()
    provider.close()
    assert view.get(f"revoked/{serial}") is not None


def test_what_a_role_does_not_store_is_revoked_too(site: Any) -> None:
    """The engine is shown the certificate, because it kept none."""
    role = site.seed("pki", ROLE, no_store=True)
    allowed(site, role)
    provider = site.provider()
    (chain,) = [one.value.reveal() for one in provider.issue(role, site.budget()) if one.field == "certificate"]
    assert engine(site).get(f"cert/{serial_of(chain)}") is None
    provider.close()
    assert engine(site).get(f"revoked/{serial_of(chain)}") is not None


def test_a_token_of_a_file_may_have_one_signed(make_site: Any) -> None:
    """A certificate is revoked by itself; it hangs on no token."""
    site = make_site(auth="token")
    role = site.seed("pki", ROLE)
    allowed(site, role)
    provider = site.provider()
    (chain,) = [one.value.reveal() for one in provider.issue(role, site.budget()) if one.field == "certificate"]
    provider.close()
    assert engine(site).get(f"revoked/{serial_of(chain)}") is not None


@pytest.mark.parametrize("fault", LOST)
def test_a_certificate_is_never_signed_twice(site: Any, fault: str) -> None:
    """One whose answer was lost ends by itself after two minutes; it is not asked for again."""
    role = site.seed("pki", ROLE)
    allowed(site, role)
    site.fault(fault, paths=("pki/sign/",))
    with pytest.raises(ProviderError):
        list(site.provider(attempts=5).issue(role, site.budget()))
    assert site.node.received.count("POST pki/sign/svc") == 1


def test_a_role_that_is_not_there_signs_nothing(site: Any) -> None:
    """Told as absent, not as refused."""
    role = site.seed("pki", ROLE)
    allowed(site, role)
    view = engine(site)
    view.delete("role/svc")
    with pytest.raises(ProviderError) as told:
        list(site.provider().issue(role, site.budget()))
    assert told.value.kind is ErrorKind.NOT_FOUND


def test_an_issuer_without_its_key_signs_nothing(site: Any) -> None:
    """The role is there, and what it signs with is elsewhere: nobody was judged."""
    role = site.seed("pki", ROLE)
    allowed(site, role)
    view = engine(site)
    name = f"issuer/{view.get('default')}"
    view.put(name, replace(view.get(name), key=None))
    with pytest.raises(ProviderError) as told:
        list(site.provider().issue(role, site.budget()))
    assert told.value.kind is ErrorKind.UNREACHABLE


def test_without_its_line_the_role_signs_nothing(site: Any) -> None:
    """Under no policy of mode probe the missing permission is named."""
    role = site.seed("pki", ROLE)
    with pytest.raises(ProviderError) as told:
        list(site.provider().issue(role, site.budget()))
    assert told.value.kind is ErrorKind.DENIED


@pytest.mark.parametrize(("key_type", "bits"), [("rsa", 1_000_000_000), ("rsa", 10**30), ("rsa", 1024), ("ec", True)])
def test_a_key_that_nobody_could_make_is_not_made(site: Any, key_type: str, bits: int) -> None:
    """The server's word alone keeps no processor busy for ever: only sizes that an engine knows are made."""
    role = site.seed("pki", ROLE)
    allowed(site, role)
    view = engine(site)
    view.put("role/svc", replace(view.get("role/svc"), key_type=key_type, key_bits=bits))
    with pytest.raises(ProviderError) as told:
        list(site.provider().issue(role, site.budget()))
    assert told.value.kind is ErrorKind.UNSUPPORTED


@pytest.mark.parametrize("name", ["pki/cn/api.example.com", "pki/issuer/web"])
def test_a_certificate_names_no_role_that_would_sign(site: Any, name: str) -> None:
    """Nothing is guessed: the reader is told how to name a role."""
    with pytest.raises(ProviderError) as told:
        list(site.provider().issue(site.seed("pki", name), site.budget()))
    assert told.value.kind is ErrorKind.UNSUPPORTED
    assert "pki/pki/role/<role>/<common name>" in told.value.fix


def test_a_role_is_an_item_with_its_issuer(site: Any) -> None:
    """What can be signed is inventoried where a pair names it; a role that is gone is absent."""
    role = site.seed("pki", ROLE)
    allowed(site, role, mode=AccessMode.READ)
    item = site.observe(role)[role]
    assert [one.kind for one in item.dependencies] == ["issuer"]
    engine(site).delete("role/svc")
    assert site.observe(role)[role].presence is Presence.ABSENT
