"""Family 8, sessions: what one path signed is accepted by the other, seen with the eyes of a verifier (R38)."""

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey

from nhisync.model import KeySet as Published
from nhisync.model import Side, SignatureKey, State
from nhisync.parity.rule import PairView
from nhisync.parity.rules.sessions import VALUES_DIFFER
from nhisync.spi.jwks import read_key_set

from .builders import DAY, NOW, Case, ask, backup, both, changes_at, facts, primary, unseen, view

BACKUP, PRIMARY, PAIR = Side.BACKUP, Side.PRIMARY, Side.PAIR
ES, RS = ("ES256",), ("PS256", "RS256")


def key(kid: str, thumbprint: str = "", algorithms: tuple[str, ...] = ES) -> SignatureKey:
    """A key; its thumbprint is its kid unless another one is given."""
    return SignatureKey(kid, thumbprint or kid, algorithms)


def published(*keys: SignatureKey, odd: tuple[str, ...] = (), private: int = 0) -> dict[str, Any]:
    """The columns of a row that is a key set; it has no times."""
    found = Published(keys=tuple(sorted(keys)), odd=odd, private=private)
    return {**facts(key_set=found), "created": None, "rotated": None}


def sets(b: dict[str, Any], p: dict[str, Any], **changes: Any) -> PairView:
    """A view of two key sets."""
    return view(primary(**p), backup(**b), **changes)


def values(b: str | None, p: str | None, *, compared: bool = True, shared: bool = True, **changes: Any) -> PairView:
    """A view of two symmetric keys with these equality classes."""
    until = NOW + DAY if shared else None
    made = view(primary(group=p), backup(group=b), shared_until=until, **{"signing": True, **changes})
    made.thresholds = _comparing() if compared else made.thresholds
    return made


@cache
def _comparing() -> Any:
    from dataclasses import replace

    return replace(both().thresholds, compare_values=True)


A, B, C = key("a"), key("b"), key("c")
LOST = {"lost_until": NOW + DAY}

