"""Least-privilege custom roles for exactly the configured items, and the commands that create and bind them.

Google grants by roles, and roles are bound to a resource: lists need the project, everything that reads a value or
changes something is bound to the single secret or account. Names of permissions are those of Google's "IAM permissions
reference"; custom roles are created with ``gcloud iam roles create ROLE --project=PROJECT --file=FILE``.
"""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from nhisync.spi import AccessMode, Locator, PermissionDocument

ACCESS = "secretmanager.versions.access"
"""The one permission that shows a value."""

MINT = "iam.serviceAccounts.getAccessToken"
"""What it takes to act as an account; nhisync makes a token of five minutes that opens nothing with it."""

SECRET_KINDS = frozenset({"secret", "regional-secret"})
ACCOUNT_KINDS = frozenset({"service-account", "service-account-key"})

_READ_SECRETS = ("secretmanager.secrets.get", "secretmanager.secrets.list", "secretmanager.versions.list")

READ: Mapping[str, tuple[str, ...]] = {
    "secret": _READ_SECRETS,
    "regional-secret": _READ_SECRETS,
    "service-account": ("iam.serviceAccounts.get", "iam.serviceAccounts.list"),
    "service-account-key": (
        "iam.serviceAccountKeys.get",
        "iam.serviceAccountKeys.list",
        "iam.serviceAccounts.get",
        "iam.serviceAccounts.list",
    ),
    "certificate": ("certificatemanager.certs.get", "certificatemanager.certs.list"),
    "cas-certificate": (
        "privateca.caPools.list",
        "privateca.certificateAuthorities.list",
        "privateca.certificates.get",
        "privateca.certificates.list",
    ),
}
"""What the inventory of each kind asks for."""

RIGHTS = (
    "iam.roles.get",
    "iam.serviceAccounts.getIamPolicy",
    "resourcemanager.projects.get",
    "resourcemanager.projects.getIamPolicy",
    "secretmanager.secrets.getIamPolicy",
    "secretmanager.secrets.list",
)
"""What reading rights asks of the project."""

RIGHTS_ABOVE = (
    "iam.denypolicies.get",
    "iam.denypolicies.list",
    "iam.roles.get",
    "resourcemanager.folders.get",
    "resourcemanager.folders.getIamPolicy",
    "resourcemanager.organizations.getIamPolicy",
)
"""What it asks of folders and organisation, and of deny policies, which only a role of the organisation shows (IAM,
"Deny access to resources", required roles)."""

PROTECTION = (
    "cloudkms.cryptoKeys.get",
    "resourcemanager.projects.get",
    "resourcemanager.projects.getIamPolicy",
)
"""What telling how secrets are guarded asks of the project; keys of another project want the first one there."""

PROTECTION_ABOVE = (
    "resourcemanager.folders.get",
    "resourcemanager.folders.getIamPolicy",
    "resourcemanager.organizations.getIamPolicy",
)
"""What it asks of folders and organisation."""

_ROTATE_SECRET = (
    "secretmanager.secrets.update",
    ACCESS,
    "secretmanager.versions.add",
    "secretmanager.versions.disable",
    "secretmanager.versions.enable",
)
_ROTATE_KEY = ("iam.serviceAccountKeys.create", "iam.serviceAccountKeys.disable", "iam.serviceAccountKeys.enable")

SURPLUS: Mapping[str, tuple[str, ...]] = {
    "secret": (*_ROTATE_SECRET, "secretmanager.secrets.delete", "secretmanager.versions.destroy"),
    "regional-secret": (*_ROTATE_SECRET, "secretmanager.secrets.delete", "secretmanager.versions.destroy"),
    "service-account": ("iam.serviceAccounts.actAs", MINT),
    "service-account-key": (*_ROTATE_KEY, "iam.serviceAccountKeys.delete"),
}
"""What an inventory never needs; the doctor warns when it is held."""

TITLES = {
    AccessMode.READ: "nhisync inventory: metadata only, no permission shows a value",
    AccessMode.FINGERPRINT: "nhisync value comparison: values of the paired secrets only",
    AccessMode.PROBE: "nhisync live check: logs in with the paired secrets' values and with tokens of the paired "
    "accounts",
    AccessMode.ROTATE: "nhisync rotation: new versions and keys of the paired items",
}
RIGHTS_TITLE = "nhisync rights: allow and deny policies, and what their roles hold"
_RIGHTS, _RIGHTS_ABOVE = "nhisyncRights", "nhisyncRightsAbove"
PROTECTION_TITLE = "nhisync protection: how secrets are guarded; optional, without it that is unknown"
_PROTECTION, _PROTECTION_ABOVE = "nhisyncProtection", "nhisyncProtectionAbove"
_MEMBER = ': "${MEMBER:?set it to serviceAccount:E-MAIL of the account that nhisync uses here}"'
_ROLES = {
    AccessMode.READ: "nhisyncRead",
    AccessMode.FINGERPRINT: "nhisyncCompare",
    AccessMode.PROBE: "nhisyncProbe",
    AccessMode.ROTATE: "nhisyncRotate",
}


