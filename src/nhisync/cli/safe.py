"""Text of others, made safe for each kind of reader: names and messages come from providers and can hold anything.

A terminal obeys C0 and C1 control characters (ECMA-48) and reorders text after Unicode's bidirectional controls; XML
1.0 forbids most control characters even as references (§2.2 Char); Markdown and HTML take punctuation for markup.
"""

import re
from html import escape

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_ILLEGAL_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]#|~]|(?<=:)//|(?<=www)\.|\A[-+=]|(?<=\A\d)[.)])")


def printable(text: str) -> str:
    """`text` on one line, with everything that a terminal would obey or hide written out as an escape."""
    return _UNSAFE.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def cell(text: str) -> str:
    """`text` for one column of a line: printable, blanks at the ends cut, ``-`` when empty."""
    return printable(text).strip() or "-"


def xml_text(text: str) -> str:
    """`text` with everything that XML 1.0 cannot carry written out; markup is left to the XML writer."""
    return _ILLEGAL_XML.sub(_written_out, printable(text))


def markdown(text: str) -> str:
    """`text` as plain words of GitHub-flavoured Markdown: no markup, no HTML, no mention, no link."""
    escaped = _MARKDOWN.sub(r"\\\1", escape(printable(text), quote=False))
    return escaped.replace("@", "@&#8203;")


def markdown_code(text: str) -> str:
    """`text` as a code span that may stand in a table cell."""
    inner = printable(text).replace("`", "'").replace("|", "\\|")
    return f"`{inner}`" if inner.strip() else "\\-"


def html(text: str) -> str:
    """`text` for an element or a quoted attribute."""
    return escape(printable(text), quote=True)
