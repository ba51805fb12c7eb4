"""Live authentication against a real RabbitMQ broker: accepted, refused, not judged, and what is undone."""

import http.server
import json
import os
import re
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from nhisync.clock import SystemClock
from nhisync.probes import Order, Presented, Shown
from nhisync.probes.amqp import probe
from nhisync.probes.order import Patience
from nhisync.spi import ProviderError, SecretBytes
from nhisync.testing.judge import Judge

from .conftest import TOOK_PART, Private, program, unprivileged, until, unused_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

USER, VALUE = "payments", "canary-amqp-51c0de"


def user(name: str) -> dict[str, Any]:
    """A user of the broker's definitions, with the hash that it keeps of a password (RabbitMQ, "Credentials")."""
    salt = b"salt"
    kept = b64encode(salt + sha256(salt + VALUE.encode()).digest()).decode()
    return {"name": name, "password_hash": kept, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ""}


def may(name: str, vhost: str, rights: str) -> dict[str, str]:
    """Rights of a user on a virtual host."""
    return {"user": name, "vhost": vhost, "configure": rights, "write": rights, "read": rights}


DEFINITIONS = {
    "users": [user(USER), user("reader")],
    "vhosts": [{"name": "/"}, {"name": "payments"}],
    "permissions": [may(USER, "payments", ".*"), may("reader", "payments", "^$")],
}


