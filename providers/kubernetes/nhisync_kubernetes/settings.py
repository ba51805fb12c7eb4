"""What a source of provider ``kubernetes`` can be told in the configuration."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from nhisync.spi import Document, PositiveDuration, SourceSettings, http_proxy

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
"""A namespace: a DNS label (RFC 1123; kubernetes.io/docs, Object Names and IDs)."""

IN_CLUSTER = "https://kubernetes.default.svc"
"""The API server as pods see it."""


def _address(value: str) -> str:
    """Scheme, host, port and an optional path prefix; every request carries a credential, so only https."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("the port or the IPv6 address of this URL cannot be read") from None
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("an address is an https URL, like https://api.west.example:6443 or https://[fd00::1]:6443")
    if parts.query or parts.fragment or parts.username or parts.password or port == 0:
        raise ValueError("an address holds neither query nor user name")
    return f"https://{parts.netloc}{parts.path.rstrip('/')}"


def _proxy(value: str) -> str:
    """An HTTP proxy, without credentials: those would stand in the configuration."""
    parts = urlsplit(http_proxy(value))
    if "@" in parts.netloc:
        raise ValueError("a proxy's user name and password cannot stand here; use a proxy that needs none")
    return f"{parts.scheme}://{parts.netloc}"


def _namespace(value: str) -> str:
    if not LABEL.match(value):
        raise ValueError("a namespace holds up to 63 lower-case letters, digits and hyphens")
    return value


Address = Annotated[str, AfterValidator(_address)]
Proxy = Annotated[str, AfterValidator(_proxy)]
Namespace = Annotated[str, AfterValidator(_namespace)]


class TokenFileAuth(Document):
    """A service account token in a file; read anew once a minute and when the server refuses it.

    Attributes:
        method: discriminator.
        token_file: holds nothing but the token; whoever projects it there renews it.
    """

    method: Literal["token_file"]
    token_file: Path


class ClientCertificateAuth(Document):
    """A TLS client certificate; its common name is the user, its organisations are the groups.

    Attributes:
        method: discriminator.
        certificate_file: PEM chain.
        key_file: PEM key, without passphrase.
    """

    method: Literal["client_certificate"]
    certificate_file: Path
    key_file: Path


class KubeconfigAuth(Document):
    """One named context of a kubeconfig file; address, CA and server name come from the file.

    Attributes:
        method: discriminator.
        file: the kubeconfig; its relative paths are resolved against its own folder.
        context: name of the context; the file's current one is never followed.
    """

    method: Literal["kubeconfig"]
    file: Path
    context: str


class InClusterAuth(Document):
    """The service account of the pod in which nhisync runs.

    Attributes:
        method: discriminator.
        folder: where the kubelet mounts ``token`` and ``ca.crt``.
    """

    method: Literal["in_cluster"]
    folder: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount")


Auth = Annotated[TokenFileAuth | ClientCertificateAuth | KubeconfigAuth | InClusterAuth, Field(discriminator="method")]


class KubernetesSettings(SourceSettings):
    """A source whose items stand in one cluster.

    Attributes:
        address: URL of the API server; from the file with ``kubeconfig``, the service with ``in_cluster``.
        auth: who nhisync is there.
        ca_file: PEM bundle that the server's certificate must chain to; None = the operating system's, the pod's with
            ``in_cluster``, the file's with ``kubeconfig``.
        server_name: name that the server's certificate must carry, and SNI; None = the address's host.
        proxy: HTTP proxy for all calls; None = none, the environment is not asked.
        namespaces: sweep only these; empty = the whole cluster, or what the identity may list of it.
        skip_types: types of Secrets that a sweep leaves out, because they hold no credential.
        identify_by: what tells this cluster from others: the uid of ``kube-system`` (``namespace``), or the token
            issuer with its keys (``issuer``), where that may not be read; the same for all sources of a cluster.
        subject: user that printed RBAC bindings are for (``system:serviceaccount:<namespace>:<name>`` or a user name).
        owner_key: annotation, else label, that names an object's owner.
        trust_file: PEM roots that verify issued chains; None = the root that the issuer names, if it does.
        intermediates_file: PEM authorities known besides.
        profile: ``web`` or ``private``, as in provider ``tls``.
        page_size: objects asked for at once.
        max_items: most objects of one listing; beyond it the coverage is partial.
        workers: single reads at the same time.
        connect_timeout: limit of one TCP and TLS set-up.
        read_timeout: limit of one silence of the server.
        attempts: most attempts of one read.
    """

    address: Address | None = None
    auth: Auth
    ca_file: Path | None = None
    server_name: str | None = None
    proxy: Proxy | None = None
    namespaces: tuple[Namespace, ...] = ()
    skip_types: tuple[str, ...] = ("helm.sh/release.v1",)
    identify_by: Literal["namespace", "issuer"] = "namespace"
    subject: Annotated[str, Field(min_length=1)] = "system:serviceaccount:nhisync:nhisync"
    owner_key: str = "nhisync/owner"
    trust_file: Path | None = None
    intermediates_file: Path | None = None
    profile: Literal["web", "private"] = "web"
    page_size: int = Field(default=500, ge=1, le=5_000)
    max_items: int = Field(default=200_000, ge=1)
    workers: int = Field(default=8, ge=1, le=64)
    connect_timeout: PositiveDuration = timedelta(seconds=3)
    read_timeout: PositiveDuration = timedelta(seconds=10)
    attempts: int = Field(default=3, ge=1, le=5)

    @model_validator(mode="after")
    def _one_origin_of_the_address(self) -> Self:
        """A kubeconfig says where its cluster is; the other methods are told, except in the cluster itself."""
        if isinstance(self.auth, KubeconfigAuth):
            told = [key for key in ("address", "ca_file", "server_name") if getattr(self, key) is not None]
            if told:
                raise ValueError(f"the kubeconfig's context says {', '.join(told)}; leave it out here")
        elif self.address is None and not isinstance(self.auth, InClusterAuth):
            raise ValueError("address is missing: the URL of the API server, like https://api.west.example:6443")
        return self
