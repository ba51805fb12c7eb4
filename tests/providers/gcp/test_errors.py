"""Google's answers by cause: statuses, reasons, details; what a broken connection says about itself."""

import datetime as dt
import http.server
import socket
import threading
from contextlib import contextmanager

import grpc
import pytest
from google.api_core import exceptions as sdk
from google.rpc import error_details_pb2
from hypothesis import given
from hypothesis import strategies as st

from nhisync.spi import ErrorKind, ProviderError, SystemClock
from nhisync_gcp.emulator.tls import ListenerAuthority
from nhisync_gcp.errors import Called, translate

CALLED = Called(
    "secretmanager.get_secret",
    "secretmanager.secrets.get",
    "projects/p/secrets/s",
    "https://secretmanager.googleapis.com",
    project="p",
)
LISTED = Called("secretmanager.list_secrets", "secretmanager.secrets.list", "projects/p", scope=True, project="p")
SECRET = "canary-value-in-an-sdk-text"


def answer(status, text=SECRET, *details):
    """An exception as api_core builds it."""
    error = sdk.from_grpc_status(getattr(grpc.StatusCode, status), text, details=list(details))
    error._details = list(details)
    return error


def info(reason, **metadata):
    """``google.rpc.ErrorInfo``."""
    return error_details_pb2.ErrorInfo(reason=reason, domain="googleapis.com", metadata=metadata)


@pytest.mark.requirement("R6")
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("UNAUTHENTICATED", "auth_failed"),
        ("PERMISSION_DENIED", "denied"),
        ("NOT_FOUND", "not_found"),
        ("FAILED_PRECONDITION", "conflict"),
        ("ABORTED", "conflict"),
        ("ALREADY_EXISTS", "conflict"),
        ("RESOURCE_EXHAUSTED", "throttled"),
        ("DEADLINE_EXCEEDED", "unreachable"),
        ("UNAVAILABLE", "unreachable"),
        ("CANCELLED", "unreachable"),
        ("INTERNAL", "unreachable"),
        ("UNKNOWN", "malformed"),
        ("DATA_LOSS", "malformed"),
        ("UNIMPLEMENTED", "unsupported"),
        ("INVALID_ARGUMENT", "misconfigured"),
        ("OUT_OF_RANGE", "misconfigured"),
    ],
)
def test_statuses_have_their_kind(status, kind):
    """The table of the README; no SDK text is passed on, and everything but an answer says what to do."""
    found = translate(answer(status), CALLED)
    assert found.kind.value == kind
    assert SECRET not in f"{found.message} {found.fix} {found.fact}"
    assert found.fix or kind in {"not_found", "unreachable", "unsupported"}


@pytest.mark.parametrize(
    ("reason", "kind", "fix"),
    [
        ("SERVICE_DISABLED", "scope_missing", "gcloud services enable secretmanager.googleapis.com --project p"),
        ("CONSUMER_INVALID", "scope_missing", "projects describe p"),
        ("BILLING_DISABLED", "scope_missing", "billing"),
        ("SECURITY_POLICY_VIOLATED", "denied", "perimeter"),
        ("ACCOUNT_STATE_INVALID", "auth_failed", "enable"),
        ("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "auth_failed", "cloud-platform"),
    ],
)
def test_reasons_go_before_the_status(reason, kind, fix):
    """PERMISSION_DENIED has many causes: a switched-off API or a missing project is not a missing grant."""
    found = translate(answer("PERMISSION_DENIED", SECRET, info(reason)), CALLED)
    assert found.kind.value == kind
    assert fix in found.fix


@pytest.mark.requirement("R6")
def test_a_denial_names_permission_resource_and_grant():
    """The words "or it may not exist" make a denial, never an absence; the fix is the command that grants."""
    text = "Permission 'x' denied for resource 'y' (or it may not exist)."
    details = info("IAM_PERMISSION_DENIED", permission="secretmanager.versions.access", resource="projects/7/secrets/s")
    request = error_details_pb2.RequestInfo(request_id="req-17")
    found = translate(answer("PERMISSION_DENIED", text, details, request), CALLED)
    assert found.kind is ErrorKind.DENIED
    assert found.presence.value == "denied"
    assert found.fact.action == "secretmanager.versions.access"
    assert found.fact.resource == "projects/7/secrets/s"
    assert found.fact.request_id == "req-17"
    assert "--add-permissions=secretmanager.versions.access" in found.fix
    assert "gcloud iam roles update nhisyncCompare --project=p" in found.fix


def test_a_denial_without_details_names_what_was_asked():
    """Older services send no ErrorInfo: the call itself says which permission it needs."""
    found = translate(answer("PERMISSION_DENIED"), CALLED)
    assert (found.fact.action, found.fact.resource) == ("secretmanager.secrets.get", "projects/p/secrets/s")


@pytest.mark.requirement("R6")
def test_a_missing_place_is_not_a_missing_item():
    """NOT_FOUND of a list is said of the place; of a single read it is said of the item."""
    assert translate(answer("NOT_FOUND"), CALLED).presence.value == "absent"
    found = translate(answer("NOT_FOUND"), LISTED)
    assert (found.kind, found.presence.value) == (ErrorKind.SCOPE_MISSING, "unknown")


def test_slow_down_says_for_how_long():
    """RetryInfo is the wait."""
    delay = error_details_pb2.RetryInfo()
    delay.retry_delay.FromTimedelta(dt.timedelta(seconds=90))
    found = translate(answer("RESOURCE_EXHAUSTED", SECRET, delay), CALLED)
    assert found.fact.retry_after == dt.timedelta(seconds=90)


def test_an_unusable_key_is_told_apart_from_a_disabled_version():
    """Both are FAILED_PRECONDITION; only one is repaired in Cloud KMS."""
    key = translate(answer("FAILED_PRECONDITION", "The Cloud KMS CryptoKeyVersion is disabled"), CALLED)
    version = translate(answer("FAILED_PRECONDITION", "Secret Version [x] is in DISABLED state."), CALLED)
    assert (key.kind, version.kind) == (ErrorKind.CRYPTO_UNAVAILABLE, ErrorKind.CONFLICT)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ("PERMISSION_DENIED", "Received http2 header with status: 403"),
        ("UNAUTHENTICATED", "Received http2 header with status: 401"),
        ("UNIMPLEMENTED", "Received http2 header with status: 404"),
        ("UNAVAILABLE", "Received http2 header with status: 503"),
        ("UNAVAILABLE", "last error: Failed parsing HTTP/2 (Expected SETTINGS frame)"),
        ("INTERNAL", "Exception deserializing response!"),
        ("RESOURCE_EXHAUSTED", "CLIENT: Received message larger than max (9 vs. 4)"),
    ],
)
def test_a_proxys_page_is_no_answer_of_google(status, text):
    """GRPC maps HTTP codes of strangers onto its own: a portal's 403 is no denial, its 401 no rejected key."""
    assert translate(answer(status, text), CALLED).kind is ErrorKind.MALFORMED


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_details_are_only_repeated_in_their_form(permission, resource, reason):
    """Whatever a stranger puts into the details, no control character and no sentence of his reaches a person."""
    found = translate(answer("PERMISSION_DENIED", "x", info(reason, permission=permission, resource=resource)), CALLED)
    for shown in (found.fact.action, found.fact.resource):
        assert shown.isprintable()
        assert " " not in shown
    assert len(found.fact.reason) <= 64


