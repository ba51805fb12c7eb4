"""The library's ACME client with the edges taken off: every request is spent, bounded in time and size, and typed.

Only reads are made: directory, nonce, newAccount with ``onlyReturnExisting`` (RFC 8555 §7.3.1: creates nothing) and
renewal information (RFC 9773), which needs no account.
"""

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any, TypeVar

import requests
from acme import client, messages
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy.errors import Error as JoseError
from josepy.jwa import ES256, ES384, ES512, RS256, JWASignature
from josepy.jwk import JWK, JWKEC, JWKRSA
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError

from nhisync.spi import Budget, ErrorKind, ProviderError, SourceContext
from nhisync.spi.files import ca_bundle, small_file
from nhisync_acme.errors import SDK_ERRORS, lost, malformed, problem, status_error
from nhisync_acme.permissions import dialled
from nhisync_acme.settings import AcmeSettings

REQUEST = "request"
"""Family of the budget's rates."""

_KEY_FIX = "Name a PEM or JWK file with an RSA or EC key, mode 0600, readable for nhisync."
_MAX_ANSWER = 1024 * 1024
_CHUNK = 16 * 1024
_FIRST_WAIT = 0.25
_RETRIED = frozenset({ErrorKind.THROTTLED, ErrorKind.UNREACHABLE, ErrorKind.MALFORMED})
_WAIT = re.compile(r"\d{1,9}", re.ASCII)
_LOGGERS = ("acme", "josepy", "requests", "urllib3")
STATUSES = frozenset({"valid", "deactivated", "revoked"})
"""Of an account (RFC 8555 §7.1.6); any other word is no answer."""
_ALGORITHMS = {256: ES256, 384: ES384, 521: ES512}

Answer = TypeVar("Answer")


class Spending(HTTPAdapter):
    """Accounts for each request, bounds it, and keeps what errors need of the last answer.

    Args:
        settings: of the source.
        budget: of the cycle.
    """

    def __init__(self, settings: AcmeSettings, budget: Budget) -> None:
        super().__init__(max_retries=0)
        self._settings, self._budget = settings, budget
        self.last: requests.Response | None = None

    def send(self, request: requests.PreparedRequest, *_: Any, **options: Any) -> requests.Response:
        """One request; redirects are answers here, so that nothing leads to a host that is not configured."""
        self.last = None
        self._budget.spend(REQUEST)
        left = max(0.05, self._budget.remaining)
        connect = min(self._settings.connect_timeout.total_seconds(), left)
        read = min(self._settings.read_timeout.total_seconds(), left)
        response = super().send(request, **{**options, "timeout": (connect, read), "stream": True})
        response.raw = BytesIO(self._body(response))
        self.last = response
        return response

    def _body(self, response: requests.Response) -> bytes:
        """The whole body within size and cycle; the library would wait for an endless one."""
        found = bytearray()
        try:
            for chunk in response.raw.stream(_CHUNK, decode_content=True):
                found += chunk
                self._budget.check()
                if len(found) > _MAX_ANSWER:
                    raise requests.exceptions.ContentDecodingError("the answer is larger than any ACME answer")
        except ReadTimeoutError:
            raise requests.exceptions.ReadTimeout("in the middle of the answer") from None
        except HTTPError:
            raise requests.exceptions.ChunkedEncodingError("the answer is cut") from None
        finally:
            response.raw.close()
        return bytes(found)


