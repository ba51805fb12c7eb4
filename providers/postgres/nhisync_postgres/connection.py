"""One read-only connection within the cycle's budget; whatever hangs or breaks ends as a typed error.

The driver's environment (``PGPASSWORD``, ``~/.pgpass``, ``~/.postgresql``) is shut out: both paths must not become one
identity by accident. Values travel only from the password file to the driver.
"""

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from nhisync.spi import Budget, ErrorKind, ProviderError, SourceContext
from nhisync.spi.files import small_text, usable_file
from nhisync_postgres.errors import malformed, translate
from nhisync_postgres.settings import CertificateAuth, PasswordAuth, PostgresSettings

CONNECT, QUERY = "connect", "query"
"""Families of the budget's rates."""

Row = Mapping[str, Any]

_GRACE = 1.0
"""Seconds by which the server may be late with ending a query itself before its socket is cut."""

_READ_ONLY = "-c default_transaction_read_only=on -c search_path=pg_catalog"


_SHUT_OUT = {"hostaddr": "", "password": "", "sslcrl": "", "sslcrldir": "", "require_auth": "!gss,!sspi"}
"""What libpq would take from the environment, PGSERVICE included, or from a Kerberos cache: set, if only to nothing."""


class Connection:
    """The one connection of a run; opened by the first query, closed with the run.

    Args:
        settings: of the source.
        context: of the source.
    """

    def __init__(self, settings: PostgresSettings, context: SourceContext) -> None:
        self._settings, self._context = settings, context
        self._lock = threading.Lock()
        self._open: Any = None
        self._closed = False
        self.endpoint = f"{settings.host}:{settings.port}"  # of a socket, too: its file is named by the port

    def rows(self, query: str, budget: Budget, **parameters: Any) -> Iterator[Row]:
        """Rows as they come, as mappings by column.

        Raises:
            ProviderError: typed; MALFORMED for names in no readable encoding.
        """
        connection = self._connected(budget)
        budget.spend(QUERY)
        limit = min(self._settings.query_timeout.total_seconds() + _GRACE, budget.remaining)
        try:
            with self._guarded(connection, limit), connection.cursor(row_factory=dict_row) as cursor:
                for row in cursor.stream(query, parameters):
                    budget.check()
                    yield row
        except UnicodeDecodeError:
            raise malformed(self.endpoint, "a name is not in the encoding that the database promises") from None
        except psycopg.Error as failure:
            raise self._typed(failure, budget) from None

    def one(self, query: str, budget: Budget, **parameters: Any) -> Row:
        """The single row of a query.

        Raises:
            ProviderError: as `rows`; MALFORMED when it is not one row.
        """
        found = list(
            self.rows(query, budget, **parameters)
        )  # to the end: leaving a stream early costs a cancel request
        if len(found) != 1:
            raise malformed(self.endpoint, "a query for one row was answered with another number")
        return found[0]

    def close(self) -> None:
        """End the connection; safe to call twice and from another thread, which also ends a query under way."""
        with self._lock:
            self._closed = True
            connection, self._open = self._open, None
        if connection is not None:
            _cut(connection)
            connection.close()

    def _connected(self, budget: Budget) -> Any:
        with self._lock:
            if self._closed:
                raise ProviderError(ErrorKind.THROTTLED, "the cycle ended before this was read")
            if self._open is not None and not self._open.closed:
                return self._open
            if self._open is not None:
                # The host's name may lead to another server by now, and who and where was asked of the first one.
                raise translate(None, "", self.endpoint, principal=self._settings.auth.user, database="")
        budget.spend(CONNECT)
        made = self._connect(budget)
        with self._lock:
            self._open = made
        return made

    def _connect(self, budget: Budget) -> Any:
        try:
            return psycopg.connect(**self._arguments(budget), autocommit=True, prepare_threshold=None)
        except psycopg.Error as failure:
            raise self._typed(failure, budget) from None
        except UnicodeError:
            fix = "Correct host; international names are written as A-labels (xn--…)."
            raise ProviderError(ErrorKind.MISCONFIGURED, f"{self.endpoint}: no readable host name", fix=fix) from None

    def _arguments(self, budget: Budget) -> dict[str, Any]:
        settings, auth = self._settings, self._settings.auth
        patience = min(settings.connect_timeout.total_seconds(), budget.remaining)
        statement = int(settings.query_timeout.total_seconds() * 1000)
        found: dict[str, Any] = {
            "host": settings.host,
            **_SHUT_OUT,
            "port": settings.port,
            "dbname": settings.database,
            "user": auth.user,
            "passfile": os.devnull,
            "application_name": "nhisync",
            "connect_timeout": max(2, round(patience)),  # libpq takes whole seconds, and no less than two
            "client_encoding": "UTF8",
            "gssencmode": "disable",
            "sslmode": settings.sslmode,
            "sslcertmode": "disable",
            "options": f"{_READ_ONLY} -c statement_timeout={statement}",
        }
        if settings.sslmode != "disable":
            found["sslrootcert"] = self._looked_at("ca_file", settings.ca_file) if settings.ca_file else "system"
        if isinstance(auth, PasswordAuth):
            found["password"] = self._password(auth)
        if isinstance(auth, CertificateAuth):
            found["sslcertmode"] = "require"
            found["sslcert"] = self._looked_at("certificate_file", auth.certificate_file)
            found["sslkey"] = self._looked_at("key_file", auth.key_file)
        return found

    def _password(self, auth: PasswordAuth) -> str:
        fix = "Create it with nothing but the password, mode 0600, readable for nhisync."
        file = self._context.file(auth.password_file)
        return small_text(file, f"password_file {auth.password_file}", fix=fix).rstrip("\r\n")

    def _looked_at(self, setting: str, name: Path) -> str:
        """Libpq opens its files by itself, and would wait for ever at a named pipe."""
        return usable_file(self._context.file(name), f"{setting} {name}", fix=f"Correct {setting} of the source.")

    @contextmanager
    def _guarded(self, connection: Any, seconds: float) -> Iterator[None]:
        """Cut the socket when the answer does not come: a server that hangs keeps no cycle."""
        watch = threading.Timer(seconds, _cut, (connection,))
        watch.daemon = True
        watch.start()
        try:
            yield
        finally:
            watch.cancel()

    def _typed(self, failure: Any, budget: Budget) -> ProviderError:
        """The driver's failure; our own end of the cycle comes first, because silence then says nothing."""
        if failure.sqlstate is None or failure.sqlstate == "57014":
            budget.check()
            with self._lock:
                if self._closed:
                    return ProviderError(ErrorKind.THROTTLED, "the cycle ended before this was read")
        settings = self._settings
        return translate(
            failure.sqlstate, str(failure), self.endpoint, principal=settings.auth.user, database=settings.database
        )


def _cut(connection: Any) -> None:
    """Shut the socket down without touching the driver, which may be busy in another thread."""
    with suppress(OSError, ValueError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as twin:
        twin.shutdown(socket.SHUT_RDWR)
