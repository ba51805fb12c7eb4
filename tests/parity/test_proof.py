"""What a live authentication showed, on its way through a row: nothing is gained, and nothing is repeated early."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.parity.engine import stamp
from nhisync.parity.proof import (
    AUTH,
    LADDER,
    TCP,
    TXN,
    UNDONE,
    LeftBehind,
    Proof,
    current,
    depth_of,
    due,
    left_of,
    left_text,
    previous_due,
    proof_of,
    settled_at,
    text_of,
)
from nhisync.testing.rows import NOW, row

AGE, GRACE = 600, 60

seconds = st.integers(min_value=NOW - 10 * AGE, max_value=NOW + 10 * AGE)
proofs = st.builds(
    Proof,
    at=seconds,
    rung=st.integers(0, TXN),
    accepted=st.sampled_from([True, False, None]),
    seen_as=st.text(max_size=20),
    version=st.none() | st.just("7"),
    rotated=st.none() | seconds,
    error=st.sampled_from(["", "auth_failed"]),
    message=st.text(max_size=20),
    old=st.sampled_from(["", "refused", "accepted", "unjudged", "nothing"]),
    old_at=st.integers(min_value=0, max_value=NOW),
    old_message=st.text(max_size=20),
    left=st.sampled_from(["", "undone"]) | st.text(max_size=20),
)


@pytest.mark.requirement("R22")
@given(st.integers(0, NOW), st.text(max_size=20), st.text(max_size=20), st.booleans())
def test_what_is_left_behind_is_read_as_it_was_written(at: int, values: str, told: str, sure: bool) -> None:
    """With the values that find it again; nothing is left where everything is undone or no script was run."""
    left = LeftBehind(at, values, told, sure)
    assert left_of(Proof(at=NOW, left=left_text(left))) == left
    for none in (None, Proof(at=NOW), Proof(at=NOW, left=UNDONE)):
        assert left_of(none) is None


@given(st.text(min_size=1) | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps))
def test_what_cannot_be_read_is_not_taken_for_undone(text: str) -> None:
    """Something was left, and nobody knows what."""
    left = left_of(Proof(at=NOW, left=text))
    assert left is not None
    assert not left.sure


@given(proofs)
def test_what_is_written_is_read(proof: Proof) -> None:
    """Every proof comes back as it was."""
    assert proof_of(row(probe=text_of(proof))) == proof


@given(
    st.text()
    | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists).map(json.dumps)
    | st.fixed_dictionaries(
        {"at": st.just(NOW), "rung": st.sampled_from([9, -1, "auth", True]), "accepted": st.just(True)}
    ).map(json.dumps)
)
def test_what_cannot_be_read_proves_nothing(text: str) -> None:
    """A broken text is a trial without an answer, never an acceptance and never silence."""
    proof = proof_of(row(probe=text))
    assert proof is not None
    assert (proof.accepted, proof.rung) == (None, 0)


def test_what_an_earlier_version_wrote_is_read() -> None:
    """A proof that says nothing of the previous credential is one with which nobody presented it."""
    whole = Proof(at=NOW, rung=AUTH, accepted=True, version="7")
    text = json.dumps({name: value for name, value in whole._asdict().items() if not name.startswith("old")})
    assert proof_of(row(probe=text)) == whole


@pytest.mark.requirement("R17")
@pytest.mark.parametrize(
    ("old", "rotated", "by", "wanted"),
    [
        ("", NOW - 7200, "p", True),
        ("refused", NOW - 7200, "p", False),
        ("nothing", NOW - 7200, "p", False),
        ("refused", NOW - 7200, "q", True),
        ("accepted", NOW - 7200, "p", True),
        ("unjudged", NOW - 7200, "p", True),
        ("", NOW - 3599, "p", False),
        ("", None, "p", False),
    ],
)
def test_what_was_replaced_is_tried_once_until_it_is_refused(
    old: str, rotated: int | None, by: str, wanted: bool
) -> None:
    """Not while both may be good, and never again after a refusal: each one is a failed login at the service."""
    made = Proof(
        at=NOW - AGE, rung=AUTH, accepted=True, version="7", rotated=rotated, by="p", old=old, old_at=NOW - AGE
    )
    held = row(probe=text_of(made), version="7", rotated=rotated)
    assert previous_due(held, NOW, AGE, 3600, by) is wanted
    young = row(probe=text_of(made._replace(old_at=NOW - 1)), version="7", rotated=rotated)
    assert previous_due(young, NOW, AGE, 3600, "p") is (wanted and not old)


@given(proofs, seconds, st.integers(0, 3 * AGE))
def test_a_refusal_is_never_repeated_for_its_generation(proof: Proof, now: int, overlap: int) -> None:
    """Whatever time does: only a new generation, or another probe, presents it again."""
    held = row(probe=text_of(proof._replace(old="refused")), version=proof.version, rotated=proof.rotated)
    assert not previous_due(held, now, AGE, overlap, proof.by)


def test_a_row_that_nobody_tried_has_none() -> None:
    """No text, no proof."""
    assert proof_of(row()) is None
    assert proof_of(None) is None


@pytest.mark.requirement("R17", "R22")
@pytest.mark.parametrize(("rung", "accepted", "auth"), [
    (TCP, True, None), (AUTH, True, 1), (TXN, True, 1), (TCP, False, 0), (AUTH, False, 0), (AUTH, None, None),
])  # fmt: skip
def test_an_open_port_is_no_accepted_credential(rung: int, accepted: bool | None, auth: int | None) -> None:
    """Only depth `auth` and below it counts as accepted."""
    assert Proof(at=NOW, rung=rung, accepted=accepted).auth == auth


def test_the_ladder_is_ordered() -> None:
    """Deeper words stand higher, and an unknown word is no depth at all."""
    assert [depth_of(word) for word in LADDER] == list(range(5))
    assert depth_of("root") == 0


@given(proofs, proofs)
def test_the_stamp_follows_the_proof(one: Proof, other: Proof) -> None:
    """A remembered result does not survive a new proof, not even one that differs only in age."""
    first, second = row(probe=text_of(one)), row(probe=text_of(other))
    assert first.digest == second.digest
    assert (stamp(first) == stamp(second)) == (one == other)
    assert stamp(row()) != stamp(first)
    assert stamp(first._replace(group="g")) == ~stamp(first)


@given(proofs, seconds)
def test_due_never_lets_a_result_outlive_its_age(proof: Proof, now: int) -> None:
    """Whatever is older than half its limit, of another generation, dated ahead or unanswered is tried again."""
    held = row(version=proof.version, rotated=proof.rotated, probe=text_of(proof))
    again = due(held, now, AGE, GRACE, proof.by)
    if proof.accepted is None or proof.at > now or now - proof.at >= AGE // 2:
        assert again
    assert due(held._replace(version="8"), now, AGE, GRACE, proof.by)
    assert due(held, now, AGE, GRACE, f"{proof.by}-corrected")
    assert due(held._replace(probe=None), now, AGE, GRACE)
    if proof.accepted and 0 <= now - proof.at < AGE // 2:
        assert not again


def test_a_refusal_is_repeated_when_propagation_is_over_and_not_before() -> None:
    """A slow directory gets its time, and no account is locked by trying every cycle."""
    rotated = NOW - 10
    held = row(rotated=rotated, probe=text_of(Proof(at=NOW, rung=TCP, accepted=False, version="7", rotated=rotated)))
    assert settled_at(held, GRACE) == rotated + GRACE
    assert [due(held, NOW + after, AGE, GRACE) for after in (1, 49, 50, 51)] == [False, False, True, True]


def test_a_rotation_ends_what_was_proven() -> None:
    """Version and rotation time both tell generations apart."""
    held: Any = row()
    proof = Proof(at=NOW, rung=AUTH, accepted=True, version="7", rotated=held.rotated)
    assert current(proof, held)
    assert not current(proof, held._replace(version="8"))
    assert not current(proof, held._replace(rotated=NOW))


def test_the_age_of_a_generation_may_be_its_item_s() -> None:
    """Never rotated counts from creation; without either there is no propagation to wait for."""
    assert settled_at(row(rotated=None, created=NOW), GRACE) == NOW + GRACE
    assert settled_at(row(rotated=None, created=None), GRACE) is None
