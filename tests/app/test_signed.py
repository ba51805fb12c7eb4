"""Signed attestations: only what a named attester's key signed counts, and only about what it may attest."""

import hmac
import io
import json
import os
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from nhisync.app.session import Session
from nhisync.app.signed import TYPE, verified
from nhisync.cli import main
from nhisync.errors import UsageError
from nhisync.testing.clocks import FakeClock

pytestmark = pytest.mark.requirement("R2", "R24")

NOW = datetime(2026, 11, 28, 2, 0, tzinfo=UTC)
CONFIG = """
version: 1
policies: ./policies
paths:
  primary: {region: here, sources: {files: {provider: file, root: primary}}}
  backup: {region: there, sources: {files: {provider: file, root: backup}}}
apps:
  payments:
    tier: critical
    owner: payments-oncall
    pairs:
      - name: a
        kind: api-key
        primary: "files:json/a.json#key"
        backup: "files:json/a.json#key"
        consumers: {primary: {w: {}}, backup: {w: {}}}
attesters:
  load-lab: {key_file: load-lab.pem, kinds: [capacity-test]}
  dba: {key_file: dba.pem, kinds: [data-lag]}
  deployer: {key_file: deployer.pem, kinds: [consumer]}
"""
POLICY = '{"version": 1, "tier": "critical", "attestations": {"capacity-test": "90d", "data-lag": "2h"}}'
SAID = {"app": "payments", "kind": "capacity-test", "result": "pass", "observed_at": "2026-11-28T01:00:00Z"}
HEADER = {"alg": "Ed25519", "typ": TYPE, "kid": "load-lab"}


class Lab:
    """A configuration with two attesters, and their private keys."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "nhisync.yaml"
        self.file.write_text(CONFIG, encoding="utf-8")
        (folder / "policies").mkdir()
        (folder / "policies/critical.yaml").write_text(POLICY, encoding="utf-8")
        self.key = self.give("load-lab", ed25519.Ed25519PrivateKey.generate())
        self.deployer = self.give("deployer", ed25519.Ed25519PrivateKey.generate())
        self.dba = self.give("dba", ec.generate_private_key(ec.SECP256R1()))

    def give(self, name: str, key: Any) -> Any:
        """Write the public half; returns the key."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        (self.folder / f"{name}.pem").write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))
        return key

    @property
    def session(self) -> Session:
        """A session on it."""
        return Session.open(self.file, clock=FakeClock(NOW))

    def refused(self, text: bytes) -> str:
        """Why `text` does not count."""
        with pytest.raises(UsageError) as told:
            verified(self.session, text)
        return told.value.message


def pem(key: Any) -> bytes:
    """The private half."""
    no = serialization.NoEncryption()
    return bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no))


def sign(key: Any, said: Any = SAID, **header: Any) -> bytes:
    """A signed attestation."""
    made = {ed25519.Ed25519PrivateKey: OKPKey, ec.EllipticCurvePrivateKey: ECKey, rsa.RSAPrivateKey: RSAKey}
    jwk = next(kind.import_key(pem(key)) for base, kind in made.items() if isinstance(key, base))
    head = {**HEADER, **header}
    payload = said if isinstance(said, bytes) else json.dumps(said).encode()
    return jws.serialize_compact(head, payload, jwk, algorithms=[head["alg"]]).encode()


def encoded(text: bytes) -> bytes:
    """Base64 as JWS writes it."""
    return urlsafe_b64encode(text).rstrip(b"=")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """The lab."""
    return Lab(tmp_path)


def test_what_the_named_key_signed_counts(lab: Lab) -> None:
    """App, path, kind, time and who looked come out of the payload; who signed stands beside it."""
    claim, name = verified(lab.session, sign(lab.key, {**SAID, "by": "anna", "evidence": "CI-812"}))
    assert name == "load-lab"
    assert (claim.app, claim.path, claim.kind, claim.holds) == ("payments", "backup", "capacity-test", True)
    assert claim.observed_at == NOW - timedelta(hours=1)
    assert (claim.attested_by, claim.evidence) == ("anna, signed by load-lab", "CI-812")


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (lambda: ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (lambda: rsa.generate_private_key(65537, 2048), "PS256"),
        (lambda: rsa.generate_private_key(65537, 2048), "RS256"),
    ],
)
def test_keys_of_other_kinds(lab: Lab, key: Callable[[], Any], algorithm: str) -> None:
    """The key decides which algorithms count."""
    made = lab.give("load-lab", key())
    assert verified(lab.session, sign(made, alg=algorithm))[0].holds


