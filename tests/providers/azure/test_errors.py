"""Causes before names: what azure-core and azure-identity raise, in our words, without a word of theirs."""

import socket
import ssl
from datetime import timedelta

import pytest
import requests
from azure.core import exceptions as sdk
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import exceptions as lib

from nhisync.spi import ErrorKind, ProviderError
from nhisync_azure.errors import Called, UnbelievableError, kind_of, retry_after, translate

WHERE = "https://payments-north.vault.azure.net"
READ = "Microsoft.KeyVault/vaults/secrets/readMetadata/action"
CALLED = Called(name="secrets.list", action=READ, resource=WHERE, grant="Grant it: so", status=403, request_id="req-1")
CANARY = "canary-text-of-a-server"


class Response:
    """What errors need of a response."""

    def __init__(self, status, body, headers=None):
        self.status_code, self.reason, self.body, self.headers = status, "", body, headers or {}
        self.request = "request"

    def text(self):
        """The body as text."""
        return str(self.body)

    def json(self):
        """The body as JSON."""
        if isinstance(self.body, str):
            raise ValueError("not JSON")  # noqa: TRY004 - what requests raises
        return self.body


def said(status, code, inner="", text="", headers=None):
    """An HttpResponseError with Azure's envelope."""
    error = {"code": code, "message": f"{text} {CANARY}"}
    if inner:
        error["innererror"] = {"code": inner}
    return sdk.HttpResponseError(response=Response(status, {"error": error}, headers))


@pytest.mark.parametrize(
    ("status", "code", "inner", "kind"),
    [
        (401, "Unauthorized", "", "auth_failed"),
        (403, "Forbidden", "ForbiddenByRbac", "denied"),
        (403, "Forbidden", "ForbiddenByPolicy", "denied"),
        (403, "Forbidden", "AccessDenied", "denied"),
        (403, "Forbidden", "ForbiddenByFirewall", "denied"),
        (403, "Forbidden", "ForbiddenByConnection", "denied"),
        (403, "Forbidden", "SecretDisabled", "conflict"),
        (403, "Forbidden", "KeyDisabled", "conflict"),
        (403, "Forbidden", "VaultReadOnly", "read_only_side"),
        (403, "Authorization_RequestDenied", "", "denied"),
        (404, "SecretNotFound", "", "not_found"),
        (404, "KeyNotFound", "", "not_found"),
        (404, "CertificateNotFound", "", "not_found"),
        (404, "Request_ResourceNotFound", "", "not_found"),
        (404, "VaultNotFound", "", "scope_missing"),
        (404, "ResourceNotFound", "", "scope_missing"),
        (404, "", "", "malformed"),
        (409, "Conflict", "ObjectIsDeletedButRecoverable", "conflict"),
        (409, "Conflict", "", "conflict"),
        (429, "Throttled", "", "throttled"),
        (400, "BadParameter", "", "misconfigured"),
        (405, "HttpMethodNotAllowed", "", "unsupported"),
        (500, "InternalError", "", "unreachable"),
        (503, "", "", "unreachable"),
        (302, "", "", "malformed"),
    ],
)
def test_answers_have_their_kind(status, code, inner, kind):
    """The inner code first, then the outer one, then the status; a stranger's 404 proves no absence."""
    error = translate(said(status, code, inner), CALLED)
    assert error.kind == kind
    assert error.fact.request_id == "req-1"
    assert CANARY not in f"{error} {error.fact} {error.fix}"


def test_a_read_only_vault_is_told_by_its_words():
    """During a failover to the paired region the code is general and the text speaks."""
    error = translate(said(403, "Forbidden", "OperationNotAllowed", "The vault is in read-only mode"), CALLED)
    assert error.kind is ErrorKind.READ_ONLY_SIDE
    assert "rotated" in error.fix


RBAC = (
    "Caller is not authorized to perform action on resource.\r\nCaller: appid=AAAAAAAA-bbbb-cccc-dddd-eeeeeeeeeeee;"
    f"oid=x;iss=https://sts.windows.net/t/\r\nAction: '{READ}'\r\nResource: '/subscriptions/s/resourcegroups/rg/"
    "providers/microsoft.keyvault/vaults/payments-north'\r\nAssignment: (not found)"
)


def test_a_denial_by_role_names_action_resource_and_caller():
    """The vault's own sentence is taken apart; only parts of the right form are kept."""
    fact = translate(said(403, "Forbidden", "ForbiddenByRbac", RBAC), CALLED).fact
    assert fact.action == READ
    assert fact.resource.endswith("/vaults/payments-north")
    assert fact.principal == "appid=aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"


def test_a_denial_by_policy_names_the_word():
    """Access policies speak of permissions in words."""
    text = "The user, group or application 'appid=x' does not have secrets list permission on key vault 'v;location=l'."
    error = translate(said(403, "Forbidden", "AccessDenied", text), CALLED)
    assert (error.fact.action, error.fix) == ("secrets/list", "Grant it: so")


