"""Rows of items: what one run writes, what stays from older ones, and how they are read."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from nhisync.parity.row import Row, digest_of, epoch
from nhisync.store import Scope, Store
from nhisync.testing.clocks import FakeClock

MakeRow = Callable[..., Row]

AWKWARD = [
    "a",
    "a-b/x",
    "a/x",
    "a/x/y",
    "a/é",
    "a/z",
    "b/~",
    "pay/日本",
    "pay/𝒳",
    "pay/\uffee",
    "pay/a\tb",
    "~vault:kv/z",
]
"""Keys on which orders that are not bytewise disagree."""


def read(store: Store, path: str = "primary") -> list[Row]:
    """All rows of a path."""
    return list(store.cursor(path))


def test_rows_come_back_as_they_were_put(store: Store, make_row: MakeRow) -> None:
    """Every column of a row survives, None and the extremes of 64 bits included."""
    full = Row(
        *("pay/db", "vault:kv/secret/db", "present", "own", "active", "vault/eu-west-1", "7"),
        *(
            1,
            2,
            3,
            253_402_300_799,
            5,
            6,
            1,
            86_400,
            "oncall",
            "group",
            "access-key-id=AKIA",
            "aws/eu-west-1",
            "read\nwrite",
        ),
        *(0, '{"fields":["a"]}', "etag", -(1 << 63), (1 << 63) - 1),
    )
    bare = make_row("pay/none", state=None, expires=None)
    with store.run("sync") as run:
        assert run.put_rows("primary", [full, bare]) == 2
    assert read(store) == [full, bare]
    assert all(type(row) is Row for row in read(store))


def test_keys_are_ordered_bytewise(store: Store, make_row: MakeRow) -> None:
    """The cursor's order is Python's order of strings, which is the order of their UTF-8 bytes."""
    with store.run("sync") as run:
        run.put_rows("primary", [make_row(key) for key in reversed(AWKWARD)])
    keys = [row.key for row in read(store)]
    assert keys == sorted(AWKWARD) == sorted(AWKWARD, key=str.encode)


def test_a_cursor_can_be_bounded(store: Store, make_row: MakeRow) -> None:
    """`low` is inside, `high` outside, both bytewise."""
    with store.run("sync") as run:
        run.put_rows("primary", [make_row(key) for key in AWKWARD])
    assert [row.key for row in store.cursor("primary", high="~")] == sorted(AWKWARD)[:-1]
    assert [row.key for row in store.cursor("primary", low="a/x", high="a/z")] == ["a/x", "a/x/y"]


def test_paths_do_not_mix(store: Store, make_row: MakeRow) -> None:
    """One key on two paths is two rows."""
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x", version="1")])
        run.put_rows("backup", [make_row("a/x", version="2")])
    assert [row.version for row in read(store)] == ["1"]
    assert [row.version for row in read(store, "backup")] == ["2"]


def test_a_later_observation_replaces_the_row(store: Store, make_row: MakeRow) -> None:
    """The same locator may speak again in one run, and another locator in the next run."""
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x", version="1")])
        run.put_rows("primary", [make_row("a/x", version="2")])
    assert [row.version for row in read(store)] == ["2"]
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x", "vault:kv/moved", version="3")])
    assert [(row.locator, row.version, row.presence) for row in read(store)] == [("vault:kv/moved", "3", "present")]


@pytest.mark.parametrize("batches", [[["b", "a"]], [["b"], ["a"]], [["a"], ["b"], ["a"]], [["a", "b", "a"], ["b"]]])
def test_two_locators_on_one_key_are_ambiguous(store: Store, make_row: MakeRow, batches: list[list[str]]) -> None:
    """Whatever the order and the batches, two claims of one run make one AMBIGUOUS row that names both."""
    with store.run("sync") as run:
        for names in batches:
            run.put_rows("primary", [make_row("a/x", f"vault:kv/{name}", version=name) for name in names])
    (row,) = read(store)
    assert (row.presence, row.locator, row.version) == ("ambiguous", "vault:kv/a", None)
    assert row.detail == '{"claimants":["vault:kv/a","vault:kv/b"]}'


def test_three_claimants_are_all_named(store: Store, make_row: MakeRow) -> None:
    """A third claim joins the first two."""
    with store.run("sync") as run:
        for name in "cab":
            run.put_rows("primary", [make_row("a/x", f"vault:kv/{name}")])
    assert read(store)[0].detail == '{"claimants":["vault:kv/a","vault:kv/b","vault:kv/c"]}'


def test_ambiguity_ends_with_its_run(store: Store, make_row: MakeRow) -> None:
    """When the next run sees one claimant only, the key is that item's again."""
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x", "vault:kv/a"), make_row("a/x", "vault:kv/b")])
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x", "vault:kv/b")])
    assert [(row.presence, row.locator) for row in read(store)] == [("present", "vault:kv/b")]


