"""What nhisync shows the API server: bearer tokens that are read anew, client certificates, and what tokens say.

A bound token in a pod is replaced by the kubelet long before its end; client-go reads the file again every minute
(k8s.io/client-go ``transport/token_source.go``), and so does this.
"""

import base64
import binascii
import json
import os
import re
import ssl
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from nhisync.spi import Clock, SecretBytes
from nhisync.spi.files import small_file
from nhisync_kubernetes.errors import misconfigured

_FRESH = 60.0
"""Seconds for which a token is not read again."""

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+\Z")  # RFC 6750 §2.1


class Bearer(Protocol):
    """Where bearer tokens come from."""

    def current(self) -> str:
        """The token to send.

        Raises:
            ProviderError: MISCONFIGURED when there is none.
        """
        ...

    def renewed(self, refused: str) -> bool:
        """Whether there is another token by now than the one that was `refused`."""
        ...


class FixedBearer:
    """A token that stands in a kubeconfig."""

    def __init__(self, token: str) -> None:
        self._hidden = SecretBytes(checked(token, "the kubeconfig's token").encode())

    def current(self) -> str:
        """The token."""
        return self._hidden.reveal().decode()

    def renewed(self, refused: str) -> bool:  # noqa: ARG002 - the protocol's
        """Never."""
        return False


class FileBearer:
    """A token in a file; thread safe.

    Args:
        file: holds the token alone.
        named: the file as the configuration names it, for errors.
        clock: for its age.
    """

    def __init__(self, file: Path, named: str, clock: Clock) -> None:
        self._file, self._named, self._clock = file, named, clock
        self._lock = threading.Lock()
        self._hidden = SecretBytes(b"")
        self._read_at: float | None = None

    def current(self) -> str:
        """The token, read anew when the known one is a minute old.

        Raises:
            ProviderError: MISCONFIGURED when the file cannot be read or holds no token.
        """
        with self._lock:
            now = self._clock.monotonic()
            if self._read_at is None or now - self._read_at >= _FRESH:
                self._hidden = SecretBytes(self._read())
                self._read_at = now
            return self._hidden.reveal().decode()

    def renewed(self, refused: str) -> bool:
        """Read the file again; true when it holds another token than the refused one.

        Raises:
            ProviderError: MISCONFIGURED, as with `current`.
        """
        with self._lock:
            self._read_at = None
        return self.current() != refused

    def _read(self) -> bytes:
        return checked(small_file(self._file, self._named).decode("ascii", "replace").strip(), self._named).encode()


def checked(token: str, named: str) -> str:
    """`token`, which must be one: nothing else may go into a header.

    Raises:
        ProviderError: MISCONFIGURED.
    """
    if _TOKEN.match(token):
        return token
    raise misconfigured(
        f"{named} holds no bearer token", "It must hold the token alone, as kubectl create token prints."
    )


@dataclass(frozen=True, slots=True)
class ClientPair:
    """A client certificate and its key.

    Attributes:
        certificate: PEM chain.
        key: PEM key.
        named: where they stand, for errors.
    """

    certificate: bytes
    key: SecretBytes
    named: str

    def load_into(self, context: ssl.SSLContext) -> None:
        """Use the pair in `context`. OpenSSL reads files only: the key lives in one without a name, never on a disk.

        Raises:
            ProviderError: MISCONFIGURED when they are no matching pair, or the platform has no such files.
        """
        if not hasattr(os, "memfd_create"):
            raise misconfigured(
                f"{self.named}: this platform cannot hand a key to OpenSSL without a file",
                "Run nhisync on Linux, or use a token.",
            )
        descriptor = os.memfd_create("nhisync-client-key", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, self.key.reveal() + b"\n" + self.certificate)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=_no_passphrase)
        except (OSError, ValueError):  # ssl.SSLError is an OSError
            fitting = False
        else:
            fitting = True
        finally:
            os.close(descriptor)
        if not fitting:
            raise misconfigured(
                f"{self.named}: certificate and key are no usable pair",
                "Both must be PEM, belong together, and the key must have no passphrase.",
            )


def _no_passphrase() -> bytes:
    """Without this OpenSSL would ask at the terminal."""
    return b""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says about itself; nobody verified it.

    Attributes:
        subject: user name, "" when it does not say.
        issuer: of the token, "" when it does not say.
        expires: its end; None = it has none, or it is no JWT.
        readable: it is a JWT.
    """

    subject: str = ""
    issuer: str = ""
    expires: datetime | None = None
    readable: bool = False


def claims_of(token: str) -> Claims:
    """The claims of a JWT (RFC 7519), empty for other tokens."""
    parts = token.split(".")
    if len(parts) != 3:
        return Claims()
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        found = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, binascii.Error, RecursionError):
        return Claims()
    if not isinstance(found, dict):
        return Claims()
    return Claims(
        subject=_text(found.get("sub")), issuer=_text(found.get("iss")), expires=_end(found.get("exp")), readable=True
    )


def _text(raw: Any) -> str:
    return raw if isinstance(raw, str) and raw.isprintable() else ""


def _end(raw: Any) -> datetime | None:
    if not isinstance(raw, int | float) or isinstance(raw, bool):
        return None
    try:
        return datetime.fromtimestamp(raw, UTC)
    except (ValueError, OverflowError, OSError):
        return None
