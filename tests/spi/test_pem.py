"""PEM blocks: the ones a regular expression would find, in time that grows with the text alone."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.spi import ProviderError
from nhisync.spi.x509 import decode_pem
from nhisync.spi.x509.pem import blocks
from nhisync.spi.x509.views import decode_lists
from nhisync_file.pem import parse_pem, private_keys

OBVIOUS = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----(.*?)-----END \1-----", re.DOTALL)
"""What a block is, as everybody writes it; only its time is no good."""

PARTS = st.sampled_from(
    [b"-----BEGIN A-----", b"-----END A-----", b"-----BEGIN B C-----", b"-----END B C-----", b"-", b"-----", b"x\n"]
)
MEGABYTE = 1024 * 1024


@given(st.lists(PARTS, max_size=12).map(b"".join))
def test_blocks_are_the_obvious_ones(text: bytes) -> None:
    """Nested, cut, glued and repeated lines included."""
    assert [(b.label, b.body, b.whole) for b in blocks(text)] == [(m[1], m[2], m[0]) for m in OBVIOUS.finditer(text)]


@given(st.lists(PARTS, max_size=12).map(b"".join))
def test_blocks_of_one_label_are_found_inside_others(text: bytes) -> None:
    """As an expression of that label alone finds them."""
    alone = re.compile(rb"-----BEGIN A-----.*?-----END A-----", re.DOTALL)
    assert [block.whole for block in blocks(text, b"A")] == alone.findall(text)


@pytest.mark.parametrize(
    "line", [b"-----BEGIN CERTIFICATE-----", b"-----BEGIN X509 CRL-----", b"-----BEGIN A PRIVATE KEY-----"]
)
def test_beginnings_without_an_end_take_no_time(line: bytes) -> None:
    """A file of nothing but beginnings is answered at once: looking for each one's end took minutes."""
    hostile = line * (MEGABYTE // len(line))
    began = time.process_time()
    assert list(blocks(hostile)) == []
    assert decode_pem(hostile) == []
    assert list(private_keys(hostile)) == []
    with pytest.raises(ProviderError):
        parse_pem(hostile)
    with pytest.raises(ValueError, match="no revocation list"):
        decode_lists(hostile)
    assert time.process_time() - began < 10


def test_many_labels_take_no_time() -> None:
    """Each label of its own, so that no end can be remembered for the next one."""
    hostile = b"".join(b"-----BEGIN %d-----" % number for number in range(60_000))
    began = time.process_time()
    assert list(blocks(hostile)) == []
    assert time.process_time() - began < 10
