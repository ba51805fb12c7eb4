"""Text of others is inert for every reader: properties over all of Unicode."""

import re
import unicodedata
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from nhisync.cli.safe import cell, html, markdown, markdown_code, printable, xml_text

ANYTHING = st.text(alphabet=st.characters(), max_size=60)


@given(ANYTHING)
def test_printable_holds_nothing_a_terminal_obeys(text: str) -> None:
    """No control, no format and no surrogate character is left, and printable text stays as it is."""
    safe = printable(text)
    controls = {c for c in safe if unicodedata.category(c) in {"Cc", "Cs"}}
    assert controls == set()
    assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]", safe)
    assert printable(safe) == safe


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=40))
def test_printable_keeps_ordinary_text(text: str) -> None:
    """Letters of all scripts, digits, punctuation and blanks are not touched."""
    assert printable(text) == text


@given(ANYTHING)
def test_xml_text_survives_a_parser(text: str) -> None:
    """Any text becomes XML that a parser accepts and reads back as written."""
    element = ET.Element("a", b=xml_text(text))
    element.text = xml_text(text)
    parsed = ET.fromstring(ET.tostring(element, encoding="unicode"))
    assert parsed.text in {xml_text(text), None if not text else xml_text(text)}
    assert parsed.get("b") == xml_text(text)


@given(ANYTHING)
def test_markdown_is_one_line_without_markup(text: str) -> None:
    """No bare pipe, tag, mention or line break is left."""
    safe = markdown(text)
    assert "\n" not in safe
    assert "<" not in safe
    assert not re.search(r"@\w", safe)
    assert not re.search(r"(?<!\\)(?:\\\\)*[|`*_\[]", re.sub(r"\\[\\|`*_\[\]{}#~]", "", safe))


@given(ANYTHING)
def test_markdown_code_cannot_be_left(text: str) -> None:
    """A code span holds no backtick and no bare pipe."""
    span = markdown_code(text)
    assert span == "\\-" or (span.startswith("`") and span.endswith("`") and "`" not in span[1:-1])
    assert not re.search(r"(?<!\\)\|", span)


@given(ANYTHING)
def test_html_is_text(text: str) -> None:
    """No tag, attribute or entity can begin in escaped text."""
    safe = html(text)
    assert not re.search("[<>\"']", safe)
    assert not re.search(r"&(?!(?:amp|lt|gt|quot|#x27);)", safe)


@given(ANYTHING)
def test_cell_is_never_empty(text: str) -> None:
    """A column always shows something, so that columns can be counted by eye."""
    assert cell(text).strip()
