"""What must hold for every rule on any rows at all."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nhisync.model import App, CertificateFacts, Chain, Dependency, Side, State
from nhisync.parity.book import app_terms
from nhisync.parity.engine import Judged, judge
from nhisync.parity.row import Row, digest_of, instant
from nhisync.parity.rule import FUTURE_TOLERANCE, PASS, Outcome, PairView
from nhisync.parity.rules import BY_CODE, RULES
from nhisync.policy import BUILTIN, Waivers

from .builders import BACKUP_DOMAIN, DAY, NOW, PRIMARY_DOMAIN, backup, facts, primary, view

CANARY = "hunter2-canary"
THOROUGH = settings(max_examples=150, deadline=None)

words = st.sampled_from(
    ["present", "absent", "denied", "unreachable", "throttled", "ambiguous", "unknown", "unsupported"]
)
texts = st.text(max_size=20)
near = st.integers(NOW - 400 * DAY, NOW + 400 * DAY)
any_int = st.integers(-(1 << 62), 1 << 62)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`values` or None."""
    return st.one_of(st.none(), values)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), any_int, st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
keys = st.sampled_from(["chain", "dependencies", "error", "fields", "exposure", "endless", "region", "usable", "x"])
rubbish = st.one_of(
    texts,
    st.dictionaries(keys, json_values, max_size=4).map(json.dumps),
    keys.map(lambda key: f'{{"{key}"'),
    st.just("[" * 5_000 + '"chain"'),
)

instants = near.map(instant)
certificates = st.builds(
    CertificateFacts,
    subject=st.sampled_from(["CN=a", "CN=b", "CN=c"]),
    issuer=st.sampled_from(["CN=a", "CN=b", "CN=c"]),
    serial=st.just("01"),
    not_before=instants,
    not_after=instants,
    spki_sha256=st.just("00"),
    key_type=st.sampled_from(["rsa", "ec", "ed25519", "dsa", "unknown", "new"]),
    key_bits=st.sampled_from([0, 192, 256, 1024, 2048, 4096]),
    signature=st.just("sha256"),
    names=st.lists(st.sampled_from(["a.example", "*.example", "192.0.2.1", ""]), max_size=3).map(tuple),
    extended_key_usage=st.lists(st.sampled_from(["1.3.6.1.5.5.7.3.1", "2.5.29.37.0", "1.2"]), max_size=2).map(tuple),
)
chains = st.builds(
    Chain,
    certificates=st.lists(certificates, max_size=4).map(tuple),
    builds=maybe(st.booleans()),
    builds_with_known=maybe(st.booleans()),
    ordered=st.booleans(),
    surplus=st.integers(0, 3),
    anchor=st.sampled_from(["", "CN=Root", "CN=Other"]),
    anchor_not_after=maybe(instants),
    problem=texts,
    covers_name=maybe(st.booleans()),
    asks_client_certificate=maybe(st.booleans()),
    wishes_client_certificate=st.booleans(),
    weak=st.lists(texts, max_size=2).map(tuple),
)
dependencies = st.builds(
    Dependency,
    kind=st.sampled_from(["kms-key", "rotation-function", "issuer"]),
    id=texts,
    region=maybe(st.sampled_from(["eu-west-1", "eu-north-1"])),
    usable=maybe(st.booleans()),
    multi_region=maybe(st.booleans()),
    detail=texts,
)
real_details = st.fixed_dictionaries(
    {
        "chain": maybe(chains),
        "dependencies": st.lists(dependencies, max_size=3).map(tuple),
        "fields": maybe(st.lists(st.sampled_from(["api_key", "user"]), max_size=2).map(tuple)),
        "exposure": st.one_of(st.just(""), texts),
        "endless": st.one_of(st.just(""), texts),
    }
).map(lambda fields: facts(**fields))