CASES = [
    Case("NHS808", "the same keys", sets(published(A, B), published(B, A)), "pass"),
    Case("NHS808", "more on the backup", sets(published(A, B, C), published(A, B)), "pass"),
    Case("NHS808", "a key lacks", sets(published(A), published(A, B)), "fail", BACKUP, "does not accept b (is not"),
    Case(
        "NHS808",
        "an empty backup",
        sets(published(), published(A)),
        "fail",
        BACKUP,
        "a (is not among its signature keys)",
    ),
    Case(
        "NHS808",
        "what stands there in its place verifies nothing",
        sets(published(odd=("an algorithm that does not fit the key",)), published(A)),
        "fail",
        BACKUP,
        "a (is not among its signature keys); of what it holds besides, an algorithm that does not fit the key",
    ),
    Case(
        "NHS808", "the kid is another key", sets(published(key("a", "x")), published(A)), "fail", BACKUP, "another key"
    ),
    Case("NHS808", "another kid", sets(published(key("z", "a")), published(A)), "fail", BACKUP, "under another kid"),
    Case("NHS808", "kid twice", sets(published(A, key("a", "x")), published(A)), "fail", BACKUP, "shares its kid"),
    Case(
        "NHS808",
        "one kid, another type of key",
        sets(published(A, key("a", "x", RS)), published(A)),
        "pass",
    ),
    Case(
        "NHS808",
        "another algorithm",
        sets(published(key("a", "", ("PS256",))), published(key("a", "", RS))),
        "fail",
        BACKUP,
        "not accepted for RS256",
    ),
    Case("NHS808", "no kid, one key", sets(published(key("", "a")), published(key("", "a"))), "pass"),
    Case("NHS808", "no kid, one key with a kid", sets(published(A), published(key("", "a"))), "pass"),
    Case(
        "NHS808",
        "no kid, several fit",
        sets(published(key("", "a"), B), published(key("", "a"))),
        "fail",
        BACKUP,
        "several keys there fit",
    ),
    Case(
        "NHS808", "a key that may sign", sets(published(A), published(A, odd=("a curve",))), "unknown", PRIMARY, "curve"
    ),
    Case("NHS808", "odd where it verifies", sets(published(A, odd=("a curve",)), published(A)), "pass"),
    Case("NHS808", "nothing signs", sets(published(A), published()), "unknown", PRIMARY, "no signature key"),
    Case("NHS808", "only one set", view(primary(), backup(**published(A))), "unknown", PRIMARY, "only the other"),
    Case("NHS808", "the other alone", view(primary(**published(A)), backup()), "unknown", BACKUP, "only the other"),
    Case("NHS808", "not about sessions", both(), None),
    Case("NHS808", "not there", view(primary(**published(A)), unseen("absent")), None),
    Case("NHS808", "declared lost", sets(published(), published(A), **LOST), None),
    Case("NHS808", "was lost", sets(published(), published(A), lost_until=NOW - 1), "fail", BACKUP, "a (is not"),
    Case("NHS808", "one value", values("g", "g"), "pass"),
    Case("NHS808", "values differ", values(None, None), "fail", PAIR, VALUES_DIFFER),
    Case("NHS808", "equal to others only", values("g", "h"), "fail", PAIR, VALUES_DIFFER),
    Case("NHS808", "nobody compares", values(None, None, compared=False), None),
    Case("NHS808", "each its own", values(None, None, shared=False), None),
    Case("NHS808", "values, declared lost", values(None, None, **LOST), None),
    Case(
        "NHS808", "unreadable", view(primary(detail='{"key_set":7}'), backup(**published(A))), "unknown", PAIR, "cannot"
    ),
    Case("NHS809", "the same keys", sets(published(A), published(A)), "pass"),
    Case("NHS809", "more on the backup", sets(published(A, B), published(A)), "fail", PRIMARY, "does not accept b"),
    Case("NHS809", "less on the backup", sets(published(A), published(A, B)), "pass"),
    Case("NHS809", "odd on the backup", sets(published(A, odd=("x",)), published(A)), "unknown", BACKUP, "holds x"),
    Case("NHS809", "not about sessions", both(), None),
    Case("NHS809", "only one set", view(primary(), backup(**published(A))), None),
    Case("NHS809", "declared lost", sets(published(A, B), published(A), **LOST), None),
    Case("NHS810", "public", sets(published(A), published(A)), "pass"),
    Case("NHS810", "the backup's", sets(published(A, private=1), published(A)), "fail", BACKUP, "members of 1 key"),
    Case("NHS810", "the primary's", sets(published(A), published(A, private=2)), "fail", PRIMARY, "members of 2 keys"),
    Case("NHS810", "both", sets(published(private=1), published(private=1)), "fail", PAIR),
    Case("NHS810", "while the other is silent", view(None, backup(**published(private=1))), "fail", BACKUP),
    Case("NHS810", "lost or not", sets(published(private=1), published(A), **LOST), "fail", BACKUP),
    Case("NHS810", "no key set", both(), None),
    Case("NHS810", "unreadable", view(primary(), backup(detail='{"key_set":7}')), "unknown", PAIR, "cannot be read"),
    Case("NHS811", "key sets", sets(published(A), published(A), signing=True), "pass"),
    Case("NHS811", "one compared value", values("g", "g"), "pass"),
    Case("NHS811", "compared, and differ", values(None, None), "pass"),
    Case("NHS811", "not compared", values(None, None, compared=False), "unknown", PAIR, "does not compare"),
    Case("NHS811", "each its own", values(None, None, shared=False), "unknown", PAIR, "a key of its own"),
    Case("NHS811", "declared lost", values(None, None, shared=False, **LOST), None),
    Case("NHS811", "another kind of pair", both(), None),
    Case("NHS812", "asked of the app", both(), None),
]


@pytest.mark.requirement("R38")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_sessions(case: Case) -> None:
    """Each line of the table holds."""
    case.hold()


@pytest.mark.requirement("R38")
def test_a_declaration_ends_at_the_second_it_announces() -> None:
    """After its last day the rules must ask again, and say beforehand when that is."""
    end = NOW + 10 * DAY

    def seen(now: int) -> PairView:
        return sets(published(), published(A), now=now, lost_until=end)

    changes_at("NHS808", seen, end + 1, before=None, after=State.FAIL)


def test_two_key_sets_have_no_generation() -> None:
    """A set has no dates, which is no gap: it is compared key by key. Any other pair without dates stays unknown."""
    assert ask("NHS201", sets(published(A), published(A))) is None
    undated = both(created=None, rotated=None)
    assert ask("NHS201", undated) is not None


@cache
def _made(label: int) -> Key:
    """One of a few keys, of every type that signs."""
    kinds: tuple[Any, ...] = (
        lambda: RSAKey.generate_key(2048),
        lambda: ECKey.generate_key("P-256"),
        lambda: ECKey.generate_key("P-256"),
        lambda: ECKey.generate_key("P-384"),
        lambda: OKPKey.generate_key("Ed25519"),
        lambda: OKPKey.generate_key("Ed25519"),
    )
    found: Key = kinds[label]()
    return found


FITTING: dict[int, tuple[str, ...]] = {
    0: ("RS256", "PS256", "RS512"),
    1: ("ES256",),
    2: ("ES256",),
    3: ("ES384",),
    4: ("EdDSA", "Ed25519"),
    5: ("EdDSA", "Ed25519"),
}
EVERY = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519"]
DEPRECATED = pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
"""RFC 9864 deprecates the name EdDSA; sets and tokens still use it."""

REGISTRY = jws.JWSRegistry(algorithms=EVERY)