def test_touch_makes_rows_younger_and_names_what_is_not_stored(
    store: Store, make_row: MakeRow, clock: FakeClock
) -> None:
    """An unchanged item keeps its facts, gets the new age, loses its value group; unknown claims are returned."""
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x", version="1"), make_row("a/y", version="1")])
        run.set_groups("primary", {"a/x": "g1"})
    clock.advance(timedelta(hours=1))
    with store.run("sync") as run:
        claims = [("a/x", "vault:kv/a/x"), ("a/new", "vault:kv/a/new"), ("a/y", "vault:kv/moved")]
        assert run.touch("primary", claims, clock.now()) == ("a/new", "a/y")
    x, y = read(store)
    assert (x.version, x.observed, x.group) == ("1", epoch(clock.now()), None)
    assert y.observed == epoch(clock.now() - timedelta(hours=1))


@pytest.mark.parametrize("touch_first", [True, False])
def test_touch_is_a_claim_too(store: Store, make_row: MakeRow, clock: FakeClock, touch_first: bool) -> None:
    """An unchanged item and a new one on the same key are ambiguous, whichever is told first."""
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x", "vault:kv/old")])
    with store.run("sync") as run:
        if touch_first:
            assert run.touch("primary", [("a/x", "vault:kv/old")], clock.now()) == ()
        run.put_rows("primary", [make_row("a/x", "vault:kv/new")])
        if not touch_first:
            assert run.touch("primary", [("a/x", "vault:kv/old")], clock.now()) == ()
    (row,) = read(store)
    assert (row.presence, row.detail) == ("ambiguous", '{"claimants":["vault:kv/new","vault:kv/old"]}')


@pytest.mark.requirement("R6")
def test_ignorance_never_replaces_an_answer_about_the_same_item(
    store: Store, make_row: MakeRow, clock: FakeClock
) -> None:
    """`keep_rows` leaves an older answer with its true age, replaces older ignorance and answers about other items."""
    with store.run("sync") as run:
        run.put_rows(
            "primary",
            [
                make_row("a/answer", version="1"),
                make_row("a/ignorant", presence="throttled"),
                make_row("a/other", "vault:kv/elsewhere"),
                make_row("a/absent", presence="absent"),
            ],
        )
    before = {row.key: row for row in read(store)}
    clock.advance(timedelta(hours=1))
    keys = ("a/answer", "a/ignorant", "a/other", "a/absent", "a/new")
    with store.run("sync") as run:
        assert run.keep_rows("primary", [make_row(key, presence="unreachable") for key in keys]) == 2
    after = {row.key: row for row in read(store)}
    assert {key: after[key] for key in ("a/answer", "a/absent")} == {
        key: before[key] for key in ("a/answer", "a/absent")
    }
    assert {after[key].presence for key in ("a/ignorant", "a/other", "a/new")} == {"unreachable"}


def test_a_kept_answer_was_asked_for_and_is_not_swept_away(store: Store, make_row: MakeRow) -> None:
    """A row that a run asked for but could not read again is not one that the run did not claim."""
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x")])
    with store.run("sync") as run:
        run.keep_rows("primary", [make_row("a/x", presence="unreachable")])
        with store.reader() as reader:
            assert list(reader.unclaimed("primary", run.number)) == []


@pytest.mark.requirement("R6")
def test_only_complete_scopes_lose_what_was_not_seen(store: Store, make_row: MakeRow) -> None:
    """A complete scope proves that what it did not list is gone; everything else stays, however old."""
    with store.run("sync") as run:
        names = (
            "vault:kv/secret/a",
            "vault:kv/secret/b",
            "vault:kv/other/c",
            "vault:pki/secret/d",
            "vault2:kv/secret/e",
        )
        run.put_rows("primary", [make_row(f"app/{name}", name) for name in names])
        run.put_rows("backup", [make_row("app/f", "vault:kv/secret/f")])
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("app/vault:kv/secret/a", "vault:kv/secret/a")])
        assert run.finish_path("primary", [Scope("vault", "kv", "secret/")]) == 1
    kept = {row.locator for row in read(store)}
    assert kept == {"vault:kv/secret/a", "vault:kv/other/c", "vault:pki/secret/d", "vault2:kv/secret/e"}
    assert len(read(store, "backup")) == 1
    with store.run("sync") as run:
        assert run.finish_path("primary", [Scope("vault", "kv"), Scope("vault", "pki")]) == 3
        assert run.finish_path("primary") == 0
    assert {row.locator for row in read(store)} == {"vault2:kv/secret/e"}


