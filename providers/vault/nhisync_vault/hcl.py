"""Reads the part of HCL 1 (and its JSON twin) that ACL policies use.

Source: hashicorp/hcl v1 grammar as used by OpenBao ``internal/vault/policy/policy.go``: repeated ``path "…" { … }``
blocks whose bodies hold strings, numbers, booleans, lists and objects; ``#``, ``//`` and ``/* */`` comments.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"""
    (?P<space>[\s]+|\#[^\n]*|//[^\n]*|/\*.*?\*/)
  | (?P<heredoc><<-?(?P<tag>\w+)[^\n]*\n(?P<text>.*?)\n[ \t]*(?P=tag)(?=\n|\Z))
  | (?P<string>"(?:\\.|[^"\\\n])*")
  | (?P<number>-?\d+(?:\.\d+)?\b)
  | (?P<word>[A-Za-z_][\w.\-]*)
  | (?P<mark>[{}\[\],=:])
    """,
    re.VERBOSE | re.DOTALL,
)


class HclError(ValueError):
    """The text is not the HCL that policies use; the message holds a line number, never the text."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def parse_blocks(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """All top-level blocks as (type, label, body), in order; repeated blocks stay apart.

    Args:
        text: HCL, or JSON of the shape ``{"path": {"<label>": {…}}}``.

    Raises:
        HclError: the text cannot be read.
    """
    if text.lstrip().startswith("{"):
        return _json_blocks(text)
    return list(_Parser(text).blocks())


def _json_blocks(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    try:
        document = json.loads(text)
    except ValueError:
        raise HclError("the policy starts like JSON and is not JSON") from None
    blocks: list[tuple[str, str, dict[str, Any]]] = []
    for kind, labelled in document.items():
        for group in labelled if isinstance(labelled, list) else [labelled]:
            if isinstance(group, dict):
                blocks.extend((kind, label, dict(body)) for label, body in group.items() if isinstance(body, dict))
    return blocks


def _tokens(text: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise HclError(f"line {line} holds a character that no policy uses")
        kind = match.lastgroup or ""
        if match.group("heredoc") is not None:
            yield _Token("text", match.group("text"), line)
        elif kind != "space":
            yield _Token(kind, match.group(), line)
        line += match.group().count("\n")
        position = match.end()
    yield _Token("end", "", line)


class _Parser:
    """Recursive descent over one policy."""

    def __init__(self, text: str) -> None:
        self._stream = _tokens(text)
        self._token = next(self._stream)

    def blocks(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Top-level blocks; a top-level assignment (``name = "x"``) is skipped."""
        while self._token.kind != "end":
            kind = self._name()
            if self._take("="):
                self._value()
                continue
            label = self._name()
            self._expect("{")
            yield kind, label, self._body()

    def _body(self) -> dict[str, Any]:
        body: dict[str, Any] = {}
        while not self._take("}"):
            key = self._name()
            if self._take("=") or self._take(":"):
                body[key] = self._value()
            else:
                body[key] = self._labelled()
            self._take(",")
        return body

    def _labelled(self) -> dict[str, Any]:
        if self._token.kind in ("string", "word"):
            return {self._name(): self._labelled()}
        self._expect("{")
        return self._body()

    def _value(self) -> Any:
        token = self._token
        if self._take("["):
            return self._list()
        if self._take("{"):
            return self._body()
        self._advance()
        if token.kind == "string":
            return _unquote(token)
        if token.kind == "text":
            return token.text
        if token.kind == "number":
            return float(token.text) if "." in token.text else int(token.text)
        if token.text in ("true", "false"):
            return token.text == "true"
        raise HclError(f"line {token.line} has no value where one belongs")

    def _list(self) -> list[Any]:
        items: list[Any] = []
        while not self._take("]"):
            items.append(self._value())
            self._take(",")
        return items

    def _name(self) -> str:
        token = self._token
        if token.kind not in ("string", "word"):
            raise HclError(f"line {token.line} has no name where one belongs")
        self._advance()
        return _unquote(token) if token.kind == "string" else token.text

    def _take(self, mark: str) -> bool:
        if self._token.kind != "mark" or self._token.text != mark:
            return False
        self._advance()
        return True

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise HclError(f"line {self._token.line} lacks a {mark}")

    def _advance(self) -> None:
        if self._token.kind == "end":
            raise HclError(f"the policy ends inside a block, line {self._token.line}")
        self._token = next(self._stream)


def _unquote(token: _Token) -> str:
    try:
        text: str = json.loads(token.text)
    except ValueError:
        raise HclError(f"line {token.line} has a string with an unknown escape") from None
    return text
