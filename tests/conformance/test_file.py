"""The provider ``file`` passes the standard tests."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from nhisync.spi import Locator
from nhisync.testing.conformance import Fault, ProviderConformance, Stand, Trouble
from nhisync.testing.world import Seed
from nhisync_file import FileProvider
from nhisync_file.emulator import FileWorld

NOBODY = 65534


def _tree(stand: Stand) -> Iterator[Path]:
    """The source's folder and all below it."""
    top = Path(stand.document["root"]).parent
    yield from (top, *top.rglob("*"))


@contextmanager
def _ordinary_user() -> Iterator[None]:
    """Root may read everything, so denials are tried as nobody where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def owner(stand: Stand) -> Iterator[None]:
    """Look as the ordinary user who owns the files."""
    if os.geteuid() == 0:
        for file in _tree(stand):
            os.chown(file, NOBODY, NOBODY, follow_symlinks=False)
    with _ordinary_user():
        yield


@contextmanager
def stranger(stand: Stand) -> Iterator[None]:
    """Look as a user who may not enter the root."""
    root = Path(stand.document["root"])
    mode = root.stat().st_mode
    root.chmod(0o000)
    try:
        with _ordinary_user():
            yield
    finally:
        root.chmod(mode)


@pytest.mark.requirement("R6", "R11")
class TestFile(ProviderConformance):
    """Files below one folder."""

    provider = FileProvider
    distribution = "nhisync"
    world = FileWorld
    seeds = (
        Seed(kind="pem", name="tls/api.pem"),
        Seed(kind="pkcs12", name="tls/store.p12"),
        Seed(kind="kubernetes-secret", name="payments-api", fields={"api_key": "canary-mounted-3f1a"}),
        Seed(kind="json", name="gcp/key.json", fields={"private_key": "canary-json-77b2"}),
        Seed(kind="jwks", name="public/keys.jwks", options={"keys": ("2026-10", "2026-11"), "mode": 0o644}),
        Seed(kind="yaml", name="aws/key.yaml", fields={"aws_secret_access_key": "canary-yaml-90cd"}),
    )
    odd = (
        Seed(kind="json", name="ключи/ключ платежей.json", fields={"key": "canary-odd-1111"}),
        Seed(kind="json", name="a b/c=d&e?f%20g'\"+,;!.json", fields={"key": "canary-odd-2222"}),
        Seed(kind="yaml", name="-rf/~/$HOME/*.yaml", fields={"key": "canary-odd-3333"}),
    )
    absent = ("pem/tls/none.pem", "kubernetes-secret/none", "json/none/at-all.json")
    faults: ClassVar = {
        Trouble.DENIED_ITEM: Fault(
            name="unreadable",
            options={"item": "closed/key.json"},
            seed=Seed(kind="json", name="closed/key.json", fields={"key": "canary-closed-4444"}),
            around=owner,
        ),
        Trouble.DENIED: Fault(around=stranger),
        Trouble.SCOPE_MISSING: Fault(name="root_missing"),
    }
    value_options: ClassVar = {}
    reasons: ClassVar = {
        "test_refused_credential_is_not_an_empty_source": "a file system asks for no credential",
        "test_unreachable_is_not_absent": "a local folder answers; a missing one is Trouble.SCOPE_MISSING",
        "test_examine_sees_what_is_unreachable": "a local folder answers",
        "test_throttled_is_not_absent": "a file system does not throttle",
        "test_broken_answers_are_not_empty_ones": "only a single file can be garbled: tests/providers/file",
        "test_endless_listing_is_left": "a folder ends; max_files is tested in tests/providers/file",
        "test_short_pages_are_followed": "a folder has no pages",
        "test_an_empty_page_is_not_the_end": "a folder has no pages",
        "test_every_request_is_spent": "nothing counts the calls of a file system",
        "test_read_document_grants_no_value": "a file system knows no right to read names without values (README)",
        "test_inventory_identity_cannot_read_values": "the same",
    }

    @classmethod
    def crowd_seed(cls, number: int) -> Seed:
        """A small key file."""
        return Seed(kind="json", name=f"crowd/{number % 10}/{number:05d}.json", fields={"key": "canary-crowd"})

    @classmethod
    def crowd_calls(cls, size: int) -> int:
        """One for each file, and one for the walk."""
        return size + 1

    @classmethod
    def changing(cls, stand: Stand) -> tuple[Locator, Callable[[], None]]:
        """A key file that is written anew."""
        before = Seed(kind="json", name="rotated.json", fields={"key": "canary-before"})
        after = Seed(kind="json", name="rotated.json", fields={"key": "canary-after"}, rotated=timedelta(hours=1))
        return stand.plant(before)[0], lambda: stand.plant(after) and None

    @classmethod
    def canaries(cls, stand: Stand) -> Iterable[str]:
        """What is planted, private keys of chains, and the password of stores."""
        yield from super().canaries(stand)
        yield Path(stand.document["password_file"]).read_text(encoding="ascii").strip()
        chain = (Path(stand.document["root"]) / "tls/api.pem").read_text(encoding="ascii")
        yield from chain.partition("PRIVATE KEY-----\n")[2].splitlines()[:2]
