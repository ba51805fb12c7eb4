"""The operator listener: who may ask, what it takes, and that it lays down for the next cycle what counts."""

import json
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.app.attest import LONGEST, attestations, hear, told
from nhisync.app.inbox import take_in
from nhisync.app.objections import MOST as OBJECTIONS
from nhisync.app.objections import folder_of as objections_of
from nhisync.app.objections import standing
from nhisync.app.posted import deliver, posted
from nhisync.app.spool import MOST, folder_of
from nhisync.errors import StoreError, UsageError
from nhisync.model import State
from nhisync.server.operator import LARGEST, Gate, OperatorSite, Request
from nhisync.server.serving import HttpServer, bind
from nhisync.store import Store
from nhisync.testing.clocks import CountingRandomness, FakeClock

from .test_signed import NOW, SAID, Lab, sign

pytestmark = pytest.mark.requirement("R2", "R19", "R24")

TOKEN = "canary-token-0123456789"
SPOKEN = {"result": "pass", "observed_at": "2026-11-28T01:00:00Z", "by": "anna", "evidence": "CI-812"}
CAPACITY = "/v1/attestations/payments/capacity-test"


class Operated(Lab):
    """The lab's configuration behind an operator listener, and the store that a daemon holds."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        more = f"store: {{url: 'sqlite:///{folder}/store.db'}}\n"
        self.file.write_text(self.file.read_text(encoding="utf-8") + more, encoding="utf-8")
        self.token = folder / "operator.token"
        self.token.write_text(TOKEN + "\n", encoding="utf-8")
        self.token.chmod(0o600)
        self.open = self.session
        self.store = Store.open(
            self.open.configuration.store_url,
            clock=FakeClock(NOW),
            randomness=CountingRandomness(),
            purpose="nhisync serve",
        )
        self.publication = self.open.configuration.publish.snapshot
        self.site = OperatorSite(Gate(self.token), self.post)
        self.port = 0

    def post(self, asked: Request) -> dict[str, str]:
        """What the process does with a request."""
        claim, actor = posted(self.open, asked.app, asked.kind, asked.media, asked.body, peer=asked.peer)
        return {"attested_by": deliver(self.open, claim, actor=actor).attested_by}

    def ask(
        self,
        body: Any = SPOKEN,
        path: str = CAPACITY,
        *,
        token: str = TOKEN,
        media: str = "application/json",
        method: str = "POST",
    ) -> tuple[int, dict[str, Any], str]:
        """Status, document and head of the answer."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: operators.test\r\nContent-Length: {len(content)}\r\n"
        head += f"Content-Type: {media}\r\n" if media else ""
        head += f"Authorization: Bearer {token}\r\n" if token else ""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(head.encode() + b"\r\n" + content)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        first, _, rest = answer.partition(b"\r\n\r\n")
        return int(first.split(b" ")[1]), json.loads(rest), first.decode().lower()

    def state(self) -> State:
        """What the tier was told about capacity."""
        return next(one.attested.state for one in told(self.open) if one.attested.kind == "capacity-test")

    @property
    def words(self) -> list[str]:
        """What waits for the next cycle."""
        folder = folder_of(self.publication)
        return sorted(os.listdir(folder)) if folder.is_dir() else []


@contextmanager
def serving(operated: Operated) -> Iterator[Operated]:
    """The listener, in a thread."""
    server = HttpServer(operated.site, None, section="operator")
    (sock,) = bind("127.0.0.1:0", "operator.bind")
    operated.port = sock.getsockname()[1]
    thread = threading.Thread(target=server.run, args=([sock],))
    thread.start()
    try:
        yield operated
    finally:
        server.stop()
        thread.join(timeout=10)
        assert not thread.is_alive()


@pytest.fixture
def operated(tmp_path: Path) -> Iterator[Operated]:
    """A listener with nothing said yet."""
    made = Operated(tmp_path)
    with serving(made):
        yield made
    made.store.close()


def test_what_holds_counts_from_the_next_cycle(operated: Operated) -> None:
    """It is durable when the answer comes, recorded by the process that keeps the store, audited, and then gone."""
    assert operated.state() is State.UNKNOWN
    status, document, head = operated.ask()
    assert (status, document) == (202, {"attested_by": "anna"})
    assert "cache-control: no-store" in head
    assert "connection: close" in head
    assert operated.state() is State.UNKNOWN
    assert len(operated.words) == 1
    assert take_in(operated.open, operated.store) == 1
    assert operated.state() is State.PASS
    assert operated.words == []
    with operated.store.reader() as reader:
        (entry,) = [one for one in reader.audit() if "attest" in one.action]
    assert entry.actor == "operator at 127.0.0.1"


def test_what_does_not_hold_blocks_at_once(operated: Operated) -> None:
    """It stands where the listener of controllers looks, before any cycle; a later word lifts it."""
    assert operated.ask({**SPOKEN, "result": "fail", "observed_at": "2026-11-28T00:00:00Z"})[0] == 202
    (objection,) = [one for _, one in standing(operated.publication).said]
    assert (objection.attestation.kind, objection.actor) == ("capacity-test", "operator at 127.0.0.1")
    assert operated.state() is State.FAIL
    assert operated.ask()[0] == 202
    take_in(operated.open, operated.store)
    assert operated.state() is State.PASS