@st.composite
def entries(draw: st.DrawFn) -> tuple[int, dict[str, Any]]:
    """One published key: which it is, and its public members with any kid and alg."""
    label = draw(st.sampled_from(sorted(FITTING)))
    more: dict[str, Any] = {}
    if kid := draw(st.sampled_from(["", "old", "new", "next"])):
        more["kid"] = kid
    if alg := draw(st.sampled_from(["", *FITTING[label]])):
        more["alg"] = alg
    if draw(st.booleans()):
        more["use"] = "sig"
    return label, {**_made(label).as_dict(private=False), "kid": more.pop("kid", None), **more}


Entries = list[tuple[int, dict[str, Any]]]


@st.composite
def two_paths(draw: st.DrawFn) -> tuple[Entries, Entries]:
    """What signs, and what verifies: any set, or one that was made from the signer's as in a rotation."""
    signer = draw(st.lists(entries(), min_size=1, max_size=3))
    others = draw(st.lists(entries(), max_size=3))
    if draw(st.booleans()):
        return signer, others
    kept = [entry for entry in signer if draw(st.integers(0, 3))]
    return signer, draw(st.permutations([*others, *kept]))


def _document(found: Entries) -> dict[str, Any]:
    return {"keys": [{k: v for k, v in entry.items() if v is not None} for _, entry in found]}


def _row(found: Entries) -> dict[str, Any]:
    return {**facts(key_set=read_key_set(json.dumps(_document(found)).encode())), "created": None, "rotated": None}


def _tokens(found: Entries) -> list[tuple[str, dict[str, Any]]]:
    """A token for everything that this path may sign: each key, with its alg or each one that fits it."""
    made = []
    for label, entry in found:
        fitting = read_key_set(json.dumps(_document([(label, entry)])).encode()).keys[0].algorithms
        for alg in fitting:
            header = {"alg": alg} | ({"kid": entry["kid"]} if entry["kid"] is not None else {})
            made.append((jwt.encode(header, {"sub": "anna"}, _made(label), registry=REGISTRY), header))
    return made


def _verifies(token: str, jwk: Any) -> bool:
    try:
        jwt.decode(token, jwk, registry=REGISTRY)
    except (JoseError, ValueError):
        return False
    return True


def _accepted(token: str, header: dict[str, Any], found: Entries) -> bool:
    """Whether a verifier accepts the token, whichever it takes of the keys that kid, alg and type leave to it."""
    left = []
    for label, entry in found:
        if header.get("kid") is not None and entry["kid"] != header["kid"]:
            continue
        fits = [entry["alg"]] if "alg" in entry else EVERY
        if header["alg"] in fits and _suits(label, header["alg"]):
            left.append(_made(label))
    return bool(left) and all(_verifies(token, one) for one in left)


def _suits(label: int, alg: str) -> bool:
    """Whether a key of this type can verify the algorithm at all: tried with a signature of its own."""
    try:
        jwt.encode({"alg": alg}, {}, _made(label), registry=REGISTRY)
    except (JoseError, ValueError):
        return False
    return True


@DEPRECATED
@pytest.mark.requirement("R38")
@settings(deadline=None)
@given(two_paths())
def test_a_token_of_the_primary_verifies_on_the_backup_exactly_when_the_rule_is_silent(
    paths: tuple[Entries, Entries],
) -> None:
    """Real tokens, signed with every key of one set, are verified with the other one by a JOSE library."""
    signer, verifier = paths
    outcome = ask("NHS808", sets(_row(verifier), _row(signer)))
    carried = all(_accepted(token, header, verifier) for token, header in _tokens(signer))
    assert outcome is not None
    assert outcome.state is (State.PASS if carried else State.FAIL)
    back = ask("NHS809", sets(_row(signer), _row(verifier)))
    assert back is not None
    assert back.state is outcome.state


@DEPRECATED
@pytest.mark.requirement("R38")
@settings(deadline=None)
@given(signer=st.lists(entries(), min_size=1, max_size=3), more=st.lists(entries(), max_size=2))
def test_what_passes_is_accepted_by_a_whole_key_set_of_a_library(signer: Entries, more: Entries) -> None:
    """Where the rule passes, the library's own choice out of the published set accepts every token with a kid."""
    verifier = [*more, *signer]
    outcome = ask("NHS808", sets(_row(verifier), _row(signer)))
    if outcome is None or outcome.state is not State.PASS:
        return
    for token, header in _tokens(signer):
        chosen = [entry for entry in _document(verifier)["keys"] if _fitting(entry, header)]
        if "kid" in header:
            assert _verifies(token, KeySet.import_key_set({"keys": chosen}))


def _fitting(entry: dict[str, Any], header: dict[str, Any]) -> bool:
    """Verifiers look at the type of key and at its alg before they look for the kid (RFC 7515 §6)."""
    fits = read_key_set(json.dumps({"keys": [entry]}).encode()).keys[0].algorithms
    return header["alg"] in fits
