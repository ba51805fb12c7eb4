"""Scripts of http probes: what is changed is undone, whatever happens in between, and what is not is told."""

import json
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.clock import SystemClock
from nhisync.probes import Order, Shown
from nhisync.probes.http import probe
from nhisync.probes.order import Left, Patience
from nhisync.probes.script import MARK, UNDOING, _quoted, values_of
from nhisync.testing.judge import Account, Judge

from .conftest import CANARY, Raw, showing

MakeOrder = Callable[..., Order]
MakeRaw = Callable[..., Raw]

THING = "/account/things/nhisync-{run}"


def step(name: str, path: str = THING, method: str = "GET", **more: Any) -> dict[str, Any]:
    """One step as the configuration writes it."""
    blank = {"name": name, "method": method, "path": path, "body": None, "expect": [200], "capture": {}, "equals": {}}
    return {**blank, **more}


def making(**changes: dict[str, Any]) -> str:
    """A script that makes a thing and removes it; `changes` of its steps."""
    found = {
        "read": step("read", expect=[404]),
        "modify": step("modify", method="PUT", body={"note": "nhisync {run}"}, expect=[201]),
        "verify": step("verify", equals={"note": "nhisync {run}"}),
        "undo": step("undo", method="DELETE", expect=[204]),
        "undone": step("undone", expect=[404]),
    }
    return json.dumps([{**one, **changes.get(name, {})} for name, one in found.items()])


SETTING = "/account/things/setting"


def restoring(**changes: dict[str, Any]) -> str:
    """A script that changes a member and writes its old value back."""
    found = {
        "read": step("read", SETTING, capture={"old": "limit"}),
        "modify": step("modify", SETTING, "PATCH", body={"limit": "nhisync {run}"}),
        "verify": step("verify", SETTING, equals={"limit": "nhisync {run}"}),
        "undo": step("undo", SETTING, "PATCH", body={"limit": "{old}"}),
        "undone": step("undone", SETTING, equals={"limit": "{old}"}),
    }
    return json.dumps([{**one, **changes.get(name, {})} for name, one in found.items()])


class Notes:
    """What a probe said before it changed something."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, Any], str]] = []

    def __call__(self, values: str, where: str) -> None:
        """Keep it."""
        self.told.append((json.loads(values), where))


@pytest.fixture
def notes() -> Notes:
    """Empty."""
    return Notes()


@pytest.fixture
def tried(order: MakeOrder, notes: Notes) -> Callable[..., Shown]:
    """Makes the probe with a script."""

    def make(script: str, *, seconds: float = 20, **changes: Any) -> Shown:
        made = order(**{"script": script, "run": "51c0de01", "depth": "txn", **changes})
        return probe(made, showing(), Patience(SystemClock(), seconds, notes))

    return make


@pytest.mark.requirement("R17", "R22")
def test_a_change_is_made_seen_and_undone(tried: Callable[..., Shown], judge: Judge, notes: Notes) -> None:
    """The transaction is proven, nothing is left, and every request of it carries the run's id."""
    shown = tried(making())
    assert (shown.depth, shown.accepted, shown.error, shown.left) == ("txn", True, None, Left())
    assert shown.seen_as.startswith("payments-north at ")
    assert judge.things == {}
    assert judge.marks == [f"{method} 51c0de01" for method in ("GET", "PUT", "GET", "DELETE", "GET")]
    assert notes.told == [({"run": "51c0de01"}, f"run 51c0de01, PUT {judge.address}/account/things/nhisync-51c0de01")]
    assert MARK == "X-Nhisync-Run"


@pytest.mark.requirement("R22")
@pytest.mark.parametrize("old", [7, "seven or so"])
def test_an_old_value_is_put_back_as_it_was(tried: Callable[..., Shown], judge: Judge, old: Any) -> None:
    """A number stays a number."""
    judge.things[SETTING] = {"limit": old, "other": True}
    assert tried(restoring()).accepted is True
    assert judge.things[SETTING] == {"limit": old, "other": True}


@pytest.mark.requirement("R22")
@pytest.mark.parametrize(("now", "after"), [(200, 200), ("nhisync 0badf00d", 100), (None, 100)])
def test_an_earlier_undo_overwrites_nobody(tried: Callable[..., Shown], judge: Judge, now: Any, after: int) -> None:
    """What an earlier run left is put back where it stands still; what a person wrote since is the value to keep."""
    judge.things[SETTING] = {"limit": now}
    shown = tried(restoring(), left=json.dumps({"run": "0badf00d", "old": 100}))
    assert (shown.accepted, shown.left) == (True, Left())
    assert judge.things[SETTING] == {"limit": after}


def test_nobody_writes_whom_the_service_does_not_judge(order: MakeOrder, judge: Judge, notes: Notes) -> None:
    """A refused credential, and one that everybody shares, begin no script."""
    for account in (Account("a", "another"), Account("a", "", open=True)):
        judge.accounts["/account"] = account
        made = order(script=making(), run="1", depth="txn")
        assert probe(made, showing(), Patience(SystemClock(), 20, notes)).left is None
    assert notes.told == []
    assert judge.marks == []


def test_what_is_there_already_is_not_ours(tried: Callable[..., Shown], judge: Judge, notes: Notes) -> None:
    """`read` comes first: nothing is changed where it is not as it should be."""
    judge.things["/account/things/nhisync-51c0de01"] = {"note": "of somebody else"}
    shown = tried(making())
    assert (shown.depth, shown.accepted, shown.left) == ("auth", None, Left())
    assert shown.error is not None
    assert shown.error.message == "the login is accepted, but its script stops at `read`: the service answers 200"
    assert notes.told == []
    assert len(judge.things) == 1