def test_a_signed_attestation_keeps_its_signer(operated: Operated) -> None:
    """The token opens the door; what was signed counts by its signature and speaks about its address only."""
    status, document, _ = operated.ask(sign(operated.key, {**SAID, "by": "anna"}), media="application/jose")
    assert (status, document["attested_by"]) == (202, "anna, signed by load-lab")
    forged = operated.ask(sign(operated.dba, alg="ES256"), media="application/jose")
    assert forged[0] == 422
    assert "did not sign this" in forged[1]["title"]
    path = "/v1/attestations/payments/data-lag"
    elsewhere = operated.ask(sign(operated.key), path, media="application/jose")
    assert (elsewhere[0], elsewhere[1]["fix"]) == (422, f"Post it to {CAPACITY}.")
    assert len(operated.words) == 1


@pytest.mark.parametrize("token", ["", "canary-token-012345678", TOKEN + "x", "canary token"])
def test_who_does_not_know_the_token_learns_nothing(operated: Operated, token: str) -> None:
    """Whatever the address and the method: 401, the scheme (RFC 6750), and nothing is laid down."""
    for path in (CAPACITY, "/", "/v1/attestations/nobody/x"):
        for method in ("POST", "GET"):
            status, document, head = operated.ask(path=path, token=token, method=method)
            assert (status, document["title"]) == (401, "the operator listener does not know you")
            assert "www-authenticate: bearer" in head
    assert operated.words == []


def test_a_token_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """Before anything is served, with the key to look at."""
    file = tmp_path / "no-such-file"
    with pytest.raises(UsageError, match=r"operator\.token_file .* cannot be used"):
        Gate(file)


