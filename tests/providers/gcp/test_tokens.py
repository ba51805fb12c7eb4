"""Tokens by every method, and what an answer of a token endpoint means: an outage is never a rejected credential."""

import datetime as dt
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.spi import ErrorKind, ProviderError
from nhisync_gcp.token_answers import judged, lifetime_of, trusted

NOW = dt.datetime(2026, 11, 23, 3, tzinfo=dt.UTC)
HOST = "oauth2.googleapis.com"


def judge(status, body, headers=None):
    """What is raised for an answer."""
    with pytest.raises(ProviderError) as caught:
        judged(status, headers or {}, body if isinstance(body, bytes) else json.dumps(body).encode(), HOST, NOW)
    return caught.value


@pytest.mark.requirement("R6")
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, "auth_failed"),
        (401, {"error": "invalid_client"}, "auth_failed"),
        (400, {"error": "unauthorized_client"}, "auth_failed"),
        (400, {"error": "invalid_scope"}, "misconfigured"),
        (403, {"error": {"code": 403, "status": "PERMISSION_DENIED"}}, "auth_failed"),
        (401, {"error": {"code": 401, "status": "UNAUTHENTICATED"}}, "auth_failed"),
        (404, {"error": {"code": 404, "status": "NOT_FOUND"}}, "misconfigured"),
        (429, {"error": "rate"}, "throttled"),
        (408, b"", "unreachable"),
        (500, {"error": "internal_failure"}, "unreachable"),
        (503, b"<html>maintenance</html>", "unreachable"),
        (302, b"<html>login</html>", "malformed"),
        (403, b"<html>blocked by policy</html>", "malformed"),
    ],
)
def test_answers_have_their_kind(status, body, kind):
    """Only the endpoint's own word for a bad credential is one; a portal's 403 is not, an outage is not."""
    found = judge(status, body)
    assert found.kind.value == kind
    assert HOST in found.message


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        ("Invalid JWT Signature.", "signature"),
        ("Invalid grant: account not found", "does not exist"),
        ("Service account is disabled", "disabled"),
        ("Invalid JWT: Token must be a short-lived token and in a reasonable timeframe. Check iat and exp.", "clock"),
        ("The audience in ID Token does not match the expected audience.", "pool"),
        ("something new canary-7731", ""),
    ],
)
def test_a_rejection_says_why_in_our_words(description, reason):
    """The texts are matched, never passed on."""
    found = judge(400, {"error": "invalid_grant", "error_description": description})
    assert found.kind is ErrorKind.AUTH_FAILED
    assert reason in found.fact.reason
    assert "canary" not in f"{found.message}{found.fact}{found.fix}"
    assert found.fix


@given(st.integers(100, 599), st.binary(max_size=200), st.dictionaries(st.text(max_size=20), st.text(max_size=20)))
def test_no_answer_breaks_the_judge(status, body, headers):
    """Whatever comes back, the outcome is a time and a lifetime, or one typed error."""
    error = None
    try:
        theirs, lifetime = judged(status, headers, body, HOST, NOW)
    except ProviderError as refused:
        error = refused
    if error is not None:
        assert error.fix or error.kind in {ErrorKind.THROTTLED, ErrorKind.UNREACHABLE}
        return
    assert status == 200
    assert theirs is None or theirs.tzinfo is dt.UTC
    assert lifetime is None or lifetime >= dt.timedelta(0)


def test_time_and_lifetime():
    """Seconds of OAuth, an instant of IAM, and the endpoint's clock."""
    headers = {"Date": "Mon, 23 Nov 2026 03:00:07 GMT"}
    theirs, lifetime = judged(200, headers, b'{"access_token":"x","expires_in":3599}', HOST, NOW)
    assert theirs == NOW + dt.timedelta(seconds=7)
    assert lifetime == dt.timedelta(seconds=3599)
    assert lifetime_of({"expireTime": "2026-11-23T04:00:00Z"}, NOW) == dt.timedelta(hours=1)
    assert lifetime_of({"expireTime": "2026-11-23T04:00:00"}, NOW) is None
    assert lifetime_of({"expires_in": True}, NOW) is None
    assert lifetime_of({"expires_in": 10**9}, NOW) == dt.timedelta(days=1)


