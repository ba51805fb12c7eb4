"""The grammar of locators: ``<host>[:<port>][/<path>][?name=…&starttls=…&alpn=…&sni=off]``.

An endpoint has no path; a page that it serves has one, and of the options only the name.
"""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

STARTTLS = ("smtp", "postgres", "ldap")
"""Protocols that can be upgraded to TLS."""

_DEFAULT_PORT = 443
_KEYS = frozenset({"name", "starttls", "alpn", "sni"})
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]+\Z")
"""Characters of a path (RFC 3986 §3.3); a query cannot be written, because the locator's own options stand there."""

_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-._")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One endpoint to look at.

    Attributes:
        host: address or name to connect to.
        port: TCP port.
        name: name to verify and to ask for; "" = none was given.
        starttls: protocol spoken before TLS, or "".
        alpn: protocols offered; empty = no ALPN.
        sni: whether the name is sent in the ClientHello.
    """

    host: str
    port: int
    name: str = ""
    starttls: str = ""
    alpn: tuple[str, ...] = ()
    sni: bool = True

    @classmethod
    def parse(cls, text: str) -> "Target":
        """Read the name part of a ``tls/…`` locator.

        Raises:
            ValueError: with a message that says which part is wrong.
        """
        place, _, query = text.partition("?")
        host, port = _place(place)
        options = _options(query)
        starttls = options.get("starttls", "")
        if starttls not in ("", *STARTTLS):
            raise ValueError(f"starttls is one of {', '.join(STARTTLS)}")
        if options.get("sni", "on") not in ("on", "off"):
            raise ValueError("sni is on or off")
        return cls(
            host=host,
            port=port,
            name=_server_name(options.get("name", "")),
            starttls=starttls,
            alpn=tuple(options["alpn"].split(",")) if "alpn" in options else (),
            sni=options.get("sni", "on") == "on",
        )

    @property
    def endpoint(self) -> str:
        """``host:port``, with brackets around an IPv6 address."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def expected_name(self, default: str | None) -> str:
        """The name a client would verify: the one given, a host that is a name, else `default`, else ""."""
        return self.name or ("" if is_address(self.host) else self.host) or (default or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page that an endpoint serves over HTTPS.

    Attributes:
        target: the endpoint.
        path: the path, with its leading slash.
    """

    target: Target
    path: str

    @classmethod
    def parse(cls, text: str) -> "Page":
        """Read the name part of a ``jwks/…`` locator.

        Raises:
            ValueError: with a message that says which part is wrong.
        """
        place, mark, query = text.partition("?")
        endpoint, _, path = place.partition("/")
        if not _PATH.match(path):
            raise ValueError("a key set needs a path, like 192.0.2.10:443/.well-known/jwks.json?name=login.example.com")
        if extra := sorted(set(_options(query)) - {"name"}):
            raise ValueError(f"a key set has the option name alone, not {extra[0]}")
        return cls(target=Target.parse(f"{endpoint}{mark}{query}"), path=f"/{path}")


def is_address(host: str) -> bool:
    """Whether `host` is an IP address literal (which is never sent as SNI, RFC 6066 §3)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _place(place: str) -> tuple[str, int]:
    """Host and port of ``host:port``, ``[v6]:port`` or ``host``."""
    if not place or place.startswith(":") or any(c in place for c in "/@# "):
        raise ValueError("a TLS endpoint needs a host, like 192.0.2.10:443 or [2001:db8::1]:443")
    try:
        parts = urlsplit(f"//{place}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("the port is a number from 1 to 65535") from None
    if port == 0 or (port is None and place.endswith(":")):
        raise ValueError("the port is a number from 1 to 65535")
    return (host if is_address(host) else _server_name(host)), port or _DEFAULT_PORT


def _options(query: str) -> dict[str, str]:
    """The query as a mapping; unknown, repeated and empty keys are errors, because a typo must not pass silently."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        raise ValueError("options look like ?name=api.example.com&starttls=smtp") from None
    options = dict(pairs)
    if unknown := sorted(set(options) - _KEYS):
        raise ValueError(f"unknown option {unknown[0]}; known are {', '.join(sorted(_KEYS))}")
    if len(options) < len(pairs) or not all(options.values()):
        raise ValueError("every option stands once and has a value")
    return options


def _server_name(name: str) -> str:
    """A lower-case DNS name or address; international names must be given as A-labels (RFC 5890)."""
    lowered = name.lower().rstrip(".")
    if name and not is_address(lowered) and (not lowered or not set(lowered) <= _NAME_CHARACTERS):
        raise ValueError("a server name has only letters, digits, hyphens and dots (international names as xn--…)")
    return lowered
