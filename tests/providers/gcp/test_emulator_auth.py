"""How tokens are had from the emulator, with google-auth's own credential classes, and how TLS is verified."""

import json
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
from google.api_core import exceptions
from google.auth import identity_pool, impersonated_credentials
from google.auth import jwt as google_jwt
from google.auth.exceptions import OAuthError, RefreshError
from google.iam.v1 import policy_pb2
from google.oauth2 import service_account

from nhisync.testing.clocks import FakeClock
from nhisync_gcp.emulator.tokens import parse, sign

from .emulator_stand import SCOPES, Clients, Stand, open_stand


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """An emulated source."""
    with open_stand(tmp_path) as made:
        yield made


def lists(stand: Stand, credentials: Any) -> bool:
    """Whether these credentials may list secrets."""
    sm = stand.owner.secrets(stand.global_address, credentials)
    return list(sm.list_secrets(parent=stand.parent)) == []


def post(stand: Stand, path: str, *, token: str = "", data: dict[str, str] | None = None, document: Any = None) -> Any:
    """One HTTPS request of the owner's session."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return stand.owner.session.post(f"{stand.web}{path}", headers=headers, data=data, json=document, timeout=10)


def assertion(stand: Stand, **claims: Any) -> str:
    """A signed assertion of the source's identity; `claims` replace those that make it good."""
    info = json.loads(Path(stand.document["auth"]["file"]).read_text())
    now = int(datetime.now(UTC).timestamp())
    good = {"iss": info["client_email"], "aud": info["token_uri"], "scope": SCOPES[0], "iat": now, "exp": now + 3_600}
    key = stand.source.identity.user_keys()[0]
    return sign(key.private, str(claims.pop("kid", key.id)), {**good, **claims})


def refused(stand: Stand, grant: str) -> tuple[str, str]:
    """Error and description of the token endpoint for an assertion."""
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": grant}
    answer = post(stand, "/token", data=form)
    assert answer.status_code == 400
    return answer.json()["error"], answer.json()["error_description"]


def test_a_key_file_logs_in(stand: Stand) -> None:
    """The source's own document suffices: key file, CA and addresses."""
    clients = stand.nhisync
    assert lists(stand, clients.credentials)
    assert clients.credentials.token.startswith("ya29.")


@pytest.mark.parametrize(
    ("claims", "error", "text"),
    [
        ({"kid": "0" * 40}, "invalid_grant", "Invalid JWT Signature."),
        ({"iss": "nobody@x.iam.gserviceaccount.com"}, "invalid_grant", "account not found"),
        ({"iat": 1, "exp": 3_601}, "invalid_grant", "reasonable timeframe"),
        ({"exp": 99_999_999_999}, "invalid_grant", "reasonable timeframe"),
        ({"iat": None}, "invalid_grant", "reasonable timeframe"),
        ({"aud": "https://elsewhere.example/token"}, "invalid_grant", "audience"),
        ({"scope": ""}, "invalid_scope", "scope"),
    ],
)
def test_a_bad_assertion_is_refused(stand: Stand, claims: dict[str, Any], error: str, text: str) -> None:
    """Each flaw has the error of the real endpoint; without a flaw there is a token."""
    found = refused(stand, assertion(stand, **claims))
    assert found[0] == error
    assert text in found[1]
    good = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion(stand)}
    assert post(stand, "/token", data=good).json()["token_type"] == "Bearer"


def test_a_forged_assertion_is_refused(stand: Stand) -> None:
    """Another key under the right kid, another algorithm, or no JWT at all: no token."""
    other = stand.cloud.accounts.draw()
    claims = dict(parse(assertion(stand)).claims)  # type: ignore[union-attr]
    kid = stand.source.identity.user_keys()[0].id
    assert refused(stand, sign(other, kid, claims))[1] == "Invalid JWT Signature."
    head, body, signature = assertion(stand).split(".")
    unsigned = google_jwt._helpers.unpadded_urlsafe_b64encode(json.dumps({"alg": "none", "kid": kid}).encode()).decode()
    assert refused(stand, f"{unsigned}.{body}.{signature}")[1] == "Invalid JWT Signature."
    for garbage in ("", "a.b", "a.b.c", f"{head}.{body}"):
        assert refused(stand, garbage)[0] == "invalid_grant"
    answer = post(stand, "/token", data={"grant_type": "password"})
    assert answer.json()["error"] == "unsupported_grant_type"


def test_the_constant_audience_of_client_libraries_is_accepted(stand: Stand) -> None:
    """Google-auth signs for the public token URL, whatever address it sends to."""
    public = "https://oauth2.googleapis.com/token"
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion(stand, aud=public)}
    assert post(stand, "/token", data=grant).status_code == 200


