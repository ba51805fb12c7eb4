"""Microsoft Graph through azure-core's pipeline: reading applications, rolling secrets and certificates."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from nhisync.testing.world import Seed
from nhisync_azure.emulator import identities, jwt
from nhisync_azure.emulator.graph_credentials import PROOF_AUDIENCE
from nhisync_azure.emulator.material import KeyShape

from .conftest import REAL_VAULT, administer

SOON = "2030-01-01T00:00:00Z"
VAULT = "https://vault.azure.net/.default"
emulated = pytest.mark.skipif(bool(REAL_VAULT), reason="needs the emulator's own applications and clock")


def error_of(answer: Any) -> tuple[int, str]:
    """Status and error code."""
    return answer.status_code, answer.json()["error"]["code"]


def values(answer: Any) -> list[dict[str, Any]]:
    """The rows of a page."""
    assert answer.status_code == 200, answer.text()
    return list(answer.json()["value"])


def secret_of(cloud: Any, app_id: str, **wanted: Any) -> dict[str, Any]:
    """A new client secret of the throw-away application."""
    body = {"passwordCredential": {"displayName": "nhisync:op", "endDateTime": SOON, **wanted}}
    answer = cloud.graph("POST", f"/applications/{app_id}/addPassword", body)
    assert answer.status_code == 200, answer.text()
    return dict(answer.json())


def proof(application: Any, key: rsa.RSAPrivateKey, now: datetime, **claims: Any) -> str:
    """A proof of possession, as Graph asks for it."""
    stamp = int(now.timestamp())
    body = {"aud": PROOF_AUDIENCE, "iss": application.id, "nbf": stamp, "exp": stamp + 600}
    return jwt.sign(key, {**body, **claims})


def test_an_added_secret_is_shown_once(cloud: Any, app_id: str) -> None:
    """AddPassword answers with the value; later reads show the key id, the dates and a hint, never the value."""
    made = secret_of(cloud, app_id)
    assert made["secretText"].startswith(made["hint"])
    assert made["displayName"] == "nhisync:op"
    shown = cloud.graph("GET", f"/applications/{app_id}?$select=passwordCredentials").json()["passwordCredentials"]
    row = next(one for one in shown if one["keyId"] == made["keyId"])
    assert (row["secretText"], row["endDateTime"], len(row["hint"])) == (None, SOON, 3)
    cloud.graph("POST", f"/applications/{app_id}/removePassword", {"keyId": made["keyId"]})


def test_a_removed_secret_cannot_be_removed_again(cloud: Any, app_id: str) -> None:
    """RemovePassword answers 204, and 400 for a key id that is not there."""
    made = secret_of(cloud, app_id)
    for wanted in (204, 400):
        answer = cloud.graph("POST", f"/applications/{app_id}/removePassword", {"keyId": made["keyId"]})
        assert answer.status_code == wanted


def test_a_callers_value_and_key_id_are_ignored(cloud: Any, app_id: str) -> None:
    """The service draws value and key id itself; the same key id twice makes two secrets."""
    key_id = "11111111-2222-3333-4444-555555555555"
    made = [secret_of(cloud, app_id, keyId=key_id, secretText="mine") for _ in range(2)]
    assert len({one["keyId"] for one in made}) == 2
    assert all(one["secretText"] != "mine" for one in made)
    for one in made:
        cloud.graph("POST", f"/applications/{app_id}/removePassword", {"keyId": one["keyId"]})


def test_an_unknown_object_is_a_404_with_graphs_code(cloud: Any, app_id: str) -> None:
    """Absence is said in Graph's own words."""
    answer = cloud.graph("GET", "/applications/11111111-2222-3333-4444-555555555555")
    assert error_of(answer) == (404, "Request_ResourceNotFound")


def test_pages_select_and_next_links(cloud: Any, app_id: str) -> None:
    """A page of one links to the next, and $select leaves everything else out."""
    answer = cloud.graph("GET", "/applications?$select=id,displayName&$top=1")
    row = values(answer)[0]
    assert set(row) - {"@odata.type"} == {"id", "displayName"}
    link = answer.json().get("@odata.nextLink")
    assert link
    assert values(cloud.graph("GET", link))[0]["id"] != row["id"]


