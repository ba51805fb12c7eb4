"""Answers of a broken or hostile service: never ready, never absent, never fresh, and no token for somebody else."""

import json
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from nhisync.spi import CredentialState, ErrorKind, InventoryRequest, Moment, Presence, ProviderError
from nhisync_azure.emulator.server import fresh_port
from nhisync_azure.holdings import _by_policy
from nhisync_azure.kinds.certificates import _after, renewal
from nhisync_azure.run import Run

DAY = timedelta(days=1)
APP = "00000000-1111-2222-3333-444444444444"
ID = "0" * 32
MADE = {"created": 1_700_000_000, "updated": 1_700_000_000}


class Bent(ThreadingHTTPServer):
    """A vault or Graph that answers what a test put there, by path; everything else is an error of its own.

    Attributes:
        answers: path → document.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _BentHandler, bind_and_activate=False)
        self.socket.close()
        self.socket = fresh_port()  # the SDK remembers challenges by port for the life of the process
        self.server_name, self.server_port = "127.0.0.1", int(self.socket.getsockname()[1])
        self.answers: dict[str, Any] = {}

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://127.0.0.1:{self.server_port}"


class _BentHandler(BaseHTTPRequestHandler):
    server: Bent

    def do_GET(self) -> None:
        """The document of the path, else 404 as a vault gives it."""
        found = self.server.answers.get(self.path.partition("?")[0].rstrip("/"))
        body = json.dumps(found or {"error": {"code": "SecretNotFound", "message": ""}}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name of the base class
        """Quiet."""


@pytest.fixture
def bent(azure) -> Iterator[Bent]:
    """A server with a certificate that the source trusts."""
    server = Bent()
    assert azure._authority is not None
    server.socket = azure._authority.server_context().wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


def vault(bent, backup, *, kinds="", rows=(), versions=(), deleted=()):
    """See ``secret/x`` of a vault with these lists."""
    base = f"{bent.url}/secrets/x"
    bent.answers = {
        "/secrets": {"value": [{"id": base, **row} for row in rows]},
        "/secrets/x/versions": {"value": [{"id": f"{base}/{ID}", **row} for row in versions]},
        "/deletedsecrets": {"value": [{"id": base, **row} for row in deleted]},
    }
    return backup.see("secret/x", kinds=kinds, vault=bent.url)


@pytest.mark.parametrize("date", [{}, {"deletedDate": "yesterday"}])
def test_soft_deleted_is_out_of_force_without_a_date_too(bent, backup, date):
    """Standing in the list of the deleted is what counts, not the date that may come with it."""
    row = {"attributes": {"enabled": True, **MADE}, "recoveryId": f"{bent.url}/deletedsecrets/x", **date}
    for kinds in ("", "secret"):
        item = vault(bent, backup, kinds=kinds, deleted=[row])["secret/x"]
        assert item.state is CredentialState.DEACTIVATED


@pytest.mark.parametrize(
    "attributes",
    [
        {"enabled": True, **MADE, "exp": "1700000000"},
        {"enabled": True, **MADE, "exp": 32_503_680_000_000},
        {"enabled": True, **MADE, "nbf": "soon"},
        {"enabled": None, **MADE},
        {"enabled": "false", **MADE},
        MADE,
        None,
    ],
)
def test_an_item_that_cannot_be_judged_is_not_in_force(bent, backup, attributes):
    """An end that cannot be read is not "no end", and silence about ``enabled`` is not "enabled"."""
    row = {"attributes": attributes}
    for kinds in ("", "secret"):
        seen = vault(bent, backup, kinds=kinds, rows=[row], versions=[row])
        assert (seen["secret/x"].presence, seen["secret/x"].error.kind) == (Presence.UNKNOWN, "malformed")


@pytest.mark.parametrize("kinds", ["", "secret"])
def test_one_odd_row_of_the_soft_deleted_costs_itself(bent, backup, kinds):
    """Its neighbours are what they are, what it is about is unknown and not missing, and the sweep is not complete."""
    good = {"attributes": {"enabled": True, **MADE}, "recoveryId": f"{bent.url}/deletedsecrets/x"}
    odd = {**good, "id": f"{bent.url}/secrets/odd", "attributes": {"enabled": True, **MADE, "exp": "soon"}}
    vault(bent, backup, deleted=[odd, good])
    seen = backup.see("secret/x", "secret/odd", "secret/none", kinds=kinds, vault=bent.url)
    assert seen["secret/x"].state is CredentialState.DEACTIVATED
    assert (seen["secret/odd"].presence, seen["secret/odd"].error.kind) == (Presence.UNKNOWN, "malformed")
    assert seen["secret/none"].presence is Presence.ABSENT
    assert not kinds or seen.status == {"secret": "partial"}


def test_a_soft_deleted_row_without_a_name_may_be_anybodys(bent, backup):
    """Its neighbours stand; nothing that no list shows can be called absent any more."""
    good = {"attributes": {"enabled": True, **MADE}, "recoveryId": f"{bent.url}/deletedsecrets/x"}
    vault(bent, backup, deleted=[{**good, "id": None}, good])
    seen = backup.see("secret/x", "secret/none", vault=bent.url)
    assert seen["secret/x"].state is CredentialState.DEACTIVATED
    assert (seen["secret/none"].presence, seen["secret/none"].error.kind) == (Presence.UNKNOWN, "malformed")


def test_what_nobody_foresaw_costs_one_item(backup):
    """An arithmetic slip at one item is its own typed answer; its neighbour is read, and the run goes on."""
    provider = backup.provider()
    request = InventoryRequest(budget=backup.budget())
    run = Run(provider._connection, provider._settings, provider._context, request)

    def read(locator):
        if locator.name == "odd":
            raise OverflowError("canary-date")
        yield run.absent(locator)

    found = {one.locator.name: one for one in run.each(map(backup.locator, ("secret/odd", "secret/none")), read)}
    assert found["none"].presence is Presence.ABSENT
    assert (found["odd"].presence, found["odd"].error.kind) == (Presence.UNKNOWN, "malformed")
    assert "canary" not in str(found["odd"])


def test_policies_of_another_shape_grant_nothing():
    """The doctor answers whatever ARM sends where a list of words should be."""
    for words in (7, "get", {"get": True}, None):
        policy = {"objectId": "me", "permissions": {"secrets": words, "keys": ["Get"]}}
        assert _by_policy({"properties": {"accessPolicies": [policy]}}, "me") == {"keys/get"}


def test_versions_of_another_secret_are_no_answer(bent, backup):
    """A cache that mixes answers up does not make a secret present."""
    row = {"attributes": {"enabled": True, **MADE}}
    vault(bent, backup, versions=[row])
    bent.answers["/secrets/y/versions"] = bent.answers["/secrets/x/versions"]
    item = backup.see("secret/y", vault=bent.url)["secret/y"]
    assert (item.presence, item.error.kind) == (Presence.UNKNOWN, "malformed")


def test_the_value_of_another_secret_is_not_compared(bent, backup):
    """Two secrets that differ would look alike, or the other way round."""
    bent.answers = {"/secrets/y": {"id": f"{bent.url}/secrets/x/{ID}", "value": "canary-other-71"}}
    (found,) = backup.provider(vault=bent.url).values([backup.locator("secret/y")], backup.budget())
    assert found[1].kind == "malformed"
    assert "canary" not in repr(found)


def test_an_impossible_renewal_is_no_crash():
    """A count of days that no calendar has."""
    policy = type("P", (), {"validity_in_months": 12})()
    for days in (10**12, -1):
        action = type("A", (), {"action": "AutoRenew", "lifetime_percentage": None, "days_before_expiry": days})()
        policy.lifetime_actions = [action]
        assert renewal(policy, None, None) == (None, True)


@pytest.mark.parametrize("resource", ["https://graph.microsoft.com", "https://management.azure.com"])
def test_a_vault_gets_no_token_of_another_service(backup, azure, rogue, resource):
    """A private vault's challenge is not checked by the SDK: it may ask, and gets no token of Graph or ARM."""
    rogue.resource = resource
    rogue.authority = f"{backup.document['authority']}/{backup.document['auth']['tenant']}"
    item = backup.see("secret/x", vault=f"https://127.0.0.1:{rogue.server_port}")["secret/x"]
    assert item.error.kind == "misconfigured"
    assert not any(line.endswith("True") for line in rogue.led)


