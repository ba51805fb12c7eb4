"""Every trap of YAML is a typed problem with a place, and the parser's own text is never shown."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nhisync.config.reading import MAX_BYTES, parse_yaml, read_yaml
from nhisync.errors import ConfigurationError, Problem

TRAPS = {
    "empty": ("", "the file is empty", (0, 0)),
    "only a comment": ("# hello\n", "the file is empty", (0, 0)),
    "a list": ("- a\n- b\n", "must be a mapping", (1, 1)),
    "a word": ("hello\n", "must be a mapping", (1, 1)),
    "tab indent": ("a:\n\tb: 1\n", "a tab", (2, 1)),
    "duplicate key": ("a: 1\nb: 2\na: 3\n", "`a` stands twice; first on line 1", (3, 1)),
    "nested duplicate": ("a:\n  b: 1\n  b: 2\n", "`b` stands twice in a; first on line 2", (3, 3)),
    "number as key": ("a:\n  1: x\n", "a key must be text", (2, 3)),
    "list as key": ("? [a]\n: b\n", "a key must be text", (1, 3)),
    "null as key": ("a: {~: 1}\n", "a key must be text", (1, 5)),
    "foreign tag": ("a: !vault x\n", "a tag", (1, 4)),
    "python tag": ("a: !!python/object:os.system x\n", "a tag", (1, 4)),
    "set": ("a: !!set {b}\n", "a tag", (1, 4)),
    "undefined alias": ("a: *b\n", "an alias without its anchor", (1, 4)),
    "two documents": ("a: 1\n---\nb: 2\n", "a second document", (2, 1)),
    "yaml 1.1": ("%YAML 1.1\n---\na: on\n", "directives", (1, 1)),
    "open bracket": ("a: [1, 2\nb: 3\n", "a bracket is never closed", (1, 4)),
    "open quote": ("a: 'x\n", "a quote is never closed", (1, 4)),
    "two colons": ("a: b: c\n", "a second colon", (1, 5)),
    "bad indent": ("a:\n    b: 1\n  c: 2\n", "the indentation does not fit", (3, 3)),
    "reserved character": ("a: @b\n", "cannot start with this character", (1, 4)),
    "unknown escape": ('a: "\\q"\n', "unknown escape", (1, 6)),
    "control character": ("a: b\x07c\n", "a control character", (1, 5)),
    "escaped null": ('a: {b: "x\\0y"}\n', "an escape that stands for no character", (1, 8)),
    "half a pair": ('a: "\\ud800"\n', "an escape that stands for no character", (1, 4)),
    "null in a key": ('"\\0": 1\n', "an escape that stands for no character", (1, 1)),
    "impossible bool": ("a: !!bool perhaps\n", "does not fit its type", (1, 4)),
    "impossible number": ("a: !!int x\n", "does not fit its type", (1, 4)),
    "endless number": ("a: " + "9" * 5000 + "\n", "does not fit its type", (1, 4)),
    "endless hexadecimal": ("a: 0x" + "f" * 9000 + "\n", "does not fit its type", (1, 4)),
    "deep": ("a: " + "[" * 60 + "]" * 60 + "\n", "nested more than 40 levels", (1, 43)),
    "very deep": ("a: " + "[" * 3000, "nested more than 40 levels", (1, 43)),
    "circle": ("a: &x [*x]\n", "an alias contains itself", (1, 4)),
    "merge of text": ("a: &x y\nb: {<<: *x}\n", "`<<` takes a mapping", (1, 4)),
}


def first(text: str) -> Problem:
    """The first problem of a text."""
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml(text, name="nhisync.yaml")
    return caught.value.problems[0]


def test_pairs_that_json_escapes_are_one_character() -> None:
    """JSON is YAML; its writers escape what lies beyond 16 bits as two halves (RFC 8259 section 7)."""
    assert parse_yaml('{"a": "\\ud83d\\ude00"}', name="x").root.value == {"a": "\U0001f600"}


@pytest.mark.parametrize(("text", "message", "place"), TRAPS.values(), ids=TRAPS.keys())
def test_traps(text: str, message: str, place: tuple[int, int]) -> None:
    """The message says in our words what is wrong, and where."""
    problem = first(text)
    assert message in problem.message
    assert (problem.line, problem.column) == place
    assert problem.file == "nhisync.yaml"


def test_all_duplicates_at_once() -> None:
    """The second duplicate is reported with the first, not after the first was repaired."""
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml("a: {x: 1, x: 2}\nb: 1\nb: 2\n", name="f")
    assert [problem.line for problem in caught.value.problems] == [1, 3]


def bomb(levels: int, width: int = 9) -> str:
    """A document whose aliases expand to width ** levels values."""
    lines = ["a0: &a0 [x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def test_an_alias_bomb_is_measured_not_expanded() -> None:
    """A billion values are refused at once; a few hundred are fine."""
    assert "once aliases are expanded" in first(bomb(12)).message
    assert parse_yaml(bomb(2), name="f").root.value["a1"][0] == ["x", "x", "x"]


def test_a_chain_of_aliases_counts_as_depth() -> None:
    """Aliases of aliases cannot nest deeper than the text may."""
    chain = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100))])
    assert "nested more than 40 levels" in first(chain + "\n").message


def test_an_anchor_used_twice_is_no_warning() -> None:
    """The library warns about a reused anchor and quotes the document; nhisync says nothing and takes the last."""
    assert parse_yaml("a: &x 1\nb: &x 2\nc: *x\n", name="f").root.value["c"] == 2


def test_core_schema_of_yaml_1_2() -> None:
    """No Norway problem, no sexagesimals, no octal by accident; a date stays text."""
    text = "a: on\nb: no\nc: 12:30\nd: 010\ne: 2026-12-15\nf: 0x1F\ng: true\nh: 1.5\ni: 1_000\nj: !!str 5\n"
    found = parse_yaml(text, name="f").root.value
    assert found == {
        "a": "on",
        "b": "no",
        "c": "12:30",
        "d": 10,
        "e": "2026-12-15",
        "f": 31,
        "g": True,
        "h": 1.5,
        "i": 1000,
        "j": "5",
    }
    assert {type(value) for value in found.values()} == {str, int, bool, float}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, a folder, too large, not UTF-8, not even a name: each says what it is, none has an excerpt."""
    big = tmp_path / "big.yaml"
    big.write_bytes(b"a" * (MAX_BYTES + 1))
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("a: 1\nb: caf\xe9\n".encode("latin-1"))
    wide = tmp_path / "wide.yaml"
    wide.write_text("a: 1\n", encoding="utf-16")
    cases = {
        tmp_path / "none.yaml": ("there is no such file", (0, 0)),
        tmp_path: ("a folder", (0, 0)),
        big: ("larger than 8 MiB", (0, 0)),
        latin: ("not UTF-8", (2, 7)),
        wide: ("not UTF-8", (1, 1)),
        Path("a\0b"): ("cannot be read", (0, 0)),
    }
    for path, (message, place) in cases.items():
        with pytest.raises(ConfigurationError) as caught:
            read_yaml(path)
        (problem,) = caught.value.problems
        assert message in problem.message
        assert (problem.line, problem.column) == place
        assert problem.excerpt == ""


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    """The first error of a new user names the next command."""
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(tmp_path / "nhisync.yaml")
    assert "nhisync init" in caught.value.fix


def test_unreadable_files_are_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that this user may not read is said to be just that."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("no")

    file = tmp_path / "nhisync.yaml"
    file.write_text("a: 1\n")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigurationError, match="may not read"):
        read_yaml(file)


def test_a_byte_order_mark_is_fine(tmp_path: Path) -> None:
    """Editors of another system write one."""
    file = tmp_path / "bom.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_yaml(file).root.value == {"a": 1, "b": 2}


def test_nodes_lead_to_places() -> None:
    """Keys and indexes lead to a value and its line; nothing leads to None."""
    found = parse_yaml("a:\n  - b: 1\n  - b: 2\n", name="f")
    node = found.root.get("a", 1, "b")
    assert node is not None
    assert (node.value, node.mark.line, node.mark.column) == (2, 3, 8)
    assert found.root.get("a", 7, "b") is None
    assert found.origin(("a", 1)) == "f:3"
    assert found.origin(("x",)) == "f"


def test_problems_of_the_form_come_before_problems_of_content(
    problems_of: Callable[..., tuple[Problem, ...]],
) -> None:
    """While the text is no YAML, nothing is said about what it might mean."""
    (problem,) = problems_of("paths: [\n")
    assert "a bracket is never closed" in problem.message
