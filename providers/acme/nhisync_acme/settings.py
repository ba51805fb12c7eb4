"""What a source of provider ``acme`` can be told in the configuration."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from nhisync.spi import PositiveDuration, SourceSettings, http_proxy


def _https(value: str) -> str:
    """An https URL without user and fragment (RFC 8555 §6.1: servers must use TLS)."""
    parts = urlsplit(value)
    if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise ValueError("a directory is an https URL, like https://acme.example/directory")
    return value


def _proxy(value: str) -> str:
    if "@" in urlsplit(http_proxy(value)).netloc:
        raise ValueError("a proxy is a URL without user name, like http://proxy.example:3128")
    return value


class AcmeSettings(SourceSettings):
    """A source that is one account at one ACME authority, and the certificates that it issued.

    Attributes:
        directory: URL of the authority's directory (RFC 8555 §7.1.1).
        ca_file: PEM roots of the ACME server itself; None = the operating system's roots.
        proxy: HTTP proxy; the environment's is never used.
        account_key_file: private key of the account, PEM or JWK; None = the account is not looked at.
        root: folder that holds the PEM files of certificates; nothing outside it is opened for an item.
        certificates: PEM files below `root` that are swept besides those that pairs name.
        trust_file: PEM roots that clients of the certificates trust; None = chains are described, not verified.
        intermediates_file: PEM authorities known besides.
        profile: ``web`` or ``private``, as in provider ``tls``.
        issuer_region: fault domain in which the authority runs; None = not known.
        connect_timeout: limit for one connection.
        read_timeout: limit for one answer.
        attempts: most tries of one request that only reads.
    """

    directory: Annotated[str, AfterValidator(_https)]
    ca_file: Path | None = None
    proxy: Annotated[str, AfterValidator(_proxy)] | None = None
    account_key_file: Path | None = None
    root: Path = Path()
    certificates: tuple[str, ...] = ()
    trust_file: Path | None = None
    intermediates_file: Path | None = None
    profile: Literal["web", "private"] = "web"
    issuer_region: str | None = None
    connect_timeout: PositiveDuration = timedelta(seconds=5)
    read_timeout: PositiveDuration = timedelta(seconds=15)
    attempts: Annotated[int, Field(ge=1, le=5)] = 2

    @property
    def host(self) -> str:
        """Host and port of the authority, as one word."""
        return urlsplit(self.directory).netloc.lower()
