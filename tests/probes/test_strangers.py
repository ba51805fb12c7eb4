"""A service that lets anybody in proves no credential, whatever it speaks; one that turns a stranger away does."""

import json
import re
import shutil
import socket
import ssl
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from nhisync.clock import SystemClock
from nhisync.probes import KINDS, Order, Presented, Shown
from nhisync.probes.order import Patience
from nhisync.probes.stranger import MADE_UP
from nhisync.spi import SecretBytes

from .conftest import CANARY, Authority, Raw, showing

MakeRaw = Callable[..., Raw]
Behaviour = Callable[[socket.socket], None]

YES = {
    "http": (200, "{}"),
    "vault-token": (200, '{"data": {"display_name": "payments"}}'),
    "vault-approle": (200, '{"auth": {"client_token": "hvs.t", "metadata": {"role_name": "pay"}}}'),
    "aws-sts": (200, "<Arn>arn:aws:iam::111122223333:user/payments</Arn>"),
    "entra-token": (200, '{"access_token": "a.b.c"}'),
    "gcp-token": (200, '{"access_token": "a.b.c"}'),
    "gcp-minted": (200, '{"aud": "1", "email": "p@p.iam.gserviceaccount.com"}'),
    "kubernetes-token": (201, '{"kind": "SelfSubjectReview", "status": {"userInfo": {"username": "payments"}}}'),
}
NO = {
    "http": (401, ""),
    "vault-token": (403, '{"errors": ["permission denied"]}'),
    "vault-approle": (400, '{"errors": ["invalid role or secret ID"]}'),
    "aws-sts": (403, "<Code>SignatureDoesNotMatch</Code>"),
    "entra-token": (401, '{"error_codes": [7000215]}'),
    "gcp-token": (400, '{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}'),
    "gcp-minted": (400, '{"error": "invalid_token", "error_description": "Invalid Value"}'),
    "kubernetes-token": (401, "{}"),
}


def speaking_http(kind: str, *, judging: bool) -> Behaviour:
    """Says yes in the words of `kind`; to what is shown first alone where it judges."""
    first: list[bytes] = []

    def behave(channel: socket.socket) -> None:
        asked = channel.recv(65_536)
        while (length := re.search(rb"Content-Length: (\d+)", asked)) and len(asked.partition(b"\r\n\r\n")[2]) < int(
            length[1]
        ):
            asked += channel.recv(65_536)
        if b"revoke-self" in asked:
            status, body = 204, ""
        else:
            first.append(asked)
            status, body = (YES if len(first) == 1 or not judging else NO)[kind]
        channel.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body.encode()))

    return behave


def frame(payload: bytes) -> bytes:
    """A method of AMQP on channel 0 (AMQP 0-9-1 specification §4.2.3)."""
    return b"\x01\x00\x00" + len(payload).to_bytes(4, "big") + payload + b"\xce"


def speaking_amqp(*, judging: bool) -> Behaviour:
    """A broker that opens the virtual host for everybody, or for everybody but the stranger."""
    start = b"\x00\x0a\x00\x0a\x00\x09" + struct.pack(">II5sI5s", 0, 5, b"PLAIN", 5, b"en_US")

    def behave(channel: socket.socket) -> None:
        channel.recv(65_536)
        channel.sendall(frame(start))
        login = channel.recv(65_536)
        if judging and MADE_UP.encode() in login:
            channel.sendall(frame(struct.pack(">HHHB7sHH", 10, 50, 403, 7, b"REFUSED", 0, 0)))
            channel.recv(65_536)
            return
        channel.sendall(frame(struct.pack(">HHHIH", 10, 30, 0, 131_072, 0)))
        said = channel.recv(65_536)
        while struct.pack(">HH", 10, 40) not in said:
            said += channel.recv(65_536)
        channel.sendall(frame(struct.pack(">HHB", 10, 41, 0)))
        channel.recv(65_536)
        channel.sendall(frame(struct.pack(">HH", 10, 51)))

    return behave


def speaking_redis(*, judging: bool) -> Behaviour:
    """+OK to everything."""

    def behave(channel: socket.socket) -> None:
        while asked := channel.recv(65_536):
            no = judging and MADE_UP.encode() in asked
            channel.sendall(b"-WRONGPASS invalid username-password pair\r\n" if no else b"+OK\r\n")

    return behave


def speaking_postgres(context: ssl.SSLContext, *, judging: bool) -> Behaviour:
    """Asks for the password itself and takes every one (PostgreSQL, "Frontend/Backend Protocol")."""

    def message(letter: bytes, body: bytes) -> bytes:
        return letter + (len(body) + 4).to_bytes(4, "big") + body

    error = message(b"E", b"SFATAL\x00C28P01\x00Mpassword authentication failed for user\x00\x00")

    def behave(plain: socket.socket) -> None:
        if not plain.recv(8):
            return
        plain.sendall(b"S")
        with context.wrap_socket(plain, server_side=True) as channel:
            channel.recv(65_536)
            channel.sendall(message(b"R", b"\x00\x00\x00\x03"))
            shown = channel.recv(65_536)
            if judging and MADE_UP.encode() in shown:
                channel.sendall(error)
                return
            channel.sendall(message(b"R", b"\x00\x00\x00\x00") + message(b"Z", b"I"))
            while channel.recv(65_536):
                channel.sendall(message(b"E", b"SERROR\x00C42501\x00Mno\x00\x00") + message(b"Z", b"I"))

    return behave