def test_an_access_token_ends_after_an_hour(stand: Stand) -> None:
    """By the machine's clock, which client libraries go by; then it is UNAUTHENTICATED."""
    wall = FakeClock(datetime.now(UTC))
    stand.cloud.wall = wall
    credentials = stand.nhisync.credentials
    credentials.refresh(stand.owner.request)
    assert lists(stand, credentials)
    wall.advance(timedelta(seconds=3_599))
    with pytest.raises(exceptions.Unauthenticated) as refusal:
        lists(stand, credentials)
    assert refusal.value.reason == "ACCESS_TOKEN_EXPIRED"


def test_a_self_signed_token_is_as_good(stand: Stand) -> None:
    """Google's APIs take a service account's own JWT; a wrong audience or a foreign signature is refused."""
    loader: Any = service_account.Credentials
    credentials = loader.from_service_account_file(stand.document["auth"]["file"], always_use_jwt_access=True)
    own = credentials.with_scopes(SCOPES)
    own._create_self_signed_jwt(None)
    assert lists(stand, own)
    for bearer in ("nonsense", assertion(stand, aud="https://oauth2.googleapis.com/token"), assertion(stand, kid="x")):
        with grpc.secure_channel(
            stand.global_address.partition("://")[2],
            grpc.composite_channel_credentials(
                grpc.ssl_channel_credentials(Path(stand.document["ca_file"]).read_bytes()),
                grpc.access_token_call_credentials(bearer),
            ),
        ) as channel:
            call = channel.unary_unary("/google.cloud.secretmanager.v1.SecretManagerService/ListSecrets")
            with pytest.raises(grpc.RpcError) as refusal:
                call(b"", timeout=10)
            assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_a_call_without_a_token_is_unauthenticated(stand: Stand) -> None:
    """No token, no answer; the reason says that it was missing."""
    tls = grpc.ssl_channel_credentials(Path(stand.document["ca_file"]).read_bytes())
    with grpc.secure_channel(stand.global_address.partition("://")[2], tls) as channel:
        call = channel.unary_unary("/google.cloud.secretmanager.v1.SecretManagerService/ListSecrets")
        with pytest.raises(grpc.RpcError) as refusal:
            call(b"", timeout=10)
    assert refusal.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "CREDENTIALS_MISSING" in str(refusal.value.trailing_metadata())


def test_federation_exchanges_a_foreign_token(tmp_path: Path) -> None:
    """The credential configuration leads through the STS and the impersonation to the source's identity."""
    with open_stand(tmp_path, auth="workload_identity") as stand:
        info = json.loads(Path(stand.document["auth"]["file"]).read_text())
        loader: Any = identity_pool.Credentials
        credentials = loader.from_info(info, scopes=SCOPES)
        credentials.refresh(stand.owner.request)
        assert lists(stand, credentials)
        stand.cloud.access.set_policy(stand.source.identity.name, policy_pb2.Policy(), stand.clock.now())
        with pytest.raises(RefreshError, match="getAccessToken"):
            credentials.refresh(stand.owner.request)
        lost = loader.from_info({**info, "audience": "//iam.googleapis.com/elsewhere"}, scopes=SCOPES)
        with pytest.raises(OAuthError, match="invalid_target"):
            lost.refresh(stand.owner.request)
        Path(info["credential_source"]["file"]).write_text("a.b.c")
        forged = loader.from_info(info, scopes=SCOPES)
        with pytest.raises(OAuthError, match="invalid_grant"):
            forged.refresh(stand.owner.request)


def test_impersonation_needs_its_permission(stand: Stand) -> None:
    """An account that may create tokens acts as the source's identity; without the binding it is refused."""
    target = stand.source.identity
    made: Any = impersonated_credentials.Credentials
    credentials = made(
        source_credentials=stand.nhisync.credentials,
        target_principal=target.email,
        target_scopes=list(SCOPES),
        iam_endpoint_override=f"{stand.web}/v1/projects/-/serviceAccounts/{target.email}:generateAccessToken",
    )
    with pytest.raises(RefreshError, match="getAccessToken"):
        credentials.refresh(stand.owner.request)
    stand.cloud.access.bind(target.name, "roles/iam.serviceAccountTokenCreator", target.member, stand.clock.now())
    credentials.refresh(stand.owner.request)
    assert lists(stand, credentials)