SECRET = {"keyId": "K", "startDateTime": "2026-01-01T00:00:00Z", "endDateTime": "2099-01-01T00:00:00Z"}


def tenant(bent, backup, name, row, kinds=""):
    """See one name in a directory that knows this one application only, whatever is filtered."""
    path = f"/v1.0/applications(appId='{APP}')"
    bent.answers = {"/v1.0/applications": {"value": [row]}, path: row}
    bent.answers["/v1.0/applications/o/federatedIdentityCredentials"] = {"value": row.get("trusts", [])}
    return backup.see(name, kinds=kinds, graph=bent.url)


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"passwordCredentials": None},
        {"passwordCredentials": {}},
        {"passwordCredentials": ["x"]},
        {"passwordCredentials": [{**SECRET, "endDateTime": "never"}]},
        {"passwordCredentials": [{**SECRET, "endDateTime": None}]},
        {"passwordCredentials": [{**SECRET, "startDateTime": 7}]},
    ],
)
def test_credentials_that_an_answer_leaves_out_are_not_absent(bent, backup, part):
    """Neither "no secret" nor "a secret without end" is concluded, and the sweep is not complete."""
    row = {"id": "o", "appId": APP, "displayName": "pay", **part}
    for name, kinds in (("app-secret/pay", "app-secret"), (f"app-secret/{APP}", ""), ("app-secret/pay/K", "")):
        seen = tenant(bent, backup, name, row, kinds)
        assert (seen[name].presence, seen[name].error.kind) == (Presence.UNKNOWN, "malformed")
        assert not kinds or seen.status == {"app-secret": "unreachable"}


