"""Two trust bundles are a pair like any other: ready when both paths hold the same roots, in every tier."""

import io
import json
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nhisync.cli import main
from nhisync.testing.clocks import FakeClock

from .conftest import Files

pytestmark = pytest.mark.requirement("R30", "R34")

CONFIG = """
version: 1
policies: ./policies
paths:
  primary: {region: here, sources: {f: {provider: file, root: p}}}
  backup: {region: there, sources: {f: {provider: file, root: b}}}
apps:
  payments:
    tier: critical
    owner: payments-oncall
    pairs: [{name: trust, kind: trust-bundle, primary: "f:pem/ca.pem", backup: "f:pem/ca.pem"}]
"""
POLICY = '{"version": 1, "tier": "critical", "evidence": {"compare_values": true}}'


def judged(folder: Path, primary: bytes, backup: bytes, clock: FakeClock) -> tuple[str, set[str]]:
    """The verdict, and what did not pass."""
    (folder / "policies").mkdir()
    (folder / "policies/critical.yaml").write_text(POLICY, encoding="utf-8")
    (folder / "nhisync.yaml").write_text(CONFIG, encoding="utf-8")
    for name, content in (("p", primary), ("b", backup)):
        (folder / name).mkdir(mode=0o700)
        (folder / name / "ca.pem").write_bytes(content)
        (folder / name / "ca.pem").chmod(0o600)
    out = io.StringIO()
    arguments = ["-c", str(folder / "nhisync.yaml"), "diff", "primary", "backup", "--format", "json"]
    main(arguments, stdout=out, stderr=io.StringIO(), clock=clock)
    report = json.loads(out.getvalue())
    return report["verdicts"][0]["verdict"], {one["code"] for one in report["findings"]}


def content(files: Files, chain: str) -> bytes:
    """A file of the world."""
    files.plant("pem", f"{chain}.pem", chain=chain)
    return (files.root / f"{chain}.pem").read_bytes()


def test_equal_bundles_are_ready(files: Files, clock: FakeClock, tmp_path: Path) -> None:
    """Nothing about their age or their values stays open: they have neither a rotation nor a value."""
    bundle = content(files, "two_roots")
    assert judged(tmp_path, bundle, bundle, clock) == ("ready", set())


def test_a_root_that_lacks_is_told_once(files: Files, clock: FakeClock, tmp_path: Path) -> None:
    """The backup's clients would refuse peers; that is one finding, not four."""
    found = judged(tmp_path, content(files, "two_roots"), content(files, "bundle"), clock)
    assert found == ("not_ready", {"NHS615"})


def test_a_chain_in_place_of_a_bundle_is_never_ready(files: Files, clock: FakeClock, tmp_path: Path) -> None:
    """Somebody's certificate where roots should be trusts nobody."""
    word, codes = judged(tmp_path, content(files, "bundle"), content(files, "complete"), clock)
    assert word == "not_ready"
    assert "NHS615" in codes


@pytest.mark.parametrize("authority", [True, False])
def test_a_servers_own_certificate_is_no_bundle(clock: FakeClock, tmp_path: Path, authority: bool) -> None:
    """Signed by itself, with its key in another file: a copy of it on the backup is the same key on both paths."""
    certificate = signed_by_itself(clock, authority=authority)
    word, codes = judged(tmp_path, certificate, certificate, clock)
    assert word == "not_ready"
    assert codes & {"NHS401", "NHS402", "NHS404"}


def signed_by_itself(clock: FakeClock, *, authority: bool) -> bytes:
    """A certificate as a server makes it for itself; OpenSSL writes CA:TRUE into it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), clock.now()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api.example.com")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=20)).not_valid_after(now + timedelta(days=300))
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("api.example.com")]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