def test_prefixes_are_literal(store: Store, make_row: MakeRow) -> None:
    """Wildcards of LIKE in a name are ordinary letters, and case counts."""
    names = ("vault:kv/a_b/x", "vault:kv/aXb/x", "vault:kv/A_B/x", "vault:kv/a%/x")
    with store.run("sync") as run:
        run.put_rows("primary", [make_row(f"app/{name}", name) for name in names])
    with store.run("sync") as run:
        run.finish_path("primary", [Scope("vault", "kv", "a_b/"), Scope("vault", "kv", "a%")])
    assert {row.locator for row in read(store)} == {"vault:kv/aXb/x", "vault:kv/A_B/x"}


def test_many_scopes_at_once(store: Store, make_row: MakeRow) -> None:
    """More scopes than fit into one statement are all obeyed."""
    with store.run("sync") as run:
        run.put_rows("primary", [make_row(f"app/{n}", f"vault:kv/m{n:03}/x") for n in range(250)])
    with store.run("sync") as run:
        assert run.finish_path("primary", [Scope("vault", "kv", f"m{n:03}/") for n in range(1, 250)]) == 249


def test_rows_of_dropped_sources_and_pairs_can_be_forgotten(store: Store, make_row: MakeRow) -> None:
    """Sources and pairs that the configuration no longer names leave no ghosts behind."""
    with store.run("sync") as run:
        run.put_rows(
            "primary", [make_row("a/x", "vault:kv/x"), make_row("a/y", "vault2:kv/y"), make_row("a/z", "aws:s/z")]
        )
    with store.run("sync") as run:
        assert run.forget_sources("primary", ["vault", "aws"]) == 1
        assert run.forget("primary", ["a/z", "a/none"]) == 1
    assert [row.key for row in read(store)] == ["a/x"]


def test_no_configured_source_means_no_rows(store: Store, make_row: MakeRow) -> None:
    """A path that lost all its sources loses all its rows."""
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x"), make_row("a/y")])
        assert run.forget_sources("primary", []) == 2


def test_groups_are_replaced_as_a_whole(store: Store, make_row: MakeRow) -> None:
    """Groups are random per run, so groups of two runs must never stand beside each other."""
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x"), make_row("a/y"), make_row("a/z")])
        run.set_groups("primary", {"a/x": "g1", "a/y": "g1"})
        run.set_groups("primary", {"a/z": "g2"})
    assert [(row.key, row.group) for row in read(store)] == [("a/x", None), ("a/y", None), ("a/z", "g2")]


def test_rights_are_replaced_as_a_whole_and_digested(store: Store, make_row: MakeRow) -> None:
    """What an identity may do is judged: the digest follows it, and what is not told again is gone."""
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x"), make_row("a/y"), make_row("a/z")])
        blank = [row.digest for row in read(store)]
        run.set_grants("primary", {"a/x": "one", "a/y": "two", "a/none": "three"})
        told = read(store)
        run.set_grants("primary", {"a/y": "two"})
    after = read(store)
    assert [row.grants for row in told] == ["one", "two", None]
    assert [row.digest == digest_of(row) for row in (*told, *after)] == [True] * 6
    assert [one != row.digest for one, row in zip(blank, told, strict=True)] == [True, True, False]
    assert [(row.grants, row.digest) for row in after] == [
        (None, blank[0]),
        ("two", told[1].digest),
        (None, blank[2]),
    ]


def test_markers_are_known_only_when_every_claim_is_stored(store: Store, make_row: MakeRow) -> None:
    """One locator for two pairs needs both rows; rows without an answer or marker need a full read."""
    with store.run("sync") as run:
        run.put_rows(
            "primary",
            [
                make_row("a/one", "vault:kv/shared", marker="m1"),
                make_row("a/two", "vault:kv/shared", marker="m1"),
                make_row("a/alone", "vault:kv/alone", marker="m2"),
                make_row("a/blank", "vault:kv/blank", marker=""),
                make_row("a/denied", "vault:kv/denied", marker="m3", presence="denied"),
                make_row("a/old", "vault:kv/old", marker="m4"),
            ],
        )
    claims = [
        ("a/one", "vault:kv/shared"),
        ("a/two", "vault:kv/shared"),
        ("a/alone", "vault:kv/alone"),
        ("a/blank", "vault:kv/blank"),
        ("a/denied", "vault:kv/denied"),
        ("a/old", "vault:kv/renamed"),
    ]
    assert store.known_markers("primary", claims) == {"vault:kv/shared": "m1", "vault:kv/alone": "m2"}
    assert store.known_markers("primary", [*claims, ("a/third", "vault:kv/shared")]) == {"vault:kv/alone": "m2"}
    assert store.known_markers("primary", []) == {}


