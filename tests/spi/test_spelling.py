"""Conditions as words: layout does not matter, everything else does."""

import re

from hypothesis import given
from hypothesis import strategies as st

from nhisync.spi.spelling import one_line

BLANKS = st.sampled_from([" ", "  ", "\n", "\t", " \n    "])
PIECES = st.lists(st.sampled_from(["a", "==", "&&", "(", ")", '"x  y"', "'\n'", "'it  is'", '"\'  "']), min_size=1)


@given(PIECES, st.data())
def test_layout_does_not_matter(pieces: list[str], data: st.DataObject) -> None:
    """However the pieces are set apart, it is one text, and each piece is in it as it was."""

    def laid_out() -> str:
        return "".join(piece + data.draw(BLANKS) for piece in pieces)

    one, other = laid_out(), laid_out()
    assert one_line(one) == one_line(other) == " ".join(pieces)


@given(st.text(alphabet="ab \n\t\"'\\&()"))
def test_nothing_but_blanks_is_ever_lost(text: str) -> None:
    """Asked twice it is the same, and without blanks it is the text."""
    told = one_line(text)
    assert one_line(told) == told
    assert re.sub(r"\s", "", told) == re.sub(r"\s", "", text)


@given(st.text(alphabet="ab \n\"'", max_size=12), st.text(alphabet="ab \n\"'", max_size=12))
def test_different_words_stay_different(one: str, other: str) -> None:
    """Two texts become equal only when they differ in blanks alone."""
    if one_line(one) == one_line(other):
        assert re.sub(r"\s", "", one) == re.sub(r"\s", "", other)


def test_escapes_leave_the_text_alone() -> None:
    """Where a quote may be escaped, nobody knows where it ends."""
    for text in (r'a  == "\""', 'x  == """a  b"""', "y  == '''a'''"):
        assert one_line(text) == text


def test_a_comment_ends_with_its_line() -> None:
    """Joined with the next line it would swallow what stands there: a clause less is another condition."""
    whole, swallowed = "a // why\n  && b", "a // why && b"
    assert one_line(whole) != one_line(swallowed)
    assert one_line("a  // it's") == "a  // it's"
    assert one_line('name == "//storage  x"\n  && b') == 'name == "//storage  x" && b'
