"""Plain values with places: YAML nodes become `Node`s; aliases are measured, duplicates and foreign tags noted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode
from ruamel.yaml.nodes import Node as YamlNode

from nhisync.config.problems import NOWHERE, Loc, Mark, Report, dotted
from nhisync.config.secrecy import hidden, is_name

MAX_VALUES = 500_000
"""Most values in one file after aliases are expanded (an alias bomb has billions)."""

MAX_DEPTH = 40
"""Deepest nesting, aliases expanded; the deepest place of the configuration is 7."""

MAX_NUMBER = 2**63 - 1
"""Largest whole number; Python refuses to print one of more than 4300 digits, and hexadecimals can have them."""

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What an escape can put into a value and no file name, address or database takes."""

_CORE = "tag:yaml.org,2002:"
_TAGS = {_CORE + name for name in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge")}


@dataclass(frozen=True, slots=True)
class Node:
    """A plain value and where it stands.

    Attributes:
        value: str, int, float, bool, None, list or dict.
        mark: where it begins.
        keys: key → where the key stands, for a mapping.
        children: key or index → node.
    """

    value: Any = field(repr=False)
    mark: Mark
    keys: Mapping[str, Mark] = field(default_factory=dict, repr=False)
    children: Mapping[str | int, "Node"] = field(default_factory=dict, repr=False)

    def get(self, *loc: str | int) -> "Node | None":
        """The node at `loc` below this one, or None."""
        node: Node | None = self
        for part in loc:
            if node is None:
                return None
            node = node.children.get(part)
        return node

    def entries(self) -> list[tuple[str, "Node"]]:
        """Keys and nodes of a mapping; nothing for anything else."""
        return [(key, node) for key, node in self.children.items() if isinstance(key, str)]

    def items(self) -> list["Node"]:
        """Nodes of a list; nothing for anything else."""
        return [node for key, node in self.children.items() if isinstance(key, int)]


class Builder:
    """Turns YAML nodes into `Node`s and notes duplicates, foreign tags and what must not be shown."""

    def __init__(self, report: Report) -> None:
        self._limits = report
        self._sizes: dict[int, tuple[int, int]] = {}
        self._open: set[int] = set()
        self._scalars = YAML(typ="safe", pure=True).constructor
        self.found: list[tuple[Mark, str, str, bool]] = []
        self.cuts: dict[int, int] = {}
        self.ends: dict[int, int] = {}

    def measure(self, root: YamlNode) -> None:
        """Refuse aliases that contain themselves or expand without measure, before anything is expanded.

        Raises:
            ConfigurationError: the document is too large, too deep or endless.
        """
        size, depth = self._measured(root)
        if size > MAX_VALUES:
            self._limits.add(NOWHERE, "", f"the file holds more than {MAX_VALUES:,} values once aliases are expanded")
        if depth > MAX_DEPTH:
            self._limits.add(NOWHERE, "", f"nested more than {MAX_DEPTH} levels deep once aliases are expanded")
        self._limits.raise_any()

    def _measured(self, node: YamlNode) -> tuple[int, int]:
        """Values and levels below and with `node`; aliases follow their anchors, so sizes are known when they come."""
        known = self._sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in self._open:
            self._limits.add(mark_of(node), "", "an alias contains itself", show=False)
            return 1, 1
        self._open.add(id(node))
        parts = [self._measured(part) for part in _below(node)]
        self._open.discard(id(node))
        sizes = 1 + sum(size for size, _ in parts), 1 + max((depth for _, depth in parts), default=0)
        self._sizes[id(node)] = sizes
        return sizes

    def build(self, node: YamlNode, loc: Loc) -> Node:
        """The `Node` of `node`, which stands at `loc`."""
        self._end(node)
        if str(node.tag) not in _TAGS:
            self._note(mark_of(node), loc, "a tag (!…) is not read here; put a value that starts with ! in quotes")
            self._cut(node)
            return Node(None, mark_of(node))
        if isinstance(node, MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, SequenceNode):
            return self._sequence(node, loc)
        assert isinstance(node, ScalarNode)  # noqa: S101 - the composer makes three kinds
        if hidden(loc):
            self._cut(node)
        return Node(self._scalar(node, loc), mark_of(node))

    def _mapping(self, node: MappingNode, loc: Loc) -> Node:
        if node.flow_style and hidden(loc):
            self._cut(node)
        keys: dict[str, Mark] = {}
        children: dict[str | int, Node] = {}
        merged: list[YamlNode] = []
        for key, value in node.value:
            self._end(key)
            if str(key.tag) == _CORE + "merge":
                merged.append(value)
                continue
            name = self._key(key, loc)
            if name is None:
                self._cut(value)
                continue
            child = self.build(value, (*loc, name))
            if name in keys:
                self._duplicate(key, name, loc, keys[name].line)
                continue
            keys[name] = mark_of(key)
            children[name] = _at_key(child, value, key)
        for source in merged:
            self._merge(source, loc, keys, children)
        return Node({k: c.value for k, c in children.items()}, mark_of(node), keys, children)

    def _sequence(self, node: SequenceNode, loc: Loc) -> Node:
        if node.flow_style and hidden(loc):
            self._cut(node)
        children: dict[str | int, Node] = {i: self.build(part, (*loc, i)) for i, part in enumerate(node.value)}
        return Node([child.value for child in children.values()], mark_of(node), {}, children)

    def _merge(self, source: YamlNode, loc: Loc, keys: dict[str, Mark], children: dict[str | int, Node]) -> None:
        """``<<: *base``: keys of `source` that the mapping does not have itself."""
        parts = source.value if isinstance(source, SequenceNode) else [source]
        for part in parts:
            if not isinstance(part, MappingNode):
                self._note(mark_of(source), loc, "`<<` takes a mapping or a list of mappings")
                continue
            base = self._mapping(part, loc)
            for name, child in base.entries():
                if name not in keys:
                    keys[name] = base.keys[name]
                    children[name] = child

    def _key(self, key: YamlNode, loc: Loc) -> str | None:
        if isinstance(key, ScalarNode) and str(key.tag) == _CORE + "str":
            return self._text(key, loc)
        self._note(mark_of(key), loc, "a key must be text; put it in quotes", show=False)
        return None

    def _duplicate(self, key: YamlNode, name: str, loc: Loc, line: int) -> None:
        show = not hidden(loc) and is_name(name)
        called = f"`{name}`" if show else "a key"
        place = f" in {dotted(_open_part(loc))}" if loc else ""
        self._note(mark_of(key), loc, f"{called} stands twice{place}; first on line {line}", show=show)

    def _scalar(self, node: ScalarNode, loc: Loc) -> Any:
        tag = str(node.tag).removeprefix(_CORE)
        if tag == "null":
            return None
        if tag not in {"int", "float", "bool"}:
            return self._text(node, loc)
        try:
            value = self._scalars.construct_object(node)
            if tag == "int" and abs(value) > MAX_NUMBER:
                raise OverflowError
        except (YAMLError, ValueError, KeyError, IndexError, OverflowError):
            self._note(mark_of(node), loc, "the value does not fit its type; put it in quotes", show=False)
            return None
        return int(value) if tag == "int" else float(value) if tag == "float" else bool(value)

    def _text(self, node: ScalarNode, loc: Loc) -> str:
        text = str(node.value)
        if _NO_TEXT.search(text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # JSON escapes pairs of halves
            if "\0" in text or "\ufffd" in text:
                self._note(mark_of(node), loc, "an escape that stands for no character (null, half a pair)", show=False)
        return text

    def _note(self, mark: Mark, loc: Loc, message: str, *, show: bool = True) -> None:
        self.found.append((mark, dotted(_open_part(loc)), message, show))

    def _cut(self, node: YamlNode) -> None:
        start, end = node.start_mark, node.end_mark
        self._lower(start.line + 1, start.column)
        for line in range(start.line + 2, end.line + (2 if end.column else 1)):
            self._lower(line, 0)

    def _lower(self, line: int, column: int) -> None:
        self.cuts[line] = min(column, self.cuts.get(line, column))

    def _end(self, node: YamlNode) -> None:
        line, column = node.end_mark.line + 1, node.end_mark.column
        self.ends[line] = max(column, self.ends.get(line, 0))


def _below(node: YamlNode) -> list[YamlNode]:
    if isinstance(node, MappingNode):
        return [part for entry in node.value for part in entry]
    return list(node.value) if isinstance(node, SequenceNode) else []


def mark_of(node: YamlNode) -> Mark:
    """Where `node` begins."""
    return Mark(node.start_mark.line + 1, node.start_mark.column + 1)


def _open_part(loc: Loc) -> Loc:
    """`loc` up to its first secret-looking key: keys below it may be pasted values."""
    return next((loc[: end + 1] for end in range(len(loc)) if hidden(loc[: end + 1])), loc)


def _at_key(child: Node, value: YamlNode, key: YamlNode) -> Node:
    """An empty value is marked by the parser where the next key stands; its own key is the better place."""
    if child.value is None and isinstance(value, ScalarNode) and not value.value:
        return Node(None, mark_of(key))
    return child
