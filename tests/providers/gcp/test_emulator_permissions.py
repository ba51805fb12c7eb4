"""Every method of the emulator needs exactly its permission: with it alone the call works, without it nothing does."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.iam_admin_v1 import types as iam_types
from google.cloud.iam_v2 import types as deny_types

from nhisync_gcp.emulator.denials import attach
from nhisync_gcp.emulator.services import GLOBAL
from nhisync_gcp.emulator.source import FINGERPRINT_PERMISSION, READ_PERMISSIONS

from .emulator_stand import LOCATION, Stand, open_stand

SECRET, SECRETS = "secretmanager.secrets", "secretmanager.versions"
ACCOUNT, KEYS = "iam.serviceAccounts", "iam.serviceAccountKeys"
EMAIL = "robot-one@{project}.iam.gserviceaccount.com"
ANY_POLICY: dict[str, Any] = {"bindings": []}
ROLE = {"title": "t"}

Row = tuple[str, str, str, dict[str, Any]]
ROWS: tuple[Row, ...] = (
    (f"{SECRET}.list", "sm", "list_secrets", {"parent": "{parent}"}),
    (f"{SECRET}.get", "sm", "get_secret", {"name": "{secret}"}),
    (f"{SECRETS}.list", "sm", "list_secret_versions", {"parent": "{secret}"}),
    (f"{SECRETS}.get", "sm", "get_secret_version", {"name": "{secret}/versions/1"}),
    (f"{SECRETS}.access", "sm", "access_secret_version", {"name": "{secret}/versions/2"}),
    (f"{SECRETS}.add", "sm", "add_secret_version", {"parent": "{secret}", "payload": {"data": b"x"}}),
    (f"{SECRETS}.disable", "sm", "disable_secret_version", {"name": "{secret}/versions/1"}),
    (f"{SECRETS}.enable", "sm", "enable_secret_version", {"name": "{secret}/versions/1"}),
    (f"{SECRETS}.destroy", "sm", "destroy_secret_version", {"name": "{secret}/versions/1"}),
    (
        f"{SECRET}.update",
        "sm",
        "update_secret",
        {"secret": {"name": "{secret}", "annotations": {"a": "b"}}, "update_mask": {"paths": ["annotations"]}},
    ),
    (f"{SECRET}.getIamPolicy", "sm", "get_iam_policy", {"resource": "{secret}"}),
    (f"{SECRET}.setIamPolicy", "sm", "set_iam_policy", {"resource": "{secret}", "policy": ANY_POLICY}),
    (
        f"{SECRET}.create",
        "sm",
        "create_secret",
        {"parent": "{parent}", "secret_id": "made", "secret": {"replication": {"automatic": {}}}},
    ),
    (f"{SECRET}.delete", "sm", "delete_secret", {"name": "{parent}/secrets/doomed"}),
    (
        f"{SECRET}.enableManagedRotation",
        "regional",
        "enable_managed_rotation",
        {"parent": "{regional}", "cloud_sql_single_user_credentials": {"instance_id": "i", "username": "u"}},
    ),
    (f"{SECRET}.rotate", "regional", "rotate_secret", {"parent": "{regional}"}),
    (f"{ACCOUNT}.list", "iam", "list_service_accounts", {"name": "{parent}"}),
    (f"{ACCOUNT}.get", "iam", "get_service_account", {"name": "{account}"}),
    (f"{ACCOUNT}.create", "iam", "create_service_account", {"name": "{parent}", "account_id": "robot-two"}),
    (
        f"{ACCOUNT}.update",
        "iam",
        "patch_service_account",
        {"service_account": {"name": "{account}", "description": "x"}, "update_mask": {"paths": ["description"]}},
    ),
    (f"{ACCOUNT}.disable", "iam", "disable_service_account", {"name": "{account}"}),
    (f"{ACCOUNT}.enable", "iam", "enable_service_account", {"name": "{account}"}),
    (f"{ACCOUNT}.getIamPolicy", "iam", "get_iam_policy", {"resource": "{account}"}),
    (f"{ACCOUNT}.setIamPolicy", "iam", "set_iam_policy", {"resource": "{account}", "policy": ANY_POLICY}),
    (f"{KEYS}.list", "iam", "list_service_account_keys", {"name": "{account}"}),
    (f"{KEYS}.get", "iam", "get_service_account_key", {"name": "{key}"}),
    (f"{KEYS}.create", "iam", "create_service_account_key", {"name": "{account}"}),
    (f"{KEYS}.create", "iam", "upload_service_account_key", {"name": "{account}", "public_key_data": b"{certificate}"}),
    (f"{KEYS}.disable", "iam", "disable_service_account_key", {"name": "{key}"}),
    (f"{KEYS}.enable", "iam", "enable_service_account_key", {"name": "{key}"}),
    (f"{KEYS}.delete", "iam", "delete_service_account_key", {"name": "{key}"}),
    (
        f"{ACCOUNT}.getAccessToken",
        "tokens",
        "generate_access_token",
        {"name": "projects/-/serviceAccounts/{email}", "scope": ["openid"]},
    ),
    (f"{ACCOUNT}.delete", "iam", "delete_service_account", {"name": "{account}"}),
    (f"{ACCOUNT}.undelete", "iam", "undelete_service_account", {"name": "{parent}/serviceAccounts/{unique_id}"}),
    ("iam.denypolicies.list", "deny", "list_policies", {"parent": "{denials}"}),
    ("iam.denypolicies.get", "deny", "get_policy", {"name": "{denials}/none-deletes"}),
    (
        "cloudkms.cryptoKeys.get",
        "crypto_keys",
        "get_crypto_key",
        {"name": "{parent}/locations/global/keyRings/ring/cryptoKeys/one"},
    ),
    ("resourcemanager.projects.get", "places", "get_project", {"name": "{parent}"}),
    ("resourcemanager.folders.get", "places", "get_folder", {"name": "folders/7"}),
    ("resourcemanager.projects.getIamPolicy", "places", "get_project_policy", {"resource": "{parent}"}),
    ("resourcemanager.folders.getIamPolicy", "places", "get_folder_policy", {"resource": "folders/7"}),
    (
        "resourcemanager.organizations.getIamPolicy",
        "places",
        "get_organization_policy",
        {"resource": "organizations/9"},
    ),
    ("iam.roles.create", "iam", "create_role", {"parent": "{parent}", "role_id": "made", "role": ROLE}),
    ("iam.roles.list", "iam", "list_roles", {"parent": "{parent}"}),
    ("iam.roles.get", "iam", "get_role", {"name": "{parent}/roles/made"}),
    ("iam.roles.update", "iam", "update_role", {"name": "{parent}/roles/made", "role": ROLE}),
    ("iam.roles.delete", "iam", "delete_role", {"name": "{parent}/roles/made"}),
    ("iam.roles.undelete", "iam", "undelete_role", {"name": "{parent}/roles/made"}),
    ("certificatemanager.certs.list", "certificates", "list_certificates", {"parent": "{parent}/locations/global"}),
    (
        "certificatemanager.certs.get",
        "certificates",
        "get_certificate",
        {"name": "{parent}/locations/global/certificates/api"},
    ),
    ("privateca.caPools.list", "authorities", "list_ca_pools", {"parent": "{parent}/locations/europe-west1"}),
    ("privateca.caPools.get", "authorities", "get_ca_pool", {"name": "{pool}"}),
    ("privateca.caPools.get", "authorities", "fetch_ca_certs", {"ca_pool": "{pool}"}),
    ("privateca.certificateAuthorities.list", "authorities", "list_certificate_authorities", {"parent": "{pool}"}),
    (
        "privateca.certificateAuthorities.get",
        "authorities",
        "get_certificate_authority",
        {"name": "{pool}/certificateAuthorities/root"},
    ),
    ("privateca.certificates.list", "authorities", "list_certificates", {"parent": "{pool}"}),
    ("privateca.certificates.get", "authorities", "get_certificate", {"name": "{pool}/certificates/leaf"}),
)
"""Permission, client, method of the SDK, request; in an order in which each call finds what it needs."""


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    """One source for all rows, with one of everything."""
    with open_stand(tmp_path_factory.mktemp("gcp"), permissions=(), above=("folders/7", "organizations/9")) as made:
        made.seed("secret", "stripe")
        made.seed("secret", "doomed")
        made.seed("regional-secret", f"{LOCATION}/db", type="CLOUD_SQL_DB_CREDENTIALS")
        made.seed("service-account-key", "robot-one", rotated=None)
        made.seed("certificate", "global/api")
        made.seed("cas-certificate", "europe-west1/edge/leaf", rotated=None)
        rule = deny_types.DenyRule.pb(deny_types.DenyRule(denied_permissions=["iam.googleapis.com/roles.delete"]))
        made.cloud.access.denials[made.parent] = {"none-deletes": attach(made.parent, "none-deletes", [rule])}
        yield made


@pytest.fixture(scope="module")
def words(stand: Stand) -> dict[str, str]:
    """What the placeholders of the rows stand for."""
    account = stand.cloud.accounts.find(EMAIL.format(project=stand.project))
    assert account is not None
    key = account.user_keys()[0]
    return {
        "parent": stand.parent,
        "denials": f"policies/cloudresourcemanager.googleapis.com%2Fprojects%2F{stand.project}/denypolicies",
        "secret": f"{stand.parent}/secrets/stripe",
        "regional": f"{stand.parent}/locations/{LOCATION}/secrets/db",
        "account": account.name,
        "email": account.email,
        "unique_id": account.shown.current.unique_id,
        "key": key.shown.current.name,
        "certificate": key.public_data(iam_types.ServiceAccountPublicKeyType.TYPE_X509_PEM_FILE, "x").decode(),
        "pool": f"{stand.parent}/locations/europe-west1/caPools/edge",
    }


@pytest.fixture(scope="module")
def clients(stand: Stand) -> dict[str, Any]:
    """Nhisync's own clients."""
    mine, everything = stand.nhisync, stand.global_address
    return {
        "sm": mine.secrets(everything),
        "regional": mine.secrets(stand.document["regional_endpoints"][LOCATION]),
        "iam": mine.iam(everything),
        "deny": mine.denials(everything),
        "tokens": mine.tokens(everything),
        "places": mine.places(everything),
        "crypto_keys": mine.crypto_keys(everything),
        "certificates": mine.certificates(everything),
        "authorities": mine.authorities(everything),
    }


