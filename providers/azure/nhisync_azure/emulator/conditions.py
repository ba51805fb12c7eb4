"""Conditions of role assignments (ABAC), version 2.0, as far as Key Vault secrets have them.

Grammar: ``!``, ``AND``/``&&``, ``OR``/``||``, parentheses, ``ActionMatches{'…'}`` and
``@Resource[<attribute>] <operator> 'text' | {'a','b'}`` with the string operators
(learn.microsoft.com/azure/role-based-access-control/conditions-format). A missing attribute makes a comparison
false: that is why a condition on the secret's name refuses the list of all secrets.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<word>&&|\|\||AND\b|OR\b|!|\(|\)|\{|\}|,)|'(?P<text>[^']*)'|@Resource\[(?P<attribute>[^\]]+)\]"
    r"|(?P<name>[A-Za-z]+(?::[A-Za-z]+)?))",
    re.IGNORECASE,
)
SECRET_NAME: Final = "microsoft.keyvault/vaults/secrets:name"
VAULT_NAME: Final = "microsoft.keyvault/vaults:name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is asked for: a resource id and its attributes (names in lower case)."""

    id: str
    attributes: dict[str, str] = field(default_factory=dict)


Check = Callable[[str, Target], bool]
_OPERATORS: Final[dict[str, Callable[[str, str], bool]]] = {
    "stringequals": lambda have, want: have == want,
    "stringequalsignorecase": lambda have, want: have.lower() == want.lower(),
    "stringnotequals": lambda have, want: have != want,
    "stringnotequalsignorecase": lambda have, want: have.lower() != want.lower(),
    "stringstartswith": lambda have, want: have.startswith(want),
    "stringlike": fnmatchcase,
}


def holds(condition: str | None, action: str, target: Target) -> bool:
    """Whether `condition` permits `action` on `target`; no condition always does.

    Raises:
        ValueError: the text is no condition.
    """
    return condition is None or _parsed(condition)(action, target)


@lru_cache(maxsize=256)
def _parsed(text: str) -> Check:
    parser = _Parser(_tokens(text))
    check = parser.any_of()
    parser.expect("")
    return check


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            msg = f"no condition: {text[position : position + 30]!r}"
            raise ValueError(msg)
        kind = str(match.lastgroup)
        found.append((kind, match.group(kind)))
        position = match.end()
    return found


class _Parser:
    """Recursive descent: or, and, not, term."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens

    def any_of(self) -> Check:
        """A chain of OR."""
        checks = [self._all_of()]
        while self._take("or", "||"):
            checks.append(self._all_of())
        return lambda action, target: any(check(action, target) for check in checks)

    def expect(self, word: str) -> None:
        """The next word is `word`; "" = the end.

        Raises:
            ValueError: it is another.
        """
        if (word and not self._take(word)) or (not word and self._tokens):
            msg = f"no condition: expected {word or 'the end'}, got {self._tokens[:1]}"
            raise ValueError(msg)

    def _all_of(self) -> Check:
        checks = [self._term()]
        while self._take("and", "&&"):
            checks.append(self._term())
        return lambda action, target: all(check(action, target) for check in checks)

    def _term(self) -> Check:
        if self._take("!"):
            inner = self._term()
            return lambda action, target: not inner(action, target)
        if self._take("("):
            inner = self.any_of()
            self.expect(")")
            return inner
        kind, value = self._next()
        if kind == "name" and value.lower() == "actionmatches":
            patterns = [pattern.lower() for pattern in self._literals()]
            return lambda action, _: any(fnmatchcase(action.lower(), pattern) for pattern in patterns)
        if kind == "attribute":
            return self._comparison(value.lower())
        msg = f"no condition: {value!r}"
        raise ValueError(msg)

    def _comparison(self, attribute: str) -> Check:
        name = self._next()[1].rpartition(":")[2].lower()
        if name not in _OPERATORS:
            msg = f"no condition operator: {name}"
            raise ValueError(msg)
        operator, wanted = _OPERATORS[name], self._literals()

        def check(_: str, target: Target) -> bool:
            have = target.attributes.get(attribute)
            return have is not None and any(operator(have, want) for want in wanted)

        return check

    def _literals(self) -> list[str]:
        if not self._take("{"):
            return [self._text()]
        found = [self._text()]
        while self._take(","):
            found.append(self._text())
        self.expect("}")
        return found

    def _text(self) -> str:
        kind, value = self._next()
        if kind != "text":
            msg = f"no condition: expected a quoted text, got {value!r}"
            raise ValueError(msg)
        return value

    def _take(self, *words: str) -> bool:
        if self._tokens and self._tokens[0][0] == "word" and self._tokens[0][1].lower() in words:
            del self._tokens[0]
            return True
        return False

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            msg = "no condition: it ends too early"
            raise ValueError(msg)
        return self._tokens.pop(0)
