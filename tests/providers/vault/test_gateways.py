"""A gateway, a portal or a proxy answers in the server's place: what it says is no word about any item."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from nhisync.spi import AccessMode, CheckState, CoverageStatus, ErrorKind, Locator, Presence, ProviderError
from nhisync_vault.emulator.node import HttpRequest
from nhisync_vault.emulator.wire import Reply

pytestmark = pytest.mark.requirement("R6")


def intercept(site: Any, part: str, change: Callable[[Reply], Reply]) -> None:
    """Let `change` have the last word on answers to targets that hold `part`."""
    node = site.node
    serve = node.serve

    def between(request: HttpRequest) -> Reply:
        reply: Reply = serve(request)
        return change(reply) if part in request.target else reply

    node.serve = between


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"message": "no Route matched with those values"}', b'{"error": "Not Found", "status": 404}']
)
def test_a_404_of_a_gateway_is_no_absence(site: Any, body: bytes) -> None:
    """Only the server's own 404, which has its envelope, says that an item is not there."""
    secret = site.seed("kv", "secret/pay")
    intercept(site, "/v1/secret/", lambda _: Reply(status=404, body=body))
    seen = site.observe(secret)
    assert seen[secret].presence is Presence.UNKNOWN
    assert seen[secret].error.kind == ErrorKind.MALFORMED.value


def test_the_servers_own_404_is_an_absence(site: Any) -> None:
    """The counterpart: an empty list of errors is how the server says that there is nothing."""
    never = Locator("vault", "kv", "secret/never")
    site.seed("kv", "secret/pay")
    assert site.observe(never)[never].presence is Presence.ABSENT


def test_a_listing_that_names_less_than_it_tells_of_was_cut(make_site: Any) -> None:
    """Names and facts come from one list: fewer names than facts means that names were lost."""
    site = make_site()
    for name in ("a", "b", "c", "d"):
        site.seed("kv", f"secret/{name}")

    def cut(reply: Reply) -> Reply:
        answer = json.loads(reply.body)
        answer["data"]["keys"] = answer["data"]["keys"][:2]
        return Reply(status=reply.status, body=json.dumps(answer).encode())

    intercept(site, "detailed-metadata", cut)
    seen = site.observe(kinds=("kv",))
    assert seen.coverage["kv", "secret/"].status is CoverageStatus.PARTIAL
    assert not seen.items


def test_an_empty_table_of_mounts_is_not_believed(site: Any) -> None:
    """A server without a single mount does not exist; believing it would call every item of every mount missing."""
    secret = site.seed("kv", "secret/pay")
    intercept(site, "/v1/sys/mounts", lambda _: Reply(status=200, body=b'{"data": {}}'))
    with pytest.raises(ProviderError, match="table of mounts is empty") as caught:
        site.observe(secret, kinds=("kv",))
    assert caught.value.kind is ErrorKind.MALFORMED


@pytest.mark.parametrize("token", ["s.\u2028x", "s.\u00f6", "s. x", "s.\r\nX-Evil: 1", 5])
def test_a_login_that_answers_no_token_is_malformed(site: Any, token: object) -> None:
    """What cannot stand in a header is no token: a typed error at the login, not a fault at the first use."""
    secret = site.seed("kv", "secret/pay")
    intercept(site, "/login", lambda _: Reply(status=200, body=json.dumps({"auth": {"client_token": token}}).encode()))
    with pytest.raises(ProviderError, match="holds no token") as caught:
        site.observe(secret)
    assert caught.value.kind is ErrorKind.MALFORMED


@pytest.mark.parametrize("time", [10**30, -(10**30), 2**63, True, "soon"])
def test_a_time_beyond_the_calendar_ends_no_doctor(site: Any, time: object) -> None:
    """It tells no time; everything else is looked at as always."""

    def lie(reply: Reply) -> Reply:
        answer = json.loads(reply.body)
        if "server_time_utc" in answer:
            answer["server_time_utc"] = time
        else:
            answer["data"]["expire_time"] = "9999-12-31T23:59:59-14:00"
        return Reply(status=reply.status, body=json.dumps(answer).encode())

    intercept(site, "sys/health", lie)
    intercept(site, "lookup-self", lie)
    found = {one.name: one for one in site.provider().examine(AccessMode.READ, (), frozenset(), site.budget())}
    assert found["identity"].state is CheckState.OK
    assert "clock" not in found
