"""Run the listing benchmark: ``python -m benchmarks listing [entries]`` (minutes).

`nhisync diff` judges 40 pairs by a template whose literal beginning is the whole mount, so that every entry is listed;
`nhisync inventory` shows every entry. Memory is that of the whole process, imports included; what was said of the
listing is read from the JSON report.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import measure
from benchmarks.listing.server import PAIRS, name
from benchmarks.results import write

ENTRIES = 1_000_000
FLAT = 1.2
"""A listing of all entries may take this many times the memory of one of a tenth."""

PATIENT = {"limits": {"deadline": "1h", "rates": {"list": 1000}}}
"""A test server has no other guests."""


@dataclass(frozen=True)
class Told:
    """One run, and what its report says of the crowded listing; `judged` are pairs, or items shown."""

    run: measure.Run
    status: str
    items: int
    error: str
    judged: int


DIFF, INVENTORY = ("diff", "primary", "backup"), ("inventory", "primary", "--kind", "kv")


@contextmanager
def servers(count: int) -> Iterator[Mapping[str, Any]]:
    """Configuration documents of both servers, while the block lasts."""
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.listing.server", str(count)],
        env=measure.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout
    assert child.stdin
    try:
        yield json.loads(child.stdout.readline())
    finally:
        child.stdin.close()
        child.wait(30)
        child.stdout.close()


def tell(command: tuple[str, ...], source: Mapping[str, Any], count: int) -> Told:
    """Run nhisync on the server's mount as primary and a folder of files as backup."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "backup").mkdir()
        for i in range(0, count, count // PAIRS):
            (folder / "backup" / f"{name(i, count).removesuffix('-login')}.json").write_text('{"password": "canary"}')
        (folder / "nhisync.yaml").write_text(json.dumps(_document(source)))
        options = ["-c", "nhisync.yaml", "--format", "json", "-o", "report.json"]
        run = measure.run([measure.NHISYNC, *command, *options], measure.environment(), folder)
        document = json.loads((folder / "report.json").read_text())
    (entry,) = [one for one in document["coverage"] if one["kind"] == "kv"]
    error = (entry["error"] or {}).get("message", "")
    if command is INVENTORY:
        judged = len(document["items"])
    else:
        judged = document["verdicts"][0]["passing"] + document["verdicts"][0]["failing"]
    measure.say(f"{command[0]}: {run.wall:.0f} s, {run.rss_mb:.0f} MB, {entry['status']}, {entry['items']:,} entries")
    return Told(run, entry["status"], entry["items"], error, judged)


def _document(source: Mapping[str, Any]) -> dict[str, Any]:
    """JSON is YAML."""
    match = {"kind": "login", "primary": "vault:kv/secret/{name}-login", "backup": "files:json/{name}.json"}
    return {
        "version": 1,
        "paths": {
            "primary": {"region": "eu-west-1", "sources": {"vault": dict(source)}},
            "backup": {"region": "eu-north-1", "sources": {"files": {"provider": "file", "root": "backup"}}},
        },
        "apps": {"bench": {"tier": "standard", "owner": "bench", "match": [match]}},
    }


def main() -> int:
    """Measure, print, write; 1 when a target was missed."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    tenth, limit = count // 10, count // 5
    large = {**PATIENT, "max_items": 2 * count}
    with servers(tenth) as small, servers(count) as crowded:
        told = {
            f"diff, OpenBao, {tenth:,} in pages": tell(DIFF, small["openbao"] | large, tenth),
            f"diff, OpenBao, {count:,} in pages": tell(DIFF, crowded["openbao"] | large, count),
            f"diff, Vault, {count:,} in one answer": tell(DIFF, crowded["vault"] | large, count),
            f"inventory, OpenBao, {count:,}, left at `max_items` = {limit:,}": tell(
                INVENTORY, crowded["openbao"] | PATIENT | {"max_items": limit}, count
            ),
        }
    few, pages, names, left = told.values()
    growth = pages.run.rss_mb / few.run.rss_mb
    targets = [
        (f"{count:,} entries in at most {FLAT:g} times the memory of {tenth:,}: {growth:.2f}", growth <= FLAT),
        ("every entry is counted", (pages.status, pages.items, names.items) == ("complete", count, count)),
        (f"all {PAIRS} pairs are judged", {pages.judged, names.judged} == {PAIRS}),
        ("a listing that was left is partial", (left.status, left.items, left.judged) == ("partial", limit, limit)),
    ]
    rows = [
        [label, f"{one.run.wall:.0f}", f"{one.run.cpu:.0f}", f"{one.run.rss_mb:.0f}", one.status, f"{one.items:,}"]
        for label, one in told.items()
    ]
    notes = (
        "One crowded key/value mount beside a folder of files. diff streams a listing into its store; Vault answers a "
        f"listing whole, so its names pass through memory once; inventory holds what it shows. The listing that was "
        f"left says: {left.error}\n\nTargets: "
    )
    shown = "; ".join(f"{text} ({'met' if met else 'MISSED'})" for text, met in targets)
    data = {label: {**vars(one), "run": {"cpu": one.run.cpu, "rss_mb": one.run.rss_mb}} for label, one in told.items()}
    header = ["listing", "wall s", "CPU s", "peak MB", "coverage", "entries seen"]
    print(write("listing", f"A mount with {count:,} entries", header, rows, data, f"{notes}{shown}."))
    return int(not all(met for _, met in targets))


if __name__ == "__main__":
    sys.exit(main())