def test_a_date_beyond_the_calendar_tells_no_time():
    """The token of a good answer is used, whatever a proxy writes into its Date."""
    headers = {"Date": "Fri, 31 Dec 9999 23:59:59 -1200"}
    answer = judged(200, headers, b'{"access_token":"x","expires_in":60}', HOST, NOW)
    assert answer == (None, dt.timedelta(seconds=60))


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://oauth2.googleapis.com/token", True),
        ("http://127.0.0.1:8080/token", True),
        ("http://169.254.169.254/token", True),
        ("http://metadata.google.internal/token", True),
        ("http://oauth2.googleapis.com/token", False),
        ("ftp://oauth2.googleapis.com/token", False),
        ("https:///token", False),
    ],
)
def test_credentials_travel_safely(url, good):
    """TLS, this machine, or its metadata service."""
    assert trusted(url) is good


@pytest.mark.parametrize("auth", ["service_account_key", "workload_identity", "metadata_server", "access_token_file"])
def test_every_method_reads(make, auth):
    """Each method ends in a token that the services accept; who we are is told, and every request is spent."""
    gcp = make(auth=auth)
    gcp.seed("secret", "payments-stripe")
    budget = gcp.budget()
    who = gcp.provider().identify(budget)
    assert who.authority == "gcp"
    if auth != "access_token_file":
        assert who.principal == gcp.world.source("backup", "gcp").identity.email
    seen = gcp.see("secret/payments-stripe")
    assert seen["secret/payments-stripe"].presence.value == "present"
    token_calls = sum(count for call, count in gcp.calls().items() if call.startswith("/"))
    assert token_calls == 2 * budget.spent


def test_a_token_is_kept_for_its_time_and_then_renewed(gcp):
    """One exchange for many calls; after four fifths of its hour the next call fetches another."""
    provider = gcp.provider()
    budget = gcp.budget(seconds=10**6)
    provider.identify(budget)
    provider.identify(budget)
    assert gcp.calls() == {"/token": 1}
    gcp.clock.advance(dt.timedelta(minutes=49))
    provider.identify(budget)
    assert gcp.calls() == {"/token": 2}


def test_a_token_that_ended_early_is_replaced_once(gcp):
    """UNAUTHENTICATED is worth one new token; if that is refused too, it is our credential."""
    gcp.seed("secret", "payments-stripe")
    provider = gcp.provider()
    provider.identify(gcp.budget())
    gcp.fault("token-expired", times=1)
    found = [o for o in provider.inventory(gcp.request("secret/payments-stripe")) if hasattr(o, "presence")]
    assert [item.presence.value for item in found] == ["present"]
    assert gcp.calls()["/token"] == 2
    gcp.fault("token-expired")
    found = [o for o in provider.inventory(gcp.request("secret/payments-stripe")) if hasattr(o, "presence")]
    assert [(item.presence.value, item.error.kind) for item in found] == [("denied", "auth_failed")]


@pytest.mark.requirement("R6", "R32")
@pytest.mark.parametrize(
    ("fault", "options", "kind"),
    [
        ("token-refused", {}, "auth_failed"),
        ("token-unavailable", {}, "unreachable"),
        ("unreachable", {"listeners": ("token",)}, "unreachable"),
        ("garbage", {"call": "/token"}, "malformed"),
    ],
)
def test_an_outage_of_the_token_endpoint_is_no_rejected_key(gcp, fault, options, kind):
    """Only the endpoint's own rejection says that our credential is bad; nothing is absent either way."""
    gcp.fault(fault, **options)
    with pytest.raises(ProviderError) as caught:
        list(gcp.provider().inventory(gcp.request("secret/payments-stripe", kinds="secret")))
    assert caught.value.kind.value == kind
    assert caught.value.presence.value != "absent"


