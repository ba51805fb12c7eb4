"""What each seed kind plants, straight into a cluster's store, with its own options."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from nhisync.testing.world import Seed
from nhisync_kubernetes.emulator.certmanager import Conduct
from nhisync_kubernetes.emulator.cluster import Cluster
from nhisync_kubernetes.emulator.definitions import (
    CERTIFICATES,
    CLUSTER_ISSUERS,
    ISSUERS,
    NAMESPACES,
    SECRETS,
    SERVICE_ACCOUNTS,
)
from nhisync_kubernetes.emulator.selecting import managed
from nhisync_kubernetes.emulator.store import Object, stamp
from nhisync_kubernetes.emulator.tls import Key, new_key
from nhisync_kubernetes.metadata import ACCOUNT_NAME, INVALID_SINCE, LAST_APPLIED, LAST_USED
from nhisync_kubernetes.resources import TOKEN_TYPE

Options = TypeVar("Options")

_LIFETIME = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretOptions:
    """Options of kind ``secret``.

    Attributes:
        type: of the Secret.
        last_applied: it was written by ``kubectl apply``, which copies it into an annotation.
        unbooked: the server recorded no managed fields.
        deleting: its deletion waits for a finalizer.
        annotations: further annotations.
        labels: labels.
    """

    type: str = "Opaque"
    last_applied: bool = False
    unbooked: bool = False
    deleting: bool = False
    annotations: Mapping[str, str] | None = None
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOptions:
    """Options of kind ``service-account-token``.

    Attributes:
        account: name of its service account, made when it does not exist; "" = the Secret's name.
        last_used: age of the last use that the server tracked, None = none.
        invalid: the clean-up marked it as unused and invalid.
    """

    account: str = ""
    last_used: timedelta | None = None
    invalid: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountOptions:
    """Options of kind ``service-account``.

    Attributes:
        role: of a cloud that it may act as (``eks.amazonaws.com/role-arn``).
    """

    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateOptions:
    """Options of kind ``certificate``; ``rotated`` is the age of what is in the Secret, ``expires`` its end.

    Attributes:
        names: DNS names; empty = ``<name>.example.com``.
        issuer: name of its issuer.
        cluster_issuer: the issuer is a ClusterIssuer.
        issuer_form: ``ca``, ``selfSigned``, ``acme`` or ``vault``.
        issuer_ready: the issuer can sign.
        revision: in force; 0 = nothing was issued yet.
        disabled: its renewal policy is Disabled.
        renew_before: instead of a third of the lifetime.
        issuing: age of an issuance that hangs, None = none does.
        failed_attempts: failed issuances since the last success; the controller keeps failing.
        last_failure: age of the last failure.
        asleep: the controller does not look at it.
        takes: how long an issuance takes.
        key_label: equal labels are one key, also across clusters.
        keystore_password: a literal password in ``spec.keystores``.
    """

    names: tuple[str, ...] = ()
    issuer: str = "cluster-ca"
    cluster_issuer: bool = True
    issuer_form: str = "ca"
    issuer_ready: bool = True
    revision: int = 2
    disabled: bool = False
    renew_before: str = ""
    issuing: timedelta | None = None
    failed_attempts: int = 0
    last_failure: timedelta = timedelta(hours=1)
    asleep: bool = False
    takes: timedelta = timedelta(0)
    key_label: str = ""
    keystore_password: str = ""


class Seeder:
    """Plants seeds in clusters; keeps the keys that labels name."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}

    def plant(self, cluster: Cluster, seed: Seed, now: datetime) -> str:
        """Plant `seed`; returns ``<kind>/<namespace>/<name>``.

        Raises:
            ValueError: a kind or name the provider does not have.
            TypeError: an option that the kind does not have.
        """
        kinds: Mapping[str, Callable[[Plot], None]] = {
            "secret": _secret,
            "service-account": _account,
            "service-account-token": _token,
            "certificate": self._certificate,
        }
        namespace, _, name = seed.name.partition("/")
        if seed.kind not in kinds or not name:
            msg = f"the Kubernetes world plants {', '.join(kinds)}, named <namespace>/<name>"
            raise ValueError(msg)
        plot = Plot(cluster, seed, namespace, name, now)
        plot.make_namespace()
        kinds[seed.kind](plot)
        return f"{seed.kind}/{namespace}/{name}"

    def _certificate(self, plot: "Plot") -> None:
        options = plot.options(CertificateOptions)
        issuer = _issuer(plot, options)
        metadata, spec = plot.metadata(), _spec(plot, options, issuer)
        key = self._keys.setdefault(options.key_label, new_key()) if options.key_label else None
        failing = options.failed_attempts > 0
        plot.cluster.cert_manager.conduct[plot.namespace, plot.name] = Conduct(
            fails=failing, hangs=options.issuing is not None, asleep=options.asleep, takes=options.takes, key=key
        )
        found: Object = {"metadata": metadata, "spec": spec, "kind": "Certificate", "apiVersion": CERTIFICATES.version}
        if options.revision:
            begins = plot.created if plot.seed.rotated is None else plot.now - plot.seed.rotated
            ends = plot.now + (_LIFETIME if plot.seed.expires is None else plot.seed.expires)
            found = plot.cluster.cert_manager.issue(found, options.revision, begins, ends, key)
        plot.cluster.store.put(CERTIFICATES, {**found, "status": _status(plot, options, found)})


