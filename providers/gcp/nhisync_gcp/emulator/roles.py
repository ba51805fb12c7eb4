"""Predefined roles, and the permissions that their wildcards stand for here.

Google's answers name every permission of a role; ours name those that this emulator knows of.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

#: Predefined roles, as far as nhisync meets them (Google Cloud: IAM basic and predefined roles reference).
PREDEFINED: Final[Mapping[str, tuple[str, ...]]] = {
    "roles/owner": ("*",),
    "roles/viewer": ("*.get", "*.list", "*.getIamPolicy"),
    "roles/secretmanager.viewer": (
        "secretmanager.locations.*",
        "secretmanager.secrets.get",
        "secretmanager.secrets.getIamPolicy",
        "secretmanager.secrets.list",
        "secretmanager.versions.get",
        "secretmanager.versions.list",
    ),
    "roles/secretmanager.secretAccessor": ("secretmanager.versions.access",),
    "roles/secretmanager.secretVersionAdder": ("secretmanager.versions.add",),
    "roles/secretmanager.secretVersionManager": (
        "secretmanager.versions.add",
        "secretmanager.versions.destroy",
        "secretmanager.versions.disable",
        "secretmanager.versions.enable",
        "secretmanager.versions.get",
        "secretmanager.versions.list",
    ),
    "roles/secretmanager.admin": ("secretmanager.*",),
    "roles/iam.serviceAccountViewer": (
        "iam.serviceAccountKeys.get",
        "iam.serviceAccountKeys.list",
        "iam.serviceAccounts.get",
        "iam.serviceAccounts.getIamPolicy",
        "iam.serviceAccounts.list",
    ),
    "roles/iam.serviceAccountKeyAdmin": ("iam.serviceAccountKeys.*", "iam.serviceAccounts.get"),
    "roles/iam.serviceAccountTokenCreator": ("iam.serviceAccounts.getAccessToken",),
    "roles/iam.workloadIdentityUser": ("iam.serviceAccounts.getAccessToken",),
    "roles/certificatemanager.viewer": (
        "certificatemanager.certs.get",
        "certificatemanager.certs.list",
        "certificatemanager.locations.*",
    ),
    "roles/privateca.auditor": (
        "privateca.caPools.get",
        "privateca.caPools.list",
        "privateca.certificateAuthorities.get",
        "privateca.certificateAuthorities.list",
        "privateca.certificates.get",
        "privateca.certificates.list",
        "privateca.locations.*",
    ),
    "roles/iam.securityReviewer": ("*.getIamPolicy", "*.list", "iam.roles.get"),
    "roles/storage.objectAdmin": ("storage.objects.*",),
    "roles/storage.objectViewer": ("storage.objects.get", "storage.objects.list"),
}

#: Every permission that this emulator checks, and some that its roles hold besides.
PERMISSIONS: Final = tuple(
    f"{kind}.{verb}"
    for kind, verbs in {
        "certificatemanager.certs": "get list",
        "iam.denypolicies": "get list",
        "iam.roles": "create delete get list undelete update",
        "iam.serviceAccountKeys": "create delete disable enable get list",
        "iam.serviceAccounts": "actAs create delete disable enable get getAccessToken getIamPolicy getOpenIdToken list "
        "setIamPolicy signBlob signJwt undelete update",
        "privateca.caPools": "get list",
        "privateca.certificateAuthorities": "get list",
        "privateca.certificates": "get list",
        "resourcemanager.folders": "get getIamPolicy setIamPolicy",
        "resourcemanager.organizations": "getIamPolicy setIamPolicy",
        "resourcemanager.projects": "get getIamPolicy setIamPolicy",
        "secretmanager.locations": "get list",
        "secretmanager.secrets": "create delete enableManagedRotation get getIamPolicy list rotate setIamPolicy update",
        "secretmanager.versions": "access add destroy disable enable get list",
        "storage.buckets": "get list",
        "storage.objects": "create delete get list",
    }.items()
    for verb in verbs.split()
)


def included(role: str) -> list[str]:
    """Permissions of a predefined role, by name."""
    return sorted(each for each in PERMISSIONS if any(fnmatchcase(each, one) for one in PREDEFINED[role]))
