"""Live authentication at Google's token endpoint: the account's key signs one request, and nothing else is done."""

import json
from typing import Any

import pytest

from nhisync.probes import KINDS, Order, Presented, Shown
from nhisync.probes.order import Patience
from nhisync.spi import ProviderError, SecretBytes


def key_of(gcp: Any) -> bytes:
    """The key file of an account of the world."""
    return bytes(gcp.world.key_file("backup", "gcp", "payments", role="roles/viewer").read_bytes())


def tried(gcp: Any, key: bytes, **changes: Any) -> Shown:
    """What a probe shows, at the world's time."""
    values = {
        "target": json.loads(key_of(gcp))["token_uri"],
        "auth": "login",
        "ca_file": gcp.document["ca_file"],
        **changes,
    }
    return KINDS["gcp-token"](Order(**values), Presented("", SecretBytes(key)), Patience(gcp.world.cloud.wall, 10))


@pytest.mark.requirement("R17", "R22")
def test_a_key_is_accepted_and_seen_as_its_account(gcp: Any) -> None:
    """One token is asked for and thrown away."""
    shown = tried(gcp, key_of(gcp))
    assert (shown.error, shown.depth, shown.accepted) == (None, "auth", True)
    assert shown.seen_as == json.loads(key_of(gcp))["client_email"]


@pytest.mark.requirement("R17")
def test_a_key_that_is_not_the_accounts_is_refused(gcp: Any) -> None:
    """The signature is what is judged."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    other = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = json.loads(key_of(gcp)) | {"private_key": other.decode()}
    shown = tried(gcp, json.dumps(key).encode())
    assert shown.accepted is False
    assert shown.error is not None
    assert shown.error.kind == "auth_failed"


@pytest.mark.parametrize(
    ("description", "accepted"),
    [
        ("Invalid JWT Signature.", False),
        ("Invalid grant: account not found", False),
        ("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.", None),
        ("", None),
    ],
)
def test_the_description_decides_whether_the_key_was_judged(gcp: Any, description: str, accepted: bool | None) -> None:
    """A clock that is off is no refused key."""
    gcp.fault("token-refused", error="invalid_grant", description=description)
    assert tried(gcp, key_of(gcp)).accepted is accepted


BROKEN = [b"canary-no-json", b"[]", b'{"client_email": "a@b", "private_key": "canary"}', b"\xff"]


@pytest.mark.parametrize("value", BROKEN)
def test_a_value_that_is_no_key_is_told_and_not_shown(gcp: Any, value: bytes) -> None:
    """The SDK's own texts quote what they cannot read; ours do not."""
    with pytest.raises(ProviderError) as told:
        tried(gcp, value)
    assert told.value.kind.value == "misconfigured"
    assert "canary" not in str(told.value)
    assert told.value.__cause__ is None
