"""Configurations over the counting AWS, with a backup path of plain files beside it.

The backup holds a counterpart for everything, so that nothing is missing and every call is one of the inventory's.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

KINDS = ("secret", "access-key", "certificate")
PAIRS = {"secret": 20, "access-key": 10, "certificate": 10}
"""How many of each kind pairs name: 40 in all."""

_BEGINS = """
version: 1
store: {{url: "sqlite:///{store}"}}
policies: policies
paths:
  primary:
    region: us-east-1
    sources:
      aws: {{provider: aws, endpoint: "http://127.0.0.1:{port}", auth: {{method: keys_file, file: keys}}{aws}}}
  backup:
    region: eu-north-1
    sources: {{files: {{provider: file, root: backup}}}}
apps:
  bench:
    tier: {tier}
    owner: bench
"""
_MATCH = """
    match:
      - {kind: password, primary: "aws:secret/{name}", backup: "files:json/secret/{name}.json"}
      - {kind: key, primary: "aws:access-key/{name}", backup: "files:json/access-key/{name}.json"}
      - {kind: certificate, primary: "aws:certificate/{name}", backup: "files:pem/certificate/{name}.pem"}
"""


def secret(i: int) -> str:
    """Name of a secret."""
    return f"app/{i % 40:02d}/svc-{i:05d}"


def user(i: int) -> str:
    """Name of an IAM user."""
    return f"svc-user-{i:04d}"


def domain(i: int) -> str:
    """Name of a certificate."""
    return f"h{i}.example.test"


def write(folder: Path, port: int, secrets: int, users: int, certificates: int) -> None:
    """Everything that the commands below read."""
    (folder / "keys").write_text("[default]\naws_access_key_id = AKIABENCHBENCHBENCH0\naws_secret_access_key = bench\n")
    for i in range(secrets):
        _put(folder / "backup/secret" / f"{secret(i)}.json", json.dumps({"password": f"canary-{i:05d}-backup"}))
    for i in range(users):
        _put(folder / "backup/access-key" / f"{user(i)}.json", json.dumps({"secret": f"canary-{i:05d}-backup-key"}))
    key = ec.generate_private_key(ec.SECP256R1())
    for i in range(certificates):
        _put(folder / "backup/certificate" / f"{domain(i)}.pem", _certificate(domain(i), i + 1, key))
    _put(
        folder / "policies/compared.yaml",
        "version: 1\ntier: compared\ninherits: standard\nevidence: {compare_values: true}\n",
    )
    for name, tier, aws, body in (
        ("plain", "standard", "", ""),
        ("named", "standard", "", _MATCH + _pairs()),
        ("forty", "standard", "", _pairs()),
        ("reuse", "compared", ", batch_values: true", _MATCH),
    ):
        (folder / f"{name}.yaml").write_text(_BEGINS.format(store=f"{name}.db", port=port, aws=aws, tier=tier) + body)


def _put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _pairs() -> str:
    """40 pairs by name."""
    forms = {
        "secret": ("password", secret, "json", ".json"),
        "access-key": ("key", user, "json", ".json"),
        "certificate": ("certificate", domain, "pem", ".pem"),
    }
    lines = ["    pairs:"]
    for kind, count in PAIRS.items():
        word, named, other, end = forms[kind]
        for i in range(count):
            sides = f'primary: "aws:{kind}/{named(i)}", backup: "files:{other}/{kind}/{named(i)}{end}"'
            lines.append(f"      - {{name: {kind}-{i}, kind: {word}, {sides}}}")
    return "\n".join(lines) + "\n"


def _certificate(name: str, serial: int, key: ec.EllipticCurvePrivateKey) -> str:
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(serial).not_valid_before(now).not_valid_after(now + timedelta(days=90))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