def filled(value: Any, words: dict[str, str]) -> Any:
    """A request with its placeholders replaced."""
    if isinstance(value, dict):
        return {key: filled(inner, words) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, words) for inner in value]
    if isinstance(value, bytes):
        return filled(value.decode(), words).encode()
    if isinstance(value, str):
        for word, text in words.items():
            value = value.replace(f"{{{word}}}", text)
    return value


def grant(stand: Stand, permissions: tuple[str, ...]) -> None:
    """What nhisync's identity holds from now on."""
    above = [
        one for one in permissions if one.startswith(("resourcemanager.folders.", "resourcemanager.organizations."))
    ]
    stand.world.grant("primary", "gcp", {stand.parent: permissions, "organizations/9": above})


def everything_but(permission: str) -> tuple[str, ...]:
    """All permissions of the table without one."""
    return tuple({row[0] for row in ROWS} - {permission})


def test_every_call_needs_its_permission_and_no_other(
    stand: Stand, words: dict[str, str], clients: dict[str, Any]
) -> None:
    """Denied, by name, with all permissions but its own; done with its own alone. The rows build on one another."""
    for permission, client, method, request in ROWS:
        call: Callable[..., Any] = getattr(clients[client], method)
        wanted = filled(request, words)
        grant(stand, everything_but(permission))
        with pytest.raises(exceptions.PermissionDenied, match=permission.replace(".", r"\.")):
            call(request=wanted, retry=None, timeout=20)
        grant(stand, (permission,))
        call(request=wanted, retry=None, timeout=20)