@given(shown=st.binary(max_size=80))
def test_no_other_header_admits(shown: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Only the scheme and exactly the token."""
    gate = _gate(tmp_path_factory)
    assert not gate.admits(shown) or shown.split() == [shown.split()[0], TOKEN.encode()]
    assert gate.admits(b"bEaReR " + TOKEN.encode())
    assert not gate.admits(b"Basic " + TOKEN.encode())
    assert not gate.admits(TOKEN.encode())


def _gate(folders: pytest.TempPathFactory) -> Gate:
    file = folders.getbasetemp() / "hypothesis.token"
    if not file.exists():
        file.write_text(TOKEN, encoding="utf-8")
    return Gate(file)


@pytest.mark.parametrize("content", ["", "short", "two words of sufficient length"])
def test_a_token_that_can_be_guessed_is_refused(tmp_path: Path, content: str) -> None:
    """An empty file would let everybody in."""
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"holds no token of 16 or more characters"):
        Gate(file)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"path": "/"}, 404),
        ({"path": "/v1/attestations/payments"}, 404),
        ({"path": "/v1/attestations/payments/a/b"}, 404),
        ({"method": "GET"}, 405),
        ({"media": ""}, 415),
        ({"media": "text/plain"}, 415),
        ({"media": "application/x-www-form-urlencoded"}, 415),
        ({"body": b"x" * (LARGEST + 1)}, 413),
        ({"body": b"no json"}, 422),
        ({"body": b"[" * 60_000}, 422),
        ({"body": {**SPOKEN, "app": "other"}}, 422),
        ({"body": {**SPOKEN, "kind": "data-lag"}}, 422),
        ({"body": {**SPOKEN, "by": ""}}, 422),
        ({"body": {**SPOKEN, "by": "load-lab"}}, 422),
        ({"body": {**SPOKEN, "by": "anna, signed by load-lab"}}, 422),
        ({"body": {**SPOKEN, "result": "perhaps"}}, 422),
        ({"body": {**SPOKEN, "path": "nowhere"}}, 422),
        ({"body": {**SPOKEN, "observed_at": "2026-11-28T09:00:00Z"}}, 422),
        ({"body": {**SPOKEN, "evidence": "https://user:canary@ci.example/812"}}, 422),
        ({"body": {**SPOKEN, "extra": "x"}}, 422),
        ({"path": "/v1/attestations/nobody/capacity-test"}, 422),
        ({"path": "/v1/attestations/payments/unheard-of"}, 422),
    ],
)
def test_what_is_no_attestation_is_refused(operated: Operated, change: dict[str, Any], status: int) -> None:
    """Each with a status of its own and, as problem details (RFC 9457), what to do; nothing is laid down."""
    found, document, head = operated.ask(**change)
    assert (found, document["status"]) == (status, status)
    assert "content-type: application/problem+json" in head
    assert document["title"]
    assert "canary" not in json.dumps(document)
    assert operated.words == []
    assert standing(operated.publication).said == ()


def test_nobody_hears_a_value_in_the_log(operated: Operated, caplog: pytest.LogCaptureFixture) -> None:
    """Refusals are logged by their address and by who asked, on one line; token and body are not."""
    caplog.set_level(logging.DEBUG)
    operated.ask(token="canary-of-somebody-else")
    operated.ask(b"canary-body", path="/v1/attestations/a%0aERROR/x")
    assert "refused 127.0.0.1 with 401" in caplog.text
    assert "canary" not in caplog.text
    operated.ask(path="/" + "x" * 3000, method="A" * 3000, token="")
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert max(len(record.getMessage()) for record in caplog.records) < 300


def test_words_that_nobody_takes_are_not_piled_up(operated: Operated) -> None:
    """When no cycle runs, a client cannot fill the disk: 503, which says so; a fail is still heard."""
    folder = folder_of(operated.publication)
    folder.mkdir()
    for number in range(MOST):
        (folder / f"{number}.json").touch()
    status, document, _ = operated.ask()
    assert (status, document["title"]) == (503, f"{MOST} words wait in {folder}: no cycle takes them")
    assert operated.ask({**SPOKEN, "result": "fail"})[0] == 202


def test_one_client_cannot_object_until_every_backup_is_blocked(operated: Operated) -> None:
    """Who objects again and again between two cycles blocks what it means; more is refused, nothing is unreadable."""
    fail = {**SPOKEN, "result": "fail"}
    assert operated.ask(fail)[0] == 202
    folder = objections_of(operated.publication)
    (first,) = folder.iterdir()
    for number in range(OBJECTIONS - 1):
        (folder / f"{number}.json").write_bytes(first.read_bytes())
        (folder / f"{number}.json").chmod(0o640)
    status, document, _ = operated.ask(fail)
    assert (status, document["title"].count("is blocked already")) == (503, 1)
    assert not standing(operated.publication).against.everything
    assert len(hear(operated.open, operated.store)) == OBJECTIONS


@pytest.mark.parametrize("result", ["pass", "fail"])
@pytest.mark.parametrize("letter", ["x", "\u00e9", "\U0001f600"])
def test_what_is_accepted_can_be_read_back(operated: Operated, result: str, letter: str) -> None:
    """The longest evidence still fits into a file between processes; a longer one is refused, not lost later."""
    longest = {**SPOKEN, "result": result, "evidence": letter * (LONGEST - len(SPOKEN["by"]))}
    longer = {**longest, "evidence": letter * LONGEST}
    assert operated.ask(json.dumps(longer, ensure_ascii=False).encode())[0] == 422
    assert operated.ask(json.dumps(longest, ensure_ascii=False).encode())[0] == 202
    assert standing(operated.publication).unreadable == ()
    assert take_in(operated.open, operated.store) + len(hear(operated.open, operated.store)) == 1


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    """Nothing was said, and the client knows it."""
    operated = Operated(tmp_path)
    folder_of(operated.publication).write_text("not a folder", encoding="utf-8")
    body = json.dumps(SPOKEN).encode()
    claim, actor = posted(operated.open, "payments", "capacity-test", "application/json", body, peer="x")
    with pytest.raises(StoreError, match="nothing was said"):
        deliver(operated.open, claim, actor=actor)
    operated.store.close()


@pytest.mark.parametrize("how", ["writable", "odd", "version", "dropped"])
def test_a_word_counts_by_its_owner_and_by_todays_policy(operated: Operated, how: str) -> None:
    """One that others may write, is odd, newer, or of a kind that was dropped meanwhile is set aside, never counted."""
    operated.ask()
    (name,) = operated.words
    file = folder_of(operated.publication) / name
    if how == "writable":
        file.chmod(0o666)
    elif how == "odd":
        file.write_bytes(b"{}")
    elif how == "version":
        file.write_text(json.dumps(json.loads(file.read_text()) | {"version": "9"}), encoding="utf-8")
    else:
        policy = operated.folder / "policies/critical.yaml"
        policy.write_text('{"version": 1, "tier": "critical"}', encoding="utf-8")
        operated.open = operated.session
    assert take_in(operated.open, operated.store) == 0
    assert operated.words == [f"{name}.refused"]
    assert attestations(operated.open) == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_a_folder_of_somebody_else_brings_no_word(operated: Operated) -> None:
    """Who may make names beside the publication could make the folder first, and own all that is in it."""
    operated.ask()
    folder = folder_of(operated.publication)
    (name,) = operated.words
    for place in (folder / name, folder):
        os.chown(place, 65_534, 65_534)
    assert take_in(operated.open, operated.store) == 0
    assert operated.words == [f"{name}.refused"]


def test_a_reload_changes_who_may_ask(operated: Operated) -> None:
    """The gate is replaced as a whole; the old token is no longer one."""
    operated.token.write_text("another-token-0123456789", encoding="utf-8")
    operated.site.gate = Gate(operated.token)
    assert operated.ask()[0] == 401
    assert operated.ask(token="another-token-0123456789")[0] == 202


def test_without_a_token_tls_has_decided() -> None:
    """With client certificates alone (`operator.tls.client_ca`) whoever could connect may ask."""
    assert Gate(None).admits(b"")