@dataclass(frozen=True, slots=True)
class Binding:
    """One role on one resource.

    Attributes:
        role: id of the custom role.
        permissions: what the role holds, sorted.
        resource: resource name.
        command: the gcloud command that binds on it, without member and role.
    """

    role: str
    permissions: tuple[str, ...]
    resource: str
    command: str


def bindings(mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], project: str) -> tuple[Binding, ...]:
    """Everything that `mode` needs; () when the provider has no use for the mode here.

    Args:
        mode: what nhisync is to do.
        wanted: items that pairs name.
        kinds: swept kinds.
        project: the source's project.
    """
    touched = kinds | {locator.kind for locator in wanted}
    reads = sorted({permission for kind in touched for permission in READ.get(kind, ())})
    read = Binding(_ROLES[AccessMode.READ], tuple(reads), f"projects/{project}", _bind("projects", project))
    found = () if mode is AccessMode.READ else tuple(_single(mode, wanted, project))
    if not reads or (not found and mode in {AccessMode.PROBE, AccessMode.ROTATE}):
        return ()
    return (read, *found)


def documents(
    mode: AccessMode, wanted: Sequence[Locator], kinds: frozenset[str], project: str
) -> tuple[PermissionDocument, ...]:
    """The role files of `mode`, and the script that creates and binds them."""
    found = bindings(mode, wanted, kinds, project)
    if not found:
        return ()
    roles: dict[str, Binding] = {}
    for binding in found:
        roles.setdefault(binding.role, binding)
    files = tuple(
        PermissionDocument(
            title=f"custom role {role}: {_title(role)}",
            language="yaml",
            text=_role_file(role, one.permissions, _title(role)),
            actions=one.permissions,
        )
        for role, one in roles.items()
    )
    script = PermissionDocument(
        title=f"{TITLES[mode]}: create the roles from the files above and bind them",
        language="sh",
        text=_script(roles, found, project),
        actions=tuple(f"{one.role} on {one.resource}" for one in found),
    )
    return (*files, script)


