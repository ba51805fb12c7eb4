"""Run the listing benchmark: ``python -m benchmarks listing [entries]`` (minutes).

`nhisync diff` judges 40 pairs by a template whose literal beginning is the whole mount, so that every entry is listed.
Memory is that of the whole process, imports included; what was said of the listing is read from the JSON report.
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
    """One run, and what its report says of the crowded listing."""

    run: measure.Run
    status: str
    items: int
    error: str
    judged: int


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


def compare(source: Mapping[str, Any], count: int) -> Told:
    """`nhisync diff` of the server's mount with a folder of files."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "backup").mkdir()
        for i in range(0, count, count // PAIRS):
            (folder / "backup" / f"{name(i, count).removesuffix('-login')}.json").write_text('{"password": "canary"}')
        (folder / "nhisync.yaml").write_text(json.dumps(_document(source)))
        command = [measure.NHISYNC, "-c", "nhisync.yaml", "diff", "primary", "backup", "--format", "json"]
        run = measure.run(command, measure.environment(), folder)
    document = json.loads(run.output)
    (entry,) = [one for one in document["coverage"] if (one["path"], one["kind"]) == ("primary", "kv")]
    verdict = document["verdicts"][0]
    error = (entry["error"] or {}).get("message", "")
    return Told(run, entry["status"], entry["items"], error, verdict["passing"] + verdict["failing"])


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
    tenth = count // 10
    large = {**PATIENT, "max_items": 2 * count}
    with servers(tenth) as small, servers(count) as crowded:
        told = {
            f"OpenBao, pages with metadata, {tenth:,}": _told(small["openbao"] | large, tenth),
            f"OpenBao, pages with metadata, {count:,}": _told(crowded["openbao"] | large, count),
            f"OpenBao, {count:,}, `max_items` {tenth:,}": _told(
                crowded["openbao"] | PATIENT | {"max_items": tenth}, count
            ),
            f"Vault, names in one answer, {count:,}": _told(crowded["vault"] | large, count),
        }
    few, all_, cut, names = told.values()
    growth = all_.run.rss_mb / few.run.rss_mb
    targets = [
        (f"{count:,} entries in at most {FLAT:g} times the memory of {tenth:,}: {growth:.2f}", growth <= FLAT),
        ("every entry is counted", (all_.status, all_.items, names.items) == ("complete", count, count)),
        ("a listing that was left is partial and says so", (cut.status, cut.items) == ("partial", tenth)),
        (f"all {PAIRS} pairs are judged", {all_.judged, names.judged} == {PAIRS}),
    ]
    rows = [
        [label, f"{one.run.wall:.0f}", f"{one.run.cpu:.0f}", f"{one.run.rss_mb:.0f}", one.status, f"{one.items:,}"]
        for label, one in told.items()
    ]
    notes = (
        "`nhisync diff` of one crowded key/value mount with a folder of files. Vault answers a listing whole, "
        f"so its names pass through memory once. The listing that was left says: {cut.error}\n\nTargets: "
    )
    shown = "; ".join(f"{text} ({'met' if met else 'MISSED'})" for text, met in targets)
    data = {label: {**vars(one), "run": {"cpu": one.run.cpu, "rss_mb": one.run.rss_mb}} for label, one in told.items()}
    header = ["listing", "wall s", "CPU s", "peak MB", "coverage", "entries seen"]
    print(write("listing", f"A mount with {count:,} entries", header, rows, data, f"{notes}{shown}."))
    return int(not all(met for _, met in targets))


def _told(source: Mapping[str, Any], count: int) -> Told:
    told = compare(source, count)
    measure.say(f"{told.run.wall:.0f} s, {told.run.rss_mb:.0f} MB, {told.status}, {told.items:,} entries")
    return told


if __name__ == "__main__":
    sys.exit(main())
