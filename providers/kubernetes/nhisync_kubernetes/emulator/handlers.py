"""The verbs of the API: get, list, create, update, patch, delete, and the token subresource."""

import base64
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from nhisync_kubernetes.emulator.definitions import (
    CERTIFICATES,
    NAMESPACES,
    SECRETS,
    SERVICE_ACCOUNTS,
    Attributes,
    Definition,
)
from nhisync_kubernetes.emulator.faults import Faults
from nhisync_kubernetes.emulator.selecting import booked, converted, merged, metadata_of, not_acceptable, selector
from nhisync_kubernetes.emulator.store import Object, Page, Store, decode, encode, stamp
from nhisync_kubernetes.emulator.tokens import Tokens
from nhisync_kubernetes.emulator.wire import NotServedError, Reply, Request, StatusError, conflict, invalid, not_found
from nhisync_kubernetes.emulator.wire import encode as body_of

_SHORTEST_TOKEN = 600
_LONGEST_TOKEN = 1 << 32
_MERGES = frozenset({"application/merge-patch+json", "application/strategic-merge-patch+json"})
_SYSTEM = frozenset({"kube-system", "default"})


class Handlers:
    """What the cluster does for an authorised request."""

    def __init__(self, store: Store, tokens: Tokens, faults: Faults) -> None:
        self._store, self._tokens, self._faults = store, tokens, faults

    def serve(self, definition: Definition, asked: Attributes, request: Request) -> Reply:
        """One verb on one resource.

        Raises:
            StatusError: as the API server would answer.
            NotServedError: there is no such subresource.
        """
        if asked.subresource:
            return self._subresource(definition, asked, request)
        verbs: dict[str, Callable[[Definition, Attributes, Request], Reply]] = {
            "get": self._get,
            "list": self._list,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
        }
        if asked.verb not in verbs:
            raise StatusError(
                405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
            )
        return verbs[asked.verb](definition, asked, request)

    def _get(self, definition: Definition, asked: Attributes, request: Request) -> Reply:
        metadata = self._converts(asked, request, "PartialObjectMetadata")
        found = self._existing(definition, asked)
        return Reply(body=body_of(metadata_of(found) if metadata else found))

    def _list(self, definition: Definition, asked: Attributes, request: Request) -> Reply:
        query = request.query
        metadata = self._converts(asked, request, "PartialObjectMetadataList")
        chosen = selector(definition, query.get("fieldSelector", ""))
        page = self._page(definition, asked, query, lambda one: chosen(one) and self._listed(definition, one))
        items = [metadata_of(one) for one in page.objects] if metadata else page.objects
        about = {"resourceVersion": str(page.revision), **({"continue": page.token} if page.token else {})}
        kind, version = (
            ("PartialObjectMetadataList", "meta.k8s.io/v1")
            if metadata
            else (f"{definition.kind}List", definition.version)
        )
        return Reply(body=body_of({"kind": kind, "apiVersion": version, "metadata": about, "items": items}))

    def _page(
        self, definition: Definition, asked: Attributes, query: Mapping[str, str], keep: Callable[[Object], bool]
    ) -> Page:
        """One page, as the faults leave it."""
        limit, token = int(query.get("limit") or 0), query.get("continue", "")
        if token and self._faults.hit("expired-continue", asked):
            self._store.compact()
        if limit and self._faults.hit("short-pages", asked):
            limit = max(1, limit // 2)
        namespace = asked.namespace if definition.namespaced else ""
        page = self._store.page(definition, namespace, limit, token, keep)
        if self._faults.hit("empty-page", asked):
            return Page([], page.revision, encode(page.revision, decode(token)[1] if token else ("", "")))
        endless = self._faults.hit("endless", asked)
        if endless is None:
            return page
        objects = [] if endless.options.get("empty") else page.objects
        return Page(objects, page.revision, page.token or encode(page.revision, ("", "")))

    def _create(self, definition: Definition, asked: Attributes, request: Request) -> Reply:
        body = request.json()
        metadata = {**(body.get("metadata") or {})}
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = f"{metadata['generateName']}{self._store.uid()[:5]}"
        if definition.namespaced:
            metadata["namespace"] = asked.namespace
            if self._store.get(NAMESPACES, "", asked.namespace) is None:
                raise not_found("namespaces", "", asked.namespace)
        if not metadata.get("name"):
            raise invalid(definition.kind, "", "metadata.name: Required value: name or generateName is required")
        if self._store.get(definition, asked.namespace, metadata["name"]) is not None:
            raise conflict(definition.plural, definition.group, metadata["name"], "already exists", "AlreadyExists")
        return Reply(status=201, body=body_of(self._write(definition, {**body, "metadata": metadata}, None, request)))

    def _update(self, definition: Definition, asked: Attributes, request: Request) -> Reply:
        known, body = self._existing(definition, asked), request.json()
        self._same(definition, known, body)
        kept = {"status": known["status"]} if definition is CERTIFICATES and "status" in known else {}
        named = {**(body.get("metadata") or {}), "name": asked.name, "namespace": asked.namespace}
        return Reply(body=body_of(self._write(definition, {**body, **kept, "metadata": named}, known, request)))

    def _patch(self, definition: Definition, asked: Attributes, request: Request) -> Reply:
        known, patch = self._existing(definition, asked), self._merge(request)
        self._same(definition, known, patch)
        if definition is CERTIFICATES:
            patch.pop("status", None)
        return Reply(body=body_of(self._write(definition, merged(known, patch), known, request)))

    def _delete(self, definition: Definition, asked: Attributes, request: Request) -> Reply:  # noqa: ARG002 - one shape
        found = self._existing(definition, asked)
        self._store.delete(definition, asked.namespace, asked.name)
        details = {"name": asked.name, "kind": definition.plural, "uid": found["metadata"]["uid"]}
        return Reply(body=body_of({"kind": "Status", "apiVersion": "v1", "status": "Success", "details": details}))

    def _subresource(self, definition: Definition, asked: Attributes, request: Request) -> Reply:
        if definition is SERVICE_ACCOUNTS and asked.subresource == "token" and asked.verb == "create":
            return self._token(asked, request)
        if definition is CERTIFICATES and asked.subresource == "status" and asked.verb in ("get", "patch"):
            if asked.verb == "get":
                return self._get(definition, asked, request)
            known, patch = self._existing(definition, asked), self._merge(request)
            self._same(definition, known, patch)
            status = merged(known.get("status") or {}, patch.get("status") or {})
            return Reply(body=body_of(self._store.put(definition, {**known, "status": status})))
        raise NotServedError

    def _token(self, asked: Attributes, request: Request) -> Reply:
        """TokenRequest (k8s.io/kubernetes ``pkg/registry/core/serviceaccount/storage/token.go``)."""
        account, body = self._existing(SERVICE_ACCOUNTS, asked), request.json()
        spec = body.get("spec") or {}
        seconds = int(spec.get("expirationSeconds") or 3600)
        if not _SHORTEST_TOKEN <= seconds <= _LONGEST_TOKEN:
            raise invalid("TokenRequest", "", "spec.expirationSeconds: may not specify a duration less than 10 minutes")
        ends = self._store.now() + timedelta(seconds=seconds)
        token = self._tokens.bound(account, ends, spec.get("audiences") or ())
        status = {"token": token, "expirationTimestamp": stamp(ends)}
        answer = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec, "status": status}
        return Reply(status=201, body=body_of({**answer, "metadata": {}}))

    def _write(self, definition: Definition, found: Object, known: Object | None, request: Request) -> Object:
        plain = found.pop("stringData", None) if definition is SECRETS else None
        if plain:
            coded = {name: base64.b64encode(value.encode()).decode() for name, value in plain.items()}
            found = {**found, "data": {**(found.get("data") or {}), **coded}}
        if definition is SECRETS:
            found.setdefault("type", "Opaque")
        manager = request.headers.get("user-agent", "unknown").partition("/")[0]
        return self._store.put(definition, booked(definition, found, known, self._store.now(), manager))

    def _existing(self, definition: Definition, asked: Attributes) -> Object:
        found = self._store.get(definition, asked.namespace, asked.name)
        if found is None or not self._visible(definition, found):
            raise not_found(definition.plural, definition.group, asked.name)
        return found

    def _visible(self, definition: Definition, found: Mapping[str, Any]) -> bool:
        """Whether the faults let an object be seen."""
        metadata = found["metadata"]
        place = metadata["name"] if definition is NAMESPACES else metadata.get("namespace", "")
        return not place or place in _SYSTEM or self._faults.on("namespaces-gone") is None

    def _listed(self, definition: Definition, found: Mapping[str, Any]) -> bool:
        """Whether a listing shows an object, which may lag behind."""
        lag = self._faults.on("list-lag")
        seconds = lag.options["seconds"] if lag is not None else 0
        known = stamp(self._store.now() - timedelta(seconds=seconds))
        return self._visible(definition, found) and bool(found["metadata"]["creationTimestamp"] <= known)

    def _converts(self, asked: Attributes, request: Request, wanted: str) -> bool:
        asks = converted(request.headers.get("accept", ""), wanted)
        if asks and self._faults.hit("not-acceptable", asked):
            raise not_acceptable()
        return asks and self._faults.hit("whole-objects", asked) is None

    @staticmethod
    def _merge(request: Request) -> Object:
        if request.headers.get("content-type", "").partition(";")[0] not in _MERGES:
            raise StatusError(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        return request.json()

    @staticmethod
    def _same(definition: Definition, known: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        """Optimistic locking: whoever names a version must name the present one."""
        named = (body.get("metadata") or {}).get("resourceVersion")
        if named and named != known["metadata"]["resourceVersion"]:
            why = "cannot be updated: the object has been modified; please apply your changes to the latest version"
            raise conflict(definition.plural, definition.group, known["metadata"]["name"], why)
