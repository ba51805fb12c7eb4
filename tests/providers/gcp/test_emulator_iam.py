"""IAM of the emulator through the real SDK: service accounts, their keys, roles."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from google.api_core import exceptions
from google.auth.exceptions import RefreshError
from google.cloud.iam_admin_v1 import types
from google.oauth2 import service_account
from google.rpc import error_details_pb2

from nhisync_gcp.emulator.keys import KeyRing, self_signed_pem

from .emulator_stand import SCOPES, Stand, open_stand

KeyType = types.ListServiceAccountKeysRequest.KeyType
PublicKey = types.ServiceAccountPublicKeyType


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    """An emulated source."""
    with open_stand(tmp_path) as made:
        yield made


def account(stand: Stand, name: str = "payments") -> str:
    """A service account; returns its resource name."""
    made = stand.iam.create_service_account(
        request={"name": stand.parent, "account_id": name, "service_account": {"display_name": "Payments"}}
    )
    return str(made.name)


def keys(stand: Stand, name: str) -> list[Any]:
    """The user-managed keys of an account, newest first."""
    request = {"name": name, "key_types": [KeyType.USER_MANAGED]}
    return list(stand.iam.list_service_account_keys(request=request).keys)


def login(stand: Stand, key: Any) -> Any:
    """Fresh credentials out of the answer that made a key."""
    made: Any = service_account.Credentials
    credentials = made.from_service_account_info(json.loads(key.private_key_data), scopes=SCOPES)
    credentials.refresh(stand.owner.request)
    return credentials


def test_an_account_is_created_read_changed_and_deleted(stand: Stand) -> None:
    """It is known by address and by unique id; a deleted one is unknown until it is undeleted."""
    name = account(stand)
    found = stand.iam.get_service_account(name=name)
    assert (found.email, found.display_name) == (f"payments@{stand.project}.iam.gserviceaccount.com", "Payments")
    assert stand.iam.get_service_account(name=f"{stand.parent}/serviceAccounts/{found.unique_id}") == found
    assert stand.iam.get_service_account(name=f"projects/-/serviceAccounts/{found.email}") == found
    changed = stand.iam.patch_service_account(
        request={"service_account": {"name": name, "description": "x"}, "update_mask": {"paths": ["description"]}}
    )
    assert (changed.description, changed.display_name, changed.etag != found.etag) == ("x", "Payments", True)
    with pytest.raises(exceptions.AlreadyExists):
        account(stand)
    stand.iam.delete_service_account(name=name)
    with pytest.raises(exceptions.NotFound):
        stand.iam.get_service_account(name=name)
    stand.iam.undelete_service_account(request={"name": f"{stand.parent}/serviceAccounts/{found.unique_id}"})
    assert stand.iam.get_service_account(name=name).description == "x"


def test_accounts_are_listed_in_pages(stand: Stand) -> None:
    """Twenty a page unless asked otherwise, a hundred at most; every account once."""
    for index in range(45):
        stand.seed("service-account", f"robot-{index:03}")
    pages = list(stand.iam.list_service_accounts(request={"name": stand.parent}).pages)
    assert [len(page.accounts) for page in pages] == [20, 20, 7]
    assert len({row.email for page in pages for row in page.accounts}) == 47
    assert (
        len(
            next(iter(stand.iam.list_service_accounts(request={"name": stand.parent, "page_size": 500}).pages)).accounts
        )
        == 47
    )


def test_a_key_is_shown_once_and_works(stand: Stand) -> None:
    """Only the creating answer holds the private key; it logs in; the public part fits."""
    name = account(stand)
    key = stand.iam.create_service_account_key(request={"name": name})
    assert login(stand, key).valid
    listed = keys(stand, name)
    assert [row.name for row in listed] == [key.name]
    assert (listed[0].private_key_data, listed[0].valid_before_time.year) == (b"", 9999)
    raw = stand.iam.get_service_account_key(
        request={"name": key.name, "public_key_type": PublicKey.TYPE_RAW_PUBLIC_KEY}
    )
    pem = stand.iam.get_service_account_key(request={"name": key.name, "public_key_type": PublicKey.TYPE_X509_PEM_FILE})
    private = serialization.load_pem_private_key(json.loads(key.private_key_data)["private_key"].encode(), None)
    expected = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert raw.public_key_data == expected
    shown = x509.load_pem_x509_certificate(pem.public_key_data).public_key()
    assert shown == private.public_key()
    assert stand.iam.get_service_account_key(request={"name": key.name}).public_key_data == b""


def test_system_keys_are_listed_unless_filtered(stand: Stand) -> None:
    """Every account has a key that Google manages; it cannot be deleted, and does not count against the limit."""
    name = account(stand)
    everything = stand.iam.list_service_account_keys(request={"name": name}).keys
    assert [row.key_type for row in everything] == [KeyType.SYSTEM_MANAGED]
    with pytest.raises(exceptions.FailedPrecondition):
        stand.iam.delete_service_account_key(request={"name": everything[0].name})


def test_the_eleventh_key_is_refused(stand: Stand) -> None:
    """Ten user-managed keys are the limit; the refusal says nothing of it, as the real one."""
    name = account(stand)
    made = [stand.iam.create_service_account_key(request={"name": name}) for _ in range(10)]
    with pytest.raises(exceptions.FailedPrecondition, match=r"Precondition check failed\."):
        stand.iam.create_service_account_key(request={"name": name})
    stand.iam.delete_service_account_key(request={"name": made[0].name})
    assert stand.iam.create_service_account_key(request={"name": name}).name


def test_a_disabled_key_is_refused_and_comes_back(stand: Stand) -> None:
    """Assertions of a disabled or deleted key are refused; a token issued before lives on."""
    name = account(stand)
    key = stand.iam.create_service_account_key(request={"name": name})
    credentials = login(stand, key)
    stand.cloud.access.bind(
        stand.parent, "roles/viewer", f"serviceAccount:{credentials.service_account_email}", stand.clock.now()
    )
    stand.iam.disable_service_account_key(request={"name": key.name})
    assert keys(stand, name)[0].disabled
    with pytest.raises(RefreshError, match=r"Invalid JWT Signature") as refusal:
        login(stand, key)
    assert not refusal.value.retryable
    sm = stand.owner.secrets(stand.global_address, credentials)
    assert list(sm.list_secrets(parent=stand.parent)) == []
    stand.iam.enable_service_account_key(request={"name": key.name})
    assert login(stand, key).valid
    stand.iam.delete_service_account_key(request={"name": key.name})
    with pytest.raises(RefreshError, match="Invalid JWT Signature"):
        login(stand, key)
    assert list(sm.list_secrets(parent=stand.parent)) == []


def test_a_disabled_account_is_out_at_once(stand: Stand) -> None:
    """Neither its keys nor its tokens are accepted while it is disabled."""
    name = account(stand)
    key = stand.iam.create_service_account_key(request={"name": name})
    credentials = login(stand, key)
    stand.iam.disable_service_account(request={"name": name})
    with pytest.raises(RefreshError, match="account not found"):
        login(stand, key)
    with pytest.raises(exceptions.Unauthenticated):
        stand.owner.secrets(stand.global_address, credentials).list_secrets(parent=stand.parent)
    stand.iam.enable_service_account(request={"name": name})
    assert login(stand, key).valid


def test_the_wildcard_project_hides_what_is_missing(stand: Stand) -> None:
    """With ``projects/-`` a missing account or key is 403; with the project's name it is 404."""
    name = account(stand)
    email, gone = name.rpartition("/")[2], "0" * 40
    cases = [(f"{stand.parent}/serviceAccounts/{email}/keys/{gone}", exceptions.NotFound)]
    cases += [(f"projects/-/serviceAccounts/{email}/keys/{gone}", exceptions.PermissionDenied)]
    cases += [(f"projects/other/serviceAccounts/{email}/keys/{gone}", exceptions.PermissionDenied)]
    for key, expected in cases:
        for call in (stand.iam.get_service_account_key, stand.iam.delete_service_account_key):
            with pytest.raises(expected):
                call(request={"name": key})
    with pytest.raises(exceptions.NotFound):
        stand.iam.get_service_account(name=f"{stand.parent}/serviceAccounts/nobody@x.iam.gserviceaccount.com")
    with pytest.raises(exceptions.PermissionDenied):
        stand.iam.get_service_account(name="projects/-/serviceAccounts/nobody@x.iam.gserviceaccount.com")