def test_one_application_by_its_app_id(cloud: Any, app_id: str) -> None:
    """The alternate key and the filter find the same object."""
    one = cloud.graph("GET", f"/applications/{app_id}").json()
    keyed = cloud.graph("GET", f"/applications(appId='{one['appId']}')").json()
    found = values(cloud.graph("GET", f"/applications?$filter=appId eq '{one['appId']}'"))
    assert keyed["id"] == found[0]["id"] == app_id


@emulated
def test_a_secret_works_from_its_addition_to_its_removal(site: Any, world: Any, app_id: str) -> None:
    """The value of addPassword logs in, after its removal it does not, and the older secret still does."""
    world.fault("primary", "azure", "secret-lag", attempts=0)
    application = world.source("primary", "azure").tenant.applications[app_id]
    made = secret_of(site, app_id)
    assert site.login(made["secretText"], client_id=application.app_id).get_token(VAULT).token
    site.graph("POST", f"/applications/{app_id}/removePassword", {"keyId": made["keyId"]})
    with pytest.raises(ClientAuthenticationError):
        site.login(made["secretText"], client_id=application.app_id).get_token(VAULT)
    assert site.login(application.passwords[0].secret, client_id=application.app_id).get_token(VAULT).token


@emulated
def test_without_an_end_a_secret_lives_two_years(site: Any, app_id: str, clock: Any) -> None:
    """The default lifetime is two years from the start."""
    made = site.graph("POST", f"/applications/{app_id}/addPassword", {}).json()
    end = datetime.fromisoformat(made["endDateTime"])
    assert end.year == clock.now().year + 2


@emulated
def test_a_certificate_is_added_by_proof_of_an_older_one(site: Any, world: Any, clock: Any) -> None:
    """AddKey takes a proof signed by a certificate that is already there, and nothing else."""
    place = world.source("primary", "azure")
    application = place.identity.application
    old, new = (world.cloud.keyring.new(KeyShape(kty="RSA")) for _ in range(2))
    body = {"keyCredential": key_credential(world, new), "passwordCredential": None}
    path = f"/applications/{application.id}/addKey"
    without = site.graph("POST", path, {**body, "proof": proof(application, old, clock.now())})
    assert error_of(without) == (401, "Authentication_MissingOrMalformed")
    application.keys.append(
        identities.key_credential(world.cloud, identities.self_signed(world.cloud, "old", old), "old")
    )
    wrong = (
        proof(application, new, clock.now()),
        proof(application, old, clock.now(), aud="00000003-0000-0000-c000-000000000000"),
        proof(application, old, clock.now(), exp=int(clock.now().timestamp()) + 3600),
        proof(application, old, clock.now() - timedelta(hours=1)),
        proof(application, old, clock.now(), iss=application.app_id),
        "no token",
    )
    for one in wrong:
        assert site.graph("POST", path, {**body, "proof": one}).status_code == 401
    good = site.graph("POST", path, {**body, "proof": proof(application, old, clock.now())})
    assert good.status_code == 200
    assert [one.key_id for one in application.keys][-1] == good.json()["keyId"]
    gone = {"keyId": application.keys[0].key_id, "proof": proof(application, new, clock.now())}
    assert site.graph("POST", f"/applications/{application.id}/removeKey", gone).status_code == 204
    assert len(application.keys) == 1


@emulated
def test_patching_certificates_replaces_them_all(site: Any, world: Any, app_id: str) -> None:
    """Who leaves a certificate out of the PATCH removes it; one kept by key id needs no key."""
    application = world.source("primary", "azure").tenant.applications[app_id]
    keys = [world.cloud.keyring.new(KeyShape()) for _ in range(3)]
    made = [identities.self_signed(world.cloud, f"c{n}", key) for n, key in enumerate(keys)]
    application.keys.extend(identities.key_credential(world.cloud, one, "seeded") for one in made[:2])
    kept = {"keyId": application.keys[0].key_id, "type": "AsymmetricX509Cert", "usage": "Verify", "key": None}
    body = {"keyCredentials": [kept, key_credential(world, keys[2])]}
    assert site.graph("PATCH", f"/applications/{app_id}", body).status_code == 204
    shown = site.graph("GET", f"/applications/{app_id}?$select=keyCredentials").json()["keyCredentials"]
    assert next(one["keyId"] for one in shown) == kept["keyId"]
    assert len(shown) == 2
    unknown = {"keyCredentials": [{**kept, "keyId": "11111111-2222-3333-4444-555555555555"}]}
    assert site.graph("PATCH", f"/applications/{app_id}", unknown).status_code == 400


