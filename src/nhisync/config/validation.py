"""Where pydantic ends: its errors become problems with a place in the file, in our words and without any input.

pydantic's ``ValidationError`` is never shown: even with hidden input its text may quote values (a discriminator's tag,
a validator's message). Only types, places and texts free of the file's secret values leave this module.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from nhisync.config.problems import Loc, Mark, Report, dotted, nearest
from nhisync.config.secrecy import CUT, hidden, hides, is_name, shown
from nhisync.config.tree import Node

M = TypeVar("M", bound=BaseModel)

_MAPPING = "must be a mapping of keys to values"
_LIST = "must be a list"
_WORDED: Mapping[str, str] = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "union_tag_not_found": "lacks the key that says its type",
}
_CHOICES = frozenset({"literal_error", "enum", "union_tag_invalid"})
_QUOTED = re.compile(r"'([^']*)'")
_SHOULD = re.compile(r"^(?:Value error, |Assertion failed, |\w+ should )")
_SPOKEN = frozenset({"method", "type", "provider"})
_TYPO = 3


def validate(model: type[M], node: Node, loc: Loc, report: Report, value: Any = None) -> M | None:
    """The document at `loc`, or None after every problem of it went into `report`.

    Args:
        model: what it must be.
        node: where it stands.
        loc: keys that lead to it.
        report: takes the problems.
        value: the value, where it is not exactly the node's own.
    """
    try:
        return model.model_validate(node.value if value is None else value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
    except OverflowError:
        report.add(node.mark, dotted(loc), f"{_at(loc)}a number is too large", show=False)
        return None
    for one in found:
        _Translation(model, node, loc, report, tuple(one["loc"])).add(one["type"], one["msg"])
    return None


def refuse_empty(node: Node, loc: Loc, report: Report) -> None:
    """Every key without a value and every ``${…}`` at or below `node` is a problem."""
    if node.value is None and loc:
        text = f"{dotted(loc)} is empty; give it a value or remove it"
        report.add(node.mark, dotted(loc), text, show=not hidden(loc))
    if isinstance(node.value, str) and "${" in node.value:
        report.cut(node.mark)
        told = "`${…}` is not replaced, environment variables are not read; write the value out or name a file"
        report.add(node.mark, dotted(loc), f"{_at(loc)}{told}")
    for key, child in node.children.items():
        known = isinstance(key, int) or (is_name(key) and not hidden(loc))
        refuse_empty(child, (*loc, key if known else CUT), report)


def _at(loc: Loc) -> str:
    return f"{dotted(loc)}: " if loc else ""


class _Translation:
    """One pydantic error of one document, on its way into the report.

    Parts of the error's place that are no keys of the document (union tags) are skipped.
    """

    def __init__(self, model: type[BaseModel], node: Node, loc: Loc, report: Report, path: Loc) -> None:
        self._model, self._report, self._path = model, report, path
        self._node, self._mark, self._where = node, node.mark, loc
        self._parent, self._key_mark = node, node.mark
        for part in path:
            child = self._node.children.get(part)
            if child is not None:
                self._parent, self._node, self._mark = self._node, child, child.mark
                self._key_mark = self._parent.keys.get(str(part), child.mark)
                self._where = (*self._where, part)

    def add(self, kind: str, message: str) -> None:
        """Translate the error and report it."""
        if kind == "extra_forbidden":
            self._unknown_key()
        elif kind == "missing":
            self._missing(str(self._path[-1]))
        elif self._path[-1:] == ("[key]",):
            self._note(self._key_mark, _SHOULD.sub("", message))
        elif self._node.value is None:
            return  # reported as empty
        elif kind in _CHOICES:
            self._choice(kind, message)
        else:
            self._note(self._mark, self._worded(kind, message))

    def _note(self, mark: Mark, text: str, where: Loc | None = None, suggestion: str = "") -> None:
        place = dotted(self._where if where is None else where)
        self._report.add(mark, place, f"{_at(self._where)}{text}", suggestion=suggestion)

    def _missing(self, name: str) -> None:
        """A key is missing, or stands there with a typing error."""
        known = keys_at(self._model, self._path[:-1])
        for key in self._node.keys:
            shows = is_name(key) and (not hidden(self._where) or _is_typo(key, name))
            if key not in known and nearest(key, [name]) and shows:
                place = f" in {dotted(self._where)}" if self._where else ""
                where = dotted((*self._where, key))
                self._report.add(self._node.keys[key], where, f"unknown key `{key}`{place}", suggestion=name)
                return
        self._note(self._mark, f"`{name}` is missing", (*self._where, name))

    def _unknown_key(self) -> None:
        """Name the key and its nearest neighbour. Where secrets may stand, only a plain typing error is shown."""
        name, parent = str(self._path[-1]), self._where[:-1]
        known = sorted(keys_at(self._model, self._path[:-1]))
        suggestion = nearest(name, known)
        show = is_name(name) and (not hidden(parent) or _is_typo(name, suggestion))
        if not suggestion or hides((*parent, suggestion)) or not show:
            self._hide(self._node)
        place = f" in {dotted(parent)}" if parent else ""
        takes = f"; known are {', '.join(known)}" if known and not suggestion else ""
        called = f"unknown key `{name}`{place}" if show else f"unknown key{place}"
        where = (*parent, name if show else CUT)
        self._report.add(self._key_mark, dotted(where), f"{called}{takes}", suggestion=suggestion, show=show)

    def _hide(self, node: Node) -> None:
        self._report.cut(node.mark)
        for child in node.children.values():
            self._hide(child)

    def _choice(self, kind: str, message: str) -> None:
        """A word that is none of the known ones; pydantic's own text may hold it and is read for the known ones."""
        node, where = self._node, self._where
        listed = message.rpartition("expected tags: ")[2]
        if kind == "union_tag_invalid" and (using := re.search(r"using '(\w+)'", message)):
            node, where = node.children.get(using[1], node), (*where, using[1])
        words = _QUOTED.findall(listed) or [listed.removeprefix("Input should be ")]
        self._mark, self._where = node.mark, where
        if str(node.value) in words:
            self._note(node.mark, f"must be {node.value} without quotes")
            return
        suggestion = nearest(node.value, words)
        self._note(node.mark, f"{_called(node, where)}is not {_any_of(words)}", suggestion=suggestion)

    def _worded(self, kind: str, message: str) -> str:
        value = self._node.value
        if kind == "string_type" and not isinstance(value, (dict, list)):
            return "must be text; put it in quotes"
        if kind in _WORDED:
            return _WORDED[kind]
        if kind in {"string_too_short", "too_short"} and "at least 1 " in message:
            return "must not be empty"
        stem = "must " if re.match(r"\w+ should ", message) else ""
        text = stem + _SHOULD.sub("", message)
        for secret in _secrets(self._node, self._where):
            text = text.replace(secret, CUT)
        return shown(text, 300)


