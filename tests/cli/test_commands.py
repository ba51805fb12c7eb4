"""The commands around `diff`: inventory, discover, doctor, permissions, providers, waive and waivers."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from nhisync.model import (
    CertificateFacts,
    Chain,
    Coverage,
    CoverageStatus,
    ErrorFact,
    Item,
    Moment,
    Presence,
    PublicId,
)
from nhisync.spi import AccessMode, Check, CheckState, ErrorKind, ProviderError, SourceIdentity
from nhisync.store import Store
from nhisync.testing.clocks import CountingRandomness, FakeClock
from nhisync.testing.provider import SCRIPTS

World = Any
MakeItem = Callable[..., Item]
MakeComplete = Callable[..., Coverage]
Golden = Callable[[str, str], None]


def chain_of(item: Item) -> Chain:
    """One self-made leaf."""
    leaf = CertificateFacts(
        subject="CN=api.example.com",
        issuer="CN=Test CA",
        serial="0a",
        not_before=item.observed_at - timedelta(days=30),
        not_after=item.observed_at + timedelta(days=60),
        spki_sha256="ab" * 32,
        key_type="ec",
        key_bits=256,
        signature="ecdsa-with-sha256",
        names=("api.example.com",),
    )
    return Chain(certificates=(leaf,), builds=True)


def stocked(world: World, item: MakeItem, complete: MakeComplete) -> None:
    """Both paths hold the three pairs and some items nobody mapped."""
    pairs = [item(f"payments/{name}") for name in ("stripe", "ledger", "fx")]
    now = pairs[0].observed_at
    world.script(
        "p",
        *pairs,
        item("payments/mail-relay", owner=""),
        item("search/index-key", rotated=None),
        item("tls/api.example.com", chain=chain_of(pairs[0]), expires=Moment(now + timedelta(days=60))),
        item("payments/twin", ids=(PublicId("access-key-id", "AKIAEXAMPLE"),)),
        complete(7),
        complete(0, "listed"),
    )
    world.script(
        "b",
        *pairs,
        item("backup/payments/relay-mail", owner=None, fields=("user", "password")),
        item("dr/index-key"),
        item("edge/api.example.com", chain=chain_of(pairs[0])),
        item("payments/twin-a"),
        item("payments/twin-b"),
        complete(8),
        complete(0, "listed"),
    )


@pytest.mark.requirement("R12")
@pytest.mark.parametrize("fmt", ["table", "json", "cbom"])
def test_inventory(world: World, make_item: MakeItem, make_complete: MakeComplete, golden: Golden, fmt: str) -> None:
    """An inventory shows every item with its age, its pairs, and the counts of what is unmapped, unowned, unrotated."""
    stocked(world, make_item, make_complete)
    ended = world("inventory", "primary", "--format", fmt)
    assert (ended.code, ended.err) == (0, "")
    golden(f"inventory.{fmt}", ended.out)


def test_inventory_with_gaps_is_3(world: World, make_item: MakeItem) -> None:
    """What was not seen is said on stderr and in the last line, and the code is 3."""
    error = ErrorFact(kind="denied", message="may not list", action="kv:List")
    gap = Coverage(
        source="one",
        kind="kv",
        scope="secret/",
        status=CoverageStatus.DENIED,
        as_of=make_item("x").observed_at,
        error=error,
    )
    world.script("p", gap)
    ended = world("inventory", "primary")
    assert ended.code == 3
    assert "Not seen: kv in secret/." in ended.err
    assert "INCOMPLETE" in ended.out.splitlines()[-1]


def test_inventory_of_a_silent_path_is_4(world: World) -> None:
    """When no source answers nothing is known, and the code says so."""
    world.script("p", ProviderError(ErrorKind.UNREACHABLE, "no answer"))
    assert world("inventory", "primary").code == 4


def test_inventory_needs_no_value(world: World, make_item: MakeItem, make_complete: MakeComplete) -> None:
    """Field names are known, values never: the CBOM has no `value` key anywhere."""
    stocked(world, make_item, make_complete)
    assert '"value"' not in json.dumps(
        [c["cryptoProperties"] for c in json.loads(world("inventory", "primary", "--format", "cbom").out)["components"]]
    )


@pytest.mark.parametrize("fmt", ["table", "json"])
def test_discover(world: World, make_item: MakeItem, make_complete: MakeComplete, golden: Golden, fmt: str) -> None:
    """Counterparts are suggested by words; twins with two equal candidates are left to a person."""
    stocked(world, make_item, make_complete)
    ended = world("discover", "primary", "--unmapped", "--format", fmt)
    assert (ended.code, ended.err) == (0, "")
    golden(f"discover.{fmt}", ended.out)
    assert "twin-a" not in ended.out


def test_discover_writes_pairs_and_nothing_else(world: World, make_item: MakeItem, make_complete: MakeComplete) -> None:
    """--write adds lines behind the app's last pair; every other character stays, and nothing is suggested again."""
    stocked(world, make_item, make_complete)
    before = (world.folder / "nhisync.yaml").read_text()
    ended = world("discover", "primary", "--write")
    assert ended.code == 0
    after = (world.folder / "nhisync.yaml").read_text()
    added = [line for line in after.splitlines() if line not in before.splitlines()]
    assert len(added) == 3
    assert all(line.startswith("      - {name: ") for line in added)
    kept = [line for line in after.splitlines() if line not in added]
    assert kept == before.splitlines()
    assert after.splitlines()[-1] == "# the end"
    assert "No pair to suggest" in world("discover", "primary").out
    assert sorted(path.name for path in world.folder.iterdir()) == ["nhisync.yaml"]


