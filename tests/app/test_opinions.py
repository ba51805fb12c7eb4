"""Second opinions are asked where a tier wants them, stand in the rows with their age, and doctor tries all of it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from nhisync.app.diff import observe
from nhisync.app.doctor import examine
from nhisync.app.gather import scope_of
from nhisync.app.permissions import permissions
from nhisync.app.rights import asked_of, read_rights
from nhisync.app.session import Session
from nhisync.collect.cycle import silent
from nhisync.model import ErrorFact
from nhisync.parity.rights import parse
from nhisync.registry import Registry
from nhisync.spi import AccessMode, CheckState, ErrorKind, InventoryRequest, Observation, ProviderError, Question, Said
from nhisync.testing.desk import MemoryDesk
from nhisync.testing.provider import OPINIONS, RIGHTS, RIGHTS_POINT, SCRIPTS, SILENT, FakeProvider

from .scripted import session
from .test_rights import ASKING, CLOCKS, CONFIG, GET, allow, compared, observed, told

Opinion = Callable[[Question], Said] | ErrorFact
DOUBTING = ASKING.replace("compare: true,", "compare: true, second_opinion: true,")
DENIED = ErrorFact(kind=ErrorKind.DENIED.value, message="may not ask", action="fake:opinions:kv")


@pytest.fixture
def doubting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session whose first app wants second opinions; both services allow both sides everything."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/asking.yaml").write_text(DOUBTING)
    made = session(tmp_path, CONFIG, registry=Registry(allow=("unknown",), points=[RIGHTS_POINT]))
    CLOCKS.append(made.clock)
    for script, place in (("p-rights", "here"), ("b-rights", "there")):
        monkeypatch.setitem(SCRIPTS, script, observed)
        monkeypatch.setitem(RIGHTS, (script, "kv/svc"), (allow(GET, f"arn:{place}:pay-{place}"),))
        monkeypatch.setitem(OPINIONS, (script, "kv/svc"), lambda _question: Said.ALLOWED)
    return made


def says(monkeypatch: pytest.MonkeyPatch, opinion: Opinion, script: str = "b-rights") -> None:
    """What one service says of `svc`."""
    monkeypatch.setitem(OPINIONS, (script, "kv/svc"), opinion)


@pytest.mark.requirement("R20")
def test_both_services_hear_the_same_in_their_own_names(doubting: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they say stands in the rows; agreement is no finding, and who holds no rights is not asked about."""
    heard: dict[str, list[Question]] = {"p-rights": [], "b-rights": []}

    def listening(script: str) -> Callable[[Question], Said]:
        return lambda question: [heard[script].append(question), Said.ALLOWED][1]  # type: ignore[func-returns-value]

    for script in heard:
        says(monkeypatch, listening(script), script)
    desk = MemoryDesk()
    assert told(compared(doubting, desk)) == {}
    assert heard == {
        "p-rights": [Question(GET, "arn:here:pay-here")],
        "b-rights": [Question(GET, "arn:there:pay-there")],
    }
    rows = {row.key: parse(row.grants or "") for row in desk.rows("backup") if row.grants}
    opinion = rows["payments/svc"].opinion
    assert opinion is not None
    assert opinion.answers == ((Question(GET, "arn:there:pay-there"), Said.ALLOWED),)
    assert opinion.at == rows["payments/svc"].at
    assert rows["payments/plain"].opinion is None