def test_another_attesters_key_does_not_count(lab: Lab) -> None:
    """Neither under its own name for another's kind, nor under another's name."""
    assert "may not attest this kind" in lab.refused(sign(lab.dba, alg="ES256", kid="dba"))
    assert "did not sign this" in lab.refused(sign(lab.dba, alg="ES256"))
    assert "nobody of the configuration's attesters" in lab.refused(sign(lab.key, kid="stranger"))


def test_a_changed_byte_does_not_count(lab: Lab) -> None:
    """Wherever it is changed."""
    text = sign(lab.key)
    for at in range(0, len(text), 7):
        other = text[:at] + (b"A" if text[at : at + 1] != b"A" else b"B") + text[at + 1 :]
        lab.refused(other)


def test_no_signature_and_a_shared_secret_do_not_count(lab: Lab) -> None:
    """`none`, and HMAC with the public key as its secret (RFC 8725 §2.1)."""
    head, payload, _ = sign(lab.key).split(b".")
    assert lab.refused(head + b"." + payload + b".")
    secret = (lab.folder / "load-lab.pem").read_bytes()
    whole = encoded(json.dumps({**HEADER, "alg": "HS256"}).encode()) + b"." + payload
    forged = whole + b"." + encoded(hmac.digest(secret, whole, "sha256"))
    assert "did not sign this" in lab.refused(forged)


@pytest.mark.parametrize(
    "more", [{"crit": ["b64"], "b64": False}, {"crit": [1]}, {"crit": [[]]}, {"crit": []}, {"b64": True}]
)
def test_extensions_do_not_count(lab: Lab, more: dict[str, Any]) -> None:
    """We know none (RFC 7515 §4.1.11), and what is not even a list of names ends no command."""
    head = encoded(json.dumps({**HEADER, **more}).encode())
    body = json.dumps(SAID).encode() if more.get("b64") is False else encoded(json.dumps(SAID).encode())
    whole = head + b"." + body
    assert "no signed attestation" in lab.refused(whole + b"." + encoded(lab.key.sign(whole)))


def test_another_kind_of_token_does_not_count(lab: Lab) -> None:
    """A key that signs other things, too, signs nothing for us by accident (RFC 8725 §3.11)."""
    assert "does not say typ" in lab.refused(sign(lab.key, typ="JWT"))


@pytest.mark.parametrize(
    "said",
    [
        {**SAID, "result": "maybe"},
        {**SAID, "observed_at": "yesterday"},
        {**SAID, "observed_at": "2026-11-28T01:00:00"},
        {**SAID, "more": "x"},
        {**SAID, "holds": True},
        {name: value for name, value in SAID.items() if name != "kind"},
        [],
        b'{"app": "payments", "result": "fail", "result": "pass"}',
        b"\xff",
        b"[" * 5000,
    ],
)
def test_a_payload_that_says_something_else_does_not_count(lab: Lab, said: Any) -> None:
    """Signed or not: what is not understood to the last word is not recorded."""
    assert "no signed attestation" in lab.refused(sign(lab.key, said))


def test_a_weak_or_foreign_key_is_not_used(lab: Lab) -> None:
    """An RSA key of 1024 bits, another curve, a file that holds none, a pipe that nobody writes to."""
    signed = sign(lab.key)
    lab.give("load-lab", rsa.generate_private_key(public_exponent=65537, key_size=1024))
    assert "of a kind that is not used" in lab.refused(signed)
    made = lab.give("load-lab", ec.generate_private_key(ec.SECP384R1()))
    assert "of a kind that is not used" in lab.refused(sign(made, alg="ES384"))
    (lab.folder / "load-lab.pem").write_text("canary-no-key", encoding="utf-8")
    told = lab.refused(sign(lab.key))
    assert "load-lab.pem, cannot be used: it is no public key in PEM" in told
    assert "canary" not in told
    (lab.folder / "load-lab.pem").unlink()
    assert "cannot be used: No such file or directory" in lab.refused(sign(lab.key))
    os.mkfifo(lab.folder / "load-lab.pem")
    assert "cannot be used: it is no regular file" in lab.refused(sign(lab.key))


@pytest.fixture(scope="module")
def one_lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """A lab that nothing changes."""
    return Lab(tmp_path_factory.mktemp("lab"))


@given(text=st.binary(max_size=300))
@settings(max_examples=50, deadline=None)
def test_noise_does_not_count(one_lab: Lab, text: bytes) -> None:
    """Whatever the file holds: a typed refusal."""
    one_lab.refused(text)