def test_doctor_is_content(world: World) -> None:
    """Everything reachable and allowed is 0 and says who we are."""
    world.healthy()
    ended = world("doctor")
    assert (ended.code, ended.err) == (0, "")
    assert "nhisync@primary/one at fake" in ended.out
    assert ended.out.splitlines()[-2].startswith("OK  0 failed, 0 warnings of 4 checks. Exit 0.")


def test_doctor_says_what_is_missing(world: World, golden: Golden) -> None:
    """A source that is not there and an identity that is refused are named with fix and grant; the code is 4."""
    world.script("p")
    world.identity(
        "b",
        ProviderError(
            ErrorKind.DENIED,
            "may not ask who we are",
            action="fake:read:kv",
            resource="*",
            principal="nhisync@backup",
            reason="no policy allows it",
            fix="Grant it.",
        ),
    )
    ended = world("doctor")
    assert ended.code == 4
    golden("doctor.txt", ended.out.replace(world.name, "SCRIPT"))
    document = json.loads(world("doctor", "backup", "--format", "json").out)
    assert [source["path"] for source in document["sources"]] == ["backup"]
    assert document["sources"][0]["grants"][0]["text"] == "fake:read:kv"


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_doctor_answers_4_when_a_source_cannot_be_asked(world: World, kind: ErrorKind) -> None:
    """Silent, sealed, without login, throttled or nonsense: `diff` could judge no pair there, whatever the reason."""
    world.healthy()
    world.identity("p", ProviderError(kind, "no answer"))
    assert world("doctor", "primary").code == 4
    assert world("doctor", "backup").code == 0


@pytest.mark.parametrize(
    ("states", "code"),
    [(("failed",), 4), (("failed", "failed"), 4), (("failed", "ok"), 3), (("ok", "ok"), 0), ((), 3)],
)
def test_doctor_of_a_source_without_identity(states: tuple[str, ...], code: int) -> None:
    """An edge of many endpoints is deaf when none of them answers; a further check that fails is something missing."""
    from nhisync.app.doctor import Diagnosis, Examined
    from nhisync.cli.doctor import _code

    checks = [Check(name=f"reachable:{n}", state=CheckState(state), observed="") for n, state in enumerate(states)]
    if not states:
        checks = [Check(name="trust", state=CheckState.FAILED, observed="")]
    source = Examined(path="p", source="edge", provider="tls", identity=None, checks=tuple(checks))
    assert _code(Diagnosis(sources=(source,))) == code


def test_doctor_refuses_one_identity(world: World) -> None:
    """Everything is shown, then the one identity on both paths is refused with 5."""
    world.healthy()
    for side in "pb":
        world.identity(side, SourceIdentity(authority="fake", principal="same", endpoint="fake"))
    ended = world("doctor")
    assert ended.code == 5
    assert ended.out.count("same at fake") == 2
    assert "refused (same-identity)" in ended.err
    assert json.loads(world("doctor", "--format", "json").out)["refused"]["guard"] == "same-identity"


def test_doctor_refuses_one_cluster(world: World) -> None:
    """Two identities at one cluster are refused with 5, too."""
    world.healthy()
    for side in "pb":
        world.identity(side, SourceIdentity(authority="fake", principal=side, endpoint="fake", cluster="fake:c1"))
    ended = world("doctor")
    assert ended.code == 5
    assert "refused (same-cluster)" in ended.err


@pytest.mark.parametrize("mode", AccessMode)
def test_permissions_of_each_mode(world: World, mode: AccessMode) -> None:
    """The mode asked for is the one printed."""
    ended = world("permissions", "--path", "backup", "--pair", "payments/fx-feed", "--mode", mode.value, "-q")
    assert (ended.code, ended.out) == (0, f"fake:{mode.value}:kv\n")


