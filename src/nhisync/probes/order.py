"""What a probe is asked to do, what it presents, and what came out."""

from base64 import b32encode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from html import unescape
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize
from urllib.parse import unquote_plus

from nhisync.clock import Clock
from nhisync.model import ErrorFact
from nhisync.spi import ErrorKind, ProviderError, SecretBytes

_LONGEST_NAME = 200
"""Characters of a service's own name for an identity that are kept."""

_LONGEST_LINE = 160
"""Characters that reports show of a reason; a next step that does not fit beside it is left out whole."""

_TELLING = 12
"""Characters in a row that tell something of a credential; of a short one half of it does."""

_FEW = 100
"""Pieces that are looked for one by one; more are looked up for each place of the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One probe.

    Attributes:
        target: URL or ``host:port``; never shown, its query may hold a capability.
        auth: ``none``, ``bearer``, ``basic``, ``header``, ``client-certificate`` or ``login`` (what the type wants).
        depth: how deep it may prove: ``tcp``, ``tls``, ``auth`` or ``txn``.
        header: name of the header for ``header``.
        database: what a login connects to, "" = its own.
        encrypted: TLS with verification.
        server_name: name the server's certificate must cover, "" = the host.
        ca_file: authorities that are trusted, None = the system's.
        proxy: HTTP proxy, "" = none.
        seen_as: dotted member of a JSON answer that names who was seen, "" = nobody asks.
        expect: HTTP status codes that mean accepted.
        region: region that an AWS request is signed for.
        namespace: Vault namespace, "" = the root.
        mount: path of a Vault auth method, "" = the method's own name.
        scope: what an OAuth token is asked for.
        vhost: AMQP virtual host, "" = ``/``.
        script: what an http probe with depth ``txn`` changes and undoes, JSON of its steps, "" = nothing.
        run: id of this probe, which its script writes.
        left: values that find what an earlier run of the script left behind, JSON, "" = nothing.
        keys: SHA-256 of the item's own public keys (hex), for an item that is what the endpoint serves.
    """

    target: str = field(repr=False)
    auth: str = "none"
    depth: str = "auth"
    header: str = ""
    database: str = ""
    encrypted: bool = True
    server_name: str = ""
    ca_file: Path | None = None
    proxy: str = field(default="", repr=False)
    seen_as: str = ""
    expect: frozenset[int] = frozenset({200})
    region: str = ""
    namespace: str = ""
    mount: str = ""
    scope: str = ""
    vhost: str = ""
    script: str = field(default="", repr=False)
    run: str = ""
    left: str = field(default="", repr=False)
    keys: frozenset[str] = frozenset()

    @property
    def floor(self) -> str:
        """What an answer alone shows: that TLS was spoken, or a port is open."""
        encrypted = not self.target.startswith("http://") if "://" in self.target else self.encrypted
        return "tls" if encrypted else "tcp"


class Presented:
    """The credential of one item; exists only inside the short-lived probing process.

    Args:
        user: login name, "" = none.
        secret: password, token or key, None = nothing is presented.
        certificate: PEM chain, None = what `secret` holds.
        key: PEM key, None = what `secret` holds.
        token: session token that goes with `secret`, None = none.
    """

    __slots__ = ("certificate", "key", "secret", "token", "user")

    def __init__(
        self,
        user: str = "",
        secret: SecretBytes | None = None,
        certificate: SecretBytes | None = None,
        key: SecretBytes | None = None,
        token: SecretBytes | None = None,
    ) -> None:
        self.user, self.secret, self.token = user, secret, token
        self.certificate, self.key = certificate or secret, key or secret

    def same_as(self, other: "Presented") -> bool:
        """Whether both present one credential."""
        return all(_bytes(getattr(self, part)) == _bytes(getattr(other, part)) for part in self.__slots__)

    @property
    def forms(self) -> Iterator[str]:
        """How the value may look in what a service tells back, in lower case, with and without its signs."""
        for text in self._written:
            yield from (text.casefold(), _folded(text))

    @property
    def _written(self) -> Iterator[str]:
        for secret in (self.secret, self.key, self.token):
            if secret is not None:
                value = secret.reveal()
                yield from (value.hex(), b32encode(value).decode())
                for text in (value.decode("latin-1"), value.decode(errors="replace")):
                    yield from (text, text[::-1])
                for before in range(3):  # what stands before it in a longer text shifts Base64
                    yield from _base64(bytes(before) + value, 4 if before else 0)
                yield from _base64(self.user.encode() + b":" + value)


