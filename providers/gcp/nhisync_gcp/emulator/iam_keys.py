"""IAM's methods on the keys of service accounts."""

import json
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from google.cloud.iam_admin_v1 import types
from google.protobuf import empty_pb2

from nhisync_gcp.emulator.accounts import FOREVER, Account, Key, KeyType
from nhisync_gcp.emulator.iam_names import SERVICE, the_account, the_key
from nhisync_gcp.emulator.keys import private_pem
from nhisync_gcp.emulator.messages import copy, plain
from nhisync_gcp.emulator.refusals import invalid, precondition, violated
from nhisync_gcp.emulator.rpc import Call, Rpc

_ListResponse = plain(types.ListServiceAccountKeysResponse)
_MOST_KEYS = 10
_FILE = types.ServiceAccountPrivateKeyType.TYPE_GOOGLE_CREDENTIALS_FILE


def list_keys(call: Call) -> Any:
    """ListServiceAccountKeys: all at once, newest first; it may still show a deleted one."""
    account = the_account(call, call.request.name, "iam.serviceAccountKeys.list").account
    at, wanted = call.cloud.shown_at(), set(call.request.key_types)
    rows = [key.shown.at(at) for key in account.live_keys(at)]
    return _ListResponse(keys=[row for row in rows if not wanted or row.key_type in wanted])


def get_key(call: Call) -> Any:
    """GetServiceAccountKey: with the public part when a type is asked for."""
    account, key = the_key(call, call.request.name, "iam.serviceAccountKeys.get")
    found = copy(key.shown.current)
    found.public_key_data = key.public_data(call.request.public_key_type, account.email)
    return found


def create_key(call: Call) -> Any:
    """CreateServiceAccountKey: the only answer that ever holds the private key."""
    account = _for_new_key(call, "iam.disableServiceAccountKeyCreation", "Key creation")
    hours = call.cloud.project(account.project).key_hours
    end = call.now + timedelta(hours=hours) if hours else FOREVER
    key = call.cloud.accounts.create_key(account, call.now, end=end)
    made = copy(key.shown.current)
    made.private_key_type = _FILE
    made.private_key_data = json.dumps(key_document(account, key, call.node.token_uri), indent=2).encode()
    return made


def upload_key(call: Call) -> Any:
    """UploadServiceAccountKey: a certificate whose private key IAM never sees."""
    account = _for_new_key(call, "iam.disableServiceAccountKeyUpload", "Key upload")
    try:
        certificate = x509.load_pem_x509_certificate(call.request.public_key_data)
    except ValueError:
        raise invalid("The public key must be an X.509 certificate in PEM form.") from None
    if not isinstance(certificate.public_key(), rsa.RSAPublicKey):
        raise invalid("The public key must be an RSA key.")
    end = certificate.not_valid_after_utc
    return call.cloud.accounts.create_key(
        account, call.now, end=end, uploaded=call.request.public_key_data
    ).shown.current


def enable_key(call: Call) -> Any:
    """EnableServiceAccountKey."""
    return _switch(call, "iam.serviceAccountKeys.enable", disabled=False)


def disable_key(call: Call) -> Any:
    """DisableServiceAccountKey: assertions signed with it are refused; tokens already issued live on."""
    return _switch(call, "iam.serviceAccountKeys.disable", disabled=True)


def delete_key(call: Call) -> Any:
    """DeleteServiceAccountKey: for good; tokens already issued live on."""
    _, key = _user_key(call, "iam.serviceAccountKeys.delete")
    key.shown.put(call.now, None)
    return empty_pb2.Empty()


def key_document(account: Account, key: Key, token_uri: str) -> dict[str, str]:
    """A key file's content, as IAM hands it out once (``TYPE_GOOGLE_CREDENTIALS_FILE``)."""
    return {
        "type": "service_account",
        "project_id": account.project,
        "private_key_id": key.id,
        "private_key": private_pem(key.private),
        "client_email": account.email,
        "client_id": account.shown.current.unique_id,
        "token_uri": token_uri,
        "universe_domain": "googleapis.com",
    }


def _for_new_key(call: Call, constraint: str, what: str) -> Account:
    """The account that gets a key, when neither the organisation's policy nor the limit forbids it."""
    account = the_account(call, call.request.name, "iam.serviceAccountKeys.create").account
    if constraint in call.cloud.project(account.project).constraints:
        text = f"{what} is not allowed on this service account."
        raise violated(f"constraints/{constraint}", account.name, text)
    if len(account.user_keys()) >= _MOST_KEYS:
        raise precondition("Precondition check failed.")
    return account


def _user_key(call: Call, permission: str) -> tuple[Account, Key]:
    account, key = the_key(call, call.request.name, permission)
    if key.shown.current.key_type != KeyType.USER_MANAGED:
        raise precondition("Only user-managed keys can be changed.")
    return account, key


def _switch(call: Call, permission: str, *, disabled: bool) -> Any:
    _, key = _user_key(call, permission)
    message = copy(key.shown.current)
    message.disabled = disabled
    key.shown.put(call.now, message)
    return empty_pb2.Empty()


def _rpc(method: str, request: Any, handler: Any, *, writes: bool = True) -> Rpc:
    return Rpc(service=SERVICE, method=method, request=plain(request), handler=handler, writes=writes)


METHODS = (
    _rpc("ListServiceAccountKeys", types.ListServiceAccountKeysRequest, list_keys, writes=False),
    _rpc("GetServiceAccountKey", types.GetServiceAccountKeyRequest, get_key, writes=False),
    _rpc("CreateServiceAccountKey", types.CreateServiceAccountKeyRequest, create_key),
    _rpc("UploadServiceAccountKey", types.UploadServiceAccountKeyRequest, upload_key),
    _rpc("EnableServiceAccountKey", types.EnableServiceAccountKeyRequest, enable_key),
    _rpc("DisableServiceAccountKey", types.DisableServiceAccountKeyRequest, disable_key),
    _rpc("DeleteServiceAccountKey", types.DeleteServiceAccountKeyRequest, delete_key),
)
