"""The value comparison: a child reads both sides, and only who shares a value comes back."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nhisync.app import reuse
from nhisync.app.reuse import compare
from nhisync.app.session import Session
from nhisync.clock import SystemRandomness
from nhisync.collect.reuse import Classes, Wanted
from nhisync.errors import NhisyncError
from nhisync.model import Locator
from nhisync.spi import ErrorFact, ErrorKind, FieldValue, ProviderError, SecretBytes
from nhisync.testing.provider import VALUES, FakeProvider

from .scripted import session

CANARY = "canary-reused-value-3f9a"

CONFIG = """
version: 1
paths:
  primary: {region: here, sources: {files: {provider: file, root: primary}, edge: {provider: tls}}}
  backup: {region: there, sources: {files: {provider: file, root: backup}}}
apps:
  payments:
    tier: standard
    owner: payments-oncall
    pairs:
      - {name: copied, kind: key, primary: "files:json/a.json#key", backup: "files:json/a.json#key"}
      - {name: own, kind: key, primary: "files:json/b.json#key", backup: "files:json/b.json#key"}
"""


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Two folders: one key is the same in both, one is not, one exists once."""
    for path, own in (("primary", "one-value-of-its-own"), ("backup", "another-value-of-its-own")):
        folder = tmp_path / path
        folder.mkdir()
        (folder / "a.json").write_text(json.dumps({"key": CANARY, "other": f"{path}-{CANARY[::-1]}"}), encoding="utf-8")
        (folder / "b.json").write_text(json.dumps({"key": own}), encoding="utf-8")
    (tmp_path / "nhisync.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path / "nhisync.yaml"


def sides(*names: str, field: str = "#key") -> list[Wanted]:
    """Both sides of pairs on ``<name>.json``."""
    return [
        Wanted(path, f"payments/{name}", Locator.parse(f"files:json/{name}.json{field}"))
        for name in names
        for path in ("primary", "backup")
    ]


@pytest.mark.requirement("R42")
def test_a_copied_value_is_found_and_nothing_else(files: Path) -> None:
    """The copied key has one group on both paths, the other none, and a missing file says why."""
    found = compare(Session.open(files), sides("a", "b", "none"))
    assert set(found.groups) == {"primary", "backup"}
    assert found.groups["primary"] == found.groups["backup"]
    assert set(found.groups["primary"]) == {"payments/a"}
    assert {(path, locator, fact.kind) for path, locator, fact in found.unread} == {
        (path, "files:json/none.json", "not_found") for path in ("primary", "backup")
    }


@pytest.mark.requirement("R42")
def test_no_value_leaves_the_child(files: Path) -> None:
    """Neither stdout nor stderr of the child holds a value, a digest of one, or the same id twice over two runs."""
    wanted = [[w.path, w.key, str(w.locator)] for w in sides("a", "b", field="")]
    facts = {"config": str(files), "policies": None, "digest": Session.open(files).configuration.digest}
    task = json.dumps({**facts, "rests": [], "wanted": wanted})
    command = [sys.executable, "-m", "nhisync.app.reuse"]
    runs = [subprocess.run(command, input=task, capture_output=True, text=True, check=True) for _ in range(2)]
    for run in runs:
        assert not [
            word
            for word in (CANARY, CANARY[::-1], CANARY.encode().hex(), "of-its-own")
            if word in run.stdout + run.stderr
        ]
        assert {frozenset(json.loads(line)) for line in run.stdout.splitlines()} == {
            frozenset({"path", "key", "group"})
        }
    assert runs[0].stdout != runs[1].stdout


def test_a_source_that_cannot_read_values_says_so(files: Path) -> None:
    """Whether anything is lost by that is for the run to say, which knows the kind and its public ids."""
    place = Locator("edge", "tls", "127.0.0.1:9")
    found = compare(Session.open(files), [Wanted("primary", "payments/tls", place)])
    ((path, locator, fact),) = found.unread
    assert (found.groups, path, locator, fact.kind) == ({}, "primary", str(place), "unsupported")
    assert fact.message.startswith("the provider tls reads no values: ")


@pytest.mark.requirement("R6")
def test_a_child_that_fails_leaves_nothing_known(files: Path) -> None:
    """A child without a usable configuration ends with a code; no part of its output is believed or shown."""
    opened = Session.open(files)
    files.write_text("version: 1\npaths: {}\n", encoding="utf-8")
    with pytest.raises(NhisyncError, match="ended with code 1; nothing is known about reuse") as caught:
        compare(opened, sides("a"))
    assert "Traceback" not in str(caught.value)


@pytest.mark.requirement("R6", "R42")
def test_a_configuration_that_is_not_in_force_compares_nothing(files: Path) -> None:
    """A daemon judges what it loaded: values of sources that were edited since are not those of the judged items."""
    opened = Session.open(files)
    (files.parent / "elsewhere").mkdir()
    (files.parent / "elsewhere" / "a.json").write_text(json.dumps({"key": "not-the-copied-value"}), encoding="utf-8")
    files.write_text(CONFIG.replace("root: backup", "root: elsewhere"), encoding="utf-8")
    with pytest.raises(NhisyncError, match="was changed and is not in force yet; nothing is known about reuse"):
        compare(opened, sides("a"))


def test_policies_named_on_the_command_line_are_the_childs_too(files: Path) -> None:
    """A tier that only such a folder holds is known to the child, which else would compare nothing."""
    policies = files.parent / "named"
    policies.mkdir()
    (policies / "own.yaml").write_text("version: 1\ntier: own\ninherits: standard\n", encoding="utf-8")
    files.write_text(CONFIG.replace("tier: standard", "tier: own"), encoding="utf-8")
    found = compare(Session.open(files, policies=policies), sides("a"))
    assert set(found.groups) == {"primary", "backup"}


def test_the_task_reaches_the_child(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child's main reads the task from stdin and prints lines; here without hardening this very process."""
    monkeypatch.setattr(reuse, "harden", lambda: None)
    wanted = [[w.path, w.key, str(w.locator)] for w in sides("a")]
    digest = Session.open(files).configuration.digest
    rests = [[path, "files", {"seconds": 9.0, "calls": 9, "tokens": {}}] for path in ("primary", "backup")]
    task = {"config": str(files), "policies": None, "digest": digest, "rests": rests, "wanted": wanted}
    out = io.StringIO()
    assert reuse.main(io.StringIO(json.dumps(task)), out) == 0
    assert [json.loads(line)["key"] for line in out.getvalue().splitlines()] == ["payments/a"] * 2


def test_the_child_is_closed_to_others() -> None:
    """It leaves no core dump and no keys of its connections, and on Linux nobody may read its memory."""
    code = (
        "import os, resource, ctypes, sys; from nhisync.app.reuse import harden; harden();"
        "assert 'SSLKEYLOGFILE' not in os.environ;"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    environ = {**os.environ, "SSLKEYLOGFILE": os.devnull}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout.split(") ")[0] == "(0, 0"
    if sys.platform == "linux":
        assert done.stdout.strip().endswith("0")


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2)")
def test_the_child_does_not_outlive_its_parent() -> None:
    """A killed parent leaves no process behind that holds values and that nobody would end."""
    child = "from nhisync.app.reuse import harden; harden(); print('in', flush=True); import time; time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"in\n"
        parent.kill()
        assert parent.communicate(timeout=20) == (b"", None)  # the end of the pipe, which the child held as well


class TestOneSource:
    """What is read of one scripted source."""

    def read(self, opened: Session, *wanted: str) -> list[dict[str, str]]:
        """Lines about what could not be read."""
        mine = [Wanted("primary", f"payments/{n}", Locator.parse(f"one:{text}")) for n, text in enumerate(wanted)]
        return list(reuse._read_source(opened, "primary", "one", mine, Classes(SystemRandomness())))

    def test_what_is_denied_is_told_once_per_item(self, tmp_path: Path) -> None:
        """Two pairs on one item ask for it once."""
        lines = self.read(session(tmp_path), "kv/denied#a", "kv/denied#b")
        assert [(line["locator"], line["kind"]) for line in lines] == [("one:kv/denied", "denied")]

    @pytest.mark.requirement("R6")
    def test_a_source_that_fails_is_told_for_every_item(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was not read was not compared, and says why; it is never taken for different."""

        def gone(*_arguments: Any) -> Any:
            raise ProviderError(ErrorKind.UNREACHABLE, "no answer")

        monkeypatch.setattr(FakeProvider, "values", gone)
        lines = self.read(session(tmp_path), "kv/a", "kv/b")
        assert {(line["locator"], line["kind"]) for line in lines} == {
            ("one:kv/a", "unreachable"),
            ("one:kv/b", "unreachable"),
        }

    def test_an_adapter_that_forgets_an_item_is_not_believed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An item or a named field without an answer was not compared."""
        first = Locator("one", "kv", "a")

        def forgetful(*_arguments: Any) -> Any:
            yield FieldValue(first, "password", SecretBytes(b"a value that is long"))

        monkeypatch.setattr(FakeProvider, "values", forgetful)
        lines = self.read(session(tmp_path), "kv/a#password", "kv/a#other", "kv/b")
        assert {(line["locator"], line["kind"]) for line in lines} == {
            ("one:kv/a", "malformed"),
            ("one:kv/b", "malformed"),
        }

    def test_the_adapter_is_closed_whatever_happens(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Sockets of a process that held values do not linger."""
        closed: list[FakeProvider] = []

        def close(provider: FakeProvider) -> None:
            closed.append(provider)

        monkeypatch.setattr(FakeProvider, "close", close)
        VALUES["p-one", "kv/a"] = {"password": CANARY}
        assert self.read(session(tmp_path), "kv/a") == []
        del VALUES["p-one", "kv/a"]
        assert len(closed) == 1

    def test_an_unknown_word_of_an_adapter_is_a_bug(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only words of `ErrorKind` cross the boundary: free text could hold a value."""
        fact = ErrorFact(kind=CANARY, message="x")
        monkeypatch.setattr(FakeProvider, "values", lambda *_: iter([(Locator("one", "kv", "a"), fact)]))
        with pytest.raises(ValueError, match="is not a valid ErrorKind"):
            self.read(session(tmp_path), "kv/a")


@pytest.mark.requirement("R4b")
def test_the_child_goes_on_with_what_is_left(files: Path) -> None:
    """Calls that the passes before made are gone for the comparison: what they leave no room for is not compared."""
    opened = Session.open(files)
    budget = opened.budget("backup", "files")
    while budget.remainder.calls:
        budget.spend()
    found = compare(opened, sides("a"))
    assert found.groups == {}
    assert {(path, fact.kind) for path, _, fact in found.unread} == {("backup", "throttled")}


@pytest.mark.requirement("R4b")
def test_a_cycle_without_time_asks_nobody_for_values(files: Path) -> None:
    """A source whose time ran out is not asked again, whatever it would answer."""
    opened = Session.open(files)
    opened.budget("primary", "files").cancel()
    found = compare(opened, sides("a"))
    assert {(path, fact.kind) for path, _, fact in found.unread} == {("primary", "throttled")}


def test_a_comparison_that_does_not_end_is_cut_off(files: Path) -> None:
    """A source that holds its reader beyond its time costs the cycle no more, and nothing is known of reuse then."""
    with pytest.raises(NhisyncError, match="did not end within the cycle") as caught:
        reuse._run(json.dumps({"config": str(files), "policies": None, "rests": [], "wanted": []}), 0.001)
    assert caught.value.__context__ is None
