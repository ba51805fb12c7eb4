"""One emulated cluster: authentication, authorization, faults, verbs, controllers, in the order of a real one."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from nhisync.spi import Clock, Randomness
from nhisync_kubernetes.emulator.certmanager import CertManager
from nhisync_kubernetes.emulator.controllers import TokenController
from nhisync_kubernetes.emulator.definitions import ALL, GROUPS, NAMESPACES, REVIEWS, Attributes, attributes_of
from nhisync_kubernetes.emulator.faults import Fault, Faults
from nhisync_kubernetes.emulator.handlers import Handlers
from nhisync_kubernetes.emulator.rbac import AUTHENTICATED, MASTERS, Rbac, User
from nhisync_kubernetes.emulator.reviews import Reviews
from nhisync_kubernetes.emulator.server import Delivery
from nhisync_kubernetes.emulator.store import Store
from nhisync_kubernetes.emulator.tokens import ISSUER, Tokens
from nhisync_kubernetes.emulator.wire import (
    NotServedError,
    Reply,
    Request,
    StatusError,
    encode,
    forbidden,
    plain,
    unauthorized,
)
from nhisync_kubernetes.resources import CERT_MANAGER

ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
_HANG = 30.0
_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


class Cluster:
    """A cluster that answers requests; thread safe.

    Args:
        clock: of the cluster.
        randomness: of the cluster.
        version: that it claims.
        reviews: it serves SelfSubjectReview (since Kubernetes 1.28).
        ca: of the API server, for Secrets of service accounts.

    Attributes:
        due: what must be done before the next request, by name.
        masters: users whom it takes for members of ``system:masters``.
        received: method and target of every request so far.
    """

    def __init__(
        self, *, clock: Clock, randomness: Randomness, version: str = "v1.34.1", reviews: bool = True, ca: bytes = b""
    ) -> None:
        self.clock, self._version, self._reviews_served = clock, version, reviews
        self.store = Store(clock, randomness)
        self.faults = Faults()
        self.tokens = Tokens(self.store)
        self.rbac = Rbac(self.store, self.faults)
        self.reviews = Reviews(self.rbac)
        self.cert_manager = CertManager(self.store, randomness)
        self.lock = threading.RLock()
        self.due: dict[str, Callable[[], None]] = {}
        self.masters: set[str] = set()
        self.received: list[tuple[str, str]] = []
        self._handlers = Handlers(self.store, self.tokens, self.faults)
        self._token_controller = TokenController(self.store, self.tokens, ca)
        for name in ("default", "kube-system"):
            self.store.put(NAMESPACES, {"metadata": {"name": name}})

    def handle(self, request: Request) -> Delivery:
        """One request, with whatever goes wrong on its way."""
        with self.lock:
            self.received.append((request.method, request.target))
            audit = self.store.uid()
        try:
            asked = attributes_of(request)
        except NotServedError:
            asked = Attributes("", path=request.path)
        early = self._before(asked)
        reply = early or self._answer(request, asked)
        if early is None and self.faults.hit("applied-then-503", asked):
            reply = StatusError(
                503, "ServiceUnavailable", "the server is currently unable to handle the request"
            ).reply()
        told = Reply(
            status=reply.status,
            body=reply.body,
            content_type=reply.content_type,
            headers={**reply.headers, "Audit-Id": audit},
        )
        dropped, cut = self.faults.hit("drop", asked), self.faults.hit("cut", asked)
        return Delivery(told, dropped=dropped is not None, cut=cut is not None)

    def reconcile(self) -> None:
        """Do what is due, and let the controllers act until now."""
        with self.lock:
            while self.due:
                self.due.popitem()[1]()
            self._token_controller.reconcile()
            if self.faults.on("no-cert-manager") is None:
                self.cert_manager.reconcile()

    def _before(self, asked: Attributes) -> Reply | None:
        """Faults that answer instead of the API server, or make it slow."""
        delay = self.faults.hit("delay", asked)
        if delay is not None:
            self.clock.sleep(delay.options["seconds"])
        hang = self.faults.hit("hang", asked)
        if hang is not None:
            hang.released.wait(hang.options.get("at_most", _HANG))
        answers = {
            "garbage": lambda _: Reply(body=_PAGE, content_type="text/html"),
            "redirect": lambda fault: Reply(status=302, headers={"Location": fault.options["location"]}),
            "throttled": _throttled,
            "unavailable": _unavailable,
            "status": _status,
        }
        for name, answer in answers.items():
            fault = self.faults.hit(name, asked)
            if fault is not None:
                return answer(fault)
        return None

    def _answer(self, request: Request, asked: Attributes) -> Reply:
        with self.lock:
            self.reconcile()
            try:
                user = self._authenticated(request, asked)
                if user.name in self.masters:
                    user = replace(user, groups=(*user.groups, MASTERS))
                if not self.rbac.allows(user, asked):
                    raise _refused(user, asked)
                reply = self._served(request, asked, user)
            except StatusError as error:
                return error.reply()
            except NotServedError:
                return plain(404, "404 page not found")
            self.reconcile()
            return reply

    def _authenticated(self, request: Request, asked: Attributes) -> User:
        """By token, else by client certificate, else as a stranger."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            user = None if self.faults.hit("token-refused", asked) else self.tokens.user(token)
            if user is None:
                raise unauthorized()
            return user
        names = [pair for part in request.certificate.get("subject", ()) for pair in part]
        common = next((value for key, value in names if key == "commonName"), "")
        groups = tuple(value for key, value in names if key == "organizationName")
        return User(common, (*groups, AUTHENTICATED)) if common else ANONYMOUS

    def _served(self, request: Request, asked: Attributes, user: User) -> Reply:
        if not asked.resource:
            return self._document(request.path)
        if (asked.group, asked.resource) in REVIEWS and asked.verb == "create":
            if asked.resource == "selfsubjectreviews" and not self._reviews_served:
                raise NotServedError
            return self.reviews.serve(asked.resource, user, request.json())
        definition = ALL.get((asked.group, asked.resource))
        if definition is None or (asked.group == CERT_MANAGER and self.faults.on("no-cert-manager") is not None):
            raise NotServedError
        # Tokens are minted, not stored: a full etcd does not stop them.
        if asked.verb in _WRITES and asked.subresource != "token" and self.faults.hit("read-only", asked):
            raise StatusError(500, "InternalError", "etcdserver: mvcc: database space exceeded")
        return self._handlers.serve(definition, asked, request)

    def _document(self, path: str) -> Reply:
        """Discovery, version and the token issuer."""
        groups = [one for one in GROUPS if one != CERT_MANAGER or self.faults.on("no-cert-manager") is None]
        documents: Mapping[str, Mapping[str, object]] = {
            "/version": {"major": "1", "minor": self._version.split(".")[1], "gitVersion": self._version},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [{"name": one} for one in groups]},
            "/.well-known/openid-configuration": {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/openid/v1/jwks"},
            "/openid/v1/jwks": self.tokens.key_set,
        }
        if path not in documents:
            raise NotServedError
        return Reply(body=encode(documents[path]))


def _refused(user: User, asked: Attributes) -> StatusError:
    if not asked.resource:
        return StatusError(403, "Forbidden", f'forbidden: User "{user.name}" cannot {asked.verb} path "{asked.path}"')
    return forbidden(user.name, asked.verb, asked.full, asked.group, asked.namespace, asked.name)


def _throttled(fault: Fault) -> Reply:
    """What API Priority and Fairness says, in plain text (k8s.io/apiserver ``pkg/server/filters/maxinflight.go``)."""
    after = fault.options.get("retry_after", 1)
    return plain(
        429, "Too many requests, please try again later.", {} if after is None else {"Retry-After": str(after)}
    )


def _unavailable(fault: Fault) -> Reply:
    message = "the server is currently unable to handle the request"
    return StatusError(503, "ServiceUnavailable", message, retry_after=fault.options.get("retry_after")).reply()


def _status(fault: Fault) -> Reply:
    options = fault.options
    return StatusError(
        options["code"],
        options.get("reason", "Unknown"),
        options.get("message", "emulated"),
        details=options.get("details"),
        retry_after=options.get("retry_after"),
    ).reply()