def test_our_own_error_passes():
    """A budget that ran out inside a call stays what it is."""
    error = ProviderError(ErrorKind.THROTTLED, "over")
    assert translate(error, CALLED) is error


def test_anything_else_is_unreadable():
    """What the SDK's parsers let out is no answer."""
    assert translate(TypeError(SECRET), CALLED).kind is ErrorKind.MALFORMED
    assert translate(ValueError("Cannot invoke RPC on closed channel!"), CALLED).kind is ErrorKind.UNREACHABLE


class _Page(http.server.BaseHTTPRequestHandler):
    """A web server that knows nothing of gRPC."""

    def do_GET(self):
        """Answer a page."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>login</html>")

    do_POST = do_GET  # noqa: N815 - the library's way to name methods
    do_CONNECT = do_GET  # noqa: N815

    def log_message(self, *_):
        """Say nothing."""


@contextmanager
def page_server():
    """A plain HTTP server on loopback."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def deaf_server():
    """A socket that takes connections and closes them."""
    server = socket.create_server(("127.0.0.1", 0))

    def close_all():
        try:
            while True:
                server.accept()[0].close()
        except OSError:
            return

    thread = threading.Thread(target=close_all, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def said(gcp, **settings):
    """What a list of secrets says of the connection; the token still comes from the emulator."""
    seen = gcp.see(kinds="secret", settings={"timeout": "20s", **settings})
    return seen.coverage[0].error


@pytest.mark.requirement("R6")
def test_a_refused_connection_says_so(gcp):
    """Nothing listens: the endpoint is wrong."""
    error = said(gcp, endpoints={"secretmanager": "https://127.0.0.1:1"})
    assert (error.kind, error.resource) == ("unreachable", "https://127.0.0.1:1")
    assert "refused" in error.message


def test_a_name_without_address_says_so(gcp):
    """The name servers are asked, and know nothing."""
    error = said(gcp, endpoints={"secretmanager": "https://nowhere.invalid"})
    assert error.kind == "unreachable"
    assert "no address" in error.message


@pytest.mark.parametrize("called", ["token", "call"])
def test_an_untrusted_certificate_says_so(gcp, tmp_path, called):
    """An authority that issued nothing here: for the token as for the calls, ca_file is the fix."""
    (tmp_path / "other").mkdir()
    other = ListenerAuthority(tmp_path / "other", SystemClock().now()).ca_file
    settings = {"ca_file": str(other), "timeout": "20s"}
    if called == "call":  # a token that needs no call lets the first one be Secret Manager's
        (tmp_path / "token").write_text("any", encoding="ascii")
        settings["auth"] = {"method": "access_token_file", "file": str(tmp_path / "token")}
    if called == "token":
        with pytest.raises(ProviderError) as caught:
            gcp.provider(**settings).identify(gcp.budget())
        error = caught.value.fact
        assert "ca_file" in caught.value.fix
    else:
        error = said(gcp, **settings)
    assert error.kind == "unreachable"
    assert "TLS" in error.message


def test_a_closed_connection_says_so(gcp):
    """Something takes the connection and drops it during the handshake."""
    with deaf_server() as port:
        error = said(gcp, endpoints={"secretmanager": f"https://127.0.0.1:{port}"})
    assert error.kind == "unreachable"


def test_a_web_server_is_not_google(gcp):
    """A page is no empty list."""
    with page_server() as port:
        error = said(gcp, endpoints={"secretmanager": f"http://127.0.0.1:{port}"})
    assert error.kind == "malformed"


def test_a_proxy_that_does_not_listen_says_so(gcp):
    """The fix is the proxy, not the endpoint: the token call meets it first."""
    with pytest.raises(ProviderError) as caught:
        gcp.provider(proxy="http://127.0.0.1:1").identify(gcp.budget())
    assert caught.value.kind is ErrorKind.UNREACHABLE
    assert "proxy" in caught.value.message