def test_an_outage_of_the_token_endpoint_is_survived(gcp):
    """Three attempts, each spent, and no more: they are not multiplied by the attempts of the call."""
    gcp.fault("token-unavailable", times=2)
    budget = gcp.budget()
    gcp.provider(attempts=3).identify(budget)
    assert budget.spent == gcp.calls()["/token"] == 3
    gcp.fault("token-unavailable")
    budget = gcp.budget()
    with pytest.raises(ProviderError):
        list(gcp.provider(attempts=3).inventory(gcp.request(kinds="secret", budget=budget)))
    assert budget.spent == 3


def test_a_disabled_key_is_our_credential(gcp):
    """The key file is there, and IAM disabled the key: the reason says so."""
    source = gcp.world.source("backup", "gcp")
    for key in source.identity.live_keys():
        shown = type(key.shown.current)()
        shown.CopyFrom(key.shown.current)
        shown.disabled = True
        key.shown.put(gcp.clock.now(), shown)
    with pytest.raises(ProviderError) as caught:
        gcp.provider().identify(gcp.budget())
    assert caught.value.kind is ErrorKind.AUTH_FAILED
    assert "key" in caught.value.fact.reason


def key_file(gcp, tmp_path, **changes):
    """The source's key file with changes, as the auth of a source."""
    document = json.loads(Path(gcp.document["auth"]["file"]).read_text(encoding="utf-8"))
    file = tmp_path / "changed.json"
    file.write_text(json.dumps({**document, **changes}), encoding="utf-8")
    return {"method": "service_account_key", "file": str(file)}


@pytest.mark.parametrize(
    "changes",
    [
        {"private_key": "-----BEGIN PRIVATE KEY-----\ncanary-broken-key\n-----END PRIVATE KEY-----\n"},
        {"private_key": None},
        {"type": "authorized_user"},
        {"token_uri": "http://oauth2.example/token"},
        {"token_uri": None},
        {"client_email": None},
    ],
)
def test_a_key_file_that_is_none_is_misconfigured(gcp, tmp_path, changes):
    """The file is named, its content is not; nothing is sent anywhere."""
    with pytest.raises(ProviderError) as caught:
        gcp.provider(auth=key_file(gcp, tmp_path, **changes)).identify(gcp.budget())
    assert caught.value.kind is ErrorKind.MISCONFIGURED
    assert "changed.json" in caught.value.message
    assert "canary" not in str(caught.value)
    assert gcp.calls() == {}


@pytest.mark.parametrize(
    ("method", "content"),
    [
        *(
            (method, content)
            for method in ("service_account_key", "workload_identity")
            for content in (None, b"\xff\xfe", b"{", b"[]", b"{}")
        ),
        *(("access_token_file", content) for content in (None, b"\xff\xfe", b"\n", b"two words")),
    ],
)
def test_unusable_files_are_named(gcp, tmp_path, method, content):
    """Missing, binary, not JSON, of another type, empty: each says which file."""
    file = tmp_path / "auth.file"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ProviderError) as caught:
        gcp.provider(auth={"method": method, "file": str(file)}).identify(gcp.budget())
    assert caught.value.kind is ErrorKind.MISCONFIGURED
    assert "auth.file" in caught.value.message


def test_a_program_as_source_of_the_subject_token_is_refused(make, tmp_path):
    """Only files and URLs: a credential file must not run commands."""
    gcp = make(auth="workload_identity")
    document = json.loads(Path(gcp.document["auth"]["file"]).read_text(encoding="utf-8"))
    document["credential_source"] = {"executable": {"command": "/bin/false"}}
    file = tmp_path / "federation.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ProviderError) as caught:
        gcp.provider(auth={"method": "workload_identity", "file": str(file)}).identify(gcp.budget())
    assert caught.value.kind is ErrorKind.MISCONFIGURED
    assert gcp.calls() == {}


def test_tokens_and_files_show_nothing(gcp):
    """Neither a token nor an adapter shows what it holds."""
    provider = gcp.provider()
    provider.identify(gcp.budget())
    token = provider._connection.token(gcp.budget())
    assert token.text not in repr(token)
    assert token.text not in str(provider.__dict__)
