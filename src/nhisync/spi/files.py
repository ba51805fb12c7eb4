"""Files that settings name: opened without waiting, regular ones only, no larger than what they should hold.

An ordinary open of a named pipe waits for a writer (open(2), fifo(7)), in a thread that nothing can end: one such path
would cost a whole cycle. Errors name the setting and the file, never a part of the content.
"""

import errno
import os
import ssl
import stat
from pathlib import Path

from nhisync.spi.errors import ErrorKind, ProviderError

LARGEST = 1024 * 1024
"""Bytes of a credential file."""

LARGEST_BUNDLE = 8 * 1024 * 1024
"""Bytes of a list of certificates."""

_FIX = "Correct the path in the source's auth, or the file's mode: readable for nhisync, 0600."
_FIX_CA = "Name a PEM file with the authorities that issue the server's certificate, or remove ca_file."


def expanded(name: Path | str) -> Path:
    """`name` with a leading ``~`` written out; as it stands where nobody has such a home, as users of containers."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def read_file(file: Path, limit: int = LARGEST) -> bytes:
    """The whole content of a regular file; never waits.

    Args:
        file: where it stands; links are followed.
        limit: most bytes that it may hold.

    Raises:
        OSError: it cannot be opened, is something else than a regular file, or holds more; `strerror` says why.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, "it is too large for what it should hold")
    return content


def small_file(file: Path, named: str, *, fix: str = _FIX, limit: int = LARGEST) -> bytes:
    """The content of a file that the settings name.

    Args:
        file: where it stands.
        named: the setting and what it says, for the reader (``token_file nhisync.token``).
        fix: the next step.
        limit: most bytes.

    Raises:
        ProviderError: MISCONFIGURED.
    """
    try:
        return read_file(file, limit)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        why = getattr(error, "strerror", None) or "it cannot be read"
    raise _unusable(file, named, why, fix)


def small_text(file: Path, named: str, *, fix: str = _FIX, limit: int = LARGEST) -> str:
    """The content of a text file (UTF-8) that the settings name.

    Raises:
        ProviderError: MISCONFIGURED.
    """
    content = small_file(file, named, fix=fix, limit=limit)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        pass  # the exception holds the content
    raise _unusable(file, named, "it is not a text file", fix)


def usable_file(file: Path, named: str, *, fix: str = _FIX, limit: int = LARGEST_BUNDLE) -> str:
    """The path of a file that a library opens by itself, looked at first.

    Raises:
        ProviderError: MISCONFIGURED.
    """
    small_file(file, named, fix=fix, limit=limit)
    return str(file)


def ca_bundle(file: Path, named: str, *, fix: str = _FIX_CA) -> str:
    """The path of a PEM bundle of authorities, tried here: SDKs report an unusable one as a failed handshake.

    Raises:
        ProviderError: MISCONFIGURED.
    """
    path = usable_file(file, named, fix=fix)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:  # ssl.SSLError is one, too
        raise _unusable(file, named, "it holds no PEM certificate", fix) from None
    return path


def _unusable(file: Path, named: str, why: str, fix: str) -> ProviderError:
    return ProviderError(
        ErrorKind.MISCONFIGURED,
        f"{named} cannot be used ({why})",
        resource=str(file),
        fix=fix,
    )