@emulated
def test_the_public_certificate_comes_only_for_one_object_on_demand(site: Any, world: Any) -> None:
    """A list never holds ``key``; one object with $select=keyCredentials does."""
    world.seed("primary", "azure", Seed(kind="app-certificate", name="signer/cert"))
    path = "/applications?$select=id,keyCredentials&$filter=displayName eq 'signer'"
    row = values(site.graph("GET", path))[0]
    assert [one["key"] for one in row["keyCredentials"]] == [None]
    one = site.graph("GET", f"/applications/{row['id']}?$select=keyCredentials").json()["keyCredentials"][0]
    assert base64.b64decode(one["key"])
    assert len(one["customKeyIdentifier"]) == 40


@emulated
def test_credentials_of_principals_and_federations(site: Any, world: Any) -> None:
    """Credentials stand on principals too, and trust in other issuers under its own path."""
    for kind in ("sp-secret", "sp-certificate", "app-federation"):
        world.seed("primary", "azure", Seed(kind=kind, name="оплата/ключ №1"))
    found = values(site.graph("GET", "/servicePrincipals?$filter=displayName eq 'оплата'"))
    assert [one["displayName"] for one in found[0]["passwordCredentials"]] == ["ключ №1"]
    assert len(found[0]["keyCredentials"]) == 1
    app = values(site.graph("GET", "/applications?$filter=startswith(displayName,'опла')"))[0]
    federations = values(site.graph("GET", f"/applications/{app['id']}/federatedIdentityCredentials"))
    assert [(one["name"], one["audiences"]) for one in federations] == [("ключ №1", ["api://AzureADTokenExchange"])]
    body = {"name": "ci", "issuer": "https://i.example", "subject": "s", "audiences": ["a"]}
    assert site.graph("POST", f"/applications/{app['id']}/federatedIdentityCredentials", body).status_code == 201
    assert site.graph("DELETE", f"/applications/{app['id']}/federatedIdentityCredentials/ci").status_code == 204


@emulated
def test_granted_roles_are_named_by_resource_and_id(site: Any, world: Any) -> None:
    """AppRoleAssignments name the resource's principal, whose appRoles give the id its value."""
    principal = world.source("primary", "azure").identity.principal
    rows = values(site.graph("GET", f"/servicePrincipals/{principal.id}/appRoleAssignments"))
    resource = site.graph("GET", f"/servicePrincipals/{rows[0]['resourceId']}").json()
    names = {role["id"]: role["value"] for role in resource["appRoles"]}
    assert resource["appId"] == "00000003-0000-0000-c000-000000000000"
    assert "Directory.Read.All" in {names[row["appRoleId"]] for row in rows}


@emulated
@pytest.mark.parametrize(
    ("roles", "read", "write"),
    [
        ((), 403, 403),
        (("Directory.Read.All",), 200, 403),
        (("Application.Read.All",), 200, 403),
        (("Application.ReadWrite.OwnedBy",), 200, 403),
        (("Application.ReadWrite.All",), 200, 200),
    ],
)
def test_each_permission_opens_what_it_says(
    site: Any, world: Any, app_id: str, roles: tuple[str, ...], read: int, write: int
) -> None:
    """Reading needs one of the read roles, writing needs the write role; the owner needs only OwnedBy."""
    world.install("primary", "azure", graph_roles=roles)
    fresh_login = site.login()
    assert site.graph("GET", "/applications", credential=fresh_login).status_code == read
    path = f"/applications/{app_id}/addPassword"
    refused = site.graph("POST", path, {}, credential=fresh_login)
    assert refused.status_code == write
    if write == 403:
        assert error_of(refused) == (403, "Authorization_RequestDenied")
    place = world.source("primary", "azure")
    place.tenant.applications[app_id].owners.add(place.identity.principal.id)
    owned = site.graph("POST", path, {}, credential=fresh_login).status_code
    assert owned == (200 if "Application.ReadWrite.OwnedBy" in roles else write)