@dataclass(frozen=True, slots=True)
class Plot:
    """Where a seed falls: the cluster, the seed, and the instant."""

    cluster: Cluster
    seed: Seed
    namespace: str
    name: str
    now: datetime

    @property
    def created(self) -> datetime:
        """Creation of the object."""
        return self.now - self.seed.created

    def options(self, kind: type[Options]) -> Options:
        """The seed's options, checked.

        Raises:
            TypeError: an option that the kind does not have.
        """
        return kind(**{name: value for name, value in self.seed.options.items() if name != "denied"})

    def make_namespace(self) -> None:
        """The namespace, on first use."""
        if self.cluster.store.get(NAMESPACES, "", self.namespace) is None:
            self.cluster.store.put(NAMESPACES, {"metadata": {"name": self.namespace}})

    def metadata(self, annotations: Mapping[str, str] | None = None, **more: Any) -> Object:
        """Name, age, owner and tags."""
        tags = {name.replace("nhisync:", "nhisync/"): value for name, value in self.seed.tags.items()}
        owner = {} if self.seed.owner is None else {"nhisync/owner": self.seed.owner}
        marks = {**tags, **owner, **(annotations or {})}
        return {
            "namespace": self.namespace,
            "name": self.name,
            "creationTimestamp": stamp(self.created),
            **({"annotations": marks} if marks else {}),
            **more,
        }

    def book(self, data: Mapping[str, str]) -> list[Object]:
        """Who wrote the data, and when."""
        at = self.created if self.seed.rotated is None else self.now - self.seed.rotated
        return [managed(data, at, "seed")]


def coded(plain: Mapping[str, str]) -> dict[str, str]:
    """Fields as a Secret holds them."""
    return {name: base64.b64encode(value.encode()).decode() for name, value in plain.items()}


def _secret(plot: Plot) -> None:
    options, data = plot.options(SecretOptions), coded(plot.seed.fields)
    copy = json.dumps({"kind": "Secret", "data": data, "stringData": dict(plot.seed.fields)})
    annotations = {**({LAST_APPLIED: copy} if options.last_applied else {}), **(options.annotations or {})}
    more: dict[str, Any] = {} if options.unbooked else {"managedFields": plot.book(data)}
    more |= {"labels": dict(options.labels)} if options.labels else {}
    more |= {"deletionTimestamp": stamp(plot.now), "finalizers": ["example.com/wait"]} if options.deleting else {}
    metadata = plot.metadata(annotations, **more)
    plot.cluster.store.put(SECRETS, {"metadata": metadata, "type": options.type, "data": data})


