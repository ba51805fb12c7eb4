"""The value comparison as a whole: 10,000 pairs, none judged wrongly, and nothing left to look for afterwards."""

import base64
import hashlib
import json
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from nhisync.app.reuse import compare
from nhisync.app.session import Session
from nhisync.clock import SystemClock
from nhisync.collect.reuse import Wanted
from nhisync.model import Locator
from nhisync.testing.world import Seed
from nhisync_vault.emulator import VaultWorld

PAIRS, A_FILE = 10_000, 100

CONFIG = """
version: 1
policies: policies
paths:
  primary: {{region: here, sources: {{files: {{provider: file, root: primary}}}}}}
  backup: {{region: there, sources: {{files: {{provider: file, root: backup}}}}}}
apps:
  payments:
    tier: compared
    owner: payments-oncall
    pairs:
      - {pairs}
"""
POLICY = "version: 1\ntier: compared\ninherits: standard\nevidence: {compare_values: true}\n"


def installed(folder: Path, values: Mapping[str, Mapping[str, str]]) -> Path:
    """Paths whose files hold `values` (path → pair → value); one pair is configured, the comparison is told of all."""
    for path, held in values.items():
        (folder / path).mkdir()
        files: dict[str, dict[str, str]] = defaultdict(dict)
        for number, (pair, value) in enumerate(held.items()):
            files[f"{number // A_FILE}"][f"f-{pair}"] = value
        for name, fields in files.items():
            file = folder / path / f"{name}.json"
            file.write_text(json.dumps(fields), encoding="utf-8")
            file.chmod(0o600)
    (folder / "policies").mkdir()
    (folder / "policies" / "compared.yaml").write_text(POLICY, encoding="utf-8")
    file = folder / "nhisync.yaml"
    place = '"files:json/0.json#f-p0"'
    pair = f"{{name: p0, kind: key, primary: {place}, backup: {place}}}"
    file.write_text(CONFIG.format(pairs=pair), encoding="utf-8")
    return file


