"""Key sets from strangers: public facts of every signature key, nothing of a private one, and no exception but ours."""

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from nhisync.spi import ErrorKind, KeySet, ProviderError
from nhisync.spi.jwks import LARGEST, MOST_KEYS, key_set_version, read_key_set

pytestmark = pytest.mark.requirement("R38")

EC = ECKey.generate_key("P-256")
KEYS: tuple[Key, ...] = (
    RSAKey.generate_key(2048),
    EC,
    ECKey.generate_key("P-384"),
    ECKey.generate_key("P-521"),
    OKPKey.generate_key("Ed25519"),
    OKPKey.generate_key("Ed448"),
)
CANARY = base64.urlsafe_b64encode(b"canary-of-a-symmetric-key-4f2a").decode()


def of(*keys: Any) -> KeySet:
    """What is read of a set of these keys."""
    return read_key_set(json.dumps({"keys": list(keys)}).encode())


def public(key: Key = EC, **members: Any) -> dict[str, Any]:
    """The public members of a key, changed; None takes a member out."""
    found = {**key.as_dict(private=False), **members}
    found.setdefault("kid", None)
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.key_type}-{getattr(key, 'curve_name', '')}")
def test_thumbprints_are_those_of_the_standard(key: Key) -> None:
    """Every type of key that signs has the thumbprint that a JOSE library computes (RFC 7638)."""
    (found,) = of(public(key, kid="one")).keys
    assert (found.kid, found.thumbprint) == ("one", key.thumbprint())