@pytest.mark.parametrize(
    ("constraint", "what"),
    [("iam.disableServiceAccountKeyCreation", "creation"), ("iam.disableServiceAccountKeyUpload", "upload")],
)
def test_an_organisation_can_forbid_keys(stand: Stand, constraint: str, what: str) -> None:
    """The refusal names the constraint in a PreconditionFailure."""
    name = account(stand)
    stand.cloud.project(stand.project).constraints.add(constraint)
    call = {"creation": stand.iam.create_service_account_key, "upload": stand.iam.upload_service_account_key}[what]
    with pytest.raises(exceptions.FailedPrecondition, match=f"Key {what} is not allowed") as refusal:
        call(request={"name": name})
    details = [one for one in refusal.value.details if isinstance(one, error_details_pb2.PreconditionFailure)]
    assert [row.type for one in details for row in one.violations] == [f"constraints/{constraint}"]


def test_an_uploaded_key_logs_in(stand: Stand) -> None:
    """IAM knows only its certificate; its end is the certificate's; it is of foreign origin."""
    name = account(stand)
    private = KeyRing().draw()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    pem = self_signed_pem(private, "x", start, start + timedelta(days=3_650), serial=7)
    made = stand.iam.upload_service_account_key(request={"name": name, "public_key_data": pem})
    assert made.key_origin == types.ServiceAccountKeyOrigin.USER_PROVIDED
    assert made.valid_before_time.timestamp() == (start + timedelta(days=3_650)).timestamp()
    shown = stand.iam.get_service_account_key(
        request={"name": made.name, "public_key_type": PublicKey.TYPE_X509_PEM_FILE}
    )
    assert shown.public_key_data == pem
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    info = {
        "type": "service_account",
        "private_key_id": made.name.rpartition("/")[2],
        "private_key": text.decode(),
        "client_email": name.rpartition("/")[2],
        "token_uri": f"{stand.web}/token",
    }
    loader: Any = service_account.Credentials
    credentials = loader.from_service_account_info(info, scopes=SCOPES)
    credentials.refresh(stand.owner.request)
    assert credentials.valid
    for garbage in (b"x", pem.replace(b"M", b"N")):
        with pytest.raises(exceptions.InvalidArgument):
            stand.iam.upload_service_account_key(request={"name": name, "public_key_data": garbage})