def test_permissions(world: World, golden: Golden) -> None:
    """One document per source for exactly what is configured; filters narrow it; nothing is contacted."""
    world.script("p", AssertionError("contacted"))
    ended = world("permissions", "--mode", "fingerprint")
    assert (ended.code, ended.err) == (0, "")
    golden("permissions.txt", ended.out)
    one = world("permissions", "--path", "backup", "--pair", "payments/fx-feed", "-q")
    assert one.out == "fake:read:kv\n"
    document = json.loads(world("permissions", "--provider", "fake", "--format", "json").out)
    assert [entry["path"] for entry in document] == ["primary", "backup"]


@pytest.mark.parametrize("command", ["permissions", "doctor"])
def test_a_policy_that_compares_values_is_told_beside_mode_read(world: World, command: str) -> None:
    """Whoever applies what mode read prints would end the comparison that a policy asks for; stderr says so."""
    world.healthy()
    assert "fingerprint" not in world(command).err
    folder = world.folder / "strict"
    folder.mkdir()
    (folder / "critical.yaml").write_text("version: 1\ntier: critical\nevidence: {compare_values: true}\n")
    told = f"policy critical compares values, which mode read cannot: nhisync {command} --mode fingerprint\n"
    assert told in world(command, "--policies", str(folder)).err
    assert "compares values" not in world(command, "--policies", str(folder), "--mode", "fingerprint").err
    assert "compares values" not in world(command, "--policies", str(folder), "-q").err


@pytest.mark.parametrize("apps", ["{}", "{payments: {tier: critical, owner: payments-oncall}}"])
def test_permissions_before_any_pair_exists(world: World, apps: str) -> None:
    """The next command is `discover`, which lists every kind: with an app that has no pair as well as without apps."""
    file = world.folder / "nhisync.yaml"
    file.write_text(file.read_text().partition("apps:")[0] + f"apps: {apps}\n")
    assert world("permissions", "--path", "backup", "-q").out == "fake:read:kv\nfake:read:listed\n"


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("permissions", "--provider", "aws"), "no source uses the provider `aws`"),
        (("permissions", "--pair", "nope"), "no pair is called `nope`"),
        (("permissions", "--path", "x"), "no path is called `x`"),
        (("permissions", "--mode", "root"), "'root' is not one of"),
        (("inventory", "x"), "no path is called `x`"),
        (("inventory", "primary", "--kind", "nokind"), "Kinds there: kv, listed."),
        (("inventory",), "missing argument 'PATH'"),
        (("policy", "test"), "missing argument 'FILE'"),
        (("explain",), "missing argument 'CODE'"),
        (("discover", "x"), "no path is called `x`"),
        (("doctor", "x"), "no path is called `x`"),
        (("waive", "payments/x", "NHS101", "--until", "2027-01-01", "--reason", "r", "--approved-by", "a"), "no pair"),
        (("waive", "x/y", "NHS101", "--until", "2027-01-01", "--reason", "r", "--approved-by", "a"), "no pair of"),
        (
            ("waive", "payments/fx-feed", "NHS902", "--until", "2027-01-01", "--reason", "r", "--approved-by", "a"),
            "`NHS902` is never a failure, only unknown, and an unknown cannot be waived\n  nhisync explain NHS902",
        ),
        (("waive", "payments/fx-feed", "NHS999", "--until", "2027-01-01", "--reason", "r", "--approved-by", "a"), "no"),
        (
            ("waive", "payments/fx-feed", "NHS101", "--until", "2020-01-01", "--reason", "r", "--approved-by", "a"),
            "over",
        ),
        (("waive", "payments/fx-feed", "NHS101", "--until", "soon", "--reason", "r", "--approved-by", "a"), "no date"),
        (
            ("waive", "payments/fx-feed", "NHS101", "--until", "2027-01-01", "--reason", " ", "--approved-by", "a"),
            "reason",
        ),
        (("waivers", "--withdraw", "7"), "no recorded waiver has the number 7"),
        (("waivers", "--withdraw", "0"), "--withdraw"),
    ],
)
def test_misuse_answers_2(world: World, argv: tuple[str, ...], says: str) -> None:
    """Whatever does not exist is named, with the next step, and nothing is contacted."""
    world.script("p", AssertionError("contacted"))
    world.script("b", AssertionError("contacted"))
    ended = world(*argv)
    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err


def test_providers(world: World) -> None:
    """The allowed provider is usable; its kinds come with an example locator."""
    ended = world("providers", "--format", "json")
    found = json.loads(ended.out)
    assert [one["name"] for one in found] == ["fake"]
    assert found[0]["usable"] is True
    assert found[0]["kinds"][0]["locator"] == "kv/app/key#field"
    assert "fake" in world("providers").out


