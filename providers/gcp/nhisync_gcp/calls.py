"""The calls that are made, what Google checks before it answers each, and how often each family may be called."""

from collections.abc import Mapping
from dataclasses import dataclass

from nhisync.spi import Rate

RATES: Mapping[str, Rate] = {
    "secretmanager": Rate(per_second=8, burst=100),
    "secretmanager-value": Rate(per_second=50, burst=50),
    "iam": Rate(per_second=20, burst=50),
    "iamcredentials": Rate(per_second=5, burst=10),
    "cloudresourcemanager": Rate(per_second=5, burst=20),
    "certificatemanager": Rate(per_second=5, burst=20),
    "privateca": Rate(per_second=5, burst=20),
    "cloudkms": Rate(per_second=5, burst=20),
    "token": Rate(per_second=5, burst=10),
}
"""Calls a second by family. Secret Manager's default quotas are 600 reads and 90,000 accesses a minute and project: 8 a
second and a burst of 100 stay below the first in any minute. The others publish no or larger ones, a guess on the safe
side."""


@dataclass(frozen=True, slots=True)
class Call:
    """One method of one service.

    Attributes:
        permission: what Google checks (IAM permissions reference); "" = nothing.
        family: API family of the budget's rates.
        scope: it looks at a place, so that "not found" is said of the place and proves nothing about an item.
    """

    permission: str
    family: str
    scope: bool = False


CALLS: Mapping[str, Call] = {
    "secretmanager.list_secrets": Call("secretmanager.secrets.list", "secretmanager", scope=True),
    "secretmanager.get_secret": Call("secretmanager.secrets.get", "secretmanager"),
    "secretmanager.list_secret_versions": Call("secretmanager.versions.list", "secretmanager"),
    "secretmanager.access_secret_version": Call("secretmanager.versions.access", "secretmanager-value"),
    "secretmanager.get_iam_policy": Call("secretmanager.secrets.getIamPolicy", "secretmanager"),
    "secretmanager.test_iam_permissions": Call("", "secretmanager"),
    "iam.list_service_accounts": Call("iam.serviceAccounts.list", "iam", scope=True),
    "iam.get_service_account": Call("iam.serviceAccounts.get", "iam"),
    "iam.list_service_account_keys": Call("iam.serviceAccountKeys.list", "iam"),
    "iam.get_service_account_key": Call("iam.serviceAccountKeys.get", "iam"),
    "iam.get_iam_policy": Call("iam.serviceAccounts.getIamPolicy", "iam"),
    "iam.get_role": Call("iam.roles.get", "iam"),
    "iam.test_iam_permissions": Call("", "iam"),
    "iam_v2.list_policies": Call("iam.denypolicies.list", "iam", scope=True),
    "iam_v2.get_policy": Call("iam.denypolicies.get", "iam"),
    "cloudresourcemanager.get_project": Call("resourcemanager.projects.get", "cloudresourcemanager", scope=True),
    "cloudresourcemanager.get_folder": Call("resourcemanager.folders.get", "cloudresourcemanager", scope=True),
    "cloudresourcemanager.get_project_policy": Call(
        "resourcemanager.projects.getIamPolicy", "cloudresourcemanager", scope=True
    ),
    "cloudresourcemanager.get_folder_policy": Call(
        "resourcemanager.folders.getIamPolicy", "cloudresourcemanager", scope=True
    ),
    "cloudresourcemanager.get_organization_policy": Call(
        "resourcemanager.organizations.getIamPolicy", "cloudresourcemanager", scope=True
    ),
    "cloudkms.get_crypto_key": Call("cloudkms.cryptoKeys.get", "cloudkms"),
    "certificatemanager.list_certificates": Call("certificatemanager.certs.list", "certificatemanager", scope=True),
    "certificatemanager.get_certificate": Call("certificatemanager.certs.get", "certificatemanager"),
    "privateca.list_ca_pools": Call("privateca.caPools.list", "privateca", scope=True),
    "privateca.list_certificate_authorities": Call("privateca.certificateAuthorities.list", "privateca", scope=True),
    "privateca.list_certificates": Call("privateca.certificates.list", "privateca", scope=True),
    "privateca.get_certificate": Call("privateca.certificates.get", "privateca"),
}
"""``service.method`` of the SDK's clients → what is known of it."""

CHANGES: Mapping[str, Call] = {
    "secretmanager.update_secret": Call("secretmanager.secrets.update", "secretmanager"),
    "secretmanager.add_secret_version": Call("secretmanager.versions.add", "secretmanager"),
    "secretmanager.disable_secret_version": Call("secretmanager.versions.disable", "secretmanager"),
    "secretmanager.enable_secret_version": Call("secretmanager.versions.enable", "secretmanager"),
    "iam.create_service_account_key": Call("iam.serviceAccountKeys.create", "iam"),
    "iam.disable_service_account_key": Call("iam.serviceAccountKeys.disable", "iam"),
    "iam.enable_service_account_key": Call("iam.serviceAccountKeys.enable", "iam"),
    "iamcredentials.generate_access_token": Call("iam.serviceAccounts.getAccessToken", "iamcredentials"),
}
"""The calls of the modes rotate and probe that make or change something: none of them is ever repeated."""


def host_of(service: str) -> str:
    """The service whose endpoint answers: deny policies are version 2 of IAM."""
    return service.removesuffix("_v2")