@pytest.mark.parametrize("inner", ["ForbiddenByFirewall", "ForbiddenByConnection"])
def test_the_network_is_no_missing_permission(inner):
    """No role cures a firewall: the error names no action and another fix."""
    error = translate(said(403, "Forbidden", inner, RBAC), CALLED)
    assert (error.kind, error.fact.action) == (ErrorKind.DENIED, "")
    assert "network rules" in error.fix


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("AADSTS7000215: Invalid client secret provided.", "not_propagated"),
        ("AADSTS7000222: expired", "auth_failed"),
        ("AADSTS700016: no application", "auth_failed"),
        ("AADSTS90002: tenant", "misconfigured"),
        ("AADSTS700024: outside", "auth_failed"),
        ("AADSTS53003: blocked", "auth_failed"),
        ("AADSTS90033: passing", "unreachable"),
        ("AADSTS99999: something new", "auth_failed"),
        ("invalid_client", "auth_failed"),
        ("Unable to get authority configuration for https://login/x.", "misconfigured"),
    ],
)
def test_refused_logins_have_their_kind(text, kind):
    """The token service's own code decides; an unknown one is a refusal."""
    error = sdk.ClientAuthenticationError(message=f"Authentication failed: {text} {CANARY}")
    found = translate(error, Called(name="token", resource="https://login", login_status=400))
    assert found.kind == kind
    assert CANARY not in f"{found} {found.fact} {found.fix}"


@pytest.mark.parametrize(
    ("status", "kind"), [(503, "unreachable"), (429, "throttled"), (200, "malformed"), (0, "malformed")]
)
def test_a_token_service_in_trouble_is_no_invalid_credential(status, kind):
    """Its fault, its patience, or somebody else's answer: never "credentials invalid"."""
    error = sdk.ClientAuthenticationError(message="Unexpected response from Microsoft Entra ID")
    assert translate(error, Called(name="token", login_status=status)).kind == kind


def caused(cause):
    """ClientAuthenticationError around `cause`, as azure-identity makes it of everything."""
    error = sdk.ClientAuthenticationError(message=f"Authentication failed: {cause}")
    error.__cause__ = cause
    return error


def pooled(reason):
    """azure-core's error around requests' around urllib3's."""
    pool = lib.MaxRetryError(None, "/", reason)  # type: ignore[arg-type]  # no pool is needed here
    return sdk.ServiceRequestError("no", error=requests.exceptions.ConnectionError(pool))


NO_NAME = lib.NameResolutionError("h", None, socket.gaierror("no"))  # type: ignore[arg-type]
REFUSED = lib.NewConnectionError(None, "refused")  # type: ignore[arg-type]
REFUSED.__cause__ = ConnectionRefusedError()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (pooled(NO_NAME), "has no address"),
        (pooled(REFUSED), "is refused"),
        (pooled(lib.SSLError(ssl.SSLError("bad"))), "TLS handshake"),
        (pooled(lib.ProxyError("no", OSError())), "proxy"),
        (sdk.ServiceRequestTimeoutError("slow"), "in time"),
        (sdk.ServiceResponseTimeoutError("slow"), "in time"),
        (sdk.ServiceResponseError("gone"), "closed before"),
        (sdk.ServiceRequestError("?"), "no connection"),
    ],
)
@pytest.mark.parametrize("wrap", [lambda error: error, caused])
def test_no_answer_is_unreachable_whoever_wraps_it(error, words, wrap):
    """azure-identity calls a missing name ClientAuthenticationError: only the cause tells (reference §5)."""
    found = translate(wrap(error), CALLED)
    assert found.kind is ErrorKind.UNREACHABLE
    assert words in found.message
    assert found.fix


@pytest.mark.parametrize("error", [UnbelievableError("x"), sdk.DecodeError("x"), ValueError("x"), KeyError("x")])
def test_what_cannot_be_read_is_malformed(error):
    """A cut answer, another protocol, a model that does not fit."""
    assert translate(error, CALLED).kind is ErrorKind.MALFORMED


def test_our_own_refusal_comes_through_every_wrapper():
    """A budget that ends inside azure-identity stays THROTTLED."""
    own = ProviderError(ErrorKind.THROTTLED, "over")
    assert translate(caused(own), CALLED) is own


def test_a_foreign_challenge_is_our_configuration():
    """azure-keyvault raises ValueError when a vault wants a token for somebody else."""
    error = ValueError("The challenge resource 'evil.example' does not match the requested domain.")
    found = translate(error, CALLED)
    assert found.kind is ErrorKind.MISCONFIGURED
    assert "evil" not in str(found)


@pytest.mark.parametrize(
    ("raw", "wait"), [("7", timedelta(seconds=7)), ("", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)]
)
def test_retry_after(raw, wait):
    """Whole seconds, or not known."""
    assert retry_after({"Retry-After": raw}) == wait
    assert translate(said(429, "Throttled", headers={"Retry-After": raw}), CALLED).fact.retry_after == wait


@given(st.integers(300, 599), st.lists(st.text(max_size=20), max_size=4).map(tuple), st.text(max_size=30))
def test_every_answer_has_a_kind_and_only_the_services_own_code_is_absence(status, codes, text):
    """No status and no text makes something absent by itself."""
    kind = kind_of(status, codes, text)
    assert kind is not ErrorKind.NOT_FOUND or any(code.endswith("NotFound") for code in codes)
