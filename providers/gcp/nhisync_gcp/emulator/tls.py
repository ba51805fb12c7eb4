"""A certificate authority per world, so that clients verify TLS exactly as in production."""

import ssl
from datetime import datetime, timedelta
from pathlib import Path

import grpc

from nhisync_gcp.emulator.pki import Issuer, key_pem, new_key, pem

_LIFETIME = timedelta(days=3650)


class ListenerAuthority:
    """Issues one certificate for all listeners; its own is the ``ca_file`` of the sources.

    Args:
        directory: where ``ca.pem`` and the listeners' key file go.
        now: the machine's time, because TLS libraries compare with that one.
    """

    def __init__(self, directory: Path, now: datetime) -> None:
        self.ca_file = directory / "ca.pem"
        self._file = directory / "listener.pem"
        start, end, key = now - timedelta(days=1), now + _LIFETIME, new_key()
        issuer = Issuer.root("nhisync emulated Google CA", start, end)
        self._key = key_pem(key)
        self._chain = pem(issuer.leaf(("localhost", "127.0.0.1", "::1"), start, end, key=key)).encode()
        self.ca_file.write_text(pem(issuer.certificate), encoding="ascii")
        self._file.touch(mode=0o600)
        self._file.write_bytes(self._key + self._chain)

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """For gRPC listeners; no client certificate is asked for."""
        return grpc.ssl_server_credentials([(self._key, self._chain)])

    def https_context(self) -> ssl.SSLContext:
        """For HTTPS listeners."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._file)
        return context