def test_the_table_holds_every_method() -> None:
    """A method that is served and not in the table would be a hole in the proof."""
    served = {rpc.method for rpc in GLOBAL}
    called = {
        "".join(word.capitalize() for word in method.split("_")) for _, client, method, _ in ROWS if client != "places"
    }
    called |= {"GetProject", "GetFolder"}  # and GetIamPolicy, which all others have, too
    assert served - called == {"TestIamPermissions"}
    assert called <= served


def test_read_permissions_are_all_known_and_show_no_value() -> None:
    """What an inventory gets by default names real methods' permissions, and never the one that reads values."""
    assert {row[0] for row in ROWS} >= set(READ_PERMISSIONS)
    assert FINGERPRINT_PERMISSION not in READ_PERMISSIONS


def test_predefined_roles_work_where_they_are_bound(tmp_path: Path) -> None:
    """The viewer lists and cannot read values; the accessor reads values and cannot list."""
    with open_stand(tmp_path, role="roles/secretmanager.viewer") as stand:
        stand.seed("secret", "stripe")
        sm = stand.nhisync.secrets(stand.global_address)
        assert len(list(sm.list_secrets(parent=stand.parent))) == 1
        with pytest.raises(exceptions.PermissionDenied):
            sm.access_secret_version(name=f"{stand.parent}/secrets/stripe/versions/1", retry=None)
        stand.cloud.access.unbind(stand.source.identity.member, stand.clock.now())
        stand.cloud.access.bind(
            stand.parent, "roles/secretmanager.secretAccessor", stand.source.identity.member, stand.clock.now()
        )
        assert sm.access_secret_version(name=f"{stand.parent}/secrets/stripe/versions/1").payload.data
        with pytest.raises(exceptions.PermissionDenied):
            sm.list_secrets(parent=stand.parent)
