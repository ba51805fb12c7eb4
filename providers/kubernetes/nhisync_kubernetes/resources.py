"""The API resources that are read, and where they stand below the API server.

Source: kubernetes.io/docs, API Concepts; cert-manager.io/docs, API reference (``cert-manager.io/v1``).
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource.

    Attributes:
        plural: as in its path.
        group: API group, "" = core.
        version: of the group.
        namespaced: its objects stand in namespaces.
    """

    plural: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True

    @property
    def root(self) -> str:
        """Path of the group version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str = "", name: str = "") -> str:
        """Path of one object, or of the collection (``namespace`` "" = of the whole cluster)."""
        scope = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{self.root}{scope}/{self.plural}" + (f"/{name}" if name else "")


CERT_MANAGER = "cert-manager.io"
NAMESPACES = Resource("namespaces", namespaced=False)
SECRETS = Resource("secrets")
SERVICE_ACCOUNTS = Resource("serviceaccounts")
CERTIFICATES = Resource("certificates", CERT_MANAGER)
REQUESTS = Resource("certificaterequests", CERT_MANAGER)
ISSUERS = Resource("issuers", CERT_MANAGER)
CLUSTER_ISSUERS = Resource("clusterissuers", CERT_MANAGER, namespaced=False)
RBAC = "rbac.authorization.k8s.io"
ROLES = Resource("roles", RBAC)
BINDINGS = Resource("rolebindings", RBAC)
CLUSTER_ROLES = Resource("clusterroles", RBAC, namespaced=False)
CLUSTER_BINDINGS = Resource("clusterrolebindings", RBAC, namespaced=False)
IDENTITY_REVIEWS = Resource("selfsubjectreviews", "authentication.k8s.io", namespaced=False)
ACCESS_REVIEWS = Resource("selfsubjectaccessreviews", "authorization.k8s.io", namespaced=False)
OTHERS_REVIEWS = Resource("subjectaccessreviews", "authorization.k8s.io", namespaced=False)
RULES_REVIEWS = Resource("selfsubjectrulesreviews", "authorization.k8s.io", namespaced=False)

SYSTEM = "kube-system"
"""The namespace whose uid stands for the cluster."""

RESOURCE_OF: Mapping[str, Resource] = {
    "certificate": CERTIFICATES,
    "secret": SECRETS,
    "service-account": SERVICE_ACCOUNTS,
    "service-account-token": SECRETS,
}
"""Kind → what it is read from."""

KINDS = tuple(RESOURCE_OF)
"""Kinds of this provider, in the order in which they are swept."""

TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105 - the type's name, not a token
"""Type of a Secret that holds a legacy service account token."""