def test_a_change_that_is_refused_is_not_undone(tried: Callable[..., Shown], judge: Judge) -> None:
    """4xx: nothing of it was done, so that a DELETE would take what belongs to somebody else."""
    path = "/elsewhere/things/x"
    shown = tried(making(modify={"path": path}, undo={"path": path}))
    assert (shown.depth, shown.accepted, shown.left) == ("auth", None, Left())
    assert "DELETE 51c0de01" not in judge.marks


@pytest.mark.requirement("R22")
@pytest.mark.parametrize(
    "changes",
    [
        {"verify": {"equals": {"note": "something else"}}},
        {"verify": {"expect": [418]}},
        {"modify": {"expect": [418]}},
        {"modify": {"capture": {"id": "nothing.there"}}},
    ],
    ids=["value", "status", "answer", "capture"],
)
def test_the_undo_is_made_whatever_failed_before(
    tried: Callable[..., Shown], judge: Judge, changes: dict[str, Any]
) -> None:
    """No transaction is proven, and nothing is left."""
    shown = tried(making(**changes))
    assert (shown.depth, shown.accepted, shown.left) == ("auth", None, Left())
    assert judge.things == {}


@pytest.mark.requirement("R22")
def test_an_undo_that_fails_is_told_with_what_and_where(tried: Callable[..., Shown], judge: Judge) -> None:
    """The change, the place, the run and the service's answer; the next probe undoes it first."""
    judge.accounts["/account"] = Account("payments-north", CANARY, undo="refused")
    shown = tried(making())
    assert (shown.depth, shown.accepted) == ("auth", None)
    assert shown.left == Left(
        '{"run": "51c0de01"}',
        f"run 51c0de01, PUT {judge.address}/account/things/nhisync-51c0de01: the undo: the service answers 500",
        sure=True,
    )
    judge.accounts["/account"] = Account("payments-north", CANARY)
    again = tried(making(), run="51c0de02", left=shown.left.values)
    assert (again.accepted, again.left) == (True, Left())
    assert judge.things == {}


def test_nothing_is_written_before_the_last_run_is_undone(tried: Callable[..., Shown], judge: Judge) -> None:
    """Where it cannot be, one thing is left and not one more each time."""
    judge.accounts["/account"] = Account("payments-north", CANARY, undo="refused")
    left = tried(making()).left
    assert left is not None
    again = tried(making(), run="51c0de02", left=left.values)
    assert (again.accepted, again.depth) == (None, "auth")
    assert again.left == left
    assert len(judge.things) == 1


def test_a_service_that_falls_silent_leaves_it_unknown(tried: Callable[..., Shown], judge: Judge) -> None:
    """Nobody saw that it is undone, and nobody saw that it is not."""
    judge.accounts["/account"] = Account("payments-north", CANARY, undo="silent")
    left = tried(making()).left
    assert left is not None
    assert (left.sure, values_of(left.values)) == (False, {"run": "51c0de01"})
    assert left.told.endswith(": the undo: the service did not answer")


def test_an_undo_that_needs_what_nobody_told_says_so(tried: Callable[..., Shown]) -> None:
    """An id that the service made and whose answer was lost."""
    script = making(
        modify={"expect": [418], "capture": {"id": "note"}},
        undo={"path": "/account/things/{id}"},
        undone={"path": "/account/things/{id}"},
    )
    left = tried(script).left
    assert left is not None
    assert left.told.endswith("the undo: it needs {id}, which no answer told")
    assert not left.sure


@pytest.mark.requirement("R22")
def test_time_that_runs_out_does_not_take_the_undo_away(raw: MakeRaw) -> None:
    """The service drips after the change; the undo has time of its own, and that is bounded."""
    seen: list[str] = []

    def behave(channel: socket.socket) -> None:
        asked = channel.recv(65_536).decode()
        seen.append(asked.split(" ")[0])
        status = 200
        if "/things" in asked:
            status = {"GET": 404, "PUT": 201, "DELETE": 204}[seen[-1]]
            if seen[-1] == "PUT":
                while channel.sendall(b"H") is None:
                    socket.socket.settimeout(channel, 0.1)
                    try:
                        channel.recv(10)
                    except TimeoutError:
                        continue
                    return
        elif CANARY not in asked:
            status = 401
        channel.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)

    clock = SystemClock()
    order = Order(
        target=f"http://{raw(behave).address}/account", auth="bearer", depth="txn", script=making(), run="51c0de01"
    )
    began = clock.monotonic()
    shown = probe(order, showing(), Patience(clock, 3))
    assert clock.monotonic() - began < 3 + UNDOING + 10
    assert seen[-2:] == ["DELETE", "GET"]
    assert (shown.accepted, shown.left) == (None, Left())


@pytest.mark.requirement("R13", "R22")
def test_nothing_of_the_credential_is_captured_or_told(tried: Callable[..., Shown], judge: Judge) -> None:
    """A service that echoes it where a value is looked for: the script stops, and nothing is changed."""
    judge.things[SETTING] = {"limit": CANARY}
    shown = tried(restoring())
    assert (shown.accepted, shown.left) == (None, Left())
    assert CANARY not in repr(shown)
    assert judge.things[SETTING] == {"limit": CANARY}
    for odd in ("x" * 129, "line\nbreak", "{run}", True, None, {"a": 1}, 1.5, "ü"):
        judge.things[SETTING] = {"limit": odd}
        assert tried(restoring()).error is not None
        assert judge.things[SETTING] == {"limit": odd}


@given(st.text(max_size=20))
def test_a_value_is_one_part_of_a_path(value: str) -> None:
    """No value leads to another folder, another query or another host."""
    text = _quoted(value)
    assert not set(text) & set("/?#\\ ")
    assert text not in {".", ".."}
