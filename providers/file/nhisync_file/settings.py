"""What a source of provider ``file`` can be told in the configuration."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from nhisync.spi import ClientTrust, SourceSettings

_MIB = 1024 * 1024


class FileSettings(SourceSettings):
    """A source whose items are files below one folder.

    Attributes:
        root: folder that holds everything; nothing outside it is ever opened for an item.
        trust_file: PEM roots for verifying stored chains; None = chains are described, not verified.
        intermediates_file: PEM authorities known besides.
        profile: ``web`` or ``private``, as in provider ``tls``.
        client_trust: name of a group of clients → PEM bundle of what these clients trust, or ``system``.
        crl_files: PEM or DER revocation lists to judge with; empty = revocation is not looked at. Nothing is fetched.
        password_file: file with the password of the source's PKCS#12 stores; None = they are described from outside.
        max_bytes: larger files are answered as malformed.
        max_files: most directory entries of one sweep.
        max_depth: deepest folder of one sweep below `root`.
    """

    root: Path
    trust_file: Path | None = None
    intermediates_file: Path | None = None
    profile: Literal["web", "private"] = "web"
    client_trust: ClientTrust = Field(default_factory=dict)
    crl_files: tuple[Path, ...] = ()
    password_file: Path | None = None
    max_bytes: Annotated[int, Field(ge=1, le=64 * _MIB)] = _MIB
    max_files: Annotated[int, Field(ge=1)] = 100_000
    max_depth: Annotated[int, Field(ge=0, le=64)] = 16