def _account(plot: Plot) -> None:
    options = plot.options(AccountOptions)
    annotations = {"eks.amazonaws.com/role-arn": options.role} if options.role else {}
    plot.cluster.store.put(SERVICE_ACCOUNTS, {"metadata": plot.metadata(annotations)})


def _token(plot: Plot) -> None:
    options = plot.options(TokenOptions)
    account = options.account or plot.name
    if plot.cluster.store.get(SERVICE_ACCOUNTS, plot.namespace, account) is None:
        metadata = {"namespace": plot.namespace, "name": account, "creationTimestamp": stamp(plot.created)}
        plot.cluster.store.put(SERVICE_ACCOUNTS, {"metadata": metadata})
    labels = {} if options.last_used is None else {LAST_USED: f"{plot.now - options.last_used:%Y-%m-%d}"}
    labels |= {INVALID_SINCE: f"{plot.now:%Y-%m-%d}"} if options.invalid else {}
    data = coded(plot.seed.fields)
    metadata = plot.metadata({ACCOUNT_NAME: account}, labels=labels, managedFields=plot.book(data))
    plot.cluster.store.put(SECRETS, {"metadata": metadata, "type": TOKEN_TYPE, "data": data})


def _issuer(plot: Plot, options: CertificateOptions) -> Object:
    """The issuer, as its Certificate refers to it."""
    kind, definition = ("ClusterIssuer", CLUSTER_ISSUERS) if options.cluster_issuer else ("Issuer", ISSUERS)
    forms: Mapping[str, Mapping[str, str]] = {
        "acme": {"server": "https://acme.example/directory"},
        "vault": {"server": "https://vault.example:8200", "path": "pki/sign/web"},
        "ca": {"secretName": f"{options.issuer}-key"},
        "selfSigned": {},
    }
    place = {} if options.cluster_issuer else {"namespace": plot.namespace}
    state = "True" if options.issuer_ready else "False"
    plot.cluster.store.put(
        definition,
        {
            "metadata": {**place, "name": options.issuer, "creationTimestamp": stamp(plot.created)},
            "spec": {options.issuer_form: dict(forms[options.issuer_form])},
            "status": {"conditions": [{"type": "Ready", "status": state, "reason": "Emulated"}]},
        },
    )
    return {"name": options.issuer, "kind": kind, "group": "cert-manager.io"}


def _spec(plot: Plot, options: CertificateOptions, issuer: Object) -> Object:
    names = list(options.names or (f"{plot.name}.example.com",))
    password = {"keystores": {"pkcs12": {"create": True, "password": options.keystore_password}}}
    return {
        "secretName": f"{plot.name}-secret",
        "dnsNames": names,
        "issuerRef": issuer,
        **({"renewBefore": options.renew_before} if options.renew_before else {}),
        **({"renewal": {"policy": "Disabled"}} if options.disabled else {}),
        **(password if options.keystore_password else {}),
    }


def _status(plot: Plot, options: CertificateOptions, found: Object) -> Object:
    status = dict(found.get("status") or {})
    conditions = list(status.get("conditions") or [])
    if options.issuing is not None:
        conditions.append(_issuing("True", "Renewing", plot.now - options.issuing))
    if options.failed_attempts:
        failed = plot.now - options.last_failure
        conditions.append(_issuing("False", "Failed", failed))
        status |= {"failedIssuanceAttempts": options.failed_attempts, "lastFailureTime": stamp(failed)}
    return {**status, "conditions": conditions}


def _issuing(status: str, reason: str, at: datetime) -> Object:
    return {"type": "Issuing", "status": status, "reason": reason, "message": "", "lastTransitionTime": stamp(at)}