def _is_typo(name: str, suggestion: str) -> bool:
    """Whether `name` differs from `suggestion` by so little that nothing can hide in it."""
    shared = sum(1 for character in name if character in suggestion)
    return bool(suggestion) and abs(len(name) - len(suggestion)) < _TYPO and len(name) - shared < _TYPO


def _called(node: Node, where: Loc) -> str:
    if hidden(where) or isinstance(node.value, (dict, list)):
        return ""
    return f"`{shown(node.value)}` "


def _any_of(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


def _secrets(node: Node, loc: Loc) -> Iterator[str]:
    """Texts below `node` that stand under secret-looking keys; words that only say a type are none."""
    if not node.children:
        if isinstance(node.value, str) and len(node.value) > _TYPO and hidden(loc) and loc[-1] not in _SPOKEN:
            yield node.value
        return
    for key, child in node.children.items():
        yield from _secrets(child, (*loc, key))


def keys_at(model: type[BaseModel], path: Loc) -> frozenset[str]:
    """Names of the keys that a document of class `model` takes at `path`."""
    models = {model}
    for part in path:
        narrowed = {one for one in models if _tagged(one, part)} if len(models) > 1 else set()
        if narrowed:
            models = narrowed
            continue
        below = {found for one in models for found in _models_below(one, part)}
        models = below or models
    return frozenset(name for one in models for name in _names(one))


def _names(model: type[BaseModel]) -> Iterator[str]:
    for name, info in model.model_fields.items():
        yield info.alias or name


def _models_below(model: type[BaseModel], part: str | int) -> set[type[BaseModel]]:
    for name, info in model.model_fields.items():
        if part in {name, info.alias}:
            return set(_models_in(info.annotation))
    return set()


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _tagged(model: type[BaseModel], part: str | int) -> bool:
    """Whether `part` is the tag by which a union chose `model`."""
    return any(part in get_args(info.annotation) for info in model.model_fields.values() if isinstance(part, str))