def run(lab: Lab, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """The command; (exit code, stdout, stderr)."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["-c", str(lab.file), "attest", *arguments]
    code = main(argv, stdin=io.StringIO(stdin), stdout=out, stderr=err, clock=FakeClock(NOW))
    return code, out.getvalue(), err.getvalue()


def test_from_the_file_to_what_is_asked_for(lab: Lab) -> None:
    """Recorded, audited, shown; the same file again, or an older one, changes nothing."""
    file = lab.folder / "capacity.jws"
    file.write_bytes(sign(lab.key) + b"\n")
    code, out, _ = run(lab, "--signed", str(file))
    assert code == 0
    assert out.startswith("attestation 1: payments/backup capacity-test holds, seen 2026-11-28T01:00:00Z by load-lab")
    assert (
        run(
            lab,
            "--signed",
            "-",
            stdin=sign(lab.key, {**SAID, "result": "fail", "observed_at": "2026-11-28T01:30:00Z"}).decode(),
        )[0]
        == 0
    )
    assert run(lab, "--signed", str(file))[0] == 0
    _, shown, _ = run(lab, "payments", "--format", "json")
    states = {one["kind"]: one["state"] for one in json.loads(shown)}
    assert states == {"capacity-test": "fail", "data-lag": "unknown"}, "what was seen last counts, not what came last"


def test_a_file_of_a_fast_clock_overrides_no_later_word(lab: Lab) -> None:
    """Dated ahead and shown again, it would count as seen each time that it is shown; a refusal is heard at once."""
    ahead = (NOW + timedelta(seconds=20)).isoformat()
    assert "ahead of this clock" in lab.refused(sign(lab.key, {**SAID, "observed_at": ahead}))
    claim, _ = verified(lab.session, sign(lab.key, {**SAID, "observed_at": ahead, "result": "fail"}))
    assert not claim.holds


@pytest.mark.parametrize("odd", ["\ud800", "\x00", "a\nb", "\x1b[2J", "\u202e"])
@pytest.mark.parametrize("name", ["by", "evidence"])
def test_words_that_no_store_and_no_terminal_takes_do_not_count(lab: Lab, name: str, odd: str) -> None:
    """Half a character, control characters: a typed refusal, no traceback."""
    file = lab.folder / "odd.jws"
    file.write_bytes(sign(lab.key, {**SAID, name: odd}))
    code, _, err = run(lab, "--signed", str(file))
    assert code == 2
    assert "no signed attestation" in err


def test_a_file_that_cannot_be_read_is_told(lab: Lab) -> None:
    """And a signed attestation takes nothing beside it."""
    assert run(lab, "--signed", str(lab.folder / "none.jws"))[0] == 2
    assert run(lab, "--signed", str(lab.folder))[0] == 2
    code, _, err = run(lab, "payments", "--signed", "x")
    assert code == 2
    assert "says everything itself" in err


LOADED = {"app": "payments", "kind": "consumer", "pair": "a", "consumer": "w", "generation": "7"}
LOADED |= {"observed_at": "2026-11-28T01:00:00Z"}


@pytest.mark.requirement("R25")
def test_a_deployment_says_what_a_consumer_has_loaded(lab: Lab, tmp_path: Path) -> None:
    """Pair, consumer and generation instead of a result; it is recorded like any other word."""
    text = sign(lab.deployer, {**LOADED, "path": "primary"}, kid="deployer")
    claim, _ = verified(lab.session, text)
    assert (claim.path, claim.holds) == ("primary", True)
    assert (claim.pair, claim.consumer, claim.generation) == ("a", "w", "7")
    file = tmp_path / "loaded.jws"
    file.write_bytes(sign(lab.deployer, LOADED, kid="deployer"))
    out = io.StringIO()
    line = ["--config", str(lab.file), "attest", "--signed", str(file)]
    assert main(line, stdin=io.StringIO(), stdout=out, stderr=out, environ={}, clock=FakeClock(NOW)) == 0
    assert "w of a has loaded 7" in out.getvalue()


@pytest.mark.parametrize(("said", "why"), [
    ({**LOADED, "result": "pass"}, "holds result"),
    ({key: value for key, value in LOADED.items() if key != "generation"}, "lacks generation"),
    ({key: value for key, value in LOADED.items() if key != "pair"}, "lacks pair"),
    ({**LOADED, "generation": ""}, "lacks generation"),
    ({**LOADED, "observed_at": "2026-11-28T02:00:01Z"}, "ahead of this clock"),
])  # fmt: skip
def test_a_word_about_a_consumer_has_its_own_members(lab: Lab, said: dict[str, str], why: str) -> None:
    """Anything else is refused; and other kinds take none of these."""
    assert why in lab.refused(sign(lab.deployer, said, kid="deployer"))
    assert "holds consumer, which does not go" in lab.refused(sign(lab.key, {**SAID, "consumer": "w"}))
    assert "may not attest" in lab.refused(sign(lab.key, LOADED))
