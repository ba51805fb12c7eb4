"""A managed identity: the machine's metadata service, this client id, no proxy, no surroundings."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import ValidationError

from nhisync.spi import AccessMode, CheckState, ErrorKind, ProviderError
from nhisync_azure import AzureSettings

USUAL = "http://169.254.169.254"


@pytest.fixture
def machine(source_of):
    """A source that is read with the identity of its machine."""
    return source_of(auth="managed_identity")


@contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Something else at the metadata service's address; its URL, and the headers that it was sent."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def refusal(site, attempts=1, **auth):
    """What an identity that cannot be had is called."""
    provider = site.provider(auth={**site.document["auth"], **auth}, attempts=attempts)
    with pytest.raises(ProviderError) as caught:
        provider.identify(site.budget())
    return caught.value


def test_an_inventory_needs_no_file(machine):
    """Vault and directory are read with tokens of the metadata service, one for each."""
    machine.seed("secret", "x")
    machine.seed("app-secret", "x-app")
    seen = machine.see(kinds="secret app-secret")
    assert set(seen.status.values()) == {"complete"}
    assert machine.calls["sts:token"] == 2
    assert not [name for name in machine.document["auth"] if name.endswith("_file")]


def test_a_proxy_is_never_asked_for_the_token(machine, monkeypatch):
    """Neither the source's proxy nor one of the environment sees the request: it would read or replace the token."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    who = machine.provider(proxy="http://127.0.0.1:1").identify(machine.budget())
    assert who.principal == machine.document["auth"]["client_id"]


def test_the_surroundings_do_not_choose_the_service(machine, monkeypatch):
    """Variables by which azure-identity would ask another endpoint, with its secret header, change nothing."""
    for name in ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "IMDS_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("IDENTITY_HEADER", "MSI_SECRET", "IDENTITY_SERVER_THUMBPRINT"):
        monkeypatch.setenv(name, "canary-header")
    assert machine.provider().identify(machine.budget())


def test_an_identity_that_the_machine_does_not_have_is_refused(machine):
    """Never another identity in its place: two paths must not become one principal by accident."""
    failure = refusal(machine, client_id="00000000-1111-2222-3333-444444444444")
    assert failure.kind is ErrorKind.AUTH_FAILED
    assert "no managed identity 00000000-1111-2222-3333-444444444444" in failure.message
    assert "az vm identity assign" in failure.fix


@pytest.mark.parametrize("status", [404, 410, 500, 503])
def test_a_service_that_is_being_updated_is_an_outage(machine, status):
    """404 and 410 last for up to 70 seconds, and say nothing about the identity."""
    with answering(status, b'{"error": "gone"}') as (endpoint, _):
        failure = refusal(machine, endpoint=endpoint)
    assert (failure.kind, failure.fact.resource) == (ErrorKind.UNREACHABLE, endpoint)


@pytest.mark.parametrize("status", [404, 410])
def test_an_update_is_waited_for(machine, status):
    """As Microsoft advises; each attempt is spent."""
    with answering(status, b"{}") as (endpoint, seen):
        refusal(machine, attempts=3, endpoint=endpoint)
    assert len(seen) == 3
    assert {one["metadata"] for one in seen} == {"true"}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>sign in</html>"),
        (200, b"[]"),
        (200, b"{}"),
        (200, json.dumps({"access_token": "canary-token", "expires_in": "soon", "expires_on": "1"}).encode()),
        (200, json.dumps({"access_token": 7, "expires_in": "60", "expires_on": "60"}).encode()),
        (302, b"{}"),
        (401, b"<?xml version='1.0'?>"),
        (403, b"[" * 5000),
    ],
)
def test_what_is_no_metadata_service_of_azure_is_not_believed(machine, status, body):
    """A portal, another cloud's service at the same address, a redirect: no token, no refusal, no value in the text."""
    with answering(status, body) as (endpoint, _):
        failure = refusal(machine, endpoint=endpoint)
    assert failure.kind is ErrorKind.MALFORMED
    assert "canary" not in f"{failure} {failure.fact} {failure.fix}"


def test_a_machine_without_the_service_is_unreachable(machine):
    """A closed port is no invalid credential."""
    assert refusal(machine, endpoint="http://127.0.0.1:1").kind is ErrorKind.UNREACHABLE


def test_a_token_that_is_old_already_is_used_for_what_is_left(machine, clock):
    """The service hands out tokens from its cache: what counts is the time left, not the token's whole life."""
    body = {"access_token": "opaque", "expires_in": "900", "expires_on": "4102444800"}
    with answering(200, json.dumps(body).encode()) as (endpoint, seen):
        provider = machine.provider(auth={**machine.document["auth"], "endpoint": endpoint})
        provider.identify(machine.budget())
        clock.advance(timedelta(seconds=299))
        provider.identify(machine.budget())
        assert len(seen) == 1
        clock.advance(timedelta(seconds=2))
        provider.identify(machine.budget())
        assert len(seen) == 2


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://metadata.example",
        "http://10.0.0.4",
        "https://169.254.169.254",
        "http://169.254.169.254/path",
        "http://user@169.254.169.254",
        "http://169.254.169.254:99999",
        "169.254.169.254",
    ],
)
def test_a_token_is_asked_for_on_this_machine_only(machine, endpoint):
    """Without TLS nothing but the own link may answer with a token."""
    with pytest.raises(ValidationError, match="metadata service"):
        AzureSettings.model_validate({**machine.document, "auth": {**machine.document["auth"], "endpoint": endpoint}})


def test_the_usual_address_is_the_default(machine):
    """What Azure documents; a configuration names only tenant and client."""
    auth = {name: held for name, held in machine.document["auth"].items() if name != "endpoint"}
    settings = AzureSettings.model_validate({**machine.document, "auth": auth})
    assert settings.token_service == USUAL


def test_doctor_looks_for_no_file(machine):
    """Nothing fails, and the metadata service is the one that is named."""
    checks = list(machine.provider().examine(AccessMode.READ, (), frozenset({"secret"}), machine.budget()))
    assert [check for check in checks if check.state is CheckState.FAILED] == []
    assert "credential-file" not in {check.name for check in checks}
    service = next(check for check in checks if check.name == "token-service")
    assert machine.document["auth"]["endpoint"] in service.observed


def test_roles_of_graph_are_assigned_directly(machine):
    """A managed identity has no registration, so ``az ad app permission`` would find nothing."""
    kinds = frozenset({"app-secret"})
    text = "\n".join(one.text for one in machine.provider().permissions(AccessMode.READ, (), kinds))
    assert "az ad app permission" not in text
    assert "appRoleAssignments" in text
    machine.world.install("backup", "kv", graph_roles=())
    checks = machine.provider().examine(AccessMode.READ, (), kinds, machine.budget())
    fix = next(check.fix for check in checks if check.state is CheckState.FAILED)
    assert "appRoleAssignments" in fix
    assert "az ad app permission" not in fix