def test_counts_and_unclaimed_rows(store: Store, make_row: MakeRow) -> None:
    """Counts go by presence and bounds; `unclaimed` names what the given run did not see."""
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x"), make_row("a/y", presence="denied"), make_row("~vault:kv/z")])
    assert store.counts("primary") == {"present": 2, "denied": 1}
    with store.run("sync") as run, store.reader() as reader:
        assert reader.counts("primary", high="~") == {"present": 1, "denied": 1}
        run.put_rows("primary", [make_row("a/x")])
    with store.reader() as reader:
        assert list(reader.unclaimed("primary", run.number)) == [
            ("a/y", "vault:kv/a/y"),
            ("~vault:kv/z", "vault:kv/~vault:kv/z"),
        ]


def test_text_no_database_takes_is_written_out(store: Store, make_row: MakeRow) -> None:
    """Lone surrogates and NUL cannot be stored everywhere: they are written out, and lookups do the same."""
    key, locator = "a/\udcff\0x", "vault:kv/\udcff\0x"
    with store.run("sync") as run:
        run.put_rows("primary", [make_row(key, locator, marker="m", owner="o\0")])
        run.set_groups("primary", {key: "g"})
        assert store.known_markers("primary", [(key, locator)]) == {locator: "m"}
        assert run.touch("primary", [(key, locator)], run.started) == ()
    (row,) = read(store)
    assert (row.key, row.locator, row.owner) == ("a/\\udcff\\x00x", "vault:kv/\\udcff\\x00x", "o\\x00")
    with store.run("sync") as run:
        assert run.finish_path("primary", [Scope("vault", "kv", "\udcff\0")]) == 1


def test_large_details_survive(store: Store, make_row: MakeRow) -> None:
    """A certificate chain is longer than a page of the database."""
    detail = '{"chain":"' + "x" * 70_000 + '"}'
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x", detail=detail)])
    assert read(store)[0].detail == detail


def test_more_rows_than_a_batch(store: Store, make_row: MakeRow) -> None:
    """Batches are an inner matter: a generator of any length is taken and streamed back in order."""
    with store.run("sync") as run:
        assert run.put_rows("primary", (make_row(f"a/{n:05}") for n in range(4_500))) == 4_500
        assert run.touch("primary", ((f"a/{n:05}", f"vault:kv/a/{n:05}") for n in range(4_500)), run.started) == ()
    assert [row.key for row in store.cursor("primary")] == [f"a/{n:05}" for n in range(4_500)]


@pytest.mark.requirement("R17")
def test_what_was_proven_outlives_a_sweep_with_its_own_age(store: Store, make_row: MakeRow, clock: FakeClock) -> None:
    """A sweep does not ask services: it keeps what a probe showed of the same item, however the item changed."""
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x", version="1"), make_row("a/y")])
        run.set_probes("primary", [("a/x", "vault:kv/a/x", 1, "proof"), ("a/y", "vault:kv/other", 1, "foreign")])
    x, y = read(store)
    assert (x.auth, x.probe, x.digest) == (1, "proof", make_row("a/x", version="1").digest)
    assert (y.auth, y.probe) == (None, None)
    clock.advance(timedelta(hours=1))
    with store.run("sync") as run:
        run.put_rows("primary", [make_row("a/x", version="2")])
        run.touch("primary", [("a/y", "vault:kv/a/y")], clock.now())
    assert next((row.version, row.auth, row.probe) for row in read(store)) == ("2", 1, "proof")
    with store.run("sync") as run:
        run.set_probes("primary", [("a/x", "vault:kv/a/x", 0, "refusal")])
    assert next((row.auth, row.probe) for row in read(store)) == (0, "refusal")


def test_what_was_proven_of_another_item_goes(store: Store, make_row: MakeRow) -> None:
    """A pair that names another item now, or two at once, has no proof."""
    for later in ([make_row("a/x", "vault:kv/new")], [make_row("a/x"), make_row("a/x", "vault:kv/new")]):
        with store.run("sync") as run:
            run.put_rows("primary", [make_row("a/x")])
            run.set_probes("primary", [("a/x", "vault:kv/a/x", 1, "proof")])
        with store.run("sync") as run:
            run.put_rows("primary", later)
        assert [(row.auth, row.probe) for row in read(store)] == [(None, None)]
