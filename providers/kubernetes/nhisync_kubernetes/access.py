"""From settings to a server, a trust and a credential: the only place that opens credential files."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nhisync.spi import SecretBytes, SourceContext
from nhisync.spi.files import small_file
from nhisync_kubernetes.credentials import Bearer, ClientPair, FileBearer
from nhisync_kubernetes.errors import misconfigured
from nhisync_kubernetes.kubeconfig import load_context
from nhisync_kubernetes.settings import (
    IN_CLUSTER,
    ClientCertificateAuth,
    InClusterAuth,
    KubeconfigAuth,
    KubernetesSettings,
    TokenFileAuth,
)

_CA = "Name a PEM file with the authority that issued the API server's certificate, or remove ca_file."


@dataclass(frozen=True, slots=True)
class Access:
    """Where and as whom.

    Attributes:
        address: URL of the API server without slash at its end.
        tls: verifies the server, and shows the client certificate if there is one.
        proxy: "" = none.
        proxy_tls: verifies an https proxy, by the system's authorities and by the source's own; None = it is no https.
        bearer: where tokens come from; None = the client certificate says who we are.
    """

    address: str
    tls: ssl.SSLContext
    proxy: str
    proxy_tls: ssl.SSLContext | None
    bearer: Bearer | None

    @property
    def endpoint(self) -> str:
        """Host and port, for a person."""
        return urlsplit(self.address).netloc


def resolve(settings: KubernetesSettings, context: SourceContext) -> Access:
    """Read what the settings name.

    Raises:
        ProviderError: MISCONFIGURED when a file cannot be used.
    """
    auth, ca = settings.auth, _ca(settings, context)
    bearer: Bearer | None = None
    pair: ClientPair | None = None
    address, server_name, proxy = settings.address or IN_CLUSTER, settings.server_name or "", settings.proxy or ""
    if isinstance(auth, KubeconfigAuth):
        found = load_context(auth, context.file(auth.file), context.clock)
        address, server_name, ca = found.address, found.server_name, found.ca
        bearer, pair, proxy = found.bearer, found.pair, proxy or found.proxy
    elif isinstance(auth, TokenFileAuth):
        bearer = FileBearer(context.file(auth.token_file), f"token_file {auth.token_file}", context.clock)
    elif isinstance(auth, InClusterAuth):
        token = auth.folder / "token"
        bearer = FileBearer(context.file(token), f"the pod's token {token}", context.clock)
    else:
        pair = _pair(auth, context)
    tls = _tls(server_name, ca, pair)
    return Access(address, tls, proxy, _proxy_tls(ca) if proxy.startswith("https:") else None, bearer)


def credential_files(settings: KubernetesSettings, context: SourceContext) -> tuple[Path, ...]:
    """Files of the source's auth that hold something secret."""
    auth = settings.auth
    if isinstance(auth, KubeconfigAuth):
        file = context.file(auth.file)
        return (file, *load_context(auth, file, context.clock).files)
    if isinstance(auth, TokenFileAuth):
        return (context.file(auth.token_file),)
    if isinstance(auth, ClientCertificateAuth):
        return (context.file(auth.key_file),)
    return ()  # a projected volume: its mode is the kubelet's


def _ca(settings: KubernetesSettings, context: SourceContext) -> bytes | None:
    if settings.ca_file is not None:
        return small_file(context.file(settings.ca_file), f"ca_file {settings.ca_file}", fix=_CA)
    if isinstance(settings.auth, InClusterAuth):
        file = settings.auth.folder / "ca.crt"
        return small_file(context.file(file), f"the pod's {file}", fix=_CA)
    return None


def _pair(auth: ClientCertificateAuth, context: SourceContext) -> ClientPair:
    certificate = small_file(context.file(auth.certificate_file), f"certificate_file {auth.certificate_file}")
    key = small_file(context.file(auth.key_file), f"key_file {auth.key_file}")
    return ClientPair(certificate, SecretBytes(key), f"client certificate {auth.certificate_file}")


class _NamedContext(ssl.SSLContext):
    """Asks for and checks one configured name, whatever host is dialled.

    Behind a proxy, too, where httpcore 1.0 ignores the ``sni_hostname`` extension (``_sync/http_proxy.py``).
    """

    expected = ""

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """With the configured name."""
        return super().wrap_socket(*args, **{**options, "server_hostname": self.expected})

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """With the configured name; this is how TLS runs inside the TLS of an https proxy."""
        return super().wrap_bio(*args, **{**options, "server_hostname": self.expected})


def _tls(server_name: str, ca: bytes | None, pair: ClientPair | None) -> ssl.SSLContext:
    """Verification is always on.

    Not `ssl.create_default_context`: from Python 3.13 on that is stricter than what clusters' own authorities satisfy
    (VERIFY_X509_STRICT wants key identifiers), and a verdict must not depend on the interpreter.
    """
    if server_name:
        context: ssl.SSLContext = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.expected = server_name  # type: ignore[attr-defined]  # it is the subclass
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca is None:
        context.load_default_certs()
    elif not _loaded(context, ca):
        raise misconfigured(
            "the CA bundle of the source holds no PEM certificate",
            _CA,
        )
    if pair is not None:
        pair.load_into(context)
    return context


def _proxy_tls(ca: bytes | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_default_certs()
    if ca is not None:
        _loaded(context, ca)
    return context


def _loaded(context: ssl.SSLContext, ca: bytes) -> bool:
    try:
        context.load_verify_locations(cadata=ca.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError):
        return False
    return True
