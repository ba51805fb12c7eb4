"""Authenticated reads of one cluster: listings that end, expired snapshots, and absences that are proven.

A run has one `Api`; it spends one budget and turns every refusal into a `ProviderError`.
"""

import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from nhisync.spi import ErrorKind, ProviderError
from nhisync_kubernetes.answers import Answer
from nhisync_kubernetes.credentials import Bearer
from nhisync_kubernetes.errors import Called, malformed
from nhisync_kubernetes.grants import Grant
from nhisync_kubernetes.resources import NAMESPACES, SERVICE_ACCOUNTS, Resource
from nhisync_kubernetes.settings import KubernetesSettings
from nhisync_kubernetes.transport import LIST, METADATA, METADATA_LIST, READ, REVIEW, Ask, Session

Object = Mapping[str, Any]

_REVIEWS = {
    "selfsubjectreviews": "SelfSubjectReview",
    "selfsubjectaccessreviews": "SelfSubjectAccessReview",
    "selfsubjectrulesreviews": "SelfSubjectRulesReview",
    "subjectaccessreviews": "SubjectAccessReview",
}
"""Plural of a review → its kind."""

_RESTARTS = 2
_EMPTY_PAGES = 100
"""Pages in a row without an object after which a listing counts as endless."""


class Api:
    """Reads of one run; thread safe."""

    def __init__(self, session: Session, settings: KubernetesSettings) -> None:
        self.session, self.settings = session, settings
        self._bearer: Bearer | None = session.access.bearer
        self._lock = threading.Lock()
        self._refusal: ProviderError | None = None
        self._namespaces: dict[str, ProviderError | None] = {}
        self._groups: frozenset[str] | None = None

    def get(self, resource: Resource, namespace: str, name: str, *, metadata: bool = False) -> Object:
        """One object, or its metadata alone.

        Raises:
            ProviderError: NOT_FOUND only when the server says so of this very object and its namespace exists;
                SCOPE_MISSING when the namespace does not, UNSUPPORTED when the resource is not served.
        """
        grant = Grant(namespace, resource.group, resource.plural, "get", (name,))
        ask = Ask(path=resource.path(namespace, name), grant=grant, accept=METADATA if metadata else "application/json")
        answer = self.send(ask)
        if answer.not_served:
            raise self._not_served(resource, answer.called)
        if answer.status == 404:
            self._prove_scope(resource, namespace, answer, name)
        found = answer.checked().body
        if metadata and found.get("kind") != "PartialObjectMetadata":
            raise _whole(answer.called)
        if name_of(found, answer.called) != (namespace if resource.namespaced else "", name):
            raise malformed(answer.called, "the answer is another object than the one that was asked for")
        return found

    def listed(
        self, resource: Resource, namespace: str = "", *, fields: str = "", metadata: bool = False
    ) -> Iterator[Object]:
        """Every object of a collection, once; ``namespace`` "" = of the whole cluster.

        The pages of one listing show one instant, as long as the server keeps it. When that expired (410) the listing
        begins again; what was yielded already is not yielded twice.

        Raises:
            ProviderError: CONFLICT when snapshots expire faster than they can be read, MALFORMED when pages never end
                or come back, otherwise what the server's refusal means.
        """
        ask = Ask(
            path=resource.path(namespace),
            grant=Grant(namespace, resource.group, resource.plural, "list"),
            family=LIST,
            params={"limit": str(self.settings.page_size), **({"fieldSelector": fields} if fields else {})},
            accept=METADATA_LIST if metadata else "application/json",
        )
        yielded: set[tuple[str, str]] = set()
        for restart in range(_RESTARTS + 1):
            finished = yield from self._attempt(resource, ask, yielded, last=restart == _RESTARTS)
            if finished:
                return

    def send(self, ask: Ask) -> Answer:
        """One authenticated request; a refused token is replaced once, if its file holds another one by now.

        Raises:
            ProviderError: AUTH_FAILED when our own credential is refused, otherwise no answer came.
        """
        if self._refusal is not None:
            raise self._refusal
        ask.token = self._bearer.current() if self._bearer else ""
        answer = self.session.send(ask)
        if answer.status == 401 and self._bearer is not None and self._bearer.renewed(ask.token):
            ask.token = self._bearer.current()
            answer = self.session.send(ask)
        if answer.status == 401:
            self._refusal = answer.failure()
            raise self._refusal
        return answer

    def token(self, namespace: str, account: str, seconds: int) -> str:
        """A new token of a service account for the server's own audience; not made again when its answer is lost.

        Raises:
            ProviderError: what the server's refusal means; MALFORMED when its answer holds no token.
        """
        kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
        plural = f"{SERVICE_ACCOUNTS.plural}/token"
        answer = self.send(
            Ask(
                path=f"{SERVICE_ACCOUNTS.path(namespace, account)}/token",
                grant=Grant(namespace, SERVICE_ACCOUNTS.group, plural, "create", (account,)),
                body={**kind, "spec": {"expirationSeconds": seconds}},
                repeatable=False,
            )
        )
        status = answer.checked().body.get("status")
        token = status.get("token") if isinstance(status, dict) else None
        if not isinstance(token, str) or not token:
            raise malformed(answer.called, "the answer holds no token")
        return token

    def review(self, resource: Resource, spec: Mapping[str, Any], grant: Grant | None = None) -> Object:
        """The ``status`` of a review, about ourselves unless the `grant` for asking about others is named.

        Raises:
            ProviderError: what the server's refusal means.
        """
        body = {
            "apiVersion": f"{resource.group}/{resource.version}",
            "kind": _REVIEWS[resource.plural],
            **({"spec": dict(spec)} if spec else {}),
        }
        answer = self.send(Ask(path=resource.path(), grant=grant, family=REVIEW, body=body))
        if answer.not_served:
            raise self._not_served(resource, answer.called)
        status = answer.checked().body.get("status")
        if not isinstance(status, dict):
            raise malformed(answer.called, "the review has no status")
        return status

    def public(self, path: str, family: str = READ) -> Answer:
        """A path that every authenticated user may read: discovery, version, the token issuer.

        Raises:
            ProviderError: our own credential is refused, or no answer came.
        """
        return self.send(Ask(path=path, family=family))

    def check_namespace(self, namespace: str) -> None:
        """Return when `namespace` exists; asked once a run.

        Raises:
            ProviderError: SCOPE_MISSING when it does not, otherwise why that is not known.
        """
        with self._lock:
            if namespace not in self._namespaces:
                try:
                    self._namespaces[namespace] = self._look_for(namespace)
                except ProviderError as error:
                    self._namespaces[namespace] = error
            failure = self._namespaces[namespace]
        if failure is not None:
            raise failure

    def _look_for(self, namespace: str) -> ProviderError | None:
        grant = Grant("", "", NAMESPACES.plural, "get", (namespace,))
        answer = self.send(Ask(path=NAMESPACES.path(name=namespace), grant=grant, accept=METADATA))
        if answer.status == 404 and answer.missing == namespace:
            return ProviderError(
                ErrorKind.SCOPE_MISSING,
                f"the namespace {namespace} does not exist, so nothing is known of what should stand in it",
                resource=namespace,
                request_id=answer.called.request_id,
                fix=f"Check the namespace in the locator and in the source's namespaces: kubectl get ns {namespace}",
            )
        answer.checked()
        return None

    def _prove_scope(self, resource: Resource, namespace: str, answer: Answer, name: str) -> None:
        """A missing object counts only where its namespace exists: a missing namespace answers the same 404."""
        if answer.missing != name:
            raise malformed(answer.called, "the server misses another object than the one that was asked for")
        if resource.namespaced:
            self.check_namespace(namespace)

    def _attempt(
        self, resource: Resource, ask: Ask, yielded: set[tuple[str, str]], *, last: bool
    ) -> Generator[Object, None, bool]:
        """One walk over all pages; the generator's value is whether it came to the end."""
        here: set[tuple[str, str]] = set()
        token, empty = "", 0
        while True:
            answer = self.send(replace(ask, params={**ask.params, **({"continue": token} if token else {})}))
            if answer.not_served:
                raise self._not_served(resource, answer.called)
            if answer.status == 410 and token and not last:
                return False
            items, token = _page(answer.checked(), metadata=ask.accept == METADATA_LIST)
            empty = 0 if items else empty + 1
            fresh = _fresh(items, here, answer.called)
            yield from (one for key, one in fresh if key not in yielded)
            yielded.update(key for key, _ in fresh)
            if not token:
                return True
            if len(here) >= self.settings.max_items or empty > _EMPTY_PAGES:
                raise _endless(answer.called, len(here))

    def _not_served(self, resource: Resource, called: Called) -> ProviderError:
        """A plain 404: the group is not installed, if the server's own discovery says so, too."""
        if resource.group and not self._serves(resource.group):
            return ProviderError(
                ErrorKind.UNSUPPORTED,
                f"the cluster does not serve {resource.plural}.{resource.group}",
                resource=resource.group,
                request_id=called.request_id,
                fix="Install it (cert-manager.io/docs/installation), or remove the kind from this source's pairs.",
            )
        return malformed(called, "the path is not found, although the server offers its group")

    def _serves(self, group: str) -> bool:
        with self._lock:
            if self._groups is None:
                answer = self.public("/apis").checked()
                groups = answer.body.get("groups")
                if answer.body.get("kind") != "APIGroupList" or not isinstance(groups, list):
                    raise malformed(answer.called, "the server does not list its API groups")
                self._groups = frozenset(one["name"] for one in groups if isinstance(one, dict) and "name" in one)
            return group in self._groups


