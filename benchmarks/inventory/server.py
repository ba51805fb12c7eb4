"""A loopback AWS (moto) that counts API calls and lets each take a while: ``python -m benchmarks.inventory.server``.

Prints its port as one line of JSON and lives until stdin ends. ``GET /__count`` answers with calls by operation and
with the seconds in which at least one call was under way; ``GET /__reset?delay=25`` starts again with 25 ms a call. The
delay stands in for the network; it is slept outside the interpreter lock, so it shows how well a client overlaps calls.
"""

import io
import json
import re
import sys
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.acm.models import acm_backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from benchmarks.inventory import estate

SECRETS, USERS, CERTIFICATES = 2000, 300, 50
REGION = "us-east-1"
DAY = 86400
_GENERATED = re.compile(rb"(?<=<GeneratedTime>)[^<]*")

Start = Callable[..., Any]


class Counting:
    """Counts and delays every API call."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.app, self.calls, self.delay = app, Counter[str](), 0.0
        self.lock = threading.Lock()
        self.waiting, self.since, self.busy = 0, 0.0, 0.0

    def __call__(self, env: dict[str, Any], start: Start) -> Iterable[bytes]:
        path = env["PATH_INFO"]
        if path.startswith("/__"):
            return self.control(path, env, start)
        service = re.search(r"/\d{8}/[^/]+/([^/]+)/", env.get("HTTP_AUTHORIZATION", ""))
        operation = env.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2] or self.action(env)
        with self.lock:
            self.calls[f"{service[1] if service else '?'}:{operation}"] += 1
        with self.under_way():
            if self.delay:
                time.sleep(self.delay)
            if operation == "GetCredentialReport":
                return self.report(env, start)
            return self.app(env, start)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Measures the time in which at least one call is being answered."""
        with self.lock:
            self.since = self.since if self.waiting else time.monotonic()
            self.waiting += 1
        try:
            yield
        finally:
            with self.lock:
                self.waiting -= 1
                self.busy += 0.0 if self.waiting else time.monotonic() - self.since

    def report(self, env: dict[str, Any], start: Start) -> Iterable[bytes]:
        """moto's credential report is always of 2015; AWS's is of today."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
        body = b"".join(self.app(env, lambda status, _headers, *_: start(status, [("Content-Type", "text/xml")])))
        return [_GENERATED.sub(now, body)]

    def control(self, path: str, env: dict[str, Any], start: Start) -> Iterable[bytes]:
        body = json.dumps({"calls": dict(self.calls.most_common()), "busy": self.busy}).encode()
        if path == "/__reset":
            query = urllib.parse.parse_qs(env.get("QUERY_STRING", ""))
            self.calls.clear()
            self.busy = 0.0
            self.delay = float(query.get("delay", ["0"])[0]) / 1000
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    @staticmethod
    def action(env: dict[str, Any]) -> str:
        raw = env["wsgi.input"].read(int(env.get("CONTENT_LENGTH") or 0))
        env["wsgi.input"] = io.BytesIO(raw)
        return urllib.parse.parse_qs(raw.decode("latin1")).get("Action", [env["PATH_INFO"]])[0]


class Quiet(WSGIRequestHandler):
    """HTTP/1.1 without a log."""

    protocol_version = "HTTP/1.1"

    def log(self, *_args: Any, **_more: Any) -> None:
        """Nothing."""


def seed() -> None:
    """2,000 secrets (a third with rotation), 300 users with two keys each, 50 certificates; ages spread evenly."""
    now = datetime.now(UTC)
    secrets = secretsmanager_backends[DEFAULT_ACCOUNT_ID][REGION]
    for i in range(SECRETS):
        name = estate.secret(i)
        secrets.create_secret(
            name=name,
            secret_string=json.dumps({"username": f"svc{i}", "password": f"canary-{i:05d}-bench"}),
            description="bench",
            tags=[{"Key": "owner", "Value": "bench"}],
            kms_key_id=None,
            client_request_token=None,
            replica_regions=[],
            force_overwrite=False,
            secret_binary=None,
        )
        made, age = secrets.secrets[name], (i * 37) % 200
        made.created_date = time.time() - (age + 5) * DAY
        made.last_changed_date = time.time() - age * DAY
        if i % 3 == 0:
            made.rotation_requested = made.rotation_enabled = True
            made.auto_rotate_after_days = 30
            made.last_rotation_date = int(time.time() - age * DAY)
    iam, naive = iam_backends[DEFAULT_ACCOUNT_ID]["aws"], now.replace(tzinfo=None)
    for i in range(USERS):
        user = iam.create_user(REGION, user_name=estate.user(i), path="/", tags=[])
        user.create_date = naive - timedelta(days=400)
        for k in range(2):
            iam.create_access_key(user_name=user.name).create_date = naive - timedelta(days=(i * 13 + k * 60) % 300)
    for i in range(CERTIFICATES):
        certificate(i, now)


def certificate(i: int, now: datetime) -> None:
    """Import one self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, estate.domain(i))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=(i * 7) % 120 + 1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(estate.domain(i))]), critical=False)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    acm_backends[DEFAULT_ACCOUNT_ID][REGION].import_certificate(
        certificate=public, private_key=private, chain=None, arn=None, tags=[]
    )


def main() -> None:
    """Serve until stdin ends."""
    seed()
    app = Counting(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": server.server_port}), flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