class Api:
    """One authority, asked within one cycle.

    Args:
        settings: of the source.
        context: of the source.
        budget: of the cycle.
    """

    def __init__(self, settings: AcmeSettings, context: SourceContext, budget: Budget) -> None:
        self._settings, self._context, self._budget = settings, context, budget
        self._adapter = Spending(settings, budget)
        self._directory: messages.Directory | None = None
        self._net: client.ClientNetwork | None = None

    def close(self) -> None:
        """Close the sockets; also ends a request under way in another thread."""
        if self._net is not None:
            self._net.session.close()

    @property
    def directory(self) -> messages.Directory:
        """The authority's directory, asked once.

        Raises:
            ProviderError: it cannot be had, or is none.
        """
        if self._directory is None:
            found = self._ask(lambda net: client.ClientV2.get_directory(self._settings.directory, net))
            if not _usable(found):
                raise malformed(self._settings.host, "what answers is no ACME directory")
            self._directory = found
        return self._directory

    @property
    def server_time(self) -> datetime | None:
        """The Date header of the last answer."""
        if self._adapter.last is None:
            return None
        return _date(self._adapter.last.headers.get("Date", ""))

    def account(self) -> messages.RegistrationResource:
        """The account of the configured key; none is created (``onlyReturnExisting``).

        Raises:
            ProviderError: NOT_FOUND when the authority has none, else why it cannot be told.
        """
        directory, key = self.directory, self.key()
        asked = messages.RegistrationResource(body=messages.NewRegistration(), uri="")

        def query(net: client.ClientNetwork) -> messages.RegistrationResource:
            net.key, net.alg, net.account = key, _algorithm(key), None
            return client.ClientV2(directory, net).query_registration(asked)

        found = self._ask(query)
        if str(found.body.status or "") not in STATUSES:
            raise malformed(self._settings.host, "the account has a status that nobody knows")
        return found

    def renewal_info(self, identifier: str) -> dict[str, Any] | None:
        """The renewal information of one certificate (RFC 9773 §4.2); None = the authority offers none at all.

        Raises:
            ProviderError: NOT_FOUND when the authority does not know the certificate.
        """
        try:
            base = str(self.directory["renewalInfo"])
        except KeyError:
            return None
        answer = self._ask(lambda net: net.get(f"{base.rstrip('/')}/{identifier}").json(), absent=True)
        return answer if isinstance(answer, dict) else {}

    def key(self) -> JWK:
        """The account's private key.

        Raises:
            ProviderError: MISCONFIGURED.
        """
        name = self._settings.account_key_file
        if name is None:
            raise ProviderError(
                ErrorKind.MISCONFIGURED,
                "no account key is configured for this source",
                fix="Set account_key_file, or leave the account out: renewal information needs none.",
            )
        try:
            return _load_key(small_file(self._context.file(name), f"account_key_file {name}", fix=_KEY_FIX))
        except (ValueError, TypeError, UnsupportedAlgorithm, JoseError):
            raise ProviderError(
                ErrorKind.MISCONFIGURED,
                f"account_key_file {name} is no private key that can be read",
                resource=str(name),
                fix=_KEY_FIX,
            ) from None

    def _ask(self, question: Callable[[client.ClientNetwork], Answer], *, absent: bool = False) -> Answer:
        """One question, repeated within the configured attempts; every question here only reads.

        `absent`: a 404 speaks of what was asked for; elsewhere only of the path, as of a moved authority.
        """
        attempt = 1
        while True:
            try:
                return self._once(question, absent=absent)
            except ProviderError as error:
                if attempt >= self._settings.attempts or error.kind not in _RETRIED or not self._pause(attempt, error):
                    raise
            attempt += 1

    def _once(self, question: Callable[[client.ClientNetwork], Answer], *, absent: bool) -> Answer:
        where = self._settings.host
        try:
            return question(self._network())
        except messages.Error as error:
            raise self._refused(error, absent=absent) from None
        except SDK_ERRORS as error:
            last = self._adapter.last
            if last is not None and not last.ok:
                raise status_error(last.status_code, where, self._retry_after()) from None
            self._budget.check()  # when our own cycle cut the wait short, the authority's silence says nothing
            raise lost(error, where, dialled(self._settings)) from None

    def _refused(self, error: messages.Error, *, absent: bool) -> ProviderError:
        last = self._adapter.last
        if last is not None and last.status_code == 404 and str(error.code or "") != "accountDoesNotExist":
            if not absent:
                return malformed(self._settings.host, "a path of the directory is not found")
            return ProviderError(
                ErrorKind.NOT_FOUND, f"{self._settings.host}: no such resource", resource=self._settings.host
            )
        return problem(error, self._settings.host, self._retry_after())

    def _network(self) -> client.ClientNetwork:
        if self._net is None:
            quiet_sdk()
            net = client.ClientNetwork(verify_ssl=self._verify(), user_agent="nhisync")
            net.session.trust_env = False
            net.session.max_redirects = 0
            net.session.mount("https://", self._adapter)
            net.session.mount("http://", _Refused())
            if self._settings.proxy:
                net.session.proxies = {"https": self._settings.proxy}
            self._net = net
        return self._net

    def _verify(self) -> Any:
        """The CA bundle, tried here: requests raises a bare OSError for one that is missing."""
        name = self._settings.ca_file
        if name is None:
            return True
        return ca_bundle(self._context.file(name), f"ca_file {name}")

    def _pause(self, attempt: int, error: ProviderError) -> bool:
        """Wait before the next attempt; False when the cycle is shorter than the wait."""
        wait = _FIRST_WAIT * 2 ** (attempt - 1)
        wait += wait * int.from_bytes(self._context.randomness.bytes(1), "big") / 512
        if error.fact.retry_after is not None:
            wait = max(wait, error.fact.retry_after.total_seconds())
        if wait >= self._budget.remaining:
            return False
        self._context.clock.sleep(wait)
        return True

    def _retry_after(self) -> timedelta | None:
        """Retry-After as seconds or as a date (RFC 9110 §10.2.3)."""
        text = self._adapter.last.headers.get("Retry-After", "") if self._adapter.last is not None else ""
        if _WAIT.fullmatch(text):
            return timedelta(seconds=int(text))
        at = _date(text)
        return max(timedelta(0), at - self._context.clock.now()) if at else None


class _Refused(HTTPAdapter):
    """RFC 8555 §6.1 knows https only; a directory that names http is not followed."""

    def send(self, *_: Any, **__: Any) -> requests.Response:
        """Never sends."""
        raise requests.exceptions.InvalidSchema("ACME over plain http")


def _usable(directory: messages.Directory) -> bool:
    try:
        return all(str(directory[word]).startswith("https://") for word in ("newNonce", "newAccount", "newOrder"))
    except KeyError:
        return False


def _load_key(content: bytes) -> JWK:
    if content.lstrip().startswith(b"{"):
        return JWK.json_loads(content.decode())
    key = serialization.load_pem_private_key(content, password=None)
    if isinstance(key, rsa.RSAPrivateKey):
        return JWKRSA(key=key)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return JWKEC(key=key)
    raise ValueError("ACME accounts are signed with RSA or EC keys here")


def _algorithm(key: JWK) -> JWASignature:
    size = getattr(key.key, "key_size", 0)
    return _ALGORITHMS.get(size, ES256) if isinstance(key, JWKEC) else RS256


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):  # an instant beyond the calendar tells no time either
        return None


def quiet_sdk() -> None:
    """Pin the SDK's loggers: at DEBUG they print whole requests."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if logger.getEffectiveLevel() < logging.WARNING:
            logger.setLevel(logging.WARNING)
