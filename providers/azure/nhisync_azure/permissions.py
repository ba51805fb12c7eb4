"""Least-privilege documents for exactly the configured items: a role or access policies, Graph roles, ARM reads.

A role grants only what it names, and so does an access policy: neither holds a Deny. The read document therefore leaves
out every call that returns a value, and `nhisync doctor` says when another assignment gives one back.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nhisync.spi import AccessMode, Locator, PermissionDocument
from nhisync_azure.operations import GRAPH_OWN, GRAPH_READ, NEEDS, VAULT
from nhisync_azure.settings import DIRECTORY_KINDS, VAULT_KINDS, AzureSettings, ManagedIdentityAuth

VALUE_ACTIONS = (f"{VAULT}/secrets/getSecret/action", "secrets/get")
"""What returns a value, in both notations."""

GRAPH_APP = "00000003-0000-0000-c000-000000000000"
_GRAPH_IDS: Mapping[str, str] = {
    GRAPH_READ: "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
    GRAPH_OWN: "18a4783c-866b-4cc7-a460-3d5e5662c884",
}
"""App roles of Microsoft Graph ("Microsoft Graph permissions reference")."""

_SINGLY = frozenset({"secrets.get_secret"})
"""Calls whose permission is granted on single items, not on the whole vault."""

_READ: Mapping[str, tuple[str, ...]] = {
    "secret": ("secrets.list_properties_of_secrets",),
    "certificate": (
        "certificates.list_properties_of_certificates",
        "certificates.get_certificate",
        "certificates.get_issuer",
    ),
    "key": ("keys.list_properties_of_keys", "keys.get_key", "keys.get_key_rotation_policy"),
    **dict.fromkeys(DIRECTORY_KINDS, ("graph.applications",)),
}
_MORE: Mapping[AccessMode, Mapping[str, tuple[str, ...]]] = {
    AccessMode.READ: {},
    AccessMode.FINGERPRINT: {"secret": ("secrets.get_secret",)},
    AccessMode.PROBE: {"secret": ("secrets.get_secret",), "key": ("keys.sign", "keys.verify")},
    AccessMode.ROTATE: {
        "secret": ("secrets.get_secret", "secrets.set_secret", "secrets.update_secret_properties"),
        "certificate": (
            "certificates.begin_create_certificate",
            "certificates.update_certificate_properties",
        ),
        "key": ("keys.rotate_key", "keys.update_key_properties"),
        **dict.fromkeys(("app-secret", "sp-secret", "app-certificate", "sp-certificate"), ("graph.addPassword",)),
    },
}
"""Mode → kind → calls besides those of the inventory."""

_ARM = ("arm.permissions", "arm.vault")
RIGHTS = ("arm.denyAssignments", "arm.permissions", "arm.roleAssignments", "arm.roleDefinitions", "arm.vaults")
"""Calls of Resource Manager that reading rights makes; those of Graph need what the inventory needs."""

_RIGHTS_ROLE = "nhisync rights"

_TITLES: Mapping[AccessMode, str] = {
    AccessMode.READ: "nhisync inventory: metadata only",
    AccessMode.FINGERPRINT: "nhisync value comparison: metadata, and the values of the paired secrets",
    AccessMode.PROBE: "nhisync live probe: metadata, and the use of the paired secrets and keys",
    AccessMode.ROTATE: "nhisync rotation: metadata, and new versions of the paired items",
}


@dataclass(frozen=True, slots=True)
class Calls:
    """What a mode calls, apart by what grants it.

    Attributes:
        vault: calls granted on the whole vault.
        single: calls granted on single items → those items' collection and name.
        graph: calls of Microsoft Graph.
        arm: calls of Azure Resource Manager.
    """

    vault: tuple[str, ...]
    single: tuple[tuple[str, str], ...]
    graph: tuple[str, ...]
    arm: tuple[str, ...]


def calls_of(mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], settings: AzureSettings) -> Calls:
    """The calls that `mode` needs for these items and swept kinds."""
    touched = [kind for kind in (*VAULT_KINDS, *DIRECTORY_KINDS) if settings.serves(kind)]
    touched = [kind for kind in touched if kind in kinds or any(w.kind == kind for w in wanted)]
    more = _MORE[mode]
    every = dict.fromkeys(call for kind in touched for call in (*_READ[kind], *more.get(kind, ())))
    names = sorted({w.name for w in wanted if w.kind == "secret"}) if _SINGLY & every.keys() else []
    has_vault = any(kind in VAULT_KINDS for kind in touched)
    return Calls(
        vault=tuple(call for call in every if not call.startswith("graph.") and call not in _SINGLY),
        single=tuple(("secrets", name) for name in names),
        graph=tuple(call for call in every if call.startswith("graph.")),
        arm=_ARM if settings.vault_id and has_vault else (),
    )


def documents(
    mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], settings: AzureSettings
) -> tuple[PermissionDocument, ...]:
    """The documents of `mode`, one for each place where Azure keeps permissions."""
    calls = calls_of(mode, wanted, kinds, settings)
    found: list[PermissionDocument] = []
    if settings.access == "policies":
        found.extend(_policies(mode, calls, settings))
    else:
        found.extend(_roles(mode, calls, settings))
    if calls.graph:
        found.append(_graph(mode, calls, settings))
    return tuple(found)


def rights_documents(
    wanted: Sequence[Locator], kinds: frozenset[str], settings: AzureSettings
) -> tuple[PermissionDocument, ...]:
    """What reading rights needs beside the READ documents; none where no application's rights are read."""
    touched = {kind for kind in (kinds | {one.kind for one in wanted}) & {*DIRECTORY_KINDS} if settings.serves(kind)}
    if not touched or settings.places == ():
        return ()
    title = "nhisync rights: role and deny assignments, roles, and access policies of vaults"
    actions = _distinct(NEEDS[call].role for call in RIGHTS)
    places = settings.places or ("/subscriptions/<subscription>",)
    lines = [_at(settings, _RIGHTS_ROLE, place) for place in places]
    return (
        _role(_RIGHTS_ROLE, title, actions, (), *places),
        PermissionDocument(
            title=f"{title}: where the role is assigned", language="sh", text="\n".join(lines), actions=actions
        ),
    )


