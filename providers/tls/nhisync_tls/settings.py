"""What a source of provider ``tls`` can be told in the configuration."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from nhisync.spi import ClientTrust, PositiveDuration, SourceSettings
from nhisync_tls.target import Page, Target


class TlsSettings(SourceSettings):
    """A source whose items are TLS endpoints.

    Attributes:
        trust_file: PEM file of the roots clients trust; None = the operating system's store.
        intermediates_file: PEM file of further authorities, so that a missing intermediate is told from a broken chain.
        profile: ``web`` = rules of public authorities; ``private`` = RFC 5280 basics for private ones.
        client_trust: name of a group of clients → PEM bundle of what these clients trust, or ``system``.
        crl_files: PEM or DER revocation lists to judge with; empty = revocation is not looked at. Nothing is fetched.
        server_name: name asked for where a locator has none and its host is an address.
        client_certificate_file: PEM chain shown by `probe` to endpoints that demand one.
        client_key_file: its unencrypted private key.
        connect_timeout: limit for the TCP connection, all addresses of a name together.
        handshake_timeout: limit for STARTTLS and the handshake together.
        settle: how long to listen for a TLS 1.3 server's refusal, which arrives after the handshake.
        parallel: endpoints asked at the same time.
        endpoints: endpoints swept besides those that pairs name, in the notation of a locator's name.
        key_sets: key sets swept besides those that pairs name, in the notation of a locator's name.
    """

    trust_file: Path | None = None
    intermediates_file: Path | None = None
    profile: Literal["web", "private"] = "web"
    client_trust: ClientTrust = Field(default_factory=dict)
    crl_files: tuple[Path, ...] = ()
    server_name: str | None = None
    client_certificate_file: Path | None = None
    client_key_file: Path | None = None
    connect_timeout: PositiveDuration = timedelta(seconds=3)
    handshake_timeout: PositiveDuration = timedelta(seconds=5)
    settle: PositiveDuration = timedelta(milliseconds=300)
    parallel: Annotated[int, Field(ge=1, le=64)] = 8
    endpoints: tuple[str, ...] = ()
    key_sets: tuple[str, ...] = ()

    @field_validator("endpoints")
    @classmethod
    def _endpoints_are_targets(cls, endpoints: tuple[str, ...]) -> tuple[str, ...]:
        """Every endpoint must be readable now, not in the middle of a cycle."""
        for endpoint in endpoints:
            Target.parse(endpoint)
        return endpoints

    @field_validator("key_sets")
    @classmethod
    def _key_sets_are_pages(cls, key_sets: tuple[str, ...]) -> tuple[str, ...]:
        """The same for key sets."""
        for key_set in key_sets:
            Page.parse(key_set)
        return key_sets

    @model_validator(mode="after")
    def _client_files_come_together(self) -> Self:
        """A certificate without its key, or the reverse, is a mistake."""
        if (self.client_certificate_file is None) != (self.client_key_file is None):
            raise ValueError("client_certificate_file and client_key_file belong together")
        return self
