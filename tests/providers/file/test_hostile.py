"""Files made by strangers: whatever they hold, each parser ends with facts or a typed error."""

import json
import shutil
import subprocess
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhisync.spi import ProviderError
from nhisync_file.emulator.certificates import make_authority, make_leaf
from nhisync_file.keyfile import json_fields, parse_json, parse_yaml, yaml_fields
from nhisync_file.pem import parse_pem, private_keys
from nhisync_file.pkcs12 import parse_pkcs12

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PASSWORD = b"canary-fuzz"
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def store() -> bytes:
    """A good PKCS#12 store."""
    authority = make_authority("Fuzz", NOW)
    leaf = make_leaf(authority, ("api.example.com",), NOW - timedelta(days=1), NOW + timedelta(days=60))
    others = [authority.intermediate.certificate]
    return pkcs12.serialize_key_and_certificates(
        b"x", leaf.key, leaf.certificate, others, BestAvailableEncryption(PASSWORD)
    )


def der(tag: int, *parts: bytes) -> bytes:
    """One DER element with a definite length."""
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([0x82, size >> 8, size & 0xFF])
    return bytes([tag]) + length + content


def costly(rounds: int) -> bytes:
    """A store that is empty, but whose integrity check asks for `rounds` rounds."""
    data = der(0x06, bytes.fromhex("2a864886f70d010701"))
    safe = der(0x30, data, der(0xA0, der(0x04, der(0x30))))
    digest = der(0x30, der(0x30, der(0x06, bytes.fromhex("608648016503040201")), der(0x05)), der(0x04, bytes(32)))
    count = rounds.to_bytes(5, "big").lstrip(b"\0")
    mac = der(0x30, digest, der(0x04, b"saltsalt"), der(0x02, (b"\0" if count[0] & 0x80 else b"") + count))
    return der(0x30, der(0x02, b"\x03"), safe, mac)


@pytest.mark.parametrize("rounds", [5_000_001, 2**31 - 1, 2**39])
def test_a_store_that_would_take_years_is_refused(rounds: int) -> None:
    """Key derivation counts come from the file; absurd ones must be refused before any work."""
    with pytest.raises(ProviderError) as caught:
        parse_pkcs12(costly(rounds), PASSWORD)
    assert caught.value.fact.reason == "too-costly"


def test_a_store_with_usual_work_is_tried() -> None:
    """The guard must not refuse what is usual; the password is then what fails."""
    with pytest.raises(ProviderError) as caught:
        parse_pkcs12(costly(2048), PASSWORD)
    assert caught.value.fact.reason == "password"


@many
@given(at=st.integers(0, 5_000), junk=st.binary(max_size=4), cut=st.integers(0, 3))
def test_damaged_stores_are_typed(at: int, junk: bytes, cut: int) -> None:
    """Changes anywhere in a store must give facts or a typed error."""
    whole = store()
    at %= len(whole)
    with suppress(ProviderError):
        parse_pkcs12(whole[:at] + junk + whole[at + cut :], PASSWORD)


@many
@given(st.binary(max_size=400))
def test_random_bytes_are_typed(junk: bytes) -> None:
    """Junk must be refused by every parser, and by nothing but a ProviderError."""
    for parse in (parse_pem, parse_json, parse_yaml, json_fields, yaml_fields, lambda b: parse_pkcs12(b, PASSWORD)):
        with suppress(ProviderError):
            parse(junk)
    assert not list(private_keys(junk))


document = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=10), inner, max_size=4)),
    max_leaves=20,
)


@many
@given(document)
def test_any_json_gives_names_or_a_typed_error(value: object) -> None:
    """Any document must be read or refused, and no text value may be among the facts."""
    with suppress(ProviderError):
        parsed = parse_json(json.dumps(value).encode())
        assert parsed.fields
        assert parsed.version is None


@many
@given(st.text(alphabet="ab:-[]{}&*!|>#'\"%@ \n\t?,", max_size=80))
def test_any_yaml_gives_names_or_a_typed_error(content: str) -> None:
    """Any YAML-looking text must be read or refused."""
    with suppress(ProviderError):
        assert parse_yaml(content.encode()).fields


def test_openssl_reads_what_the_emulator_writes(tmp_path: Path) -> None:
    """The emulator's stores must be stores to an independent reader too."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("the openssl program is not installed")
    file = tmp_path / "s.p12"
    file.write_bytes(store())
    command = [program, "pkcs12", "-passin", "stdin", "-nokeys", "-in", str(file)]
    done = subprocess.run(command, input=PASSWORD + b"\n", capture_output=True, check=True)
    assert done.stdout.count(b"BEGIN CERTIFICATE") == 2
