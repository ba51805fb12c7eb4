"""What a source of provider ``postgres`` can be told in the configuration."""

import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from nhisync.spi import Document, PositiveDuration, SourceSettings

_NAME = re.compile(r"[^\s/:@\[\]%]+")


def _ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


class PasswordAuth(Document):
    """A role with a password.

    Attributes:
        method: discriminator.
        user: nhisync's own role.
        password_file: holds nothing but the password; read anew for every connection.
    """

    method: Literal["password"]
    user: str
    password_file: Path


class CertificateAuth(Document):
    """A role that a client certificate stands for (``cert`` in pg_hba.conf).

    Attributes:
        method: discriminator.
        user: nhisync's own role.
        certificate_file: PEM chain, leaf first.
        key_file: its unencrypted private key, mode 0600.
    """

    method: Literal["certificate"]
    user: str
    certificate_file: Path
    key_file: Path


class PeerAuth(Document):
    """A role that the operating system's user stands for (``peer`` in pg_hba.conf, over a socket folder).

    Attributes:
        method: discriminator.
        user: nhisync's own role.
    """

    method: Literal["peer"]
    user: str


class PostgresSettings(SourceSettings):
    """A source whose items are the login roles of one PostgreSQL cluster.

    Attributes:
        host: name or address of the server, or the folder of its socket (``/run/postgresql``).
        port: of the server.
        database: database to connect to; rights on schemas and tables are those of this database.
        sslmode: ``verify-full`` checks chain and name, ``verify-ca`` the chain; ``disable`` for sockets and loopback.
        ca_file: PEM roots of the server's certificate; None = the operating system's roots.
        connect_timeout: limit for one connection, login included.
        query_timeout: limit for one query.
        auth: nhisync's own role, different on each path.
    """

    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 5432
    database: str = "postgres"
    sslmode: Literal["verify-full", "verify-ca", "disable"] = "verify-full"
    ca_file: Path | None = None
    connect_timeout: PositiveDuration = timedelta(seconds=5)
    query_timeout: PositiveDuration = timedelta(seconds=20)
    auth: Annotated[PasswordAuth | CertificateAuth | PeerAuth, Field(discriminator="method")]

    @field_validator("host")
    @classmethod
    def _one_host(cls, host: str) -> str:
        """One server: with a list the driver would pick whichever answers, perhaps the other path's.

        It is named in errors, so nothing that could hold a password is taken for a name.
        """
        one = host.startswith("/") or _NAME.fullmatch(host) or _ip(host)
        if not one or "," in host or "=" in host or "\0" in host:
            raise ValueError("host is one name, one address or one folder, without port, user and password")
        return host

    @property
    def local(self) -> bool:
        """Whether the server is asked over a socket of this machine."""
        return self.host.startswith("/")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """Settings that cannot work together are mistakes of the file, not of a cycle."""
        if self.local and self.sslmode != "disable":
            raise ValueError("a socket knows no TLS: set sslmode: disable")
        if self.auth.method == "peer" and not self.local:
            raise ValueError("method peer needs a socket folder as host, like /run/postgresql")
        if self.auth.method == "certificate" and self.sslmode == "disable":
            raise ValueError("method certificate needs TLS: set sslmode: verify-full")
        if self.sslmode == "verify-ca" and self.ca_file is None:
            raise ValueError("sslmode verify-ca needs ca_file: any public authority could vouch for the server")
        return self