def test_a_key_can_have_an_end(stand: Stand) -> None:
    """With the organisation's expiry policy a new key ends by itself, and is refused afterwards."""
    name = account(stand)
    stand.cloud.project(stand.project).key_hours = 8
    key = stand.iam.create_service_account_key(request={"name": name})
    assert key.valid_before_time.timestamp() == (stand.clock.now() + timedelta(hours=8)).timestamp()
    assert login(stand, key).valid
    stand.clock.advance(timedelta(hours=8))
    with pytest.raises(RefreshError, match="Invalid JWT Signature"):
        login(stand, key)


def test_key_lists_lag_and_key_states_propagate(stand: Stand) -> None:
    """A list may still show a deleted key, and a new or disabled key is accepted minutes later."""
    name = account(stand)
    old = stand.iam.create_service_account_key(request={"name": name})
    stand.clock.advance(timedelta(minutes=10))
    stand.cloud.knobs.list_lag = stand.cloud.knobs.propagation = timedelta(minutes=2)
    new = stand.iam.create_service_account_key(request={"name": name})
    stand.iam.delete_service_account_key(request={"name": old.name})
    assert [row.name for row in keys(stand, name)] == [old.name]
    assert login(stand, old).valid
    with pytest.raises(RefreshError):
        login(stand, new)
    with pytest.raises(exceptions.NotFound):
        stand.iam.get_service_account_key(request={"name": old.name})
    stand.clock.advance(timedelta(minutes=2))
    assert [row.name for row in keys(stand, name)] == [new.name]
    assert login(stand, new).valid
    with pytest.raises(RefreshError):
        login(stand, old)


def test_roles_are_read_and_custom_ones_written(stand: Stand) -> None:
    """A custom role grants what it includes, nothing once deleted, and again when undeleted."""
    made = stand.iam.create_role(
        request={
            "parent": stand.parent,
            "role_id": "inventory",
            "role": {"title": "Inventory", "included_permissions": ["secretmanager.secrets.list"]},
        }
    )
    email = account(stand).rpartition("/")[2]
    stand.cloud.access.bind(stand.parent, made.name, f"serviceAccount:{email}", stand.clock.now())
    key = stand.iam.create_service_account_key(request={"name": f"projects/-/serviceAccounts/{email}"})
    sm = stand.owner.secrets(stand.global_address, login(stand, key))
    assert list(sm.list_secrets(parent=stand.parent)) == []
    stand.iam.delete_role(request={"name": made.name})
    with pytest.raises(exceptions.PermissionDenied):
        sm.list_secrets(parent=stand.parent)
    stand.iam.undelete_role(request={"name": made.name})
    assert list(sm.list_secrets(parent=stand.parent)) == []
    stand.iam.update_role(
        request={
            "name": made.name,
            "role": {"included_permissions": ["secretmanager.secrets.get"]},
            "update_mask": {"paths": ["included_permissions"]},
        }
    )
    found = stand.iam.get_role(request={"name": made.name})
    assert (found.title, list(found.included_permissions)) == ("Inventory", ["secretmanager.secrets.get"])
    with pytest.raises(exceptions.PermissionDenied):
        sm.list_secrets(parent=stand.parent)
    assert made.name in {row.name for row in stand.iam.list_roles(request={"parent": stand.parent})}
    accessor = stand.iam.get_role(request={"name": "roles/secretmanager.secretAccessor"})
    assert list(accessor.included_permissions) == ["secretmanager.versions.access"]
    owner = stand.iam.get_role(request={"name": "roles/owner"})
    assert set(accessor.included_permissions) < set(owner.included_permissions)
    assert "*" not in "".join(owner.included_permissions)
    with pytest.raises(exceptions.NotFound):
        stand.iam.get_role(request={"name": "roles/missing"})
    with pytest.raises(exceptions.NotFound):
        stand.iam.get_role(request={"name": f"{stand.parent}/roles/missing"})


def test_policies_of_accounts_say_who_may_act_as_them(stand: Stand) -> None:
    """Get, set and test work on an account as on every resource."""
    name = account(stand)
    policy = {"bindings": [{"role": "roles/iam.serviceAccountTokenCreator", "members": [stand.source.identity.member]}]}
    stand.iam.set_iam_policy(request={"resource": name, "policy": policy})
    assert stand.iam.get_iam_policy(request={"resource": name}).bindings[0].role == policy["bindings"][0]["role"]
    asked = ["iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.delete"]
    iam = stand.nhisync.iam(stand.global_address)
    held = iam.test_iam_permissions(request={"resource": name, "permissions": asked}).permissions
    assert list(held) == asked[:1]
