"""What nhisync's identity is given per mode: a custom role, access policies, application roles of Microsoft Graph.

Only what the mode needs (learn.microsoft.com/azure/key-vault/general/rbac-guide). A test that proves permissions
installs the adapter's own documents instead (`AzureWorld.install`).
"""

from collections.abc import Mapping
from typing import Any, Final

from nhisync.spi import AccessMode
from nhisync_azure.emulator.rbac import VAULTS

ARM_ACTIONS: Final = (
    "Microsoft.KeyVault/vaults/read",
    "Microsoft.Authorization/roleAssignments/read",
    "Microsoft.Authorization/roleDefinitions/read",
    "Microsoft.Authorization/denyAssignments/read",
    "Microsoft.Authorization/permissions/read",
)
_READ: Final = (
    "secrets/readMetadata/action",
    "certificates/read",
    "certificatecas/read",
    "keys/read",
    "keyrotationpolicies/read",
)
_MORE: Final[Mapping[AccessMode, tuple[str, ...]]] = {
    AccessMode.READ: (),
    AccessMode.FINGERPRINT: ("secrets/getSecret/action",),
    AccessMode.PROBE: ("secrets/getSecret/action", "keys/sign/action", "keys/verify/action"),
    AccessMode.ROTATE: (
        "secrets/getSecret/action",
        "secrets/setSecret/action",
        "secrets/update/action",
        "certificates/create/action",
        "certificates/update/action",
        "keys/rotate/action",
        "keys/update/action",
        "keyrotationpolicies/write",
    ),
}
_POLICY_READ: Final = {
    "secrets": ("list",),
    "certificates": ("list", "get", "listissuers", "getissuers"),
    "keys": ("list", "get", "getrotationpolicy"),
}
_POLICY_MORE: Final[Mapping[AccessMode, Mapping[str, tuple[str, ...]]]] = {
    AccessMode.READ: {},
    AccessMode.FINGERPRINT: {"secrets": ("get",)},
    AccessMode.PROBE: {"secrets": ("get",), "keys": ("sign", "verify")},
    AccessMode.ROTATE: {
        "secrets": ("get", "set"),
        "certificates": ("create", "update"),
        "keys": ("rotate", "update", "setrotationpolicy"),
    },
}


def role_document(mode: AccessMode, *, arm: bool, scope: str) -> dict[str, Any]:
    """A custom role as ``az role definition create`` takes it."""
    return {
        "Name": f"nhisync {mode.value} (emulated)",
        "IsCustom": True,
        "Description": "What nhisync needs in this mode.",
        "Actions": list(ARM_ACTIONS if arm else ()),
        "NotActions": [],
        "DataActions": [f"{VAULTS}/{action}" for action in (*_READ, *_MORE[mode])],
        "NotDataActions": [],
        "AssignableScopes": [scope.partition("/providers/")[0]],  # never a single resource
    }


def policy_document(mode: AccessMode) -> dict[str, tuple[str, ...]]:
    """Permissions of an access policy by kind."""
    more = _POLICY_MORE[mode]
    return {kind: (*held, *more.get(kind, ())) for kind, held in _POLICY_READ.items()}


def graph_roles(mode: AccessMode) -> tuple[str, ...]:
    """Application roles of Microsoft Graph."""
    return ("Application.ReadWrite.OwnedBy",) if mode is AccessMode.ROTATE else ("Application.Read.All",)