def estate(randomness: random.Random) -> dict[str, dict[str, str]]:
    """Own values, copies, copies of another pair's, near misses, and ones that many people choose."""
    primary = {f"p{number}": randomness.randbytes(12).hex() for number in range(PAIRS)}
    for pair in randomness.sample(sorted(primary), PAIRS // 50):
        primary[pair] = pin(randomness)
    backup = {}
    for pair, value in primary.items():
        makers: list[Callable[[str], str]] = [
            lambda value: value,
            lambda value: value + "\n",  # an editor ends lines
            lambda value: value[:-1] + ("0" if value[-1] != "0" else "1"),
            lambda value: value.upper() + "X",
            lambda value: value[::-1] + "r",
            lambda _: primary[f"p{randomness.randrange(PAIRS)}"],
            lambda _: pin(randomness),
            *[lambda _: randomness.randbytes(12).hex()] * 5,
        ]
        backup[pair] = randomness.choice(makers)(value)
    return {"primary": primary, "backup": backup}


def pin(randomness: random.Random) -> str:
    """One of 10,000."""
    return f"{randomness.randrange(10_000):04d}"


def classes(values: Mapping[str, Mapping[str, str]]) -> set[frozenset[tuple[str, str]]]:
    """What must be found: who shares a value across both paths, by plain comparison."""
    holders: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for path, held in values.items():
        for pair, value in held.items():
            holders[value.rstrip("\r\n")].add((path, f"payments/{pair}"))
    return {frozenset(some) for some in holders.values() if len({path for path, _ in some}) == 2}


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("seed", [1])
def test_ten_thousand_pairs_and_none_wrong(tmp_path: Path, seed: int) -> None:
    """The groups are exactly the classes of equal values that span both paths; every value was read."""
    values = estate(random.Random(seed))
    session = Session.open(installed(tmp_path, values))
    wanted = [
        Wanted(path, f"payments/{pair}", Locator.parse(f"files:json/{number // A_FILE}.json#f-{pair}"))
        for path in values
        for number, pair in enumerate(values[path])
    ]
    found = compare(session, wanted)
    assert found.unread == ()
    groups: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for path, held in found.groups.items():
        for key, group in held.items():
            groups[group].add((path, key))
    expected = classes(values)
    assert len(expected) > PAIRS // 8
    assert {frozenset(some) for some in groups.values()} == expected


COMMON = ("Sommer2026!", "hunter2-hunter2", "letmein-4711", "correct horse")
"""What a person might choose: with any digest of it at hand, a word list finds it."""

PARENT = """
import sys
sys.executable = {executable!r}
sys.argv = ["nhisync", "-c", {config!r}, "diff", "primary", "backup", "--format", "json"]
from nhisync.cli.entry import main
main()
{more}
print("waits", flush=True)
sys.stdin.read()
"""
WIRE = """#!/bin/sh
tee {folder}/task | {python} "$@" 2>{folder}/errors | tee {folder}/answer
"""


def traces(value: str) -> Iterator[bytes]:
    """The value and everything that a word list is turned into: common codings and digests without a key."""
    raw = value.encode()
    yield from (raw, value.encode("utf-16-le"), raw.hex().encode(), base64.b64encode(raw).rstrip(b"="))
    for name in ("md5", "sha1", "sha256", "sha512", "blake2b", "blake2s", "sha3_256"):
        digest = hashlib.new(name, raw)
        yield from (digest.digest(), digest.hexdigest().encode(), base64.b64encode(digest.digest()).rstrip(b"="))


def memory(pid: int) -> Iterator[bytes]:
    """All that a core dump of the process would hold (proc(5): maps, mem)."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as mem:
        for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines():
            span, rights, *rest = line.split()
            if "r" not in rights or rest[-1] in {"[vvar]", "[vsyscall]", "[vvar_vclock]"}:
                continue
            begin, end = (int(part, 16) for part in span.split("-"))
            mem.seek(begin)
            yield mem.read(end - begin)


def found_in(places: Iterator[bytes], values: tuple[str, ...]) -> set[str]:
    """Which of `values` left a trace."""
    asked = {value: tuple(traces(value)) for value in values}
    return {value for held in places for value, marks in asked.items() if any(mark in held for mark in marks)}


@pytest.fixture
def vaults(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Iterator[Path]:
    """A configuration over two Vaults that hold the same values; an inventory of theirs opens none."""
    world = VaultWorld(clock=SystemClock(), directory=tmp_path_factory.mktemp("world"))
    world.start()
    paths, pairs = {}, []
    try:
        for path in ("primary", "backup"):
            source = world.add_source(path, "kept", region=path, options={"fingerprint": True})
            paths[path] = {"region": path, "sources": {"kept": source}}
            held = enumerate(COMMON)
            places = [
                world.seed(path, "kept", Seed(kind="kv", name=f"secret/p{i}", fields={"key": v})) for i, v in held
            ]
        pairs = [
            {"name": f"p{i}", "kind": "key", "primary": f"kept:{place}#key", "backup": f"kept:{place}#key"}
            for i, place in enumerate(places)
        ]
        app = {"tier": "compared", "owner": "payments-oncall", "pairs": pairs}
        document = {"version": 1, "policies": "policies", "paths": paths, "apps": {"payments": app}}
        (tmp_path / "policies").mkdir()
        (tmp_path / "policies" / "compared.yaml").write_text(POLICY, encoding="utf-8")
        config = tmp_path / "nhisync.yaml"
        config.write_text(json.dumps(document), encoding="utf-8")
        yield config
    finally:
        world.stop()


def ended(config: Path, more: str = "") -> tuple[subprocess.Popen[bytes], str]:
    """A `nhisync diff` that still stands after its last word, and what it printed; its child was listened to."""
    tmp_path = config.parent
    wire = tmp_path / "wire"
    wire.write_text(WIRE.format(folder=tmp_path, python=sys.executable), encoding="utf-8")
    wire.chmod(0o700)
    code = PARENT.format(executable=str(wire), config=str(config), more=more)
    with (tmp_path / "stderr").open("wb") as errors:
        parent = subprocess.Popen(
            [sys.executable, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
    assert parent.stdout
    said = b""
    while not said.endswith(b"waits\n"):
        line = parent.stdout.readline()
        assert line, (tmp_path / "stderr").read_text(encoding="utf-8")
        said += line
    return parent, said.decode()


@pytest.mark.requirement("R42")
@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of another process through proc(5)")
def test_no_value_can_be_looked_up_in_what_is_left(vaults: Path) -> None:
    """Not in the parent's memory (what a core dump holds), its output, its store, nor on the line to the child."""
    parent, said = ended(vaults)
    with parent:
        left = found_in(memory(parent.pid), COMMON)
        assert parent.stdin
        parent.stdin.close()
    assert left == set()
    assert said.count("NHS401") >= len(COMMON)  # the values were compared, and all of them are copies
    files = [file for file in vaults.parent.rglob("*") if file.is_file()]
    assert {"task", "answer", "stderr"} <= {file.name for file in files}
    assert b'"group"' in (vaults.parent / "answer").read_bytes()
    assert found_in((file.read_bytes() for file in files), COMMON) == set()
    assert found_in(iter([said.encode()]), COMMON) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of another process through proc(5)")
def test_the_search_would_find_a_value(vaults: Path) -> None:
    """The same search sees a process that once held a value, or a digest of it without a key."""
    (vaults.parent / "held").write_text("\n".join(COMMON), encoding="utf-8")
    more = "import hashlib; held = open('held', 'rb').readlines(); kept = hashlib.sha256(held.pop(1)[:-1]).digest()"
    parent, _ = ended(vaults, more)
    with parent:
        left = found_in(memory(parent.pid), COMMON)
        assert parent.stdin
        parent.stdin.close()
    assert {COMMON[0], COMMON[1]} <= left