def test_installed_providers(run: Callable[..., Any]) -> None:
    """Without a configuration nhisync's own providers are listed; one that is broken does not hide the others."""
    found = {one["name"]: one for one in json.loads(run("providers", "--format", "json").out)}
    assert {"aws", "file", "tls", "vault"} <= set(found)
    assert found["file"]["usable"] is True


def test_no_expired_waiver_is_not_no_waiver(world: World) -> None:
    """Nobody may conclude from the list of what is over that nothing is accepted at all."""
    assert world("waivers").out == "no waivers\n"
    argv = ("--until", "2026-12-15", "--reason", "cut-over", "--approved-by", "security")
    world("waive", "payments/fx-feed", "NHS101", *argv)
    assert world("waivers", "--expired").out == "no expired waivers\n"


def test_waivers_are_recorded_listed_and_withdrawn(world: World, golden: Golden) -> None:
    """`waive` records and audits; `waivers` shows both origins and what is over; `--withdraw` ends one, audited."""
    file = world.folder / "nhisync.yaml"
    over = "{pair: payments/stripe-api, code: NHS201, until: 2026-10-01, approved_by: ops, reason: old, ticket: T-1}"
    file.write_text(f"{file.read_text()}waivers: [{over}]\n")
    argv = ("--until", "2026-12-15", "--reason", "CA cut-over", "--approved-by", "security", "--ticket", "SEC-812")
    ended = world("waive", "payments/fx-feed", "nhs101", *argv)
    assert ended.out == "waiver 1: payments/fx-feed NHS101 until 2026-12-15 by security\n"
    golden("waivers.txt", world("waivers").out)
    assert [one["code"] for one in json.loads(world("waivers", "--expired", "--format", "json").out)] == ["NHS201"]
    assert "withdrawn: waiver 1" in world("waivers", "--withdraw", "1").err
    assert [one["number"] for one in json.loads(world("waivers", "--format", "json").out)] == [None]
    url = f"sqlite:///{world.folder / 'nhisync.db'}"
    with (
        Store.open(url, clock=FakeClock(), randomness=CountingRandomness(), mode="read") as store,
        store.reader() as reader,
    ):
        assert [record.action for record in reader.audit()] == ["waive", "withdraw"]
        assert reader.verify_audit().problem == ""


@pytest.mark.parametrize("where", ["--reason", "--ticket"])
def test_no_login_is_recorded_with_a_waiver(world: World, where: str) -> None:
    """The store keeps what is waived for ever; a pasted URL with a password is refused and not repeated."""
    argv = ["--until", "2026-12-15", "--reason", "r", "--approved-by", "a", "--ticket", "T-1"]
    argv[argv.index(where) + 1] = "see https://robot:canary-7f31@jira.example/SEC-1"
    ended = world("waive", "payments/fx-feed", "NHS101", *argv)
    assert ended.code == 2
    assert "canary-7f31" not in ended.err
    assert json.loads(world("waivers", "--format", "json").out) == []


def test_waive_is_refused_while_a_daemon_writes(world: World) -> None:
    """Another writer holds the store: nothing is recorded, the code is 5 and the holder is named."""
    url = f"sqlite:///{world.folder / 'nhisync.db'}"
    argv = ("--until", "2026-12-15", "--reason", "r", "--approved-by", "a")
    with Store.open(url, clock=FakeClock(), randomness=CountingRandomness(), purpose="nhisync serve"):
        ended = world("waive", "payments/fx-feed", "NHS101", *argv)
    assert ended.code == 5
    assert "refused (lock)" in ended.err
    assert "nhisync serve" in ended.err


def test_absent_items_are_no_stock(world: World, make_item: MakeItem, make_complete: MakeComplete) -> None:
    """An item that an authoritative read did not find is listed as absent and counted nowhere."""
    world.script(
        "p", make_item("payments/stripe", presence=Presence.ABSENT), make_complete(0), make_complete(0, "listed")
    )
    ended = world("inventory", "primary")
    assert "absent" in ended.out
    assert ended.out.splitlines()[-1].startswith("0 items on primary")


def test_inventory_of_one_kind(world: World, make_item: MakeItem, make_complete: MakeComplete) -> None:
    """--kind sweeps only the kinds that are named."""
    swept: list[frozenset[str]] = []

    def watching(request: Any) -> Any:
        swept.append(request.kinds)
        yield make_complete(0)

    SCRIPTS[f"{world.name}-p"] = watching
    world("inventory", "primary")
    world("inventory", "primary", "--kind", "kv")
    assert swept == [frozenset({"kv", "listed"}), frozenset({"kv"})]