@emulated
def test_the_tenants_policy_forbids_or_caps(site: Any, world: Any, app_id: str) -> None:
    """A policy that forbids client secrets or caps their life answers 400 with its own codes, and can be read."""
    policy = world.source("primary", "azure").tenant.policy
    policy.max_lifetime_days = 180
    path = f"/applications/{app_id}/addPassword"
    body = {"passwordCredential": {"endDateTime": SOON}}
    assert error_of(site.graph("POST", path, body)) == (400, "CredentialInvalidLifetimeAsPerAppPolicy")
    policy.password_addition = False
    assert error_of(site.graph("POST", path, body)) == (400, "CredentialTypeNotAllowedAsPerAppPolicy")
    policy.password_addition, policy.max_lifetime_days = True, None
    world.fault("primary", "azure", "policy-refusal", times=1)
    assert error_of(site.graph("POST", path, body)) == (400, "CredentialTypeNotAllowedAsPerAppPolicy")
    assert site.graph("POST", path, body).status_code == 200
    policy.password_addition, policy.max_lifetime_days = False, 180
    shown = site.graph("GET", "/policies/defaultAppManagementPolicy").json()["applicationRestrictions"]
    kinds = {one["restrictionType"] for one in shown["passwordCredentials"]}
    assert kinds == {"passwordAddition", "passwordLifetime"}


@emulated
def test_a_token_of_another_audience_is_refused(site: Any) -> None:
    """A token for vaults is no token for Graph."""
    wrong = site.credential.get_token(VAULT)

    class Fixed:
        """Always this token."""

        def get_token(self, *_: str, **__: Any) -> Any:
            return wrong

    assert error_of(site.graph("GET", "/applications", credential=Fixed()))[0] == 401


@emulated
def test_new_credentials_appear_late_in_lists(site: Any, world: Any, app_id: str, clock: Any) -> None:
    """With list-lag an added secret is not listed until the lag is over."""
    world.fault("primary", "azure", "list-lag", seconds=60)
    made = secret_of(site, app_id)
    path = f"/applications/{app_id}?$select=passwordCredentials"

    def listed() -> set[str]:
        return {one["keyId"] for one in site.graph("GET", path).json()["passwordCredentials"]}

    assert made["keyId"] not in listed()
    clock.advance(timedelta(seconds=61))
    assert made["keyId"] in listed()


@emulated
def test_two_tenants_do_not_see_each_other(open_target: Any, world: Any) -> None:
    """Applications of one tenant are not in the other's lists."""
    one, two = open_target(path="primary"), open_target(path="backup")
    for path in ("primary", "backup"):
        administer(world, path)
        world.seed(path, "azure", Seed(kind="app-secret", name=f"only-{path}"))
    names = [{row["displayName"] for row in values(site.graph("GET", "/applications"))} for site in (one, two)]
    assert "only-primary" in names[0] - names[1]
    assert "only-backup" in names[1] - names[0]


def key_credential(world: Any, key: Any) -> dict[str, Any]:
    """A certificate of `key` as Graph takes it."""
    certificate = identities.self_signed(world.cloud, "new", key)
    raw = certificate.public_bytes(serialization.Encoding.DER)
    return {
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        "key": base64.b64encode(raw).decode(),
        "displayName": f"thumb {certificate.fingerprint(hashes.SHA256()).hex()[:8]}",
    }


def test_the_fixed_date_is_a_date() -> None:
    """The end that the tests send lies in the future of every clock they use."""
    assert datetime.fromisoformat(SOON) > datetime(2026, 11, 23, tzinfo=UTC)


def test_one_relation_comes_along(cloud: Any, app_id: str) -> None:
    """$expand brings owners or federated credentials with each object; an unknown relation is refused."""
    one = cloud.graph("GET", f"/applications/{app_id}?$select=id&$expand=owners($select=id,displayName)").json()
    assert isinstance(one["owners"], list)
    rows = values(cloud.graph("GET", "/applications?$select=id&$expand=federatedIdentityCredentials&$top=5"))
    assert all(isinstance(row["federatedIdentityCredentials"], list) for row in rows)
    assert error_of(cloud.graph("GET", "/applications?$expand=nothing"))[0] == 400
