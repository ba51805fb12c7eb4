"""NHS907 ends when a person who looked says so, and by nothing else: not by time, not by repetition, not by a guess."""

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from nhisync.cli import main
from nhisync.model import Report, Word
from nhisync.store import Store

from .conftest import TEMPLATE

if TYPE_CHECKING:
    from .conftest import Lab

WHO = ("--approved-by", "vault-team", "--reason", "tenant moved, CHG-77")


def told(report: Report) -> list[str]:
    """What stands open about the sweeps."""
    return [finding.observed for finding in report.findings if finding.code == "NHS907"]


def word(report: Report) -> Word:
    """The only verdict's word."""
    (verdict,) = report.verdicts
    return verdict.word


def run(lab: "Lab", *arguments: str) -> tuple[int, str]:
    """One command line; its code and everything it said."""
    out = io.StringIO()
    code = main(
        ["--config", str(lab.file), *arguments],
        stdin=io.StringIO(),
        stdout=out,
        stderr=out,
        environ={},
        clock=lab.clock,
        randomness=lab.randomness,
        registry=lab.registry,
    )
    return int(code), out.getvalue()


def hold(lab: "Lab", count: int, scope: str = "") -> None:
    """Both paths hold `count` items of the kind kv."""
    items = [lab.item(f"{scope}n{number}") for number in range(count)]
    seen = [*items, lab.covered(items=count, scope=scope)]
    lab.see(seen, seen)


@pytest.fixture
def shrunk(lab: "Lab") -> "Lab":
    """Ten pairs on both paths, of which three are left."""
    lab.configure(TEMPLATE)
    hold(lab, 10)
    assert word(lab.sync()) is Word.READY
    hold(lab, 3)
    assert told(lab.sync())
    return lab


@pytest.mark.requirement("R6", "R34")
def test_equal_sweeps_alone_are_never_believed(shrunk: "Lab") -> None:
    """A taken permission makes equal sweeps for ever; what is missing stays unknown for as long."""
    for _ in range(30):
        shrunk.clock.advance(timedelta(seconds=30))
        hold(shrunk, 3)
        report = shrunk.sync()
        assert len(told(report)) == 2
        assert word(report) is Word.UNKNOWN


def test_the_finding_tells_the_exact_way_out(shrunk: "Lab") -> None:
    """Look first, then the command with everything filled in but who and why."""
    (finding,) = [f for f in shrunk.sync().findings if f.code == "NHS907" and f.observed.startswith("backup:")]
    assert finding.next[0].startswith("Compare nhisync inventory backup with the provider's own count. Only if")
    assert "nhisync store accept backup one kv --items 3 --approved-by WHO --reason WHY" in finding.next[0]


def test_an_accepted_sweep_is_believed_and_audited(shrunk: "Lab") -> None:
    """Once both sides are accepted the next cycle forgets what is gone and is ready; the trail says who and why."""
    assert run(shrunk, "store", "accept", "backup", "one", "kv", "--items", "3", *WHO)[0] == 0
    report = shrunk.sync()
    assert [text.partition(":")[0] for text in told(report)] == ["primary"]
    assert word(report) is not Word.READY
    code, said = run(shrunk, "store", "accept", "primary", "one", "kv", "--items", "3", *WHO)
    assert (code, said.splitlines()[0]) == (0, "accepted: one kv on primary holds 3 items, says vault-team")
    report = shrunk.sync()
    assert (told(report), word(report), report.verdicts[0].pairs) == ([], Word.READY, 3)
    with store(shrunk) as opened, opened.reader() as reader:
        acts = [(record.action, record.detail) for record in reader.audit()]
        assert reader.verify_audit().problem == ""
    assert [action for action, _ in acts] == ["accept-sweep"] * 2
    assert acts[0][1] == {
        "path": "backup",
        "source": "one",
        "kind": "kv",
        "scope": "",
        "items": 3,
        "approved_by": "vault-team",
        "reason": "tenant moved, CHG-77",
    }


def store(lab: "Lab") -> Store:
    """The laboratory's store, for reading."""
    return Store.open(lab.session().configuration.store_url, clock=lab.clock, randomness=lab.randomness, mode="read")


def test_a_further_loss_is_held_back_again(shrunk: "Lab") -> None:
    """What was accepted is the new measure, not a licence."""
    for path in ("primary", "backup"):
        run(shrunk, "store", "accept", path, "one", "kv", "--items", "3", *WHO)
    shrunk.sync()
    hold(shrunk, 1)
    assert len(told(shrunk.sync())) == 2