def needed(call: str, settings: AzureSettings) -> str:
    """The permission that one call needs, in this source's notation."""
    need = NEEDS.get(call)
    return need.of(settings.access) if need else ""


def grant_text(call: str, settings: AzureSettings) -> str:
    """How to grant what one call needs, ready to paste."""
    permission = needed(call, settings)
    client = settings.auth.client_id
    if call.startswith("graph."):
        return f"Grant {permission}: {'; then: '.join(_graph_commands((NEEDS[call].role,), settings))}"
    if permission.startswith("Microsoft."):
        places = settings.places if call in RIGHTS else (settings.vault_id,) if settings.vault_id else None
        place = " and ".join(places or ("the vault's resource id",))
        member = "DataActions" if call.partition(".")[0] in {"secrets", "keys", "certificates"} else "Actions"
        listed = (
            " When only some secrets may be read on purpose (a condition on their names), the list stays closed: name "
            "the items in pairs instead of a template."
            if ".list_" in call
            else ""
        )
        return f'Add "{permission}" to {member} of nhisync\'s custom role, assigned to {client} on {place}.{listed}'
    if permission:
        kind, word = permission.split("/")
        return (
            f"Grant it: az keyvault set-policy --name {_vault_name(settings)} --spn {client} "
            f"--{kind[:-1]}-permissions {word} (and those it has already)"
        )
    return ""


def _roles(mode: AccessMode, calls: Calls, settings: AzureSettings) -> Iterable[PermissionDocument]:
    data = _distinct(NEEDS[call].role for call in calls.vault)
    arm = _distinct(NEEDS[call].role for call in calls.arm)
    scope = settings.vault_id or "/subscriptions/<subscription>"
    if data or arm:
        role = f"nhisync {mode.value}"
        yield _role(role, _TITLES[mode], arm, data, scope)
        title = f"{_TITLES[mode]}: where the role is assigned"
        line = _at(settings, role, settings.vault_id or "<vault resource id>")
        yield PermissionDocument(title=title, language="sh", text=line, actions=tuple(sorted((*arm, *data))))
    if calls.single:
        role = f"nhisync {mode.value} of single secrets"
        action = NEEDS["secrets.get_secret"].role
        yield _role(role, f"{_TITLES[mode]} (single secrets)", (), (action,), scope)
        place = settings.vault_id or "<vault resource id>"
        lines = [_at(settings, role, f"{place}/{collection}/{name}") for collection, name in calls.single]
        title = f"{_TITLES[mode]}: where the second role is assigned"
        yield PermissionDocument(title=title, language="sh", text="\n".join(lines), actions=(action,))


