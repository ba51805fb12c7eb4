"""Killed writers: what was acknowledged is there, whole batches only, and the next writer simply opens the store."""

import contextlib
import random
import select
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nhisync.store import Store
from nhisync.testing.clocks import CountingRandomness, FakeClock

KILLS = 20
BATCH = 40
"""Rows of one acknowledged call."""

CHILD = """
import sys
from nhisync.clock import SystemClock, SystemRandomness
from nhisync.model import Finding, Presence, Severity, State
from nhisync.parity.engine import Remembered
from nhisync.parity.row import unanswered
from nhisync.store import Store

url, first, batch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
clock = SystemClock()
now = clock.now()
with Store.open(url, clock=clock, randomness=SystemRandomness()) as store:
    run, number = store.run("sync"), first
    while True:
        number += 1
        key = f"a/{number:06}"
        keys = [f"{key}/{n:02}" for n in range(batch)]
        run.put_rows("primary", [unanswered(k, "v:kv/x", Presence.PRESENT, None, now) for k in keys])
        with run.comparison("primary", "backup", policy_digest="d", now=now) as comparison:
            comparison.remember(Remembered(key, number, number, number))
            what = {"code": "NHS201", "state": State.FAIL, "severity": Severity.ERROR, "title": "t"}
            comparison.finding(Finding(app="a", pair=str(number), **what))
        store.audit("hold", actor="child", detail={"number": number})
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
"""


def acknowledged_until_killed(url: str, first: int, seconds: float) -> tuple[int, int]:
    """Let a child write, kill it `seconds` after its first acknowledgement; returns (last number, how many)."""
    command = [sys.executable, "-c", CHILD, url, str(first), str(BATCH)]
    # Unbuffered: communicate() does not see what a buffered readline() took ahead, and acknowledgements would be lost.
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as child:
        assert child.stdout is not None
        said = child.stdout.readline()
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([child.stdout], [], [], left)[0]:
                said += child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        rest, errors = child.communicate()
    assert child.returncode == -signal.SIGKILL, errors.decode()
    lines = (said + rest).split(b"\n")[:-1]
    return int(lines[-1]), len(lines)


@pytest.mark.timeout(300)
@pytest.mark.requirement("R55")
def test_nothing_acknowledged_is_lost(sqlite_url: str, clock: FakeClock, randomness: CountingRandomness) -> None:
    """20 SIGKILLs at random instants: no lost batch, no half batch, no half comparison, no broken file or chain."""
    chance = random.Random(20261123)  # where the kills fall is the kernel's affair; this only spreads them
    last = total = 0
    for _ in range(KILLS):
        last, count = acknowledged_until_killed(sqlite_url, last, chance.random() * 0.15)
        total += count
        check(sqlite_url, last)
        with Store.open(sqlite_url, clock=clock, randomness=randomness) as store, store.reader() as reader:
            assert next(reader.runs()).outcome == "interrupted"
            assert reader.verify_audit().problem == ""
    assert total > KILLS, "vacuous: the children acknowledged next to nothing"


def check(url: str, acknowledged: int) -> None:
    """Look at the file with plain SQLite, as the next process would find it."""
    file = Path(url.removeprefix("sqlite:///"))
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        batches = dict(connection.execute("SELECT substr(key, 1, 8), count(*) FROM items GROUP BY 1"))
        assert set(batches.values()) == {BATCH}
        assert {f"a/{number:06}" for number in range(1, acknowledged + 1)} <= set(batches)
        memories = {key for (key,) in connection.execute("SELECT key FROM evaluations")}
        assert {f"a/{number:06}" for number in range(1, acknowledged + 1)} <= memories
        # Each comparison gives one finding and resolves the one before, all in one transaction.
        (open_findings,) = connection.execute("SELECT count(*) FROM findings").fetchone()
        (ended,) = connection.execute("SELECT count(*) FROM finding_history").fetchone()
        assert (open_findings, ended) == (1, len(memories) - 1)
