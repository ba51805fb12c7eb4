"""The pure parts: Graph's answers without hints, public keys, durations, tags, instants, renewals."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from azure.keyvault.keys import JsonWebKey
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from nhisync.spi import Lifecycle, Moment, ProviderError
from nhisync_azure.facts import instant, months, span, tags_of
from nhisync_azure.kinds.certificates import renewal
from nhisync_azure.kinds.entra import federations_of, holder_of
from nhisync_azure.kinds.keys import public_key_digest
from nhisync_azure.kinds.rows import row_of

CANARY = "canary-1f7c"
NOW = datetime(2026, 11, 23, tzinfo=UTC)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_SECRET = ("displayName", "customKeyIdentifier", "type", "usage")
_JUDGED = {"keyId": st.just("k"), "endDateTime": st.just("2099-01-01T00:00:00Z")}
_APP = ("displayName", "createdDateTime", "tags", "owners", "keyCredentials", "federatedIdentityCredentials")

passwords = st.fixed_dictionaries(
    {"hint": st.just(CANARY), "secretText": st.just(CANARY), **_JUDGED}, optional=dict.fromkeys(_SECRET, json_values)
)
applications = st.fixed_dictionaries(
    {"id": st.just("object"), "appId": st.just("APP"), "passwordCredentials": st.lists(passwords, max_size=3)},
    optional=dict.fromkeys(_APP, json_values),
)


@given(applications)
def test_the_first_characters_of_a_secret_end_at_the_parser(raw):
    """Graph's ``hint`` holds three characters of every secret: nothing of it, or of ``secretText``, is taken over."""
    holder = holder_of(raw)
    assert CANARY not in repr(holder)
    assert len(holder.secrets) == len(raw["passwordCredentials"])
    assert holder.app_id == "app"


@given(json_values)
def test_any_answer_is_an_application_or_refused(raw):
    """Hostile rows are typed, never a crash; who does not say who it is, is no application."""
    named = isinstance(raw, dict) and all(isinstance(raw.get(key), str) and raw[key] for key in ("id", "appId"))
    if named:
        assert holder_of(raw).app_id
        return
    with pytest.raises(ProviderError, match="which application"):
        holder_of(raw)


@given(json_values)
def test_any_trust_can_be_read(raw):
    """Federated credentials of whatever shape."""
    assert all(isinstance(one.issuer, str) for one in federations_of(raw) or ())


@given(st.text(max_size=40) | st.integers() | st.none())
def test_any_text_is_an_instant_or_none(text):
    """What is no ISO 8601 instant is not one, and what is comes out aware and in UTC."""
    found = instant(text)
    assert found is None or found.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-11-23T03:12:09Z", datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)),
        ("2026-11-23T03:12:09.3086381Z", datetime(2026, 11, 23, 3, 12, 9, 308638, tzinfo=UTC)),
        ("2026-11-23T05:12:09+02:00", datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)),
        ("2026-11-23T03:12:09", datetime(2026, 11, 23, 3, 12, 9, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("yesterday", None),
    ],
)
def test_instants_of_graph(text, found):
    """Seven digits of a second, offsets, and none."""
    assert instant(text) == found


@pytest.mark.parametrize(
    ("text", "days"),
    [("P90D", 90), ("P2W", 14), ("P1Y", 365.25), ("P1M", 365.25 / 12), ("P1Y6M10D", 365.25 * 1.5 + 10), ("PT1H", None)]
    + [(odd, None) for odd in ("", "P", "90", None, 7, "P-1D", "P1D ", "P99999999D")],
)
def test_durations_of_rotation_policies(text, days):
    """ISO 8601 in years, months, weeks and days; everything else is not known."""
    assert span(text) == (None if days is None else timedelta(days=days))


@given(st.text(max_size=30) | st.none() | st.integers())
def test_any_duration_is_one_or_none(text):
    """A hostile policy is never a crash."""
    assert span(text) is None or span(text) >= timedelta(0)


def test_tags_say_who_and_how_often():
    """Owner without letter case; lifecycle and interval where somebody declared them."""
    tags = tags_of(
        {"Owner": "ops", "nhisync:name": "pay/x", "nhisync:lifecycle": "OWN", "nhisync:rotation-interval": "30d"},
        "owner",
    )
    assert (tags.owner, tags.logical_name, tags.lifecycle) == ("ops", "pay/x", Lifecycle.OWN)
    assert tags.interval == timedelta(days=30)