def _role(name: str, title: str, actions: Sequence[str], data: Sequence[str], *scopes: str) -> PermissionDocument:
    """A custom role as ``az role definition create`` takes it.

    It may be assignable in subscriptions and resource groups, never in single resources (Azure, "Custom roles",
    AssignableScopes); the assignment itself is made on the resource.
    """
    groups = dict.fromkeys(scope.partition("/providers/")[0] for scope in scopes)
    body = {
        "Name": name,
        "IsCustom": True,
        "Description": title,
        "Actions": list(actions),
        "NotActions": [],
        "DataActions": list(data),
        "NotDataActions": [],
        "AssignableScopes": list(groups),
    }
    text = json.dumps(body, indent=2)
    return PermissionDocument(title=title, language="json", text=text, actions=tuple(sorted((*actions, *data))))


def _at(settings: AzureSettings, role: str, scope: str) -> str:
    """The command that assigns a role to nhisync."""
    return f"az role assignment create --assignee {settings.auth.client_id} --role '{role}' \\\n  --scope '{scope}'"


def _policies(mode: AccessMode, calls: Calls, settings: AzureSettings) -> Iterable[PermissionDocument]:
    """One access policy, which knows no single items; ARM reads stay a role."""
    every = [*calls.vault, *(["secrets.get_secret"] if calls.single else [])]
    words = _distinct(NEEDS[call].policy for call in every)
    arm = _distinct(NEEDS[call].role for call in calls.arm)
    if words:
        kinds: dict[str, list[str]] = {}
        for kind, word in (text.split("/") for text in words):
            kinds.setdefault(kind, []).append(word)
        flags = " \\\n".join(f"  --{kind[:-1]}-permissions {' '.join(held)}" for kind, held in sorted(kinds.items()))
        text = f"az keyvault set-policy --name {_vault_name(settings)} --spn {settings.auth.client_id} \\\n{flags}"
        yield PermissionDocument(title=_TITLES[mode], language="sh", text=text, actions=words)
    if arm:
        yield _role(f"nhisync {mode.value}", f"{_TITLES[mode]} (resource manager)", arm, (), settings.vault_id or "")


def _graph(mode: AccessMode, calls: Calls, settings: AzureSettings) -> PermissionDocument:
    roles = _distinct(NEEDS[call].role for call in calls.graph)
    lines = _graph_commands(roles, settings)
    title = f"{_TITLES[mode]} (application roles of Microsoft Graph: {', '.join(roles)})"
    return PermissionDocument(title=title, language="sh", text="\n".join(lines), actions=roles)


def _graph_commands(roles: Iterable[str], settings: AzureSettings) -> list[str]:
    """How roles of Graph are given: to a registration with consent, to a managed identity, which has none, directly."""
    client = settings.auth.client_id
    if isinstance(settings.auth, ManagedIdentityAuth):
        return [_assign(settings.graph_url, client, _GRAPH_IDS[role]) for role in roles]
    add = f"az ad app permission add --id {client} --api {GRAPH_APP} --api-permissions"
    return [*(f"{add} {_GRAPH_IDS[role]}=Role" for role in roles), f"az ad app permission admin-consent --id {client}"]


def _assign(graph: str, client: str, role: str) -> str:
    """Source: Microsoft Graph, "Grant an appRoleAssignment to a service principal"."""
    principal, resource = (f"$(az ad sp show --id {app} --query id -o tsv)" for app in (client, GRAPH_APP))
    body = f'{{\\"principalId\\":\\"{principal}\\",\\"resourceId\\":\\"{resource}\\",\\"appRoleId\\":\\"{role}\\"}}'
    return (
        f'az rest --method POST --url "{graph}/v1.0/servicePrincipals/{principal}/appRoleAssignments" --body "{body}"'
    )


def _vault_name(settings: AzureSettings) -> str:
    return (settings.vault or "").removeprefix("https://").partition(".")[0].partition(":")[0]


def _distinct(permissions: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({p for p in permissions if p}))