def key_file() -> Presented:
    """A service account's key."""
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {"client_email": "p@p.iam.gserviceaccount.com", "private_key": pem.decode(), "token_uri": "https://x/"}
    return Presented("", SecretBytes(json.dumps(account).encode()))


def shown_by(kind: str, raw: MakeRaw, folder: Path, *, judging: bool) -> Shown:
    """What a probe of `kind` shows of a fake service."""
    roots = Authority(folder, "roots")
    logins = {"amqp": speaking_amqp, "redis": speaking_redis}
    if kind == "postgres":
        context = roots.server(clients=None, version=ssl.TLSVersion.TLSv1_3)
        order = Order(target=raw(speaking_postgres(context, judging=judging)).address, auth="login", ca_file=roots.file)
    elif kind in logins:
        order = Order(target=raw(logins[kind](judging=judging)).address, auth="login", encrypted=False)
    else:
        target = f"http://{raw(speaking_http(kind, judging=judging)).address}/"
        auth = "login" if kind == "gcp-token" else "bearer"  # a key signs; what was minted is shown: below
        order = Order(target=target, auth=auth, region="eu-north-1", scope="s")
    presented = key_file() if kind == "gcp-token" else showing(user="payments")
    return KINDS[kind](order, presented, Patience(SystemClock(), 10))


NOTHING_SHOWN = {"tcp", "generation"}
"""Kinds that present no credential."""

FAKED = sorted(KINDS.keys() - NOTHING_SHOWN - {"tls"})


@pytest.mark.requirement("R17", "R22")
@pytest.mark.parametrize("kind", FAKED)
def test_a_service_that_lets_everybody_in_proves_no_credential(raw: MakeRaw, tmp_path: Path, kind: str) -> None:
    """Every kind that presents something; a kind that is added must be able to show it here."""
    shown = shown_by(kind, raw, tmp_path, judging=False)
    assert (shown.accepted, shown.depth) == (None, "tls" if kind == "postgres" else "tcp")
    assert shown.error is not None
    assert shown.error.kind == "unsupported"
    assert CANARY not in str(shown)


@pytest.mark.requirement("R17")
@pytest.mark.parametrize("kind", FAKED)
def test_one_that_turns_the_stranger_away_does(raw: MakeRaw, tmp_path: Path, kind: str) -> None:
    """The same service, but for the made-up credential: what is not accepted above is not simply never accepted."""
    shown = shown_by(kind, raw, tmp_path, judging=True)
    assert (shown.error, shown.accepted, shown.depth) == (None, True, "auth")


@pytest.mark.requirement("R17", "R48")
@pytest.mark.parametrize("judging", [True, False])
def test_a_minted_token_is_known_where_others_are_not(raw: MakeRaw, judging: bool) -> None:
    """What answers for Google and knows every token has not looked at the one that was minted."""
    target = f"http://{raw(speaking_http('gcp-minted', judging=judging)).address}/"
    shown = KINDS["gcp-token"](Order(target=target, auth="bearer"), showing(), Patience(SystemClock(), 10))
    assert (shown.accepted, shown.depth) == ((True, "auth") if judging else (None, "tcp"))


@pytest.mark.requirement("R17", "R22")
@pytest.mark.parametrize("kind", ["tls", "http"])
@pytest.mark.parametrize("verifying", [False, True], ids=["any", "own"])
def test_a_certificate_of_nobody_must_be_refused(tmp_path: Path, kind: str, verifying: bool) -> None:
    """A server that demands a certificate and looks at none (`optional_no_ca`); OpenSSL's own server is one."""
    openssl = shutil.which("openssl")
    assert openssl, "these tests need the program openssl"
    roots, clients = Authority(tmp_path, "roots"), Authority(tmp_path, "clients")
    (tmp_path / "server.pem").write_bytes(roots.issued("127.0.0.1"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    looks = ["-CAfile", str(clients.file), "-verify_return_error"] if verifying else ["-no-CAfile"]
    command = [openssl, "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(tmp_path / "server.pem"),
               "-Verify", "2", "-rev" if kind == "tls" else "-www", "-quiet", *looks]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_for(port)
            target = f"127.0.0.1:{port}" if kind == "tls" else f"https://127.0.0.1:{port}/"
            order = Order(target=target, auth="client-certificate", ca_file=roots.file)
            presented = Presented("", SecretBytes(clients.issued("robot")))
            shown = KINDS[kind](order, presented, Patience(SystemClock(), 20))
        finally:
            server.kill()
    assert (shown.accepted, shown.depth) == ((True, "auth") if verifying else (None, "tls"))
    assert verifying or (shown.error and "judges none" in shown.error.message)


def wait_for(port: int) -> None:
    """Until somebody listens there."""
    clock = SystemClock()
    end = clock.monotonic() + 20
    while clock.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            continue
        return
    raise AssertionError("OpenSSL's server does not listen")
