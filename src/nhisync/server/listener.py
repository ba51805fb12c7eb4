"""Bind, serve, stop: the listener process around `Site` and `Watcher`."""

import asyncio
import errno
import logging
import os
import signal
import socket
import ssl
import stat
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from nhisync.clock import Clock
from nhisync.errors import UsageError
from nhisync.server.answers import unpublished
from nhisync.server.protocol import REQUEST_BYTES, PollerProtocol
from nhisync.server.site import Site
from nhisync.server.watch import Watcher

BACKLOG = 1024
"""Connections the kernel holds while the process is busy or restarted; probers come in bursts."""

GRACE_SECONDS = 5
"""How long open connections may finish after a stop was asked for."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """What a TLS listener needs.

    Attributes:
        cert: PEM file, leaf first, then intermediates.
        key: PEM file of the key.
        client_ca: PEM file; when named, clients must present a certificate that chains to it.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSettings:
    """All that a listener is told; it reads no configuration itself.

    Attributes:
        file: the publication.
        instance: which nhisync speaks, for answers before anything is published.
        places: app → role words and path names.
        tls: certificate files, or None for plain HTTP.
        not_before: boot clock (seconds) before which an evaluation belongs to an earlier start, or None.
    """

    file: Path
    instance: str
    places: dict[str, tuple[str, ...]]
    tls: TlsFiles | None = None
    not_before: float | None = None


def bind(address: str) -> list[socket.socket]:
    """Listening sockets for ``host:port`` (``[::]:8443`` for IPv6, port 0 for any free one).

    Raises:
        UsageError: the address is malformed, unknown or taken.
    """
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    why = "it is not host:port"
    try:
        if not host or not 0 <= int(port) <= 65535:
            raise ValueError
        sock = socket.create_server((host.strip("[]"), int(port)), family=family, backlog=BACKLOG)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.strerror:
            why = error.strerror
        raise UsageError(
            f"cannot listen on {address}: {why}", fix="Change listener.bind, or stop what holds the address."
        ) from None
    sock.setblocking(False)
    return [sock]


class Listener:
    """One listener process.

    Args:
        settings: what to serve.
        clock: decides staleness.
        protocol: the connection's protocol; tests shorten its deadline.
    """

    def __init__(
        self, settings: ListenerSettings, clock: Clock, *, protocol: type[PollerProtocol] = PollerProtocol
    ) -> None:
        self._settings = settings
        self.site = Site(clock, unpublished(settings.places, settings.instance))
        self.watcher = Watcher(settings.file, self.site, clock, not_before=settings.not_before, on_death=self.stop)
        self._server = uvicorn.Server(_uvicorn_config(self.site, settings.tls, protocol))

    def run(self, sockets: Sequence[socket.socket]) -> None:
        """Serve until `stop`; in the main thread SIGTERM and SIGINT stop it too, and SIGHUP reloads the certificate.

        Raises:
            UsageError: the TLS files cannot be used.
        """
        self._load_tls()
        if threading.current_thread() is threading.main_thread():
            self._take_signals()
        self.watcher.start()
        try:
            asyncio.run(self._server.serve(sockets=list(sockets)))
        finally:
            self.watcher.stop()

    @property
    def started(self) -> bool:
        """Whether connections are answered."""
        return self._server.started

    def stop(self) -> None:
        """Ask the server to finish; `run` returns soon after. From any thread."""
        self._server.should_exit = True

    def reload_certificate(self) -> None:
        """Read the certificate and key again, for connections to come; a bad file changes nothing and is logged."""
        context, tls = self._server.config.ssl, self._settings.tls
        if context is None or tls is None:
            return
        try:
            check_tls(tls)  # apart: half a pair, loaded into the context in use, would end every handshake
            context.load_cert_chain(tls.cert, tls.key, password=_no_password)
        except UsageError as problem:
            _log.error("%s; the earlier certificate stays in use until a SIGHUP. %s", problem.message, problem.fix)
        except (OSError, ValueError) as error:  # changed since the look; ssl.SSLError is an OSError
            _log.error("the listener's certificate was not reloaded: %s; send SIGHUP again", _reason(error))

    def _load_tls(self) -> None:
        if self._settings.tls is not None:
            check_tls(self._settings.tls)
        self._server.config.load()

    def _take_signals(self) -> None:
        # uvicorn stops on these two and raises them again afterwards: a handler that does nothing makes the exit clean.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGHUP, lambda *_: self.reload_certificate())


def check_tls(files: TlsFiles) -> None:
    """Read the certificate, its key and the clients' authorities, so that an unusable one is known by its name.

    Raises:
        UsageError: one of them cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    said = ""
    try:
        for key in ("cert", "key", "client_ca"):
            file: Path | None = getattr(files, key)
            said = f"{key} {file}"
            if file is not None:
                _look_at(file)
        said = f"cert {files.cert} with key {files.key}"
        context.load_cert_chain(files.cert, files.key, password=_no_password)
        if files.client_ca is not None:
            said = f"client_ca {files.client_ca}"
            context.load_verify_locations(files.client_ca)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise UsageError(
            f"the listener's TLS files cannot be used: {said}: {_reason(error)}",
            fix="Check listener.tls: PEM files, certificate first, unencrypted key that belongs to it.",
        ) from None


def _look_at(file: Path) -> None:
    """OpenSSL opens files by itself, and would wait for ever at a named pipe."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
    finally:
        os.close(descriptor)


def _no_password() -> bytes:
    """OpenSSL would ask on the terminal; an encrypted key is refused instead."""
    raise ValueError("encrypted keys are not used")


def stop_with_parent(listener: Listener) -> None:
    """Stop `listener` when standard input ends, that is when the process that started it is gone."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        listener.stop()

    threading.Thread(target=wait, name="nhisync-parent", daemon=True).start()


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "no usable PEM"
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__


def _uvicorn_config(site: Site, tls: TlsFiles | None, protocol: type[PollerProtocol]) -> uvicorn.Config:
    files: dict[str, Any] = {}
    if tls is not None:
        files = {"ssl_certfile": tls.cert, "ssl_keyfile": tls.key}
        if tls.client_ca is not None:
            files |= {"ssl_ca_certs": tls.client_ca, "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return uvicorn.Config(
        site,
        interface="asgi3",
        loop="asyncio",
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # garbage and early closing clients are daily bread, not news
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        h11_max_incomplete_event_size=REQUEST_BYTES,
        timeout_graceful_shutdown=GRACE_SECONDS,
        **files,
    )
