"""How nhisync gets its own token: read from a file, or by a login whose proof lies in files.

The token lives in memory only and is revoked when the source is closed, unless it came from a file: that one belongs to
whoever wrote it. Nothing is taken from the environment.
"""

import contextlib
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from nhisync.spi import Budget, ErrorKind, ProviderError, SourceContext
from nhisync.spi.files import small_file
from nhisync_vault.answers import Answer
from nhisync_vault.settings import AppRoleAuth, CertAuth, JwtAuth, KubernetesAuth, TokenAuth, VaultSettings
from nhisync_vault.transport import LOGIN, Ask, Transport

_EARLY = timedelta(minutes=1)

_WORD = re.compile("[!-~]+")
"""A token that can stand in a header; another breaks the request before anything is sent."""


@dataclass(frozen=True, slots=True)
class Session:
    """One token of ours.

    Attributes:
        token: the token itself.
        ends: when it stops working, None = not known.
        revocable: it came from a login of ours, so it is ours to revoke.
    """

    token: str = field(repr=False)
    ends: datetime | None
    revocable: bool


class Login:
    """Keeps one valid token; thread safe."""

    def __init__(self, settings: VaultSettings, context: SourceContext, transport: Transport) -> None:
        self._settings = settings
        self._context = context
        self._transport = transport
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._refusal: ProviderError | None = None

    def reset(self) -> None:
        """Forget a refusal: a new cycle may try again."""
        with self._lock:
            self._refusal = None

    def give_up(self, refusal: ProviderError) -> ProviderError:
        """Answer `refusal` to everybody until the next cycle; returns it.

        Servers count failed logins and lock identities out (user lockout, OpenBao and Vault 1.13), so one is enough.
        """
        with self._lock:
            self._refusal = refusal
        return refusal

    def token(self, endpoint: str, budget: Budget) -> str:
        """A token to send; logs in where needed.

        Raises:
            ProviderError: AUTH_FAILED when the proof is refused, MISCONFIGURED when its file cannot be read.
        """
        with self._lock:
            if self._refusal is not None:
                raise self._refusal from None
            if self._session is None or self._over(self._session):
                self._session = self._renewed(endpoint, budget)
            return self._session.token

    def revocable(self, endpoint: str, budget: Budget) -> bool:
        """Whether `close` will revoke the token that is in use; logs in where needed.

        Raises:
            ProviderError: as `token`.
        """
        token = self.token(endpoint, budget)
        with self._lock:
            return self._session is not None and self._session.token == token and self._session.revocable

    def forget(self, token: str) -> None:
        """Drop `token` after the server refused it; the next call logs in again."""
        with self._lock:
            if self._session is not None and self._session.token == token:
                self._session = None

    def close(self, endpoint: str, budget: Budget) -> None:
        """Revoke what a login of ours made; a server that does not answer is left with the token's own end."""
        with self._lock:
            session, self._session = self._session, None
        if session is None or not session.revocable:
            return
        ask = Ask(
            method="POST", path="auth/token/revoke-self", family=LOGIN, body={}, token=session.token, repeatable=False
        )
        with contextlib.suppress(ProviderError):
            self._transport.send(endpoint, ask, budget)

    def _over(self, session: Session) -> bool:
        return session.ends is not None and session.ends - self._context.clock.now() <= _EARLY

    def _renewed(self, endpoint: str, budget: Budget) -> Session:
        try:
            return self._open(endpoint, budget)
        except ProviderError as error:
            if error.kind is ErrorKind.AUTH_FAILED:
                self._refusal = error
            raise

    def _open(self, endpoint: str, budget: Budget) -> Session:
        auth = self._settings.auth
        if isinstance(auth, TokenAuth):
            return Session(self._read("token_file", auth.token_file), None, revocable=False)
        mount, proof = self._proof()
        ask = Ask(method="POST", path=f"auth/{mount}/login", family=LOGIN, body=proof, repeatable=False)
        return self._opened(self._transport.send(endpoint, ask, budget))

    def _proof(self) -> tuple[str, dict[str, Any]]:
        """Auth mount and the body of the login."""
        auth = self._settings.auth
        if isinstance(auth, AppRoleAuth):
            role_id = self._read("role_id_file", auth.role_id_file)
            return auth.mount, {"role_id": role_id, "secret_id": self._read("secret_id_file", auth.secret_id_file)}
        if isinstance(auth, JwtAuth):
            return auth.mount, {"role": auth.role, "jwt": self._read("jwt_file", auth.jwt_file)}
        if isinstance(auth, KubernetesAuth):
            return auth.mount, {"role": auth.role, "jwt": self._read("token_file", auth.token_file)}
        assert isinstance(auth, CertAuth)  # noqa: S101 - the settings' union is closed
        return auth.mount, {"name": auth.role} if auth.role else {}

    def _opened(self, answer: Answer) -> Session:
        if answer.status in (400, 403):
            raise ProviderError(
                ErrorKind.AUTH_FAILED,
                f"the login at {answer.called.path} was refused",
                resource=answer.called.path,
                request_id=answer.called.request_id,
                fix="Check the files of the source's auth: role id and secret id belong together, and the secret id "
                "may be used up, expired or bound to another network.",
            )
        auth = answer.checked().body.get("auth")
        token = auth.get("client_token") if isinstance(auth, Mapping) else None
        if not isinstance(auth, Mapping) or not isinstance(token, str) or not _WORD.fullmatch(token):
            raise ProviderError(ErrorKind.MALFORMED, "the login's answer holds no token", resource=answer.called.path)
        seconds = auth.get("lease_duration")
        lasts = timedelta(seconds=seconds) if isinstance(seconds, int) and seconds > 0 else None
        ends = None if lasts is None else self._context.clock.now() + lasts
        return Session(token, ends, revocable=auth.get("token_type") != "batch")

    def _read(self, setting: str, name: Path) -> str:
        file = self._context.file(name)
        raw = small_file(file, f"{setting} {file}").strip()
        if not raw or not raw.isascii() or len(raw.split()) > 1:
            raise ProviderError(
                ErrorKind.MISCONFIGURED,
                f"{setting} {file} cannot be used (it holds something else than one word)",
                resource=str(file),
                fix="Write nothing but the credential to the file that the source's auth names.",
            )
        return raw.decode("ascii")