def test_the_example_of_the_standard() -> None:
    """RFC 7638 §3.1: its key has its thumbprint."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"
        "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
        "kEgU8awapJzKnqDKgw"
    )
    found = of({"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})
    assert [(k.kid, k.thumbprint, k.algorithms) for k in found.keys] == [
        ("2011-04-29", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", ("RS256",))
    ]


def test_one_key_has_one_thumbprint_however_it_is_written() -> None:
    """Leading zeros of a modulus, which some issuers write, make no other key."""
    plain = public(KEYS[0])
    padded = base64.urlsafe_b64encode(b"\0" + base64.urlsafe_b64decode(plain["n"] + "==")).decode().rstrip("=")
    assert of(plain).keys == of({**plain, "n": padded}).keys


def test_a_key_without_alg_may_verify_whatever_fits_it() -> None:
    """An RSA key that names no algorithm verifies all six, a curve has its own."""
    assert of(public(KEYS[0])).keys[0].algorithms == ("PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
    assert of(public(KEYS[2])).keys[0].algorithms == ("ES384",)
    assert of(public(KEYS[4])).keys[0].algorithms == ("Ed25519", "EdDSA")


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"alg": "ECDH-ES+A256KW"},
        {"key_ops": ["deriveKey"]},
        {"kty": "OKP", "crv": "X25519", "x": "AAAA"},
    ],
)
def test_keys_of_another_use_are_passed_over(members: dict[str, Any]) -> None:
    """A key for encryption signs nothing, so that it is neither compared nor odd."""
    assert of(public(**members)) == KeySet()


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("text", "no key"),
        (public(kty="AKP"), "type of key"),
        ({}, "type of key"),
        (public(crv="P-999"), "curve"),
        (public(KEYS[4], crv="Ed999"), "curve"),
        (public(KEYS[4], x="AAAA"), "cannot be read"),
        (public(x="AAAA"), "cannot be read"),
        (public(x="not base64!"), "cannot be read"),
        (public(x=7), "cannot be read"),
        (public(y=public()["x"]), "no point of its curve"),
        (public(alg="RS256"), "does not fit"),
        (public(alg="none"), "does not fit"),
        (public(alg=["ES256"]), "does not fit"),
        (public(use="SIG"), "use"),
        (public(use=["sig"]), "use"),
        ({**public(), "use": None}, "use"),
        (public(key_ops=["sign"]), "operations"),
        (public(key_ops=[["verify"]]), "operations"),
        (public(key_ops="verify"), "operations"),
        (public(kid="k" * 201), "kid"),
        (public(kid="\x1b[2J"), "kid"),
        (public(kid=7), "kid"),
        ({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "shorter than 2048"),
        (public(KEYS[0], e="AA"), "cannot be read"),
    ],
)
def test_an_odd_key_costs_itself(entry: Any, why: str) -> None:
    """Whatever stands in one entry, the others are read, and the reason is one clause of ours."""
    found = of(entry, public(KEYS[4], kid="good"))
    assert [key.kid for key in found.keys] == ["good"]
    (told,) = found.odd
    assert why in told


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.key_type)
def test_private_members_are_counted_and_dropped(key: Key) -> None:
    """Of a published private key only the public half and the incident are known."""
    private = key.as_dict(private=True)
    found = of({**private, "kid": "leaked"})
    assert (found.private, [k.thumbprint for k in found.keys]) == (1, [key.thumbprint()])
    for name in set(private) - set(key.as_dict(private=False)):
        assert str(private[name]) not in repr(found)


def test_a_symmetric_key_leaves_no_trace() -> None:
    """Neither its value nor a digest of it, which a weak value could be guessed from; it may sign, so it is odd."""
    secret = OctKey.import_key({"kty": "oct", "k": CANARY})
    found = of({"kty": "oct", "k": CANARY, "alg": "HS256", "kid": "hmac"})
    assert (found.private, found.keys, found.odd) == (1, (), ("a symmetric key",))
    assert CANARY not in repr(found)
    assert secret.thumbprint() not in repr(found)
    assert hashlib.sha256(CANARY.encode()).hexdigest() not in repr(found)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not-jwks"),
        (b"<html>", "not-jwks"),
        (b"[]", "not-jwks"),
        (b"{}", "not-jwks"),
        (b'{"keys": {}}', "not-jwks"),
        (b'{"keys": [], "keys": []}', "not-jwks"),
        (b'{"keys": [{"kid": "a", "kid": "b"}]}', "not-jwks"),
        (b'{"keys":' + b"[" * 50_000, "not-jwks"),
        (b"\xff\xfe", "not-jwks"),
        (b" " * (LARGEST + 1), "too-large"),
        (json.dumps({"keys": [{}] * (MOST_KEYS + 1)}).encode(), "too-many-keys"),
    ],
)
def test_what_is_no_set(content: bytes, reason: str) -> None:
    """It is malformed, for a reason of ours, and bounded in size and number."""
    with pytest.raises(ProviderError) as caught:
        read_key_set(content)
    assert (caught.value.kind, caught.value.fact.reason) == (ErrorKind.MALFORMED, reason)
    assert caught.value.__context__ is None, "what the parser said hangs on the error, and quotes the content"


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=4,
)
MEMBERS = ("kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops", "d", "k")


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(MEMBERS), VALUES) | VALUES, max_size=4), st.sampled_from(KEYS))
def test_nothing_in_an_entry_ends_the_reading(strangers: list[Any], key: Key) -> None:
    """Any JSON in the place of keys is passed over or odd; a good key beside it is always found."""
    found = of(*strangers, public(key, kid="good"))
    assert ("good", key.thumbprint()) in {(one.kid, one.thumbprint) for one in found.keys}


@settings(deadline=None)
@given(st.permutations(range(len(KEYS))))
def test_the_order_of_keys_is_no_generation(order: list[int]) -> None:
    """A set is the same set in any order, and another one without a key."""
    keys = [public(KEYS[number], kid=str(number)) for number in order]
    first = of(*(public(key, kid=str(number)) for number, key in enumerate(KEYS)))
    assert (of(*keys), key_set_version(of(*keys))) == (first, key_set_version(first))
    assert key_set_version(of(*keys[1:])) != key_set_version(first)