def test_trusts_that_cannot_be_read_are_not_absent(bent, backup):
    """A row that is no object hides a trust."""
    row = {"id": "o", "appId": APP, "displayName": "pay", "trusts": ["x"]}
    item = tenant(bent, backup, "app-federation/pay/cluster", row)["app-federation/pay/cluster"]
    assert (item.presence, item.error.kind) == (Presence.UNKNOWN, "malformed")


@pytest.mark.parametrize("name", ["app-secret/billing", f"app-secret/{APP}"])
def test_another_application_is_no_answer(bent, backup, name):
    """A filter that was not applied, or a cache that mixes answers up, makes no application present."""
    row = {"id": "o", "appId": APP[:-1] + "5", "displayName": "pay", "passwordCredentials": [SECRET]}
    item = tenant(bent, backup, name, row)[name]
    assert (item.presence, item.error.kind) == (Presence.UNKNOWN, "malformed")


def test_a_well_formed_application_is_present(bent, backup):
    """The same server with a whole answer: what the tests above refuse is not everything."""
    row = {"id": "o", "appId": APP, "displayName": "Pay", "passwordCredentials": [SECRET]}
    item = tenant(bent, backup, "app-secret/pay", row)["app-secret/pay"]
    assert (item.presence, item.state) == (Presence.PRESENT, CredentialState.ACTIVE)


def test_a_well_formed_secret_is_present(bent, backup):
    """The same vault with whole answers."""
    row = {"attributes": {"enabled": True, **MADE}}
    item = vault(bent, backup, kinds="secret", rows=[row], versions=[row])["secret/x"]
    assert (item.presence, item.state) == (Presence.PRESENT, CredentialState.ACTIVE)


def test_a_start_that_passed_is_not_unchanged(backup, clock):
    """No field of the list moves when a secret begins: the stored detail must not stand for it, either way."""
    backup.seed("secret", "x", not_before=DAY)
    first = backup.see("secret/x", kinds="secret")
    assert first["secret/x"].state is CredentialState.PRE_ACTIVATION
    assert backup.see("secret/x", kinds="secret", known=first.markers).unchanged == ["secret/x"]
    clock.advance(2 * DAY)
    assert backup.see("secret/x", kinds="secret", known=first.markers)["secret/x"].state is CredentialState.ACTIVE


def test_a_renewal_beyond_every_calendar_is_no_date():
    """A certificate that begins in the last month that there is."""
    assert _after(Moment(datetime(9999, 12, 1, tzinfo=UTC)), 365 * DAY) is None
    assert _after(Moment(datetime(2026, 1, 1, tzinfo=UTC)), DAY) == datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(("attempts", "seconds"), [(3, 0.2), (1, 600)])
def test_a_failure_drags_nothing_of_the_sdk_along(backup, attempts, seconds):
    """Not even as suppressed context: what the SDK raised holds the request with its token, and the answer."""
    backup.seed("secret", "x")
    backup.fault("drop", surface="kv")
    provider = backup.provider(attempts=attempts)
    provider._connection.who(backup.budget())
    with pytest.raises(ProviderError) as caught:
        list(provider._connection.pages("secrets", "list_properties_of_secrets", backup.budget(seconds)))
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)


def test_a_flag_of_a_single_answer_is_a_flag_too(bent, backup):
    """A key whose answer says ``managed: "true"`` is no answer: the SDK would make True of any text."""
    key = {"key": {"kid": f"{bent.url}/keys/x/{ID}", "kty": "RSA"}, "attributes": {"enabled": True, **MADE}}
    with closing(backup.provider(vault=bent.url)) as provider:
        bent.answers = {"/keys/x": {**key, "managed": True}}
        assert provider._connection.call("keys", "get_key", backup.budget(), "x").properties.managed is True
        bent.answers = {"/keys/x": {**key, "managed": "true"}}
        with pytest.raises(ProviderError) as caught:
            provider._connection.call("keys", "get_key", backup.budget(), "x")
    assert caught.value.kind is ErrorKind.MALFORMED
