"""The provider ``acme`` against a real ACME server: Debian's Pebble, or the one that NHISYNC_PEBBLE_URL names.

Debian 12 has Pebble 2.4.0, which knows no renewal information (RFC 9773); newer ones do. What the server offers decides
what must hold.
"""

import contextlib
import json
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from acme import challenges, client, crypto_util, messages
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from nhisync.clock import SystemClock, SystemRandomness
from nhisync.spi import (
    AccessMode,
    Budget,
    CheckState,
    CredentialState,
    InventoryRequest,
    Locator,
    Presence,
    SourceContext,
)
from nhisync_acme import AcmeProvider
from nhisync_acme.settings import AcmeSettings
from nhisync_tls.emulator.pki import Shape, issue, pem

from .conftest import TOOK_PART, Private, program, until, unused_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

URL, CA = "NHISYNC_PEBBLE_URL", "NHISYNC_PEBBLE_CA"
PEM = serialization.Encoding.PEM


class Pebble:
    """A running ACME server that validates nothing, and a registered client of it."""

    def __init__(self, folder: Path, directory: str, ca_file: Path) -> None:
        self.folder, self.directory, self.ca_file = folder, directory, ca_file
        self.key = ec.generate_private_key(ec.SECP256R1())
        secret = self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / "account.key").touch(mode=0o600)
        (folder / "account.key").write_bytes(secret)
        self.net = client.ClientNetwork(JWKEC(key=self.key), alg=ES256, verify_ssl=str(ca_file))  # type: ignore[arg-type]
        self.client = client.ClientV2(client.ClientV2.get_directory(directory, self.net), self.net)
        self.renewal = "renewalInfo" in self.client.directory.to_partial_json()

    def register(self) -> messages.RegistrationResource:
        """An account for the key."""
        return self.client.new_account(messages.NewRegistration.from_data(terms_of_service_agreed=True))

    def certificate(self, name: str) -> str:
        """Order, validate and fetch a certificate, as every ACME client does; returns its chain."""
        key = ec.generate_private_key(ec.SECP256R1())
        secret = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        order = self.client.new_order(crypto_util.make_csr(secret, domains=[name]))
        for authorization in order.authorizations:
            challenge = next(one for one in authorization.body.challenges if isinstance(one.chall, challenges.HTTP01))
            self.client.answer_challenge(challenge, challenge.chall.response(self.net.key))
        return str(self.client.poll_and_finalize(order).fullchain_pem)

    def adapter(self, **more: Any) -> AcmeProvider:
        """On this server, with the account's key."""
        document = {
            "provider": "acme",
            "directory": self.directory,
            "ca_file": str(self.ca_file),
            "account_key_file": "account.key",
            "profile": "private",
            "issuer_region": "eu-north-1",
        }
        context = SourceContext(
            path="backup",
            source="ca",
            region=None,
            base=self.folder,
            clock=SystemClock(),
            randomness=SystemRandomness(),
        )
        return AcmeProvider(AcmeSettings.model_validate({**document, **more}), context)

    def look(self, *names: str) -> list[Any]:
        """What is said of these items."""
        wanted = tuple(Locator.parse(f"ca:{name}") for name in names)
        with contextlib.closing(self.adapter()) as adapter:
            return list(adapter.inventory(InventoryRequest(budget=budget(), wanted=wanted)))


def budget() -> Budget:
    """Of one cycle."""
    return Budget(SystemClock(), seconds=60)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Directory URL and CA file of a running server."""
    if named := os.environ.get(URL):
        TOOK_PART["ACME server"] = named
        yield named, Path(os.environ[CA])
        return
    found = program("pebble", "pebble")
    now, port = SystemClock().now(), unused_port()
    span = {"not_before": now - timedelta(hours=1), "not_after": now + timedelta(days=9)}
    root = issue(Shape(subject="pebble root", is_ca=True, **span))
    leaf = issue(Shape(subject="pebble", names=("127.0.0.1",), usages=("server_auth",), **span), root)
    private = Private("pebble")
    try:
        certificate = private.write("cert.pem", pem(leaf.certificate).decode())
        key = private.write("key.pem", leaf.key_pem().decode())
        settings = {
            "listenAddress": f"127.0.0.1:{port}",
            "managementListenAddress": f"127.0.0.1:{unused_port()}",
            "certificate": str(certificate),
            "privateKey": str(key),
            "httpPort": 5002,
            "tlsPort": 5001,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
        config = private.write("config.json", json.dumps({"pebble": settings}))
        ca_file = tmp_path_factory.mktemp("pebble") / "ca.pem"
        ca_file.write_bytes(pem(root.certificate))
        # By itself Pebble refuses 5 % of good nonces, and the library repeats a request only once.
        told = ("PEBBLE_VA_ALWAYS_VALID=1", "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
        private.start("/usr/bin/env", *told, found, "-config", str(config))
        until(lambda: _answers(port, ca_file), "Pebble answers")
        TOOK_PART["Pebble"] = _version()
        yield f"https://127.0.0.1:{port}/dir", ca_file
    finally:
        private.end()


def _version() -> str:
    """The package's version; the program does not tell its own."""
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "pebble"], capture_output=True, text=True, check=False
    )
    return done.stdout.partition("+")[0] or "of an unknown version"


