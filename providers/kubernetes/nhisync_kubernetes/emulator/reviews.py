"""Reviews: who am I, may I, what may I, may somebody else.

Source: k8s.io/kubernetes ``pkg/registry/authorization/selfsubjectrulesreview/rest.go`` and siblings.
"""

from collections.abc import Mapping
from typing import Any

from nhisync_kubernetes.emulator.definitions import Attributes
from nhisync_kubernetes.emulator.rbac import Rbac, User
from nhisync_kubernetes.emulator.wire import Reply, StatusError, encode


class Reviews:
    """Answers reviews by the cluster's RBAC.

    Attributes:
        incomplete: rules reviews do not know everything, as with an authorizer outside the server.
    """

    def __init__(self, rbac: Rbac) -> None:
        self._rbac = rbac
        self.incomplete = False

    def serve(self, plural: str, user: User, body: Mapping[str, Any]) -> Reply:
        """One review.

        Raises:
            StatusError: its spec asks nothing.
        """
        spec = body.get("spec") or {}
        if plural == "selfsubjectreviews":
            status: dict[str, Any] = {"userInfo": {"username": user.name, "uid": user.uid, "groups": list(user.groups)}}
        elif plural == "selfsubjectaccessreviews":
            status = self._access(user, spec)
        elif plural == "subjectaccessreviews":
            status = self._access(_other(spec), spec)
        else:
            status = self._rules(user, str(spec.get("namespace") or ""))
        return Reply(status=201, body=encode({**body, "metadata": {}, "status": status}))

    def _access(self, user: User, spec: Mapping[str, Any]) -> dict[str, Any]:
        about, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
        if isinstance(path, dict) and about is None:
            return self._rbac.told(user, Attributes(str(path.get("verb", "")), path=str(path.get("path", ""))))
        if not isinstance(about, dict):
            raise StatusError(422, "Invalid", "exactly one of nonResourceAttributes or resourceAttributes is required")
        words = {
            key: str(about.get(key, "")) for key in ("verb", "group", "resource", "subresource", "namespace", "name")
        }
        return self._rbac.told(user, Attributes(**words))

    def _rules(self, user: User, namespace: str) -> dict[str, Any]:
        if not namespace:
            raise StatusError(400, "BadRequest", "no namespace on request")
        rules = [] if self.incomplete else [dict(rule) for rule in self._rbac.rules(user, namespace)]
        return {"resourceRules": rules, "nonResourceRules": [], "incomplete": self.incomplete}


def _other(spec: Mapping[str, Any]) -> User:
    """Whom a SubjectAccessReview is about.

    Raises:
        StatusError: it names nobody.
    """
    name, groups = str(spec.get("user") or ""), spec.get("groups") or ()
    if not name and not groups:
        raise StatusError(422, "Invalid", "spec.user: Invalid value: at least one of user or group must be specified")
    return User(name, tuple(map(str, groups)))
