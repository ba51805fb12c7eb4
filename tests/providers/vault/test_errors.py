"""The table of answers: every status and phrase has one meaning, and no server text is passed on."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.spi import ErrorKind, Presence
from nhisync_vault.errors import Called, kind_of, refused, retry_after

CALLED = Called("GET", "secret/metadata/pay", "request-1")


@pytest.mark.parametrize(
    ("status", "errors", "kind"),
    [
        (403, ["permission denied"], ErrorKind.DENIED),
        (403, ["1 error occurred:\n\t* permission denied\n\n"], ErrorKind.DENIED),
        (400, ["invalid role or secret ID"], ErrorKind.AUTH_FAILED),
        (412, [], ErrorKind.NOT_PROPAGATED),
        (404, [], ErrorKind.NOT_FOUND),
        (404, ['no handler for route "x". route entry not found.'], ErrorKind.SCOPE_MISSING),
        (404, ["1 error occurred:\n\t* unsupported path\n\n"], ErrorKind.UNSUPPORTED),
        (472, [], ErrorKind.READ_ONLY_SIDE),
        (473, [], ErrorKind.READ_ONLY_SIDE),
        (400, ["check-and-set parameter did not match the current version"], ErrorKind.CONFLICT),
        (429, ['request path "x": lease count quota exceeded'], ErrorKind.QUOTA),
        (429, ['request path "x": rate limit quota exceeded'], ErrorKind.THROTTLED),
        (503, ["Vault is sealed"], ErrorKind.CRYPTO_UNAVAILABLE),
        (503, ["OpenBao is sealed"], ErrorKind.CRYPTO_UNAVAILABLE),
        (503, ["no active node"], ErrorKind.UNREACHABLE),
        (500, ["internal error"], ErrorKind.UNREACHABLE),
        (500, ['1 error occurred:\n\t* role "x" does not exist\n\n'], ErrorKind.NOT_FOUND),
        (500, ["1 error occurred:\n\t* unable to find PKI issuer for reference: x\n\n"], ErrorKind.NOT_FOUND),
        (502, [], ErrorKind.UNREACHABLE),
        (474, [], ErrorKind.UNREACHABLE),
        (501, [], ErrorKind.UNREACHABLE),
        (530, [], ErrorKind.UNREACHABLE),
        (405, ["1 error occurred:\n\t* unsupported operation\n\n"], ErrorKind.UNSUPPORTED),
        (400, ["missing parameter"], ErrorKind.MISCONFIGURED),
        (400, ["invalid accessor"], ErrorKind.NOT_FOUND),
        (400, ["no static role found for role name"], ErrorKind.NOT_FOUND),
        (418, [], ErrorKind.MALFORMED),
    ],
)
def test_the_table(status: int, errors: list[str], kind: ErrorKind) -> None:
    """Status first, known phrases before it."""
    assert kind_of(status, errors) is kind
    assert refused(status, errors, {}, CALLED).kind is kind


@pytest.mark.requirement("R6")
def test_only_an_authoritative_404_is_an_absence() -> None:
    """No other status lets anyone say that an item is missing."""
    for status in (400, 401, 403, 405, 412, 429, 472, 473, 474, 500, 501, 502, 503, 530):
        assert refused(status, [], {}, CALLED).presence is not Presence.ABSENT


def test_a_denial_names_the_missing_policy_block() -> None:
    """The reader can paste the fix."""
    error = refused(403, ["permission denied"], {}, Called("LIST", "secret/metadata/"))
    assert (error.fact.action, error.fact.resource) == ("list", "secret/metadata")
    assert 'path "secret/metadata" { capabilities = ["list"] }' in error.fix


def test_throttling_carries_the_wait_and_the_request_id() -> None:
    """Retry-After and the server's id are kept for the reader."""
    error = refused(429, ["rate limit quota exceeded"], {"Retry-After": "17"}, CALLED)
    assert error.fact.retry_after == timedelta(seconds=17)
    assert error.fact.request_id == "request-1"


@pytest.mark.parametrize(
    ("raw", "wait"), [("5", 5), ("0", 0), ("", None), ("soon", None), ("-1", None), ("9999999", None)]
)
def test_odd_retry_after_values_are_ignored(raw: str, wait: int | None) -> None:
    """Only whole seconds of a believable size count."""
    assert retry_after({"Retry-After": raw}) == (None if wait is None else timedelta(seconds=wait))


@given(
    text=st.text(min_size=4).filter(lambda t: t.strip() and t not in CALLED.path),
    status=st.sampled_from([400, 403, 404, 418, 429, 500, 503]),
)
def test_no_server_text_is_passed_on(text: str, status: int) -> None:
    """Whatever the server says, its words do not appear in ours."""
    marked = f"«{text}»"
    error = refused(status, [marked], {"X-Text": marked}, CALLED)
    assert marked not in str(error)
    assert marked not in repr(error.fact)