def _answers(port: int, ca_file: Path) -> bool:
    """Whether TLS is up; a certificate that is not believed would show as never."""
    context = ssl.create_default_context(cafile=ca_file)
    try:
        raw = socket.create_connection(("127.0.0.1", port), timeout=2)
    except OSError:
        return False
    with raw, context.wrap_socket(raw, server_hostname="127.0.0.1"):
        return True


@pytest.fixture
def pebble(server: tuple[str, Path], tmp_path: Path) -> Pebble:
    """The server, and a client with a key of its own."""
    return Pebble(tmp_path, *server)


def test_an_account_is_found_and_never_made(pebble: Pebble) -> None:
    """Before registration ABSENT on the server's word, again ABSENT when asked twice; afterwards in force."""
    for _ in range(2):
        (item,) = pebble.look("account/self")
        assert item.presence is Presence.ABSENT
    registered = pebble.register()
    (item,) = pebble.look("account/self")
    assert item.presence is Presence.PRESENT
    assert item.state is CredentialState.ACTIVE
    assert item.provider_id == registered.uri
    with contextlib.closing(pebble.adapter()) as adapter:
        assert adapter.identify(budget()).principal == registered.uri


def test_a_deactivated_account_is_not_in_force(pebble: Pebble) -> None:
    """After deactivation the account is refused or shown as deactivated: never active, never absent."""
    pebble.client.deactivate_registration(pebble.register())
    (item,) = pebble.look("account/self")
    assert item.state is not CredentialState.ACTIVE
    assert item.presence in {Presence.PRESENT, Presence.DENIED}


def test_a_certificate_is_renewable_where_the_server_says_so(pebble: Pebble) -> None:
    """An issued certificate has the server's own window; a server without renewal information leaves it unknown."""
    pebble.register()
    (pebble.folder / "api.pem").write_text(pebble.certificate("api.nhisync.example"), encoding="ascii")
    (item,) = pebble.look("certificate/api.pem")
    assert item.presence is Presence.PRESENT
    assert item.expires.at > SystemClock().now()
    if pebble.renewal:
        assert item.dependencies[0].usable is True
        assert item.next_rotation.at < item.expires.at
    else:
        assert item.dependencies[0].usable is None
        assert item.next_rotation is None


def test_a_stranger_certificate_is_not_renewable(pebble: Pebble) -> None:
    """A certificate that the server never issued has no window there."""
    now = SystemClock().now()
    span = {"not_before": now - timedelta(hours=1), "not_after": now + timedelta(days=9)}
    root = issue(Shape(subject="stranger", is_ca=True, **span))
    leaf = issue(Shape(subject="api", names=("api.nhisync.example",), **span), root)
    (pebble.folder / "api.pem").write_bytes(pem(leaf.certificate))
    (item,) = pebble.look("certificate/api.pem")
    assert item.dependencies[0].usable is (False if pebble.renewal else None)
    assert item.next_rotation is None


def test_the_doctor_looks_at_a_real_server(pebble: Pebble) -> None:
    """Reachable, trusted, in time; the account is told; missing renewal information is a warning."""
    pebble.register()
    with contextlib.closing(pebble.adapter()) as adapter:
        checks = {one.name: one for one in adapter.examine(AccessMode.READ, (), frozenset(), budget())}
    expected = CheckState.OK if pebble.renewal else CheckState.WARNING
    assert checks.pop("renewal-information").state is expected
    assert {one.name for one in checks.values() if one.state is not CheckState.OK} == set()
    assert checks.keys() >= {"reachable", "tls", "identity"}
