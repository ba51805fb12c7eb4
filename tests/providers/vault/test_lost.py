"""No answer came: each step that can fail has a sentence and a fix of its own, over real sockets (NHS903's page)."""

import datetime as dt
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from nhisync.spi import CheckState, ErrorKind, ProviderError
from nhisync.spi.protocols import AccessMode

QUICK = {"attempts": 1, "connect_timeout": "300ms", "read_timeout": "300ms"}
Conduct = Callable[[socket.socket], None]


def reset(connection: socket.socket) -> None:
    """End the connection with RST after the first bytes."""
    connection.recv(4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def close(connection: socket.socket) -> None:
    """End the connection in order, without an answer."""
    connection.recv(4096)


def no_tls(connection: socket.socket) -> None:
    """Answer as a plain HTTP port does."""
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


class Port:
    """A port that treats each connection in one way."""

    def __init__(self, conduct: Conduct) -> None:
        self._conduct = conduct
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def number(self) -> int:
        """Its number."""
        return int(self._socket.getsockname()[1])

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                try:
                    self._conduct(connection)
                except OSError:
                    continue  # the client gave up

    def stop(self) -> None:
        """Close the port."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def site(make_site: Any) -> Any:
    """One flavour: what happens before an answer does not depend on it."""
    return make_site()


@pytest.fixture
def port() -> Iterator[Callable[[Conduct], int]]:
    """Opens ports of a given conduct."""
    made: list[Port] = []

    def opened(conduct: Conduct) -> int:
        made.append(Port(conduct))
        return made[-1].number

    yield opened
    for one in made:
        one.stop()


def refusal(site: Any, address: str, **settings: Any) -> ProviderError:
    """What reading from `address` ends with."""
    with pytest.raises(ProviderError) as caught:
        site.provider(address=address, nodes=(), **QUICK, **settings).identify(site.budget())
    assert caught.value.kind is ErrorKind.UNREACHABLE
    assert caught.value.fact.resource == address
    return caught.value


def test_a_name_without_address(site: Any) -> None:
    """DNS: the name is said, and name servers are what to look at."""
    error = refusal(site, "https://vault.invalid:8200")
    assert error.message == "GET sys/health: the name vault.invalid has no address here"
    assert "name servers" in error.fix


def test_a_name_that_is_none(site: Any) -> None:
    """A host name that DNS could not even carry is typed as well."""
    assert "the name vault..example has no address here" in refusal(site, "https://vault..example:8200").message


def test_a_refused_port(site: Any) -> None:
    """TCP: nothing listens."""
    error = refusal(site, "https://127.0.0.1:9")
    assert error.message == "GET sys/health: the connection is refused: nothing listens there"
    assert "port" in error.fix


def test_a_host_that_drops_everything(site: Any) -> None:
    """TCP: a full backlog drops further connections, as a firewall does."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        number = deaf.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", number))
        error = refusal(site, f"https://127.0.0.1:{number}")
        for filler in fillers:
            filler.close()
    assert error.message == "GET sys/health: no connection in time: host down or traffic dropped"
    assert "firewalls" in error.fix


def test_a_server_that_says_nothing(site: Any, port: Any) -> None:
    """The connection stands and no answer comes."""
    silence = threading.Event()
    number = port(lambda _: silence.wait(20))
    error = refusal(site, f"http://127.0.0.1:{number}")
    silence.set()
    assert error.message == "GET sys/health: connected, and no answer in time"
    assert "read_timeout" in error.fix


def test_a_server_that_stops_in_the_middle(site: Any, port: Any) -> None:
    """The answer began and does not go on: that is a slow server, and no missing route."""
    silence = threading.Event()

    def half(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{")
        silence.wait(20)

    error = refusal(site, f"http://127.0.0.1:{port(half)}")
    silence.set()
    assert error.message == "GET sys/health: connected, and no answer in time"
    assert "read_timeout" in error.fix


def test_a_length_that_no_number_holds(site: Any, port: Any) -> None:
    """An announced length of thousands of digits is a cut answer, and no failure of ours."""

    def boast(connection: socket.socket) -> None:
        connection.recv(4096)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {'9' * 5000}\r\n\r\n"
        connection.sendall(head.encode() + b"{}")

    with pytest.raises(ProviderError) as caught:
        site.provider(address=f"http://127.0.0.1:{port(boast)}", nodes=(), **QUICK).identify(site.budget())
    assert caught.value.kind is ErrorKind.MALFORMED
    assert "cut" in caught.value.message


@pytest.mark.parametrize("conduct", [reset, close])
def test_a_connection_that_is_taken_away(site: Any, port: Any, conduct: Conduct) -> None:
    """Reset or closed: somebody listened and hung up."""
    error = refusal(site, f"http://127.0.0.1:{port(conduct)}")
    assert error.message == "GET sys/health: the connection closed before an answer came"
    assert "load balancer" in error.fix


@pytest.mark.parametrize("conduct", [close, no_tls])
def test_a_port_without_tls(site: Any, port: Any, conduct: Conduct) -> None:
    """The handshake fails before any certificate: no ca_file can mend that."""
    error = refusal(site, f"https://127.0.0.1:{port(conduct)}")
    assert error.message == "GET sys/health: the TLS handshake failed"
    assert "ca_file" not in error.fix


def test_a_certificate_of_an_unknown_authority(site: Any) -> None:
    """Verification failed, not the handshake: ca_file mends it."""
    error = refusal(site, site.document["address"], ca_file=None)
    assert error.message == "GET sys/health: the server's certificate comes from no trusted authority"
    assert "ca_file" in error.fix


NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)  # only the far ends below matter: OpenSSL asks the real clock


@pytest.mark.parametrize(
    ("address", "start", "end", "why"),
    [
        ("127.0.0.1", NOW.replace(year=2001), NOW.replace(year=2002), "has expired"),
        ("127.0.0.1", NOW.replace(year=2090), NOW.replace(year=2091), "is not valid yet"),
        ("192.0.2.1", NOW.replace(year=2001), NOW.replace(year=2091), "is for another address"),
    ],
)
def test_a_certificate_that_is_not_believed(
    site: Any, port: Any, tmp_path: Path, address: str, start: dt.datetime, end: dt.datetime, why: str
) -> None:
    """Trusted authority, and still wrong: dates and names are told apart."""
    file = tmp_path / "server.pem"
    file.write_bytes(certificate(address, start, end))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    def serve(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True).close()

    error = refusal(site, f"https://127.0.0.1:{port(serve)}", ca_file=str(file))
    assert error.message == f"GET sys/health: the server's certificate {why}"


def certificate(address: str, start: dt.datetime, end: dt.datetime) -> bytes:
    """A self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vault")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .sign(key, SHA256())
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(Encoding.PEM)


def test_a_proxy_that_is_not_there(site: Any) -> None:
    """The proxy is to blame, not the server behind it."""
    error = refusal(site, "https://vault.example:8200", proxy="http://127.0.0.1:9")
    assert error.message == "GET sys/health: the proxy cannot be reached, or lets nothing through"
    assert "proxy of the source" in error.fix


@pytest.mark.parametrize(
    ("address", "said"), [("https://vault.invalid:8200", "no address"), ("https://127.0.0.1:9", "refused")]
)
def test_doctor_names_the_step(site: Any, address: str, said: str) -> None:
    """What NHS903's page promises."""
    provider = site.provider(address=address, nodes=(), **QUICK)
    (check,) = [
        one for one in provider.examine(AccessMode.READ, (), frozenset(), site.budget()) if one.name == "reachable"
    ]
    assert check.state is CheckState.FAILED
    assert said in check.observed
