"""What must not be shown of a configuration file: everything that may hold a secret, and everything we do not know.

No key of nhisync takes a secret value, only names of files. People still paste one, and the error message about it is
the place where it would leak. So an excerpt is cut where a value below a secret-looking key begins.
"""

import re

_LOOKS_SECRET = re.compile(
    r"auth|secret|token|passw|passphrase|passcode|pwd|key|credential|private|bearer|cookie|signing|webhook|\bpin\b",
    re.IGNORECASE,
)
_USER_NAMED = (("paths",), ("paths", None, "sources"), ("apps",))
_USERINFO = re.compile(r"(://)[^\s/@\"']*@")
_QUERY = re.compile(r"(://[^\s?#\"']*\?)[^\s\"',}\]]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\Z")

CUT = "…"
"""Stands for what is not shown."""


def looks_secret(key: str) -> bool:
    """Whether a value below `key` must not be shown."""
    return bool(_LOOKS_SECRET.search(key))


def hides(loc: tuple[str | int, ...]) -> bool:
    """Whether the value at `loc` is hidden because of its last key.

    Names that users give freely (paths, sources, apps) are no keys: an app ``token-service`` hides nothing.
    """
    if not loc or not isinstance(loc[-1], str):
        return False
    parents = loc[:-1]
    named = any(
        len(parents) == len(known) and all(k is None or k == p for k, p in zip(known, parents, strict=True))
        for known in _USER_NAMED
    )
    return not named and looks_secret(loc[-1])


def hidden(loc: tuple[str | int, ...]) -> bool:
    """Whether the value at `loc` stands below any secret-looking key."""
    return any(hides(loc[: end + 1]) for end in range(len(loc)))


def without_credentials(line: str) -> str:
    """`line` with user information and queries of URLs cut."""
    return _QUERY.sub(rf"\1{CUT}", _USERINFO.sub(rf"\1{CUT}@", line))


def holds_login(text: str) -> bool:
    """Whether a URL in `text` carries user information; what is recorded and audited keeps it for ever."""
    return bool(_USERINFO.search(text))


def credentials_at(line: str) -> int | None:
    """0-based column where user information or a query of a URL begins in `line`, or None."""
    found = [match.end(1) for match in (_USERINFO.search(line), _QUERY.search(line)) if match]
    return min(found, default=None)


def is_name(text: str) -> bool:
    """Whether `text` is shaped like a key, and not like a pasted line."""
    return bool(_NAME.match(text))


def shown(value: object, limit: int = 60) -> str:
    """`value` as a word in a message: printable, cut to `limit` characters, URLs without credentials."""
    text = "".join(c if c.isprintable() else "?" for c in without_credentials(str(value)))
    return text if len(text) <= limit else text[: limit - 1] + CUT