def name_of(found: Object, called: Called) -> tuple[str, str]:
    """Namespace and name of an object.

    Raises:
        ProviderError: MALFORMED when it has none.
    """
    metadata = found.get("metadata") if isinstance(found, dict) else None
    if isinstance(metadata, dict):
        namespace, name = metadata.get("namespace", ""), metadata.get("name")
        if isinstance(namespace, str) and isinstance(name, str) and name:
            return namespace, name
    raise malformed(called, "an object of the answer has no name")


def _page(answer: Answer, *, metadata: bool) -> tuple[list[Any], str]:
    """Objects of one page, and the token of the next."""
    items, about = answer.body.get("items"), answer.body.get("metadata")
    if metadata and answer.body.get("kind") != "PartialObjectMetadataList":
        raise _whole(answer.called)
    if not isinstance(items, list) or not isinstance(about, dict):
        raise malformed(answer.called, "the listing holds no list")
    token = about.get("continue") or ""
    if not isinstance(token, str):
        raise malformed(answer.called, "the listing's continuation is no text")
    return items, token


def _fresh(items: list[Any], here: set[tuple[str, str]], called: Called) -> list[tuple[tuple[str, str], Object]]:
    """The objects of a page by their names, which no earlier page of the same walk may have had."""
    named = [(name_of(one, called), one) for one in items]
    before = len(here)
    here.update(key for key, _ in named)
    if len(here) != before + len(named):
        raise malformed(called, "the pages of the listing come back")
    return named


def _whole(called: Called) -> ProviderError:
    return malformed(called, "metadata were asked for and something else came, which was not looked at")


def _endless(called: Called, seen: int) -> ProviderError:
    return ProviderError(
        ErrorKind.MALFORMED,
        f"{called.method} {called.path}: more than {seen} objects, or pages without any; the listing was left",
        resource=called.path,
        fix="If there really are so many, raise max_items of the source, or name its namespaces.",
    )
