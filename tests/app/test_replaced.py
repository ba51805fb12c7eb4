"""What a rotation replaced, presented beside what is stored now: at most once, and only where it tells something."""

import io
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nhisync.app.live import Probed, _proof
from nhisync.app.probing import _Bench, _Side
from nhisync.clock import SystemClock
from nhisync.model import Locator
from nhisync.parity.proof import AUTH, Proof, text_of
from nhisync.spi import Budget, Capability, ErrorKind, FieldValue, ProviderError, SecretBytes
from nhisync.testing.judge import Account, Judge
from nhisync.testing.rows import NOW, row

NOW_VALUE, BEFORE = "canary-now-51c0de-a", "canary-before-51c0de-b"
ITEM = Locator.parse("files:kv/ledger")


class Keeping:
    """A provider that keeps one version before; `before` None = it has none."""

    def __init__(self, before: str | None) -> None:
        self.before, self.read, self.closed = before, 0, 0

    def values(self, wanted: Sequence[Locator], budget: Budget) -> Iterator[FieldValue]:
        """The current value."""
        assert budget.remaining > 0
        yield from (FieldValue(one, "key", SecretBytes(NOW_VALUE.encode())) for one in wanted)

    def previous(self, wanted: Locator, budget: Budget) -> Iterator[FieldValue]:
        """The version before."""
        assert budget.remaining > 0
        self.read += 1
        if self.before is None:
            raise ProviderError(ErrorKind.NOT_FOUND, "there was no version before")
        yield FieldValue(wanted, "key", SecretBytes(self.before.encode()))

    def close(self) -> None:
        """Count."""
        self.closed += 1


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[Judge]:
    """The service."""
    made = Judge(clock=SystemClock(), directory=tmp_path)
    made.start()
    yield made
    made.stop()


def tried(judge: Judge, provider: Keeping, *, previous: bool = True, able: bool = True) -> dict[str, Any]:
    """What is told of one side."""
    clock, out = SystemClock(), io.StringIO()
    probe = SimpleNamespace(
        type="http", target=f"https://{judge.address}/north", auth="bearer", depth="auth", header="", database="",
        tls=True, server_name="", ca_file=str(judge.authority), proxy="", seen_as="", expect=frozenset({200}),
        region="", namespace="", mount="", scope="", vhost="", script="", user="", user_field="", secret_field="key",
        certificate_field="", key_field="", session_field="", issue=False, run_from="local",
        timeout=timedelta(seconds=20),
    )  # fmt: skip
    offered = frozenset({Capability.FINGERPRINT, *({Capability.PREVIOUS} if able else ())})
    session: Any = SimpleNamespace(
        clock=clock,
        configuration=SimpleNamespace(base=Path("/")),
        source_info=lambda *_: SimpleNamespace(capabilities=offered),
        provider=lambda *_: provider,
        budget=lambda *_: Budget(clock, seconds=20),
    )
    side = _Side(SimpleNamespace(name="shop"), "backup", "shop/db", ITEM, probe, frozenset(), previous)  # type: ignore[arg-type]
    _Bench(session, out, 20).run({("backup", "files"): [side]})
    assert "canary" not in out.getvalue()
    (told,) = [json.loads(line) for line in out.getvalue().splitlines()]
    return dict(told)


@pytest.mark.requirement("R17")
def test_a_dead_predecessor_is_refused(judge: Judge) -> None:
    """The current one is let in, the one before is not."""
    judge.accounts["/north"] = Account("north", NOW_VALUE)
    provider = Keeping(BEFORE)
    told = tried(judge, provider)
    assert (told["accepted"], told["previous"]["accepted"]) == (True, False)
    assert (provider.read, provider.closed) == (1, 2)
    assert judge.requests == 4  # with the current one, without any, with a made-up one, with the one before


@pytest.mark.requirement("R17")
def test_a_living_predecessor_is_told(judge: Judge) -> None:
    """Accepted: the rotation has not ended."""
    judge.accounts["/north"] = Account("north", NOW_VALUE, also=frozenset({BEFORE}))
    assert tried(judge, Keeping(BEFORE))["previous"]["accepted"] is True


def test_nothing_old_is_presented_to_a_service_that_refuses_or_judges_nobody(judge: Judge) -> None:
    """Its refusal would say nothing, and could lock an account."""
    for account in (Account("north", "something newer"), Account("north", "", open=True)):
        judge.accounts["/north"] = account
        provider = Keeping(BEFORE)
        assert "previous" not in tried(judge, provider)
        assert provider.read == 0


def test_nothing_old_is_read_where_nobody_asks(judge: Judge) -> None:
    """One read, and no failed login."""
    judge.accounts["/north"] = Account("north", NOW_VALUE)
    provider = Keeping(BEFORE)
    assert "previous" not in tried(judge, provider, previous=False)
    assert provider.read == 0


@pytest.mark.parametrize(
    ("before", "able", "said"),
    [(None, True, "no version before"), (NOW_VALUE, True, "the same credential"), (BEFORE, False, "no previous")],
)
def test_what_cannot_be_presented_is_not_judged(judge: Judge, before: str | None, able: bool, said: str) -> None:
    """A store without it, a version that changed nothing, a provider that reads none: told, and nothing is sent."""
    judge.accounts["/north"] = Account("north", NOW_VALUE)
    told = tried(judge, Keeping(before), able=able)
    assert told["accepted"] is True
    assert told["previous"]["accepted"] is None
    assert said in told["previous"]["message"]
    assert judge.requests == 3


def test_what_became_of_it_outlives_the_next_login() -> None:
    """It is not presented again, and its age stays its own; a new generation begins anew."""
    then, made = NOW - 600, row(version="7").rotated
    before = Proof(at=then, rung=AUTH, accepted=True, version="7", rotated=made, by="p", old="refused", old_at=then)
    answer = {"depth": "auth", "accepted": True, "seen_as": "", "error": "", "message": ""}
    held = Probed("backup", row(probe=text_of(before), version="7"), "p")
    kept = _proof(answer, "", held, NOW)
    assert (kept.at, kept.old, kept.old_at) == (NOW, "refused", NOW - 600)
    lost = _proof(None, "no answer", held, NOW)
    assert (lost.at, lost.old) == (NOW - 600, "refused")
    rotated = _proof(answer, "", Probed("backup", row(probe=text_of(before), version="8"), "p"), NOW)
    assert (rotated.old, rotated.old_at) == ("", 0)
    minted = _proof(answer, "", Probed("backup", row(version="7"), "p", nothing=True), NOW)
    assert minted.old == "nothing"
    shown = {**answer, "previous": {"accepted": True, "message": ""}}
    alive = _proof(shown, "", Probed("backup", row(version="7"), "p", previous=True), NOW)
    assert (alive.old, alive.old_at) == ("accepted", NOW)