@given(json_values)
def test_any_tags_are_read(raw):
    """Odd tags say nothing, and never more than somebody wrote."""
    tags = tags_of(raw, "owner")
    assert tags.lifecycle in {None, Lifecycle.OWN, Lifecycle.STATIC, Lifecycle.SHARED}


@pytest.mark.parametrize(
    ("action", "renews", "days"),
    [
        (SimpleNamespace(action="AutoRenew", lifetime_percentage=80, days_before_expiry=None), True, 80),
        (SimpleNamespace(action="AutoRenew", lifetime_percentage=None, days_before_expiry=30), True, 70),
        (SimpleNamespace(action="AutoRenew", lifetime_percentage=None, days_before_expiry=300), True, None),
        (SimpleNamespace(action="EmailContacts", lifetime_percentage=80, days_before_expiry=None), False, None),
        (SimpleNamespace(action=None, lifetime_percentage="x", days_before_expiry="y"), False, None),
    ],
)
def test_renewals(action, renews, days):
    """Percent of the lifetime, or days before its end; an e-mail renews nothing."""
    policy = SimpleNamespace(lifetime_actions=[action], validity_in_months=None)
    interval, found = renewal(policy, Moment(NOW), Moment(NOW + timedelta(days=100)))
    assert found is renews
    assert interval == (None if days is None else timedelta(days=days))


def test_a_policy_says_the_lifetime_of_a_certificate_that_is_not_there_yet():
    """Without dates the months of the policy count."""
    action = SimpleNamespace(action="AutoRenew", lifetime_percentage=50, days_before_expiry=None)
    policy = SimpleNamespace(lifetime_actions=[action], validity_in_months=12)
    assert renewal(policy, None, None) == (months(12) / 2, True)
    assert renewal(None, None, None) == (None, False)


def numbers(value, size):
    """A number as the SDK has it."""
    return value.to_bytes(size, "big")


def spki(public):
    """What the digest must be."""
    return hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


@pytest.mark.parametrize("name", ["P-256", "P-384", "P-521", "P-256K"])
def test_public_ids_of_elliptic_keys(name):
    """The digest over the SubjectPublicKeyInfo, whatever the vault calls the curve."""
    curves = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1, "P-256K": ec.SECP256K1}
    public = ec.generate_private_key(curves[name]()).public_key()
    point, size = public.public_numbers(), (public.curve.key_size + 7) // 8
    jwk = JsonWebKey(kty="EC-HSM", crv=name, x=numbers(point.x, size), y=numbers(point.y, size))
    assert public_key_digest(jwk) == spki(public)


def test_public_ids_of_rsa_keys():
    """The same for RSA, in bytes and in base64url."""
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    held = public.public_numbers()
    jwk = JsonWebKey(kty="RSA", n=numbers(held.n, 256), e=numbers(held.e, 3))
    text = SimpleNamespace(
        kty="RSA",
        n=base64.urlsafe_b64encode(numbers(held.n, 256)).decode().rstrip("="),
        e=base64.urlsafe_b64encode(numbers(held.e, 3)).decode().rstrip("="),
    )
    assert public_key_digest(jwk) == public_key_digest(text) == spki(public)


@given(st.sampled_from(["RSA", "EC", "oct", "", None, 3]), st.binary(max_size=40), st.text(max_size=6))
def test_hostile_keys_have_no_public_id(kind, raw, curve):
    """A key that cannot be one is not known; nothing is raised."""
    assert public_key_digest(SimpleNamespace(kty=kind, n=raw, e=raw, x=raw, y=raw, crv=curve)) == ""


@given(json_values)
def test_any_row_is_a_row_or_refused(raw):
    """Attributes of every type; what is judged is well-formed, or there is no row."""
    odd = SimpleNamespace(name="a", id=raw, tags=raw, enabled=True, x509_thumbprint=raw, version=raw)
    assert row_of(odd, "secrets").created is None
    for name in ("enabled", "created_on", "expires_on", "not_before"):
        bent = SimpleNamespace(**{**vars(odd), name: raw})
        if isinstance(raw, bool) if name == "enabled" else raw is None:
            assert row_of(bent, "secrets").expires is None
        else:
            with pytest.raises(ProviderError):
                row_of(bent, "secrets")
    with pytest.raises(ProviderError):
        row_of(SimpleNamespace(name=None if raw is None else {}), "secrets")
