"""Bind, serve over HTTP or HTTPS, reload the certificate, stop: what every listening process of nhisync does."""

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from nhisync.errors import UsageError
from nhisync.server.protocol import REQUEST_BYTES, PollerProtocol

if TYPE_CHECKING:
    from nhisync.config import Tls

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

    @classmethod
    def of(cls, tls: "Tls | None") -> "TlsFiles | None":
        """The files that a section of the configuration names."""
        return None if tls is None else cls(cert=tls.cert, key=tls.key, client_ca=tls.client_ca)


def bind(address: str, key: str = "listener.bind") -> list[socket.socket]:
    """Listening sockets for ``host:port`` (``[::]:8443`` for IPv6, port 0 for any free one); `key` names the setting.

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
            f"cannot listen on {address}: {why}", fix=f"Change {key}, or stop what holds the address."
        ) from None
    sock.setblocking(False)
    return [sock]


class HttpServer:
    """One ASGI application behind a socket.

    Args:
        application: answers.
        tls: certificate files, or None for plain HTTP.
        protocol: the connection's protocol; tests shorten its deadline.
        section: of the configuration, for messages: ``listener`` or ``operator``.
    """

    def __init__(
        self,
        application: Any,
        tls: TlsFiles | None,
        *,
        protocol: type[PollerProtocol] = PollerProtocol,
        section: str = "listener",
    ) -> None:
        self._tls, self._section = tls, section
        self.server = uvicorn.Server(_uvicorn_config(application, tls, protocol))

    def run(self, sockets: Sequence[socket.socket], hang_up: Callable[[], None] | None = None) -> None:
        """Serve until `stop`; in the main thread SIGTERM and SIGINT stop it too, and SIGHUP reloads.

        Args:
            sockets: listening ones.
            hang_up: what a SIGHUP does besides reading the certificate again.

        Raises:
            UsageError: the TLS files cannot be used.
        """
        if self._tls is not None:
            check_tls(self._tls, self._section)
        self.server.config.load()
        if threading.current_thread() is threading.main_thread():
            self._take_signals(hang_up)
        asyncio.run(self.server.serve(sockets=list(sockets)))

    @property
    def started(self) -> bool:
        """Whether connections are answered."""
        return self.server.started

    def stop(self) -> None:
        """Ask the server to finish; `run` returns soon after. From any thread."""
        self.server.should_exit = True

    def reload_certificate(self) -> None:
        """Read the certificate and key again, for connections to come; a bad file changes nothing and is logged."""
        context, tls = self.server.config.ssl, self._tls
        if context is None or tls is None:
            return
        try:
            check_tls(tls, self._section)  # apart: half a pair in the context in use would end every handshake
            context.load_cert_chain(tls.cert, tls.key, password=_no_password)
        except UsageError as problem:
            _log.error("%s; the earlier certificate stays in use until a SIGHUP. %s", problem.message, problem.fix)
        except (OSError, ValueError) as error:  # changed since the look; ssl.SSLError is an OSError
            _log.error("the %s's certificate was not reloaded: %s; send SIGHUP again", self._section, _reason(error))

    def _take_signals(self, hang_up: Callable[[], None] | None) -> None:
        def reload(*_: object) -> None:
            self.reload_certificate()
            if hang_up is not None:
                hang_up()

        # uvicorn stops on these two and raises them again afterwards: a handler that does nothing makes the exit clean.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGHUP, reload)


def check_tls(files: TlsFiles, section: str = "listener") -> None:
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
            f"the {section}'s TLS files cannot be used: {said}: {_reason(error)}",
            fix=f"Check {section}.tls: PEM files, certificate first, unencrypted key that belongs to it.",
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


def stop_with_parent(stop: Callable[[], None]) -> None:
    """Call `stop` when standard input ends, that is when the process that started it is gone."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        stop()

    threading.Thread(target=wait, name="nhisync-parent", daemon=True).start()


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "no usable PEM"
    return (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__


def _uvicorn_config(application: Any, tls: TlsFiles | None, protocol: type[PollerProtocol]) -> uvicorn.Config:
    files: dict[str, Any] = {}
    if tls is not None:
        files = {"ssl_certfile": tls.cert, "ssl_keyfile": tls.key}
        if tls.client_ca is not None:
            files |= {"ssl_ca_certs": tls.client_ca, "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return uvicorn.Config(
        application,
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
