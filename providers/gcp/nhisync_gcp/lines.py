"""Clients over gRPC channels: one for each service and location, replaced after a lost connection, closed once.

The SDK's default credentials and retries are not used: a channel carries TLS only, each call brings its token, and
each attempt is spent and judged by `Connection`. A gRPC channel that lost its server fails every call at once until its
back-off ends, and says so with the old error: such a channel is replaced, so that each attempt is an attempt.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from nhisync.spi import ErrorKind, ProviderError, SourceContext
from nhisync.spi.files import LARGEST_BUNDLE, ca_bundle, small_file
from nhisync_gcp.calls import host_of
from nhisync_gcp.settings import GcpSettings

_CLIENTS = {
    "secretmanager": ("google.cloud.secretmanager_v1", "secret_manager_service", "SecretManagerService"),
    "iam": ("google.cloud.iam_admin_v1", "iam", "IAM"),
    "iamcredentials": ("google.cloud.iam_credentials_v1", "iam_credentials", "IAMCredentials"),
    "iam_v2": ("google.cloud.iam_v2", "policies", "Policies"),
    "certificatemanager": ("google.cloud.certificate_manager_v1", "certificate_manager", "CertificateManager"),
    "privateca": (
        "google.cloud.security.privateca_v1",
        "certificate_authority_service",
        "CertificateAuthorityService",
    ),
}
"""Service → package, module of its client, prefix of its classes."""

_OWN = {
    "cloudresourcemanager": ("nhisync_gcp.hierarchy", "ResourceManagerClient"),
    "cloudkms": ("nhisync_gcp.crypto_keys", "KeyManagementClient"),
}
"""Service → module and class of a client of our own."""

_LOGGING_SCOPE = "GOOGLE_SDK_PYTHON_LOGGING_SCOPE"
_LOGGERS = ("google", "requests", "urllib3")
_LARGEST = 64 * 1024 * 1024
_BACKOFF = 100  # milliseconds; gRPC's least


@dataclass(slots=True, eq=False)
class Line:
    """One client on its channel.

    Attributes:
        client: the SDK's client.
        channel: its channel.
        calls: calls in progress.
        retired: it is not given out any more, and closed with its last call.
    """

    client: Any
    channel: Any
    calls: int = 0
    retired: bool = False


class Lines:
    """All clients of one source; thread safe."""

    def __init__(self, settings: GcpSettings, context: SourceContext) -> None:
        self._settings, self._context = settings, context
        self._lock = threading.Lock()  # held for moments only, so that close() never waits for the network
        self._open: dict[tuple[str, str], Line] = {}
        self._all: set[Line] = set()
        self._closed = False

    @contextmanager
    def line(self, service: str, location: str) -> Iterator[Line]:
        """A client for one call; a line that is marked `retired` meanwhile is not used again.

        Raises:
            ProviderError: UNREACHABLE when the source was closed, MISCONFIGURED for a ca_file that cannot be used.
        """
        key, classes = (service, location), _classes(service)
        with self._lock:
            if self._closed:
                raise ProviderError(ErrorKind.UNREACHABLE, "the source was closed while it was read")
            line = self._open.get(key)
            if line is None:
                line = self._open[key] = self._make(classes, self._settings.endpoint_of(host_of(service), location))
                self._all.add(line)
            line.calls += 1
        try:
            yield line
        finally:
            with self._lock:
                line.calls -= 1
                if line.retired and self._open.get(key) is line:
                    del self._open[key]
                if line.retired and line.calls == 0:
                    self._drop(line)

    def close(self) -> None:
        """End all calls and channels."""
        with self._lock:
            self._closed = True
            for line in list(self._all):
                self._drop(line)
            self._open.clear()

    def _drop(self, line: Line) -> None:
        self._all.discard(line)
        line.channel.close()

    def _make(self, classes: tuple[Any, Any], url: str) -> Line:
        transport, client = classes
        quiet_sdk()
        channel = self._channel(url)
        made = client(transport=transport(channel=channel))
        quiet_sdk()  # the first client of a process sets levels of its own
        return Line(made, channel)

    def _channel(self, url: str) -> Any:
        parts = urlsplit(url)
        target = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        if parts.hostname and ":" in parts.hostname:
            target = f"[{parts.hostname}]:{parts.port or 443}"
        options: list[tuple[str, Any]] = [
            ("grpc.enable_retries", 0),
            ("grpc.initial_reconnect_backoff_ms", _BACKOFF),
            ("grpc.max_reconnect_backoff_ms", 10 * _BACKOFF),
            ("grpc.max_receive_message_length", _LARGEST),
            ("grpc.primary_user_agent", "nhisync"),
            ("grpc.service_config_disable_resolution", 1),
            ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection
        ]
        if self._settings.proxy:
            options.append(("grpc.http_proxy", self._settings.proxy))
        if parts.scheme == "http":
            return grpc.insecure_channel(target, options)
        pem = small_file(Path(trusted_roots(self._settings, self._context)), "ca_file", limit=LARGEST_BUNDLE)
        return grpc.secure_channel(target, grpc.ssl_channel_credentials(root_certificates=pem), options)


@cache
def _classes(service: str) -> tuple[Any, Any]:
    """Transport and client of a service, imported by whoever needs them first."""
    if service in _OWN:
        module, name = _OWN[service]
        return import_module("nhisync_gcp.hierarchy").channel_of, getattr(import_module(module), name)
    package, place, prefix = _CLIENTS[service]
    quiet_sdk()
    clients = import_module(package)
    transports = import_module(f"{package}.services.{place}.transports")
    return getattr(transports, f"{prefix}GrpcTransport"), getattr(clients, f"{prefix}Client")


def trusted_roots(settings: GcpSettings, context: SourceContext) -> str:
    """Path of the CA bundle for calls and tokens: the configured one, else certifi's.

    Always named: what is not would be taken from GRPC_DEFAULT_SSL_ROOTS_FILE_PATH, REQUESTS_CA_BUNDLE or
    CURL_CA_BUNDLE, and whoever sets one of them would read our tokens. The configured one is tried here: gRPC reports a
    bad one as a failed handshake, which leads astray.

    Raises:
        ProviderError: MISCONFIGURED, it cannot be used.
    """
    if settings.ca_file is None:
        return str(DEFAULT_CA_BUNDLE_PATH)
    return ca_bundle(context.file(settings.ca_file), f"ca_file {settings.ca_file}")


def quiet_sdk() -> None:
    """Pin the SDK's loggers: at DEBUG they print requests and answers, values included.

    GOOGLE_SDK_PYTHON_LOGGING_SCOPE would set levels and handlers of its own at the first client, and GRPC_TRACE makes
    gRPC core print headers, tokens among them, from its first channel on: both are taken out of the environment.
    Loggers that somebody set lower before are raised.
    """
    os.environ.pop(_LOGGING_SCOPE, None)
    os.environ.pop("GRPC_TRACE", None)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # gRPC's own lines would break into our output
    known = [name for name in list(logging.root.manager.loggerDict) if name.startswith("google.")]
    for name in (*_LOGGERS, *known):
        logger = logging.getLogger(name)
        if name in _LOGGERS or logger.level:
            logger.setLevel(max(logger.level, logging.WARNING))
    logging.getLogger("grpc").setLevel(logging.CRITICAL)  # it prints tracebacks of what we answer as typed errors
