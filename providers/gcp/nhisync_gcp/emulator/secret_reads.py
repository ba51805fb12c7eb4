"""Secret Manager's reading methods."""

from typing import Any

from google.cloud.secretmanager_v1 import types

from nhisync_gcp.emulator.filters import secret_filter, version_filter
from nhisync_gcp.emulator.messages import plain
from nhisync_gcp.emulator.paging import page
from nhisync_gcp.emulator.refusals import precondition
from nhisync_gcp.emulator.rpc import Call, Rpc
from nhisync_gcp.emulator.secret_names import answered, parent, the_secret, the_version
from nhisync_gcp.emulator.secret_store import State, Version

SERVICE = "google.cloud.secretmanager.v1.SecretManagerService"
_CAP = 25_000
_ListSecretsResponse = plain(types.ListSecretsResponse)
_ListVersionsResponse = plain(types.ListSecretVersionsResponse)
_AccessResponse = plain(types.AccessSecretVersionResponse)


def list_secrets(call: Call) -> Any:
    """ListSecrets: newest first, at most 25,000 a page."""
    target = parent(call, call.request.parent, "secretmanager.secrets.list")
    keep = secret_filter(call.request.filter)
    things = call.cloud.secrets.shelf(target.place).newest_first()
    found = page(call, things, default=_CAP, cap=_CAP, at=call.cloud.shown_at(), keep=keep)
    total = 0 if call.request.filter else found.total
    answer = _ListSecretsResponse(next_page_token=found.token, total_size=total)
    answer.secrets.extend(answered(call, target.place, row) for row in found.rows)
    return answer


def get_secret(call: Call) -> Any:
    """GetSecret."""
    target, secret = the_secret(call, call.request.name, "secretmanager.secrets.get")
    return answered(call, target.place, secret.shown.current)


def list_versions(call: Call) -> Any:
    """ListSecretVersions: newest first, destroyed ones included."""
    target, secret = the_secret(call, call.request.parent, "secretmanager.versions.list")
    keep = version_filter(call.request.filter)
    found = page(call, secret.versions.newest_first(), default=_CAP, cap=_CAP, at=call.cloud.shown_at(), keep=keep)
    total = 0 if call.request.filter else found.total
    answer = _ListVersionsResponse(next_page_token=found.token, total_size=total)
    answer.versions.extend(answered(call, target.place, row) for row in found.rows)
    return answer


def get_version(call: Call) -> Any:
    """GetSecretVersion: by number, ``latest`` or alias."""
    secret, version = the_version(call, call.request.name, "secretmanager.versions.get", aliases=True)
    return answered(call, secret.place, version.shown.current)


def access_version(call: Call) -> Any:
    """AccessSecretVersion: only an enabled version has a readable payload."""
    secret, version = the_version(call, call.request.name, "secretmanager.versions.access", aliases=True)
    shown = answered(call, secret.place, version.shown.current)
    _must_be_readable(call, version, shown.name)
    answer = _AccessResponse(name=shown.name)
    answer.payload.data = version.payload or b""
    answer.payload.data_crc32c = version.crc32c
    return answer


def _must_be_readable(call: Call, version: Version, name: str) -> None:
    state = State(version.shown.current.state)
    if state is not State.ENABLED:
        raise precondition(f"Secret Version [{name}] is in {state.name} state.")
    key = call.cloud.secrets.broken_key(version)
    if key:
        raise precondition(f"The Cloud KMS key version [{key}] that protects [{name}] is disabled or destroyed.")


def _rpc(method: str, request: Any, handler: Any, quota: str = "Read requests") -> Rpc:
    return Rpc(service=SERVICE, method=method, request=plain(request), handler=handler, quota=quota)


METHODS = (
    _rpc("ListSecrets", types.ListSecretsRequest, list_secrets),
    _rpc("GetSecret", types.GetSecretRequest, get_secret),
    _rpc("ListSecretVersions", types.ListSecretVersionsRequest, list_versions),
    _rpc("GetSecretVersion", types.GetSecretVersionRequest, get_version),
    _rpc("AccessSecretVersion", types.AccessSecretVersionRequest, access_version, quota="Access requests"),
)