class Left(NamedTuple):
    """What a script left behind.

    Attributes:
        values: what finds it again, JSON; no part of the credential.
        told: what and where, for a person; "" = everything is undone.
        sure: the service said so; False when nobody knows.
    """

    values: str = ""
    told: str = ""
    sure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What came out; no part of it is a text of the service or of an SDK, but for the name it saw.

    Attributes:
        depth: how deep it was proven: "" (not even a port), ``tcp``, ``tls``, ``auth`` or ``txn``.
        accepted: True, False, or None when the credential was not judged.
        seen_as: the identity the service saw, and where, or "".
        error: why it was refused or not judged.
        left: what became of what a script changed, None = it changed nothing.
    """

    depth: str
    accepted: bool | None
    seen_as: str = ""
    error: ErrorFact | None = None
    left: Left | None = None


class Patience:
    """How long one probe may take, all its connections together.

    Args:
        clock: the only time.
        seconds: from now on.
        change: is told the values that find a change again (JSON) and where it is, just before it is made.
    """

    def __init__(self, clock: Clock, seconds: float, change: Callable[[str, str], None] = lambda *_: None) -> None:
        self._clock, self._end = clock, clock.monotonic() + seconds
        self.change = change

    def anew(self, seconds: float) -> "Patience":
        """Another `seconds` from now on, whatever is left of these."""
        return Patience(self._clock, seconds)

    @property
    def epoch(self) -> int:
        """Seconds since 1970 now."""
        return int(self._clock.now().timestamp())

    @property
    def left(self) -> float:
        """Seconds that are left.

        Raises:
            ProviderError: none are; UNREACHABLE, because a silent service looks like this.
        """
        left = self._end - self._clock.monotonic()
        if left <= 0:
            raise ProviderError(ErrorKind.UNREACHABLE, "the service did not answer in time")
        return left


def name_of(told: str, presented: Presented) -> str:
    """What a service calls the identity, fit to be kept; "" when it tells something of the credential back.

    Names go into the store and into reports, and a service may echo: a part of the value, turned round or encoded.
    """
    near = told[: 2 * _LONGEST_NAME]  # a cut must not hide what it cuts through
    looks = {near.casefold(), _folded(near), _folded(unquote_plus(near)), _folded(unescape(near))}
    for form in filter(None, presented.forms):
        part = min(_TELLING, (len(form) + 1) // 2)
        if _shares({look[at : at + part] for look in looks for at in range(len(look) - part + 1)}, form, part):
            return ""
    return told[:_LONGEST_NAME]


def _shares(pieces: set[str], form: str, part: int) -> bool:
    """Whether one of `pieces`, each `part` long, is in `form`; a long value and a long name together cost no cycle."""
    if len(pieces) <= _FEW:
        return any(piece in form for piece in pieces)
    return any(form[at : at + part] in pieces for at in range(len(form) - part + 1))


def login_of(presented: Presented) -> str:
    """The name it logs in with, fit to be kept; "" when it is a part of the value."""
    return name_of(presented.user, presented)


def _bytes(part: SecretBytes | str | None) -> bytes:
    return part.reveal() if isinstance(part, SecretBytes) else (part or "").encode("utf-8", "surrogatepass")


def _base64(value: bytes, start: int = 0) -> Iterator[str]:
    yield from (b64encode(value).decode()[start:], urlsafe_b64encode(value).decode()[start:])


def _folded(text: str) -> str:
    """Letters and digits alone, in lower case: what encodings and separators leave of a text."""
    return "".join(filter(str.isalnum, normalize("NFKC", text).casefold()))


Kind = Callable[[Order, Presented, Patience], Shown]
"""Makes one probe. Raises ProviderError where nothing came to the point of being judged."""


def value_of(presented: Presented) -> bytes:
    """The value that is presented.

    Raises:
        ProviderError: MISCONFIGURED, the item holds none.
    """
    if presented.secret is None:
        raise ProviderError(ErrorKind.MISCONFIGURED, "the item holds no field to present")
    return presented.secret.reveal()


def not_made(depth: str, failure: ProviderError, otherwise: str = "") -> Shown:
    """The credential was not judged; what helps is told with the reason, where it fits into the same line.

    Args:
        depth: how deep it was proven.
        failure: why it was not judged.
        otherwise: what helps, too, in fewer words; told where the failure's own next step is longer than the line.
    """
    fact = failure.fact
    steps = (step.rstrip(".") for step in (failure.fix, otherwise) if step and "\n" not in step)
    fix = next((step for step in steps if len(fact.message) + len(step) + 2 <= _LONGEST_LINE), "")
    if fix:
        # The first word begins a sentence no more; a command that is typed keeps its letters.
        fix = fix[0].lower() + fix[1:] if fix[1:2].islower() else fix
        fact = replace(fact, message=f"{fact.message}; {fix}")
    return Shown(depth=depth, accepted=None, error=fact)


def refused(depth: str, kind: ErrorKind, message: str) -> Shown:
    """The service judged the credential and does not let it in."""
    return Shown(depth=depth, accepted=False, error=ErrorFact(kind=kind.value, message=message))


def nobody_judges(depth: str, what: str) -> Shown:
    """The service lets everybody in, so that it proves nothing about this credential."""
    return not_made(depth, ProviderError(ErrorKind.UNSUPPORTED, what))