def test_a_metadata_server_answers_its_own_machine(tmp_path: Path) -> None:
    """Plain HTTP, tokens of the attached account, and only for requests that name the flavour."""
    with open_stand(tmp_path, auth="metadata_server") as stand:
        base = f"{stand.document['auth']['endpoint']}/computeMetadata/v1"
        flavour = {"Metadata-Flavor": "Google"}

        def get(path: str, **headers: str) -> requests.Response:
            return stand.owner.session.get(f"{base}{path}", headers=headers or flavour, timeout=10)

        account = "/instance/service-accounts"
        assert get(f"{account}/default/email").text == stand.source.identity.email
        assert get(f"{account}/default/?recursive=true").json()["aliases"] == ["default"]
        assert get("/project/project-id").text == stand.project
        assert get("/project/numeric-project-id").text == stand.number
        assert get(f"{account}/default/token").headers["Metadata-Flavor"] == "Google"
        assert get(f"{account}/stranger@x/token").status_code == 404
        assert get(f"{account}/default/token", Accept="*/*").status_code == 403
        token = get(f"{account}/default/token").json()["access_token"]
        assert stand.cloud.member_of(token) == stand.source.identity.member


def test_a_token_file_holds_a_token(tmp_path: Path) -> None:
    """With auth access_token_file the document names a file with a token of the source's identity."""
    with open_stand(tmp_path, auth="access_token_file") as stand:
        token = Path(stand.document["auth"]["file"]).read_text()
        assert stand.cloud.member_of(token) == stand.source.identity.member
        assert Path(stand.document["auth"]["file"]).stat().st_mode & 0o077 == 0
        answer = stand.owner.session.get(f"{stand.web}/tokeninfo", params={"access_token": token}, timeout=10)
        assert answer.json()["email"] == stand.source.identity.email
        wrong = stand.owner.session.get(f"{stand.web}/tokeninfo", params={"access_token": "x"}, timeout=10)
        assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_token")


def test_projects_tell_and_take_policies(stand: Stand) -> None:
    """Cloud Resource Manager tests permissions for everybody, and shows and changes policies with permission."""
    stand.nhisync.credentials.refresh(stand.owner.request)
    mine = stand.cloud.issue_token(stand.source.identity.member)
    asked = ["secretmanager.secrets.list", "secretmanager.versions.access"]
    for version, project in (("v1", stand.project), ("v3", stand.project), ("v3", stand.number)):
        path = f"/{version}/projects/{project}:testIamPermissions"
        answer = post(stand, path, token=mine, document={"permissions": asked})
        assert answer.json() == {"permissions": asked[:1]}
    refusal = post(stand, f"/v1/projects/{stand.project}:getIamPolicy", token=mine, document={})
    assert (refusal.status_code, refusal.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    assert post(stand, f"/v1/projects/{stand.project}:getIamPolicy", document={}).status_code == 401
    owner = stand.cloud.issue_token(f"serviceAccount:{stand.owner.credentials.service_account_email}")
    policy = post(stand, f"/v3/projects/{stand.project}:getIamPolicy", token=owner, document={}).json()
    policy["bindings"].append({"role": "roles/secretmanager.secretAccessor", "members": [stand.source.identity.member]})
    path = f"/v3/projects/{stand.project}:setIamPolicy"
    assert post(stand, path, token=owner, document={"policy": policy}).status_code == 200
    answer = post(
        stand, f"/v1/projects/{stand.project}:testIamPermissions", token=mine, document={"permissions": asked}
    )
    assert answer.json() == {"permissions": asked}
    missing = post(stand, "/v1/projects/none:getIamPolicy", token=owner, document={})
    assert missing.status_code == 403


def test_tls_is_verified_by_both_sides_of_the_source(stand: Stand, tmp_path: Path) -> None:
    """A client with another CA gets no further than the handshake, over gRPC and over HTTPS."""
    with open_stand(tmp_path / "other") as other:
        foreign = Clients(
            key_file=stand.document["auth"]["file"], ca_file=other.document["ca_file"], project=stand.project
        )
        try:
            with pytest.raises(exceptions.ServiceUnavailable):
                foreign.secrets(stand.global_address, stand.nhisync.credentials).list_secrets(
                    parent=stand.parent, timeout=5, retry=None
                )
            with pytest.raises(requests.exceptions.SSLError):
                foreign.session.get(f"{stand.web}/token", timeout=10)
        finally:
            foreign.close()


def test_the_listeners_certificate_passes_strict_verification(stand: Stand) -> None:
    """The chain also holds under the flags that newer Python versions set by default."""
    host, _, port = stand.web.removeprefix("https://").partition(":")
    context = ssl.create_default_context(cafile=stand.document["ca_file"])
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with (
        socket.create_connection((host, int(port)), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname=host) as connection,
    ):
        assert connection.version() in {"TLSv1.2", "TLSv1.3"}
