"""The end of the listener's own certificate is told before pollers find out."""

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nhisync.app.listening import SOON, certificate_troubles
from nhisync.cli import main
from nhisync.config import load
from nhisync.testing.clocks import FakeClock

NOW = datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)

CONFIG = """
version: 1
paths:
  primary: {region: west, sources: {files: {provider: file, root: ./west}}}
  backup: {region: north, sources: {files: {provider: file, root: ./north}}}
apps:
  payments:
    tier: critical
    owner: payments-oncall
    pairs: [{name: a, kind: api-key, primary: "files:json/a.json#key", backup: "files:json/a.json#key"}]
listener: {bind: "127.0.0.1:8443", tls: {cert: cert.pem, key: key.pem}}
"""


def certificate(end: datetime) -> bytes:
    """A certificate that ends at `end`, as PEM."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signals")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(end - timedelta(days=90))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def configured(tmp_path: Path) -> Any:
    """A configuration whose listener has a certificate file, and that file."""
    file = tmp_path / "nhisync.yaml"
    file.write_text(CONFIG, encoding="utf-8")
    return SimpleNamespace(read=lambda: load(file), cert=tmp_path / "cert.pem", file=file)


def trouble(configured: Any) -> str:
    """What is told, one a line."""
    return "\n".join(certificate_troubles(configured.read(), NOW))


def test_a_certificate_with_time_left_is_not_told(configured: Any) -> None:
    """Until a week before its end there is nothing to say; without TLS never."""
    configured.cert.write_bytes(certificate(NOW + SOON + timedelta(seconds=1)))
    assert trouble(configured) == ""
    configured.file.write_text(CONFIG.replace(", tls: {cert: cert.pem, key: key.pem}", ""), encoding="utf-8")
    assert trouble(configured) == ""


@pytest.mark.parametrize(
    ("left", "said"),
    [(SOON, "ends 2026-11-30T03:12:09Z"), (timedelta(0), "ended 2026-11-23T03:12:09Z")],
    ids=["soon", "over"],
)
def test_the_first_end_in_the_file_is_told(configured: Any, left: timedelta, said: str) -> None:
    """Whichever of the served certificates ends first ends them all; the next step is told."""
    configured.cert.write_bytes(certificate(NOW + timedelta(days=60)) + certificate(NOW + left))
    told = trouble(configured)
    assert f"the listener's certificate {configured.cert} {said}: " in told
    assert told.endswith("then send SIGHUP to nhisync serve")


def test_the_operator_listener_is_told_apart(configured: Any) -> None:
    """Who would say "not ready" at night must not be the first to find out; each listener is told by itself."""
    configured.cert.write_bytes(certificate(NOW + timedelta(days=60)))
    other = configured.cert.with_name("operator.pem")
    other.write_bytes(certificate(NOW + timedelta(days=1)))
    more = "operator: {tls: {cert: operator.pem, key: key.pem}, token_file: token}\n"
    configured.file.write_text(CONFIG + more, encoding="utf-8")
    said = f"the operator listener's certificate {other} ends 2026-11-24T03:12:09Z: operators that verify it"
    assert trouble(configured).startswith(said)
    other.write_bytes(b"")
    configured.cert.write_bytes(certificate(NOW))
    first, second = certificate_troubles(configured.read(), NOW)
    assert first.startswith("the listener's certificate")
    assert second.endswith("check operator.tls.cert before the next start")


@pytest.mark.parametrize("content", [None, b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----"])
def test_a_file_without_certificates_is_told(configured: Any, content: bytes | None) -> None:
    """The next start would fail; that is known now."""
    if content is not None:
        configured.cert.write_bytes(content)
    assert "cannot be read" in trouble(configured)


@pytest.mark.parametrize("command", ["status", "doctor"])
def test_commands_tell_it(configured: Any, command: str) -> None:
    """Whoever asks why no controller gets an answer reads it above whatever else is shown."""
    configured.cert.write_bytes(certificate(NOW - timedelta(days=1)))
    told = io.StringIO()
    main(["-c", str(configured.file), command], clock=FakeClock(NOW), stdout=io.StringIO(), stderr=told)
    assert "cert.pem ended 2026-11-22T03:12:09Z: pollers" in told.getvalue()