def rights_needed(*, inherited: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What reading rights needs in the project, and in the organisation; what is held there reaches the project."""
    above = RIGHTS_ABOVE if inherited else ()
    return tuple(one for one in RIGHTS if one not in above), above


def rights_documents(
    wanted: Sequence[Locator], kinds: frozenset[str], project: str, *, inherited: bool
) -> tuple[PermissionDocument, ...]:
    """What reading rights needs beside the READ documents; none for kinds without rights."""
    if not (kinds | {one.kind for one in wanted}) & ACCOUNT_KINDS:
        return ()
    here, above = rights_needed(inherited=inherited)
    return _beside(RIGHTS_TITLE, {_RIGHTS: here, **({_RIGHTS_ABOVE: above} if above else {})}, project)


def protection_documents(
    wanted: Sequence[Locator], kinds: frozenset[str], project: str, *, inherited: bool
) -> tuple[PermissionDocument, ...]:
    """What telling how secrets are guarded needs beside the READ documents; none for kinds without a value."""
    if not (kinds | {one.kind for one in wanted}) & SECRET_KINDS:
        return ()
    here = PROTECTION if inherited else tuple(one for one in PROTECTION if one != "resourcemanager.projects.get")
    above = {_PROTECTION_ABOVE: PROTECTION_ABOVE} if inherited else {}
    return _beside(PROTECTION_TITLE, {_PROTECTION: here, **above}, project)


def _beside(title: str, roles: Mapping[str, tuple[str, ...]], project: str) -> tuple[PermissionDocument, ...]:
    """Custom roles, the first in the project and a second one in the organisation, and the script that binds them."""
    files = tuple(
        PermissionDocument(
            title=f"custom role {role}: {title}",
            language="yaml",
            text=_role_file(role, permissions, title),
            actions=permissions,
        )
        for role, permissions in roles.items()
    )
    here, *over = roles
    lines = [
        _MEMBER,
        f"gcloud iam roles create {here} --project={project} --file={here}.yaml",
        f'{_bind("projects", project)} --member="$MEMBER" --role=projects/{project}/roles/{here} --condition=None',
    ]
    for role in over:
        lines += [
            ': "${ORGANIZATION:?set it to the number of the organisation; without one set inherited: false}"',
            f'gcloud iam roles create {role} --organization="$ORGANIZATION" --file={role}.yaml',
            (
                'gcloud organizations add-iam-policy-binding "$ORGANIZATION" --member="$MEMBER" --condition=None '
                f'--role="organizations/$ORGANIZATION/roles/{role}"'
            ),
        ]
    script = PermissionDocument(
        title=f"{title}: create the roles from the files above and bind them",
        language="sh",
        text="\n".join(lines),
        actions=(f"{here} on projects/{project}", *(f"{role} on the organisation" for role in over)),
    )
    return (*files, script)


def needed_on_item(mode: AccessMode, kind: str) -> tuple[str, ...]:
    """What `mode` needs on a single item of `kind` besides reading its metadata."""
    if mode is AccessMode.READ:
        return ()
    if kind in SECRET_KINDS:
        return _ROTATE_SECRET if mode is AccessMode.ROTATE else (ACCESS,)
    if kind == "service-account":
        return (MINT,) if mode is AccessMode.PROBE else ()
    return _ROTATE_KEY if kind == "service-account-key" and mode is AccessMode.ROTATE else ()


def grant_text(permission: str, project: str) -> str:
    """The command that adds one missing permission to the role that `nhisync permissions` names for it."""
    if permission == ACCESS:
        role = _ROLES[AccessMode.FINGERPRINT]
    elif permission == MINT:
        role = f"{_ROLES[AccessMode.PROBE]}Tokens"
    elif any(permission in found for found in READ.values()):
        role = _ROLES[AccessMode.READ]
    elif permission in RIGHTS:
        role = _RIGHTS
    elif permission in PROTECTION:
        role = _PROTECTION
    elif permission in RIGHTS_ABOVE:
        where = "--organization=ORGANIZATION"
        return f"gcloud iam roles update {_RIGHTS_ABOVE} {where} --add-permissions={permission} (or inherited: false)"
    else:
        role = _ROLES[AccessMode.ROTATE]
    return f"gcloud iam roles update {role} --project={project or 'PROJECT'} --add-permissions={permission}"


def _single(mode: AccessMode, wanted: Sequence[Locator], project: str) -> Iterable[Binding]:
    """Bindings on single items, once for each."""
    role = _ROLES[mode]
    names = dict.fromkeys((locator.kind, locator.name) for locator in wanted)
    for kind, name in names:
        permissions = needed_on_item(mode, kind)
        if permissions and kind in SECRET_KINDS:
            yield _on_secret(role, permissions, kind, name, project)
        elif permissions:
            email = name.partition("/")[0]
            what = "Tokens" if kind == "service-account" else "Keys"
            command = f"{_bind('iam service-accounts', email)} --project={project}"
            yield Binding(f"{role}{what}", permissions, f"projects/{project}/serviceAccounts/{email}", command)


def _on_secret(role: str, permissions: tuple[str, ...], kind: str, name: str, project: str) -> Binding:
    location, _, id_ = name.partition("/") if kind == "regional-secret" else ("", "", name)
    place = f"projects/{project}/locations/{location}" if location else f"projects/{project}"
    at = f" --location={shlex.quote(location)}" if location else ""
    command = f"{_bind('secrets', id_)} --project={project}{at}"
    return Binding(role, permissions, f"{place}/secrets/{id_}", command)


def _role_file(role: str, permissions: Sequence[str], title: str) -> str:
    lines = [f"title: {role}", f"description: {json.dumps(title)}", "stage: GA", "includedPermissions:"]
    return "\n".join((*lines, *(f"- {permission}" for permission in permissions)))


def _title(role: str) -> str:
    """What a role is for; the roles of accounts and their keys share the title of their mode."""
    mode = next(mode for mode, name in _ROLES.items() if role.startswith(name))
    return TITLES[mode]


def _script(roles: Iterable[str], found: Iterable[Binding], project: str) -> str:
    lines = [_MEMBER]
    lines += [f"gcloud iam roles create {role} --project={project} --file={role}.yaml" for role in roles]
    for one in found:
        role = f"projects/{project}/roles/{one.role}"
        lines.append(f'{one.command} --member="$MEMBER" --role={role} --condition=None')
    return "\n".join(dict.fromkeys(lines))


def _bind(group: str, name: str) -> str:
    return f"gcloud {group} add-iam-policy-binding {shlex.quote(name)}"