class Broker:
    """A RabbitMQ broker over TLS and without; its port mapper is its own, and ends with it.

    Args:
        folder: for the authority's certificate.
        backend: URL of an authentication backend that is asked instead of the broker's own users, "" = none.
    """

    def __init__(self, folder: Path, backend: str = "") -> None:
        maker = Judge(clock=SystemClock(), directory=folder)
        maker.start()
        maker.stop()
        self.authority, self.server = maker.authority, Private("rabbitmq")
        self.plain, self.tls, self.mapper = unused_port(), unused_port(), unused_port()
        here = self.server.folder
        pem = self.server.write("server.pem", (folder / "judge.pem").read_text(encoding="utf-8"))
        self.server.write("authority.pem", self.authority.read_text(encoding="utf-8"))
        self.server.write("definitions.json", json.dumps(DEFINITIONS))
        lines = [f"listeners.tcp.default = 127.0.0.1:{self.plain}", f"listeners.ssl.default = 127.0.0.1:{self.tls}",
                 f"ssl_options.cacertfile = {here}/authority.pem", f"ssl_options.certfile = {pem}",
                 f"ssl_options.keyfile = {pem}", f"load_definitions = {here}/definitions.json",
                 "log.console = true", "log.file = false"]  # fmt: skip
        if backend:
            lines.append("auth_backends.1 = http")
            lines += [f"auth_http.{what}_path = {backend}" for what in ("user", "vhost", "resource", "topic")]
        self.server.write("rabbitmq.conf", "\n".join(lines) + "\n")
        self.server.write("plugins", "[rabbitmq_auth_backend_http].\n" if backend else "[].\n")
        places = {
            "HOME": str(here),
            "PATH": os.environ["PATH"],
            "RABBITMQ_NODENAME": f"probe{self.plain}@localhost",
            "RABBITMQ_CONFIG_FILE": f"{here}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{here}/none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{here}/plugins",
            "RABBITMQ_MNESIA_BASE": f"{here}/mnesia",
            "RABBITMQ_LOG_BASE": f"{here}/log.d",
            "RABBITMQ_DIST_PORT": str(unused_port()),
            "ERL_EPMD_PORT": str(self.mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        # Debian's own wrapper runs as root or as the packaged user only.
        program("rabbitmq-server", "rabbitmq-server")
        with self.server.log.open("ab") as log:
            self.server.process = subprocess.Popen(
                ["/usr/lib/rabbitmq/bin/rabbitmq-server"], cwd=here, env=places, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, **unprivileged(),
            )  # fmt: skip
        until(lambda: "Server startup complete" in self.server.told(), "RabbitMQ accepts connections", 120)
        version = re.search(r"Starting RabbitMQ ([\d.]+)", self.server.told())
        TOOK_PART["RabbitMQ"] = version[1] if version else "of an unknown version"

    def end(self) -> None:
        """Stop the broker and its port mapper."""
        self.server.end()
        subprocess.run([program("epmd", "erlang-base"), "-port", str(self.mapper), "-kill"], check=False,
                       capture_output=True, timeout=30)  # fmt: skip


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for all tests of this file."""
    made = Broker(tmp_path_factory.mktemp("rabbitmq"))
    yield made
    made.end()


class Yes(http.server.BaseHTTPRequestHandler):
    """An authentication backend that lets everybody in (RabbitMQ, "HTTP-based authentication")."""

    def do_GET(self) -> None:
        """Say yes."""
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"allow")

    def log_message(self, *told: object) -> None:
        """Keep nothing: the address that is asked holds the password."""


@pytest.fixture
def open_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker whose backend lets everybody in."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Yes) as backend:
        threading.Thread(target=backend.serve_forever, daemon=True).start()
        made = Broker(tmp_path, f"http://127.0.0.1:{backend.server_address[1]}/yes")
        yield made
        made.end()
        backend.shutdown()


@pytest.mark.requirement("R17", "R22")
def test_a_broker_that_lets_everybody_in_proves_no_password(open_broker: Broker) -> None:
    """Its word looks like any other acceptance, with a message through a queue and all; only the stranger tells."""
    import pika

    anybody = pika.ConnectionParameters("127.0.0.1", open_broker.plain, "payments", pika.PlainCredentials("x", "y"))
    with pika.BlockingConnection(anybody) as connection:
        assert connection.is_open, "this broker lets everybody in"
    for depth in ("auth", "txn"):
        shown = tried(open_broker, depth=depth)
        assert (shown.depth, shown.accepted) == ("tls", None)
        assert shown.error is not None
        assert (shown.error.kind, shown.error.message) == (
            "unsupported", "the service lets a made-up credential in, too: it judges none",
        )  # fmt: skip


def tried(broker: Broker, value: str = VALUE, *, user: str = USER, seconds: float = 10, **changes: Any) -> Shown:
    """What a probe shows."""
    encrypted = changes.get("encrypted", True)
    values = {
        "target": f"127.0.0.1:{broker.tls if encrypted else broker.plain}",
        "auth": "login",
        "vhost": "payments",
        "ca_file": broker.authority,
        **changes,
    }
    return probe(Order(**values), Presented(user, SecretBytes(value.encode())), Patience(SystemClock(), seconds))


@pytest.mark.requirement("R17", "R22")
@pytest.mark.parametrize("encrypted", [True, False], ids=["tls", "plain"])
def test_a_login_is_accepted_and_its_old_password_refused(broker: Broker, encrypted: bool) -> None:
    """The same user, two passwords; the broker says where it was seen."""
    good = tried(broker, encrypted=encrypted)
    assert (good.depth, good.accepted, good.error) == ("auth", True, None)
    assert good.seen_as.startswith(f"{USER} at probe")
    bad = tried(broker, "canary-of-yesterday", encrypted=encrypted)
    assert bad.accepted is False
    assert bad.error is not None
    assert (bad.error.kind, bad.error.message) == ("auth_failed", "the broker refuses the login")


def test_a_virtual_host_that_is_not_there_is_no_wrong_password(broker: Broker) -> None:
    """Both a missing host and one of somebody else are told apart from a refused login."""
    for vhost in ("nowhere", "/"):
        shown = tried(broker, vhost=vhost)
        assert shown.accepted is False
        assert shown.error is not None
        assert shown.error.kind == "denied"


@pytest.mark.requirement("R22")
def test_a_message_comes_through_and_leaves_nothing_behind(broker: Broker) -> None:
    """The queue is the connection's own and is gone with it."""
    shown = tried(broker, depth="txn")
    assert (shown.depth, shown.accepted) == ("txn", True)
    import pika

    credentials = pika.PlainCredentials(USER, VALUE)
    parameters = pika.ConnectionParameters("127.0.0.1", broker.plain, "payments", credentials)
    with pika.BlockingConnection(parameters) as connection, pytest.raises(pika.exceptions.ChannelClosedByBroker):
        connection.channel().queue_declare("amq.gen-of-a-probe", passive=True)


@pytest.mark.requirement("R22")
def test_a_user_without_rights_proves_no_transaction(broker: Broker) -> None:
    """The login is let in, and no message comes through."""
    assert tried(broker, user="reader").accepted is True
    shown = tried(broker, user="reader", depth="txn")
    assert (shown.depth, shown.accepted) == ("auth", None)
    assert shown.error is not None
    assert shown.error.kind == "denied"


def test_a_foreign_certificate_and_a_closed_port_judge_nothing(broker: Broker) -> None:
    """Neither is a refused credential, and nothing of the password is in what is told."""
    shown = tried(broker, ca_file=None)
    assert (shown.depth, shown.accepted) == ("tcp", None)
    assert shown.error is not None
    assert "not trusted" in shown.error.message
    with pytest.raises(ProviderError) as told:
        tried(broker, target=f"127.0.0.1:{unused_port()}")
    assert told.value.kind.value == "unreachable"
    assert VALUE not in str(told.value)


def test_a_silent_service_does_not_hold_the_probe(broker: Broker) -> None:
    """Who accepts a connection and says nothing has judged nothing, within the probe's time."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        shown = tried(broker, target=target, encrypted=False, seconds=2)
    assert (shown.depth, shown.accepted) == ("tcp", None)


def test_no_password_is_in_the_brokers_log(broker: Broker) -> None:
    """What was tried is in no log of the broker."""
    tried(broker, "canary-of-yesterday")
    assert "canary" not in broker.server.told()
