"""RFC 9773 read and written to the letter."""

from datetime import UTC, datetime, timedelta

import pytest
from acme.client import _renewal_info_path_component
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from nhisync_acme.renewal import Window, identifier

KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "api")])
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def certificate(serial: int, key_identifier: bytes | None) -> x509.Certificate:
    """A certificate with this serial and this authority key identifier."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(KEY.public_key())
        .serial_number(serial)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=9))
    )
    if key_identifier is not None:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier(key_identifier, None, None), critical=False)
    return builder.sign(KEY, hashes.SHA256())


def test_the_example_of_the_standard() -> None:
    """RFC 9773 §4.1: key identifier 69:88:5B… and serial 87654321 give the documented word."""
    octets = bytes.fromhex("69885B6B87464041E1B37B847BA0AE2CDE01C8D4")
    assert identifier(certificate(0x87654321, octets)) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"


@given(serial=st.integers(min_value=1, max_value=2**159 - 1), octets=st.binary(min_size=1, max_size=32))
def test_the_library_writes_the_same(serial: int, octets: bytes) -> None:
    """Whatever serial and identifier, a widely used client asks for the same resource."""
    made = certificate(serial, octets)
    assert identifier(made) == _renewal_info_path_component(made)


def test_a_certificate_without_identifier_has_none() -> None:
    """Private authorities leave it out; there is then nothing to ask with."""
    with pytest.raises(ValueError, match="no authority key identifier"):
        identifier(certificate(1, None))


@given(st.recursive(st.none() | st.booleans() | st.text() | st.integers(), lambda c: st.dictionaries(st.text(), c)))
def test_any_document_is_a_window_or_an_error(document: object) -> None:
    """No answer breaks the run, and a window always has an order."""
    found = document if isinstance(document, dict) else {"suggestedWindow": document}
    try:
        window = Window.parse(found)
    except ValueError:
        return
    assert window.start < window.end


BOUND = st.sampled_from(
    ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-11-01T00:00:00Z", "2026-11-01", "soon", None]
)


@given(BOUND, BOUND)
def test_any_bounds_are_a_window_or_an_error(start: str | None, end: str | None) -> None:
    """Also where an instant leaves the calendar on its way to UTC."""
    try:
        window = Window.parse({"suggestedWindow": {"start": start, "end": end}})
    except ValueError:
        return
    assert window.start < window.end


def test_an_explanation_is_noticed_and_not_repeated() -> None:
    """Authorities explain when they are about to revoke; the text itself stays out."""
    window = {"start": "2026-11-01T00:00:00Z", "end": "2026-11-02T00:00:00+02:00"}
    assert Window.parse({"suggestedWindow": window, "explanationURL": "https://ca.example/x"}).explained
    assert not Window.parse({"suggestedWindow": window}).explained
