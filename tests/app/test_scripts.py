"""Scripts through the whole of nhisync: from the configuration to the finding, also when the process is killed."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhisync.clock import SystemClock
from nhisync.testing.judge import Account, Judge

from .live_world import VALUES, World, told

SCRIPT = {
    "read": {"path": "/north/things/nhisync-{run}", "expect": [404]},
    "modify": {"method": "PUT", "path": "/north/things/nhisync-{run}", "body": {"note": "nhisync {run}"}},
    "verify": {"path": "/north/things/nhisync-{run}", "equals": {"note": "nhisync {run}"}},
    "undo": {"method": "DELETE", "path": "/north/things/nhisync-{run}"},
    "undone": {"path": "/north/things/nhisync-{run}", "expect": [404]},
}


class Killing(Judge):
    """A judge that ends the process which presents a credential as soon as that has changed something."""

    armed = False

    def answer(
        self, resource: str, authorization: str, method: str = "GET", body: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Do it, and end the children of this process."""
        done = super().answer(resource, authorization, method, body)
        if self.armed and method == "PUT":
            for file in Path("/proc/self/task").glob("*/children"):
                for child in file.read_text(encoding="ascii").split():
                    command = Path(f"/proc/{child}/cmdline").read_bytes()
                    if b"nhisync.app.probing" in command:
                        os.kill(int(child), signal.SIGKILL)
        return done


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[Killing]:
    """The service."""
    made = Killing(clock=SystemClock(), directory=tmp_path / "judge")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def world(tmp_path: Path, judge: Killing) -> World:
    """One pair whose backup's probe has a script."""
    made = World(tmp_path, judge)
    made.configure(more=f", depth: txn, script: {json.dumps(SCRIPT)}")
    return made


def found(report: Any, code: str) -> str:
    """What a finding says."""
    (finding,) = [one for one in report.findings if one.code == code]
    return str(finding.observed)


@pytest.mark.requirement("R17", "R22")
def test_a_script_proves_the_transaction_and_leaves_nothing(world: World, judge: Killing) -> None:
    """Accepted, as deep as a transaction, undone; the rules say so."""
    states = told(world.diff(live=True))
    assert (states["NHS801"], states["NHS807"], states["NHS818"], states["NHS819"]) == ("pass",) * 4
    assert judge.things == {}
    assert len([mark for mark in judge.marks if mark.startswith("PUT")]) == 1


@pytest.mark.requirement("R22")
def test_what_is_left_behind_outlives_a_rotation_until_it_is_undone(world: World, judge: Killing) -> None:
    """The finding names run and place; the next probe that may undo it ends it."""
    judge.accounts["/north"] = Account("ledger-north", VALUES["backup"], undo="refused")
    report = world.diff(live=True)
    assert told(report)["NHS818"] == "fail"
    assert f"PUT {judge.address}/north/things/nhisync-" in found(report, "NHS818")
    assert "canary" not in repr(report)
    world.store_value("backup", "canary-rotated-51c0de", age=60.0)
    assert told(world.diff(live=True))["NHS818"] == "fail"
    judge.accounts["/north"] = Account("ledger-north", "canary-rotated-51c0de")
    assert told(world.diff(live=True))["NHS818"] == "pass"
    assert judge.things == {}


@pytest.mark.requirement("R22")
def test_a_process_that_is_killed_between_change_and_undo_is_told(world: World, judge: Killing) -> None:
    """SIGKILL: nobody saw the undo, the finding says which run; the next one undoes it before it changes anything."""
    judge.armed = True
    report = world.diff(live=True)
    (thing,) = judge.things
    run = thing.rpartition("-")[2]
    assert told(report)["NHS819"] == "unknown"
    assert f"run {run}, PUT {judge.address}{thing}: the probing process ended" in found(report, "NHS819")
    judge.armed = False
    assert told(world.diff(live=True))["NHS819"] == "pass"
    assert judge.things == {}
    marks = [mark.partition(" ")[2] for mark in judge.marks if mark.startswith("DELETE")]
    assert marks[0] == run
    assert len(marks) == 2


def test_an_edited_probe_begins_anew(world: World, judge: Killing) -> None:
    """What another script left cannot be undone by this one."""
    judge.accounts["/north"] = Account("ledger-north", VALUES["backup"], undo="refused")
    assert told(world.diff(live=True))["NHS818"] == "fail"
    world.configure()
    assert "NHS818" not in {code for code, state in told(world.diff(live=True)).items() if state == "fail"}