@pytest.mark.requirement("R6", "R34")
def test_a_listing_that_is_cut_a_little_more_each_cycle_is_held_back(lab: "Lab") -> None:
    """Nine of ten each time: what leaves less than four fifths of the first one is unknown, and all after it."""
    lab.configure(TEMPLATE)
    words = []
    for count in (50, 45, 41, 37, 34, 31, 28):
        hold(lab, count)
        report = lab.sync()
        words.append((word(report), len(told(report))))
        lab.clock.advance(timedelta(seconds=30))
    assert words == [(Word.READY, 0)] * 3 + [(Word.UNKNOWN, 2)] * 4
    for path in ("primary", "backup"):
        assert run(lab, "store", "accept", path, "one", "kv", "--items", "28", *WHO)[0] == 0
    hold(lab, 28)
    report = lab.sync()
    assert (word(report), report.verdicts[0].pairs) == (Word.READY, 28)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("backup", "one", "kv", "--items", "4", *WHO), 5, "held 3 items, not 4"),
        (("backup", "one", "kv", "--items", "0", *WHO), 5, "held 3 items, not 0"),
        (("backup", "two", "kv", "--items", "3", *WHO), 2, "no sweep of two kv on backup shrank"),
        (("backup", "one", "listed", "--items", "3", *WHO), 2, "Held back there: one kv: 3 items."),
        (("attic", "one", "kv", "--items", "3", *WHO), 2, "no sweep of one kv on attic shrank"),
        (("backup", "one", "kv", "--items", "3", "--scope", "team/", *WHO), 2, "no sweep of one kv on backup shrank"),
        (("backup", "one", "kv", "--items", "3", "--approved-by", " ", "--reason", "x"), 2, "somebody who vouches"),
        (("backup", "one", "kv", "--items", "3", "--approved-by", "x", "--reason", ""), 2, "needs a reason"),
        (("backup", "one", "kv", "--items", "-1", *WHO), 2, "--items"),
        (("backup", "one", "kv", *WHO), 2, "--items"),
    ],
)
def test_what_is_not_exactly_the_sweep_is_refused(
    shrunk: "Lab", arguments: tuple[str, ...], code: int, says: str
) -> None:
    """Nobody accepts what they did not see; a refusal changes nothing and audits nothing."""
    ended, said = run(shrunk, "store", "accept", *arguments)
    assert (ended, says in said) == (code, True), said
    with store(shrunk) as opened, opened.reader() as reader:
        assert list(reader.audit()) == []
    assert len(told(shrunk.sync())) == 2


def test_a_complete_sweep_needs_no_acceptance(lab: "Lab") -> None:
    """Accepting beforehand would be a licence for a loss that nobody has seen."""
    lab.configure(TEMPLATE)
    hold(lab, 10)
    lab.sync()
    assert run(lab, "store", "accept", "backup", "one", "kv", "--items", "10", *WHO)[0] == 2


def test_one_of_several_mounts_is_named(lab: "Lab") -> None:
    """Where two shrank, each is accepted for itself, also one that is not listed any more."""
    lab.configure(TEMPLATE)

    def both(left: int, right: int | None) -> list[Any]:
        items = [lab.item(f"a/n{number}") for number in range(left)]
        items += [lab.item(f"b/n{number}") for number in range(right or 0)]
        covered = [lab.covered(items=left, scope="a/")]
        return [*items, *covered, *([] if right is None else [lab.covered(items=right, scope="b/")])]

    lab.see(both(10, 10), both(10, 10))
    lab.sync()
    lab.see(both(10, 10), both(2, None))
    assert len(told(lab.sync())) == 2
    code, said = run(lab, "store", "accept", "backup", "one", "kv", "--items", "2", *WHO)
    assert (code, "Name one with --scope: a/, b/." in said) == (2, True)
    assert run(lab, "store", "accept", "backup", "one", "kv", "--scope", "b/", "--items", "0", *WHO)[0] == 0
    assert ["a/" in text or "one:kv" in text for text in told(lab.sync())] == [True]
    assert run(lab, "store", "accept", "backup", "one", "kv", "--scope", "a/", "--items", "2", *WHO)[0] == 0
    assert told(lab.sync()) == []


def test_a_daemons_lock_refuses(shrunk: "Lab") -> None:
    """One writer: while another process writes, the answer is 5 and nothing is accepted."""
    with Store.open(shrunk.session().configuration.store_url, clock=shrunk.clock, randomness=shrunk.randomness):
        code, said = run(shrunk, "store", "accept", "backup", "one", "kv", "--items", "3", *WHO)
    assert (code, "is writing to" in said) == (5, True)
