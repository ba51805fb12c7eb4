"""The token endpoint as azure-identity sees it: secrets, certificates, federated tokens, AADSTS refusals."""

import base64
import json
import os
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import ClientAssertionCredential

from nhisync_azure.emulator import identities, jwt

from .conftest import REAL_VAULT

VAULT = "https://vault.azure.net/.default"
GRAPH = "https://graph.microsoft.com/.default"


def claims(token: str) -> dict[str, Any]:
    """The claims of a token."""
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def refusal(credential: Any, scope: str = VAULT) -> str:
    """The text of the refusal that a credential gets."""
    with pytest.raises(ClientAuthenticationError) as refused:
        credential.get_token(scope)
    return str(refused.value)


def test_a_token_says_who_it_is_for(cloud: Any) -> None:
    """Audience, tenant, application and object id stand in the token."""
    found = claims(cloud.credential.get_token(VAULT).token)
    assert found["aud"] in ("https://vault.azure.net", "cfa8b339-82a2-471a-a3c9-0fc0be7a4093")
    assert found["appid"] == cloud.auth["client_id"]
    assert found["tid"]
    assert found["oid"]
    assert found["exp"] > found["iat"]


def test_a_wrong_secret_is_7000215(cloud: Any) -> None:
    """A secret that is not the application's is refused with its own number."""
    assert "AADSTS7000215" in refusal(cloud.login("not-the-secret"))


def test_an_unknown_application_is_700016(cloud: Any) -> None:
    """An application that the tenant does not know is told apart from a wrong secret."""
    credential = cloud.login("any", client_id="11111111-2222-3333-4444-555555555555")
    assert "AADSTS700016" in refusal(credential)


def test_an_unknown_tenant_is_90002(cloud: Any) -> None:
    """A tenant that does not exist is told apart from both; MSAL words it as unusable discovery."""
    text = ""
    try:
        cloud.login("any", tenant="11111111-2222-3333-4444-555555555555").get_token(VAULT)
    except (ClientAuthenticationError, ValueError) as refused:
        text = str(refused)
    assert "AADSTS90002" in text or "Unable to get authority configuration" in text


def test_an_unknown_resource_is_500011(cloud: Any) -> None:
    """A scope of no known service is refused."""
    assert "AADSTS500011" in refusal(cloud.credential, "https://nothing.example/.default")


@pytest.mark.skipif(bool(REAL_VAULT), reason="needs the emulator's own identities")
@pytest.mark.parametrize("method", ["client_secret", "certificate", "workload_identity"])
def test_every_method_of_the_settings_gets_a_token(open_target: Any, method: str) -> None:
    """The credential files that a source's document names are good for a token that the vault accepts."""
    target = open_target(auth=method)
    assert list(target.secrets.list_properties_of_secrets()) == []
    assert os.stat(target.auth[next(name for name in target.auth if name.endswith("_file"))]).st_mode & 0o77 == 0


def test_an_expired_secret_is_7000222(site: Any, world: Any, clock: Any) -> None:
    """A secret past its end is refused as expired, not as wrong."""
    application = world.source("primary", "azure").identity.application
    secret = identities.client_secret(world.cloud, application)
    application.passwords[-1].end = clock.now() - timedelta(days=1)
    assert "AADSTS7000222" in refusal(site.login(secret))


def test_a_disabled_principal_is_refused(site: Any, world: Any) -> None:
    """Disabling the service principal ends new logins."""
    world.source("primary", "azure").identity.principal.enabled = False
    assert "AADSTS7000112" in refusal(site.login())


def test_a_new_secret_spreads_slowly(site: Any, world: Any) -> None:
    """With the fault secret-lag the first tries with a new secret meet replicas that do not know it."""
    application = world.source("primary", "azure").identity.application
    world.fault("primary", "azure", "secret-lag", attempts=2)
    secret = identities.client_secret(world.cloud, application)
    for _ in range(2):
        assert "AADSTS7000215" in refusal(site.login(secret))
    assert site.login(secret).get_token(VAULT).token
    assert site.login(secret).get_token(VAULT).token


def test_a_certificate_that_is_not_registered_is_700027(open_target: Any, world: Any) -> None:
    """A good signature by a certificate that the application does not have is refused."""
    target = open_target(auth="certificate")
    world.source("primary", "azure").identity.application.keys.clear()
    assert "AADSTS700027" in refusal(target.login())


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"sub": "system:serviceaccount:other:other"}, "AADSTS700213"),
        ({"aud": "somebody-else"}, "AADSTS700212"),
        ({"iss": "https://other.example"}, "AADSTS700211"),
        ({"exp": 1}, "AADSTS700024"),
    ],
)
def test_a_foreign_token_must_match_the_federation(
    open_target: Any, world: Any, change: dict[str, Any], number: str
) -> None:
    """Issuer, subject, audience and lifetime of an outside token each have their own refusal."""
    target = open_target(auth="workload_identity")
    subject = world.source("primary", "azure").identity.application.federated[0].subject
    key = jwt.signing_key("issuer")
    token = identities.outside_token(world.cloud, key, **{"subject": subject, **change})
    assert number in refusal(assertion(target, token))


def test_a_foreign_token_must_be_signed_by_its_issuer(open_target: Any, world: Any) -> None:
    """The right words signed by another key are refused."""
    target = open_target(auth="workload_identity")
    subject = world.source("primary", "azure").identity.application.federated[0].subject
    token = identities.outside_token(world.cloud, jwt.signing_key("forger"), subject)
    assert "AADSTS50013" in refusal(assertion(target, token))


def test_an_outage_of_the_token_service_is_no_refusal(site: Any, world: Any) -> None:
    """A token endpoint that drops connections: only the cause tells it from a rejected credential."""
    world.fault("primary", "azure", "drop-before", surface="sts")
    with pytest.raises(ClientAuthenticationError) as failed:
        site.login().get_token(VAULT)
    assert "AADSTS" not in str(failed.value)
    assert (
        isinstance(failed.value.__cause__, (ServiceRequestError, OSError)) or "connection" in str(failed.value).lower()
    )


def test_the_roles_of_graph_stand_in_its_token_only(site: Any) -> None:
    """Application permissions are in tokens for Graph, not in those for vaults."""
    assert "Application.ReadWrite.All" in claims(site.credential.get_token(GRAPH).token)["roles"]
    assert "roles" not in claims(site.credential.get_token(VAULT).token)


def test_an_application_of_another_tenant_has_a_principal_here(open_target: Any, world: Any) -> None:
    """A multi-tenant application logs in to a second tenant with the secret of its home registration."""
    home, other = open_target(source="home"), open_target(source="other")
    principal = world.source("primary", "home").identity.principal
    world.source("primary", "other").tenant.principals["guest"] = principal
    token = home.login(tenant=other.auth["tenant"]).get_token(VAULT).token
    assert claims(token)["tid"] == other.auth["tenant"]


def assertion(target: Any, token: str) -> Any:
    """A credential that presents this outside token."""
    return target.closing(
        ClientAssertionCredential(
            target.auth["tenant"],
            target.auth["client_id"],
            lambda: token,
            authority=target.document["authority"],
            connection_verify=target.document["ca_file"],
            retry_total=0,
        )
    )
