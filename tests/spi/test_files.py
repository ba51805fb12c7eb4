"""Files that settings name: nothing waits, nothing is quoted, everything else than a small regular file is refused."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from nhisync.spi import ErrorKind, ProviderError
from nhisync.spi.files import ca_bundle, expanded, read_file, small_file, small_text, usable_file

CANARY = "canary-of-a-credential-file"

Maker = Callable[[Path], object]
ODD: list[tuple[str, Maker, str]] = [
    ("missing", lambda file: None, "No such file"),
    ("pipe", os.mkfifo, "no regular file"),
    ("folder", Path.mkdir, "Is a directory|no regular file"),
    ("huge", lambda file: file.write_bytes(CANARY.encode() * 99), "too large"),
]


@pytest.mark.parametrize(("make", "why"), [odd[1:] for odd in ODD], ids=[odd[0] for odd in ODD])
@pytest.mark.parametrize("read", [small_file, small_text, usable_file])
def test_what_is_no_small_regular_file_is_refused_at_once(
    tmp_path: Path, read: Callable[..., object], make: Maker, why: str
) -> None:
    """A typed error with the setting, the reason and the next step; a pipe without a writer is not waited for."""
    file = tmp_path / "credential"
    make(file)
    failures: list[ProviderError] = []

    def look() -> None:
        with pytest.raises(ProviderError, match=f"token_file x cannot be used .*({why})") as caught:
            read(file, "token_file x", limit=100)
        failures.append(caught.value)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(20)
    (failure,) = failures
    assert failure.kind is ErrorKind.MISCONFIGURED
    assert (failure.fact.resource, bool(failure.fix)) == (str(file), True)
    assert CANARY not in f"{failure} {failure.fact}"


def test_text_that_is_none_is_refused_without_a_trace_of_it(tmp_path: Path) -> None:
    """The decoder's exception holds the content: it hangs on nothing that leaves."""
    file = tmp_path / "credential"
    file.write_bytes(CANARY.encode() + b"\xff")
    with pytest.raises(ProviderError, match="not a text file") as caught:
        small_text(file, "token_file x")
    assert caught.value.__context__ is None
    assert CANARY not in repr(caught.value)


def test_a_small_regular_file_is_read_whole(tmp_path: Path) -> None:
    """Links are followed, as projected volumes need them; the limit itself still fits; nothing is left open."""
    file, link = tmp_path / "credential", tmp_path / "link"
    file.write_bytes(b"x" * 100)
    link.symlink_to(file)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    assert read_file(link, 100) == b"x" * 100
    assert usable_file(link, "x") == str(link)
    assert not before or len(os.listdir("/proc/self/fd")) == before


def test_a_bundle_without_certificates_is_named(tmp_path: Path) -> None:
    """SDKs would call it a failed handshake."""
    file = tmp_path / "ca.pem"
    file.write_text(CANARY, encoding="utf-8")
    with pytest.raises(ProviderError, match=r"ca_file ca.pem cannot be used \(it holds no PEM certificate\)"):
        ca_bundle(file, "ca_file ca.pem")


def test_a_home_that_nobody_has_is_left_as_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home (containers) and a foreign name end in "no such file", never in an exception."""
    monkeypatch.setenv("HOME", "/home/of")
    assert expanded("~/ca.pem") == Path("/home/of/ca.pem")
    assert expanded("~nobody-is-called-so/ca.pem") == Path("~nobody-is-called-so/ca.pem")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_000)  # a uid without an entry in passwd(5)
    assert expanded("~/ca.pem") == Path("~/ca.pem")
