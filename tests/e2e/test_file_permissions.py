"""The file provider's permission document on real access control lists: every line of it is needed, and says so."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nhisync.spi import (
    AccessMode,
    Budget,
    CheckState,
    InventoryRequest,
    Item,
    Locator,
    ProviderError,
    SourceContext,
)
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync_file import FileProvider

from .conftest import program
from .other_user import as_user, open_folder

pytestmark = [pytest.mark.e2e, pytest.mark.requirement("R32")]

VALUE = "canary-acl-71d0"
NAMED = (
    Locator("files", "json", "billing/key.json", None),
    Locator("files", "kubernetes-secret", "mounts/payments", None),
    Locator("files", "yaml", "plain.yaml", None),
)


class Estate:
    """A folder that only its owner may enter, and the unprivileged user whom the document lets in."""

    def __init__(self, base: Path) -> None:
        self.root, self.user = base / "root", pwd.getpwnam("nobody")
        mount = self.root / "mounts/payments"
        for name in ("billing/key.json", "plain.yaml", f"{mount}/..2026_11_28/token", "other/unasked.json"):
            file = self.root / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f'{{"token": "{VALUE}"}}')
        (mount / "..data").symlink_to("..2026_11_28")
        (mount / "token").symlink_to("..data/token")
        self.close()

    def close(self) -> None:
        """Take away what any document gave."""
        subprocess.run([program("setfacl", "acl"), "-R", "-b", self.root], check=True)
        for entry in (self.root, *self.root.rglob("*")):
            if not entry.is_symlink():
                entry.chmod(0o700 if entry.is_dir() else 0o600)

    def provider(self) -> FileProvider:
        """The adapter over the folder."""
        context = SourceContext(
            path="primary",
            source="files",
            region="eu-west-1",
            base=self.root,
            clock=FakeClock(),
            randomness=CountingRandomness(),
        )
        return FileProvider(FileProvider.info.settings(provider="file", root=self.root), context)

    def document(self, mode: AccessMode, kinds: frozenset[str]) -> list[str]:
        """The document's commands, for this machine's unprivileged user instead of ``nhisync``."""
        (document,) = self.provider().permissions(mode, NAMED, kinds)
        commands = [line for line in document.text.splitlines() if not line.startswith("#")]
        assert all("u:nhisync:" in line for line in commands)
        return [line.replace("u:nhisync:", f"u:{self.user.pw_name}:") for line in commands]

    def apply(self, commands: list[str]) -> None:
        """Run the commands as the administrator would."""
        subprocess.run(["/bin/sh", "-e", "-c", "\n".join(commands)], check=True)

    def warm(self) -> None:
        """Import everything while this process may: the unprivileged user cannot read where Python is installed."""
        list(self.provider().inventory(InventoryRequest(budget=Budget(FakeClock(), seconds=60), wanted=NAMED)))
        list(self.provider().examine(AccessMode.READ, NAMED, frozenset(), Budget(FakeClock(), seconds=60)))

    def answers(self, kinds: frozenset[str] = frozenset()) -> dict[str, str]:
        """Item → word of its presence, or the error's kind when the source as a whole was refused."""

        def ask() -> dict[str, str]:
            request = InventoryRequest(budget=Budget(FakeClock(), seconds=60), wanted=NAMED, kinds=kinds)
            try:
                items = [one for one in self.provider().inventory(request) if isinstance(one, Item)]
            except ProviderError as refused:  # the root itself
                return dict.fromkeys((locator.name for locator in NAMED), refused.kind.value)
            return {item.locator.name: item.presence.value for item in items}

        found: dict[str, str] = as_user(self.user.pw_name, ask)
        return found

    def doctor(self, mode: AccessMode) -> dict[str, tuple[str, str]]:
        """Check that is not OK → what was seen, and the fix."""

        def ask() -> dict[str, tuple[str, str]]:
            checks = self.provider().examine(mode, NAMED, frozenset(), Budget(FakeClock(), seconds=60))
            return {c.name: (c.observed, c.fix) for c in checks if c.state is CheckState.FAILED}

        found: dict[str, tuple[str, str]] = as_user(self.user.pw_name, ask)
        return found


@pytest.fixture
def estate() -> Iterator[Estate]:
    """A closed folder outside pytest's own, which no other user may enter."""
    base = open_folder("acl")
    made = Estate(base)
    yield made
    shutil.rmtree(base)


NEEDED = {"billing/key.json": "present", "mounts/payments": "present", "plain.yaml": "present"}


@pytest.mark.parametrize("mode", [AccessMode.READ, AccessMode.FINGERPRINT])
def test_with_the_document_everything_named_is_read(estate: Estate, mode: AccessMode) -> None:
    """Without it nothing is; with it every named item is, the doctor is content, and an unnamed file stays closed."""
    estate.warm()
    assert set(estate.answers().values()) == {"denied"}
    estate.apply(estate.document(mode, frozenset()))
    assert estate.answers() == NEEDED
    assert estate.doctor(mode) == {}
    unasked = as_user(estate.user.pw_name, lambda: os.access(estate.root / "other/unasked.json", os.R_OK))
    assert unasked is False


@pytest.mark.parametrize("line", range(6))
def test_every_line_of_the_document_is_needed(estate: Estate, line: int) -> None:
    """Without any one line an item is denied, and the doctor names what is closed and how to open it."""
    estate.warm()
    commands = estate.document(AccessMode.READ, frozenset())
    assert len(commands) == 6
    del commands[line]
    estate.apply(commands)
    found = estate.answers()
    closed = {name for name, word in found.items() if word == "denied"}
    assert closed
    assert {word for name, word in found.items() if name not in closed} <= {"present"}
    failed = estate.doctor(AccessMode.READ)
    assert {name.partition(":")[2] for name in failed} == (closed if line else {""})  # the first line opens the root
    assert all("nhisync permissions" in fix for _, fix in failed.values())


def test_a_sweep_needs_its_one_line(estate: Estate) -> None:
    """The document of a swept kind opens the whole root; without it the sweep is refused, never empty."""
    estate.warm()
    kinds = frozenset({"json"})
    estate.apply(estate.document(AccessMode.READ, kinds))
    assert estate.answers(kinds) == NEEDED | {"other/unasked.json": "present"}