def rows_of(numbers: st.SearchStrategy[int], details: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[Row]:
    """Rows with every column drawn."""
    columns = st.fixed_dictionaries(
        {
            "presence": st.one_of(st.just("present"), st.just("present"), words),
            "lifecycle": st.sampled_from(["own", "replica", "shared", "static", "unknown"]),
            "state": maybe(st.sampled_from(["pre-activation", "active", "suspended", "deactivated", "compromised"])),
            "domain": maybe(st.sampled_from([PRIMARY_DOMAIN, BACKUP_DOMAIN, ""])),
            "version": maybe(st.sampled_from(["7", "0d0f4a52-6f0c-4d4f-8d2e-6a3a5a1b0c9d"])),
            "created": maybe(numbers),
            "rotated": maybe(numbers),
            "not_before": maybe(numbers),
            "expires": maybe(numbers),
            "next_rotation": maybe(numbers),
            "pending": maybe(numbers),
            "rotation": st.sampled_from([None, 0, 1]),
            "interval": maybe(st.one_of(st.sampled_from([3600, DAY, 30 * DAY]), numbers)),
            "owner": maybe(st.sampled_from(["", "platform"])),
            "group": maybe(st.sampled_from(["g1", "g2"])),
            "ids": maybe(st.sampled_from(["access-key-id=1", "access-key-id=2\nlogin=db/x", "cluster-id=c", "", "\n"])),
            "observed": numbers,
        }
    )
    return st.tuples(columns, details).map(lambda both: _row({**both[0], **both[1]}))


def _row(columns: dict[str, Any]) -> Row:
    made = primary()._replace(**columns)
    return made._replace(digest=digest_of(made))


hostile = rows_of(any_int, st.fixed_dictionaries({"detail": maybe(rubbish), "bound": maybe(texts), "locator": texts}))
plausible = rows_of(near, real_details)
fields = maybe(st.sampled_from(["api_key", "token"]))


def ask_all(asked: PairView) -> dict[str, Outcome | None]:
    """What every rule says."""
    return {rule.info.code: rule.check(asked) for rule in RULES}


@pytest.mark.requirement("R34")
@THOROUGH
@given(st.one_of(hostile, plausible, st.none()), st.one_of(hostile, plausible, st.none()), any_int, fields, fields)
def test_rules_are_total(p: Row | None, b: Row | None, now: int, field_p: str | None, field_b: str | None) -> None:
    """No rule raises on any rows; every outcome is the shared PASS or says something printable on one line."""
    asked = view(p, b, now=now, field_primary=field_p, field_backup=field_b, missing_primary="x", missing_backup="")
    for code, outcome in ask_all(asked).items():
        if outcome is None or outcome is PASS:
            continue
        assert outcome.state in {State.FAIL, State.UNKNOWN}
        assert BY_CODE[code].info.fails or outcome.state is State.UNKNOWN, code
        assert outcome.observed
        assert outcome.observed.isprintable(), code
        assert outcome.expected.isprintable(), code
        assert len(outcome.observed) < 1000
        assert code < "NHS9" or outcome.state is State.UNKNOWN


@pytest.mark.requirement("R34", "R6")
@THOROUGH
@given(st.one_of(hostile, plausible, st.none()), st.one_of(hostile, plausible, st.none()))
def test_a_pair_that_is_not_both_present_never_passes(p: Row | None, b: Row | None) -> None:
    """Whatever else is known, a pair without two present rows has at least one outcome that is no pass."""
    asked = view(p, b, missing_primary="denied", missing_backup="absent")
    if not asked.present:
        assert any(o is not None and o.state is not State.PASS for o in ask_all(asked).values())


def judged(p: Row | None, b: Row | None, now: int, tier: str) -> Judged:
    """What the engine says of one pair."""
    app = App(name="payments", tier=tier)
    terms = app_terms(app, BUILTIN[tier], RULES, primary_domains=frozenset({PRIMARY_DOMAIN}), waivers=Waivers())
    (found,) = judge(
        iter([p] if p else []),
        iter([b] if b else []),
        {"payments": terms},
        now=now,
        missing=lambda *_: "denied",
        passes=True,
    )
    return found


@pytest.mark.requirement("R5")
@THOROUGH
@given(plausible, st.one_of(plausible, st.none()), st.integers(0, 120 * DAY), st.sampled_from(sorted(BUILTIN)))
def test_outcomes_hold_until_recheck(p: Row, b: Row | None, later: int, tier: str) -> None:
    """For the same rows every outcome, texts included, is the same at any instant before `recheck`.

    A result that rests on the instant of an observation alone ends at once: it is never taken over.
    """
    first = judged(p, b, NOW, tier)
    assert first.recheck >= NOW
    last = max(NOW, first.recheck - 1)
    for then in {min(NOW + later, last), last if first.recheck < NOW + 10**9 else NOW}:
        assert judged(p, b, then, tier).outcomes == first.outcomes


@THOROUGH
@given(plausible, plausible, st.integers(0, 60), st.integers(0, 60))
def test_outcomes_depend_on_observation_only_through_recheck(p: Row, b: Row, p_age: int, b_age: int) -> None:
    """A later observation of an unchanged pair changes nothing before the remembered `recheck`.

    The engine takes a remembered result over when both digests are equal; digests leave the observation out.
    """
    p, b = p._replace(observed=NOW - p_age), b._replace(observed=NOW - b_age)  # older ones are asked again anyway
    first = judged(p, b, NOW, "critical")
    assume(first.recheck > NOW + 1)  # asked again at once: the next observation decides (see `sides.missed`)
    then = min(first.recheck - 1, NOW + 60)
    fresh = [row._replace(observed=max(row.observed, then)) for row in (p, b)]
    old = {rule.info.code: o for rule, o in first.outcomes or () if rule.info.code != "NHS901"}
    new = {rule.info.code: o for rule, o in judged(*fresh, then, "critical").outcomes or ()}
    assert {code: new.get(code) for code in old} == old


@pytest.mark.requirement("R42")
@THOROUGH
@given(plausible, plausible, st.data())
def test_no_outcome_repeats_what_is_not_ours_to_tell(p: Row, b: Row, data: st.DataObject) -> None:
    """A canary in the columns that may touch a value or an identifier reaches no text of any rule."""
    planted = []
    for row in (p, b):
        extra = json.loads(row.detail) if row.detail else {}
        extra.update(
            attributes={"note": CANARY}, provider_id=CANARY, mechanism=CANARY, fields=[CANARY, "user"], region=CANARY
        )
        ids = f"access-key-id={CANARY}\nlogin={CANARY}\ncluster-id={CANARY}"
        columns = {"group": CANARY, "marker": CANARY, "grants": CANARY, "ids": ids, "detail": json.dumps(extra)}
        planted.append(row._replace(**columns, owner=data.draw(st.sampled_from([None, "", CANARY]))))
    asked = view(*planted, field_primary="api_key", field_backup="api_key", shared_owner=CANARY)
    told = [o for o in ask_all(asked).values() if o is not None]
    assert all(CANARY not in o.observed + o.expected for o in told)


PAST = ("created", "rotated", "pending")
tier_names = st.sampled_from(sorted(BUILTIN))
beyond = st.integers(FUTURE_TOLERANCE + 1, 400 * DAY)


@pytest.mark.requirement("R5", "R18")
@THOROUGH
@given(
    plausible,
    plausible,
    st.sampled_from(["primary", "backup"]),
    st.sets(st.sampled_from(PAST), min_size=1),
    beyond,
    tier_names,
)
def test_a_past_that_lies_ahead_never_looks_fresh(
    p: Row, b: Row, side: str, names: set[str], ahead: int, tier: str
) -> None:
    """Whatever else is true of a pair, a past time beyond the permitted skew is said, blocks, and dates nothing."""
    p, b = (row._replace(presence="present", observed=NOW, not_before=None) for row in (p, b))
    moved = dict.fromkeys(names, NOW + ahead)
    p, b = (p._replace(**moved), b) if side == "primary" else (p, b._replace(**moved))
    found = {rule.info.code: outcome for rule, outcome in judged(p, b, NOW, tier).outcomes or ()}
    assert found["NHS909"].state is State.UNKNOWN
    assert found["NHS201"].state is State.UNKNOWN
    assert not {"NHS202", "NHS203"} & set(found), "nothing is compared with a time that is no time"


@THOROUGH
@given(plausible, plausible, st.sampled_from(PAST), st.integers(-FUTURE_TOLERANCE, FUTURE_TOLERANCE))
def test_permitted_skew_is_no_lie(p: Row, b: Row, name: str, skew: int) -> None:
    """Up to the tolerance a clock may be ahead: then nothing changes but what the time itself says."""
    p, b = (row._replace(presence="present", observed=NOW, created=1, rotated=2, pending=None) for row in (p, b))
    asked = judged(p, b._replace(**{name: NOW + skew}), NOW, "critical")
    assert "NHS909" not in {rule.info.code for rule, outcome in asked.outcomes or () if outcome is not PASS}


@THOROUGH
@given(st.integers(1, 400 * DAY), st.sampled_from(["primary", "backup"]))
def test_a_window_that_has_not_begun_is_not_fresh(ahead: int, side: str) -> None:
    """A certificate of tomorrow is the newest of all; it fails as not yet valid, and no lag is called small by it."""
    window = {"not_before": NOW + ahead, "rotated": NOW + ahead, "created": NOW + ahead, "expires": NOW + 900 * DAY}
    p, b = primary(), backup()
    p, b = (p._replace(**window), b) if side == "primary" else (p, b._replace(**window))
    found = {rule.info.code: outcome.state for rule, outcome in judged(p, b, NOW, "critical").outcomes or ()}
    assert found["NHS306"] is State.FAIL
    assert ahead <= FUTURE_TOLERANCE or not {"NHS201", "NHS202", "NHS203"} & set(found)
    assert "NHS909" not in found


MIRRORED = (
    *("NHS103", "NHS104", "NHS105", "NHS204", "NHS205", "NHS206", "NHS207", "NHS208"),
    *("NHS301", "NHS302", "NHS303", "NHS304", "NHS305", "NHS306", "NHS402", "NHS403", "NHS404", "NHS407", "NHS408"),
    *("NHS510", "NHS601", "NHS602", "NHS603", "NHS604", "NHS606", "NHS609", "NHS705"),
    *("NHS902", "NHS903", "NHS904", "NHS905", "NHS908", "NHS909"),
)
OTHER = {Side.PRIMARY: Side.BACKUP, Side.BACKUP: Side.PRIMARY, Side.PAIR: Side.PAIR}


@pytest.mark.requirement("R28")
@THOROUGH
@given(plausible, plausible)
def test_rules_about_one_side_ask_both_sides_alike(p: Row, b: Row) -> None:
    """With the roles exchanged, as for a failback, these rules say the same about the other side."""
    here, there = view(p, b), view(b, p)
    for code in MIRRORED:
        one, two = BY_CODE[code].check(here), BY_CODE[code].check(there)
        assert (one is None) == (two is None), code
        if one is not None and two is not None:
            assert one.state is two.state, code
            assert two.side is OTHER[one.side], code


def test_healthy_pairs_pass_everything() -> None:
    """Two healthy sides have no outcome but passes."""
    told = ask_all(view(primary(), backup()))
    assert {o for o in told.values() if o is not None} == {PASS}


def test_the_common_pass_builds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A passing pair without rarer facts decodes no detail and makes no text."""

    def forbidden(name: str) -> Callable[..., Any]:
        def call(*_: Any, **__: Any) -> Any:
            raise AssertionError(f"{name} was called for a passing pair")

        return call

    monkeypatch.setattr("nhisync.parity.rules.facts.json.loads", forbidden("json.loads"))
    monkeypatch.setattr("nhisync.parity.text.instant", forbidden("instant"))
    monkeypatch.setattr("nhisync.parity.text._UNITS", None)
    columns = {
        "detail": json.dumps({"attributes": {"a": "b"}, "provider_id": "arn"}),
        "rotation": 1,
        "interval": 30 * DAY,
        "next_rotation": NOW + DAY,
        "not_before": NOW - DAY,
        "expires": NOW + 90 * DAY,
        "bound": "aws/eu-north-1",
        "pending": NOW - 60,
    }
    told = ask_all(view(primary(**columns), backup(**columns)))
    assert {o for o in told.values() if o is not None} == {PASS}