@pytest.mark.requirement("R20")
def test_documents_that_look_equal_are_not_believed(doubting: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backup's service says no to what the primary's allows: a fail, and rights of which nothing is known."""
    says(monkeypatch, lambda _question: Said.DENIED)
    assert told(compared(doubting)) == {
        "payments/svc NHS505 fail": "its service denies s3:GetObject on arn:there:pay-there",
        "payments/svc NHS506 unknown": f"the service says denied, documents allowed: {GET} on arn:there:pay-there",
    }


def test_a_service_that_may_not_be_asked_is_unknown(doubting: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the action to grant; one without such a question is not missed."""
    says(monkeypatch, DENIED)
    assert told(compared(doubting)) == {
        "payments/svc NHS507 unknown": "its service was not heard: may not ask (missing: fake:opinions:kv)"
    }
    says(monkeypatch, replace(DENIED, kind=ErrorKind.UNSUPPORTED.value))
    assert told(compared(doubting)) == {}


@pytest.mark.requirement("R34", "R5")
def test_silence_keeps_what_was_heard_until_it_is_too_old(doubting: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an outage the primary's service answers nobody: what it said stays the reference, as its rights do."""
    desk = MemoryDesk()
    assert told(compared(doubting, desk)) == {}
    monkeypatch.setitem(SILENT, "p-rights", ProviderError(ErrorKind.UNREACHABLE, "no answer"))
    doubting.clock.advance(timedelta(hours=1))  # type: ignore[attr-defined]
    assert told(compared(doubting, desk)) == {}
    (opinion,) = (parse(row.grants or "").opinion for row in desk.rows("primary") if row.key == "payments/svc")
    assert opinion is not None
    assert opinion.at == int(doubting.clock.now().timestamp()) - 3600


def test_an_older_opinion_is_not_held_against_newer_rights(doubting: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rights were read and the service was not heard, that is said: what it said before was about others."""
    desk = MemoryDesk()
    assert told(compared(doubting, desk)) == {}
    says(monkeypatch, replace(DENIED, kind=ErrorKind.THROTTLED.value, action=""))
    assert told(compared(doubting, desk)) == {"payments/svc NHS507 unknown": "its service was not heard: may not ask"}


def test_a_changed_answer_ends_a_remembered_result(doubting: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The documents are the same as before; what the service says is not."""
    desk = MemoryDesk()
    assert told(compared(doubting, desk)) == {}
    says(monkeypatch, lambda _question: Said.DOUBTED)
    assert list(told(compared(doubting, desk))) == ["payments/svc NHS506 unknown"]


@pytest.mark.requirement("R42")
def test_permissions_are_printed_for_those_who_want_them(doubting: Session) -> None:
    """One more document beside those of inventory and rights, for the asking app's items only."""
    printed = permissions(doubting, AccessMode.READ, path="backup")
    assert [one.document.title for one in printed] == ["fake", "fake rights", "fake opinions"]
    assert printed[-1].document.actions == ("fake:opinions:kv",)
    assert [one.document.title for one in permissions(doubting, AccessMode.ROTATE, path="backup")] == ["fake"]
    (only,) = permissions(doubting, AccessMode.READ, path="backup", pair="quiet/other")
    assert only.document.title == "fake"


def checks(made: Session, mode: AccessMode = AccessMode.READ) -> dict[str, tuple[CheckState, str]]:
    """What doctor says of the backup's rights and opinions."""
    (source,) = examine(made, mode, path="backup").sources
    kept = [one for one in source.checks if one.name.startswith(("rights", "opinions"))]
    return {one.name: (one.state, one.observed) for one in kept}


@pytest.mark.requirement("R42")
def test_doctor_reads_rights_and_asks_as_a_cycle_does(doubting: Session) -> None:
    """For the identities that pairs name; who holds no rights is passed over, and other modes have nothing to read."""
    assert checks(doubting) == {
        "rights:kv/svc": (CheckState.OK, "1 statements"),
        "opinions:kv/svc": (CheckState.OK, "its service answers"),
    }
    assert checks(doubting, AccessMode.PROBE) == {}


@pytest.mark.requirement("R42")
def test_doctor_names_and_prints_what_is_missing(doubting: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """A denial fails, and the document that holds the permission is printed."""
    says(monkeypatch, DENIED)
    (source,) = examine(doubting, AccessMode.READ, path="backup").sources
    assert checks(doubting)["opinions:kv/svc"] == (CheckState.FAILED, "may not ask")
    assert [one.title for one in source.grants] == ["fake opinions"]
    monkeypatch.setitem(RIGHTS, ("b-rights", "kv/svc"), replace(DENIED, action="fake:rights:kv"))
    (source,) = examine(doubting, AccessMode.READ, path="backup").sources
    assert checks(doubting) == {"rights:kv/svc": (CheckState.FAILED, "may not ask")}
    assert [one.title for one in source.grants] == ["fake rights"]


@pytest.mark.parametrize("kind", [ErrorKind.NOT_FOUND, ErrorKind.THROTTLED])
def test_what_says_nothing_of_a_permission_is_a_warning(
    doubting: Session, monkeypatch: pytest.MonkeyPatch, kind: ErrorKind
) -> None:
    """An item that is not there, or a busy service."""
    monkeypatch.setitem(RIGHTS, ("b-rights", "kv/svc"), ErrorFact(kind=kind.value, message="not now"))
    assert checks(doubting) == {"rights:kv/svc": (CheckState.WARNING, "not now")}


def test_doctor_says_when_nothing_can_be_asked(doubting: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole source is silent for rights: one check says so."""
    monkeypatch.setitem(SILENT, "b-rights", ProviderError(ErrorKind.UNREACHABLE, "no answer"))
    assert checks(doubting) == {"rights": (CheckState.FAILED, "no answer")}


def test_an_item_that_only_a_sweep_finds_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Templates are filled by what a sweep finds: doctor says that it tried nobody."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/asking.yaml").write_text(DOUBTING)
    text = CONFIG[: CONFIG.index("    pairs:")] + (
        '    match: [{kind: machine, primary: "one:kv/{name}", backup: "one:kv/{name}"}]\n'
    )
    for script in ("p-rights", "b-rights"):
        monkeypatch.setitem(SCRIPTS, script, observed)
    made = session(tmp_path, text, registry=Registry(allow=("unknown",), points=[RIGHTS_POINT]))
    ((state, said),) = checks(made).values()
    assert state is CheckState.WARNING
    assert said.startswith("not tried")


def test_a_provider_without_rights_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no such capability: nothing is said, and nothing is printed."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/asking.yaml").write_text(DOUBTING)

    def nothing(_request: InventoryRequest) -> Iterator[Observation]:
        return iter(())

    for script in ("p-rights", "b-rights"):
        monkeypatch.setitem(SCRIPTS, script, nothing)
    made = session(tmp_path, CONFIG.replace("provider: rights", "provider: fake"))
    assert checks(made) == {}
    assert [one.document.title for one in permissions(made, AccessMode.READ, path="backup")] == ["fake"]
    assert FakeProvider.info.examples == ()


def test_several_backups_ask_the_primary_for_each(doubting: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The primary's service hears the questions of both pairs at once, and each backup only its own."""
    text = (doubting.configuration.base / "nhisync.yaml").read_text(encoding="utf-8")
    third = "\n  third: {region: far, sources: {one: {provider: rights, script: t-rights}}}\napps:"
    monkeypatch.setitem(SCRIPTS, "t-rights", observed)
    monkeypatch.setitem(RIGHTS, ("t-rights", "kv/svc"), (allow("s3:PutObject", "arn:x"),))
    monkeypatch.setitem(OPINIONS, ("t-rights", "kv/svc"), lambda _question: Said.ALLOWED)
    made = session(doubting.configuration.base, text.replace("\napps:", third, 1), registry=doubting.registry)
    CLOCKS.append(made.clock)
    (app,) = made.apps(["payments"])
    targets = tuple((replace(app, backups=("backup", "third")), "primary", backup) for backup in ("backup", "third"))
    desk, paths = MemoryDesk(), ("primary", "backup", "third")
    observe(made, scope_of([target for target, _, _ in targets[:1]], paths), targets, desk, silent)
    asked = asked_of(made, targets)
    assert asked.doubting == (("payments", "primary", "backup"), ("payments", "primary", "third"))
    read_rights(made, asked, desk, {})
    heard = {
        path: {question.action for question, _ in opinion.answers}
        for path in paths
        for row in desk.rows(path)
        if row.key == "payments/svc" and (opinion := parse(row.grants or "").opinion) is not None
    }
    assert heard == {"primary": {GET, "s3:PutObject"}, "backup": {GET}, "third": {GET, "s3:PutObject"}}
