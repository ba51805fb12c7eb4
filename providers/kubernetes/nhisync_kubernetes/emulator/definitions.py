"""The resources that are served, and how a path names them.

Source: k8s.io/apiserver ``pkg/endpoints/request/requestinfo.go``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from nhisync_kubernetes.emulator.wire import NotServedError, Request
from nhisync_kubernetes.resources import CERT_MANAGER

RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Definition:
    """One resource.

    Attributes:
        plural: as in its path.
        kind: of its objects.
        group: API group, "" = core.
        namespaced: its objects stand in namespaces.
        selectable: fields that a field selector may name, besides name and namespace.
    """

    plural: str
    kind: str
    group: str = ""
    namespaced: bool = True
    selectable: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """``apiVersion`` of its objects."""
        return f"{self.group}/v1" if self.group else "v1"


NAMESPACES = Definition("namespaces", "Namespace", namespaced=False)
SECRETS = Definition("secrets", "Secret", selectable=("type",))
SERVICE_ACCOUNTS = Definition("serviceaccounts", "ServiceAccount")
ROLES = Definition("roles", "Role", RBAC)
ROLE_BINDINGS = Definition("rolebindings", "RoleBinding", RBAC)
CLUSTER_ROLES = Definition("clusterroles", "ClusterRole", RBAC, namespaced=False)
CLUSTER_ROLE_BINDINGS = Definition("clusterrolebindings", "ClusterRoleBinding", RBAC, namespaced=False)
CERTIFICATES = Definition("certificates", "Certificate", CERT_MANAGER)
REQUESTS = Definition("certificaterequests", "CertificateRequest", CERT_MANAGER)
ISSUERS = Definition("issuers", "Issuer", CERT_MANAGER)
CLUSTER_ISSUERS = Definition("clusterissuers", "ClusterIssuer", CERT_MANAGER, namespaced=False)

ALL: Mapping[tuple[str, str], Definition] = {
    (one.group, one.plural): one
    for one in (
        NAMESPACES,
        SECRETS,
        SERVICE_ACCOUNTS,
        ROLES,
        ROLE_BINDINGS,
        CLUSTER_ROLES,
        CLUSTER_ROLE_BINDINGS,
        CERTIFICATES,
        REQUESTS,
        ISSUERS,
        CLUSTER_ISSUERS,
    )
}
REVIEWS = {
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
}
GROUPS = ("authentication.k8s.io", "authorization.k8s.io", CERT_MANAGER, RBAC)
_VERBS = {"POST": "create", "GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is asked, in the words of authorization.

    Attributes:
        verb: ``get``, ``list``, …
        group: API group.
        resource: plural, "" = no resource but a path.
        subresource: "" = none.
        namespace: "" = the whole cluster.
        name: "" = none.
        path: the path.
    """

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def full(self) -> str:
        """``serviceaccounts/token``."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def attributes_of(request: Request) -> Attributes:
    """The attributes of a request.

    Raises:
        NotServedError: the version is none of ours.
    """
    parts = [part for part in request.path.split("/") if part]
    verb = _VERBS.get(request.method, "")
    prefix, rest = (parts[0], parts[1:]) if parts else ("", [])
    if prefix == "api" and len(rest) >= 2:
        group, version, rest = "", rest[0], rest[1:]
    elif prefix == "apis" and len(rest) >= 3:
        group, version, rest = rest[0], rest[1], rest[2:]
    else:
        return Attributes(verb, path=request.path)
    if version != "v1":
        raise NotServedError
    namespace, rest = _namespace(rest)
    name, subresource = (rest[1] if len(rest) > 1 else ""), (rest[2] if len(rest) > 2 else "")
    if not name and verb == "get":
        verb, name = "list", _selected_name(request)
    return Attributes(verb, group, rest[0], subresource, namespace, name, request.path)


def _namespace(parts: list[str]) -> tuple[str, list[str]]:
    """A namespace itself lies in itself, so that a Role in it may grant a look at it."""
    if parts[0] != "namespaces" or len(parts) < 2:
        return "", parts
    return parts[1], (parts[2:] if len(parts) > 2 else parts)


def _selected_name(request: Request) -> str:
    """A listing of one name counts as that name, for ``resourceNames``."""
    terms = request.query.get("fieldSelector", "").split(",")
    return next((one.removeprefix("metadata.name=") for one in terms if one.startswith("metadata.name=")), "")
