"""Family 4: equivalent, not equal. Family 5, as far as one item tells it."""

import pytest

from nhisync.model import Side, State

from .builders import FAR, NOW, Case, ask, backup, both, changes_at, facts, primary, unseen, view

BACKUP, PRIMARY, PAIR = Side.BACKUP, Side.PRIMARY, Side.PAIR
KEY = "access-key-id=AKIAEXAMPLE1"
TOKEN = "0d0f4a52-6f0c-4d4f-8d2e-6a3a5a1b0c9d"
WORLD_READABLE = facts(exposure="world-readable (0644)")
ENDLESS = facts(endless="a legacy token has no end")


def shared(**changes: object) -> object:
    """A pair shared by design until now, with `changes` on both sides."""
    return view(primary(**changes), backup(**changes), shared_until=NOW)


CASES = [
    Case("NHS401", "not compared, or nowhere else", both(), None),
    Case("NHS401", "equal", both(group="g1"), "fail", PAIR, "the primary's value"),
    Case("NHS401", "equal to another item", both(b_group="g1", p_group="g2"), "fail", PAIR, "another path"),
    Case("NHS401", "equal to another pair's", both(b_group="g1"), "fail", PAIR, "another path"),
    Case("NHS401", "only the primary's is elsewhere", both(p_group="g1"), None),
    Case("NHS401", "shared by design", shared(group="g1"), "pass"),
    Case("NHS401", "backup not seen", view(primary(group="g1"), unseen("denied", group="g1")), None),
    Case("NHS402", "no ids", both(), None),
    Case("NHS402", "ids on one side", both(b_ids=KEY), None),
    Case("NHS402", "different keys", both(p_ids=KEY, b_ids="access-key-id=AKIAEXAMPLE2"), "pass"),
    Case("NHS402", "same access key", both(ids=KEY), "fail", PAIR, "the access key"),
    Case("NHS402", "same public key", both(ids="spki-sha256=ab"), "fail", PAIR, "the key pair"),
    Case("NHS402", "same certificate", both(ids="issuer-serial=CN=CA/01"), "fail", PAIR, "the certificate"),
    Case("NHS402", "same role id", both(ids="role-id=1"), "fail", PAIR, "role id"),
    Case("NHS402", "same account", both(ids="service-account=117"), "fail", PAIR, "the service account"),
    Case("NHS402", "same token", both(ids="token-accessor=1"), "fail", PAIR, "the token"),
    Case("NHS402", "one file", both(ids="file=fe00-2a"), "fail", PAIR, "the file itself"),
    Case("NHS402", "one item", both(ids="resource=arn:aws:iam::1:role/a"), "fail", PAIR, "the very same item"),
    Case("NHS402", "restored backup", both(ids="secret-version=0a"), "fail", PAIR, "restored backup"),
    Case(
        "NHS402",
        "one of several",
        both(p_ids="issuer-serial=a\nspki-sha256=x", b_ids="issuer-serial=b\nspki-sha256=x"),
        "fail",
        PAIR,
        "the key pair",
    ),
    Case("NHS402", "a login is no credential", both(ids="login=db/app"), None),
    Case("NHS402", "shared by design", shared(ids=KEY), "pass"),
    Case("NHS402", "backup not seen", view(primary(ids=KEY), unseen("denied", ids=KEY)), None),
    Case("NHS403", "own lifecycles", both(), "pass"),
    Case("NHS403", "nothing known", both(lifecycle="unknown"), None),
    Case("NHS403", "backup is a replica", both(b_lifecycle="replica"), "fail", BACKUP, "a replica"),
    Case("NHS403", "primary is a replica", both(p_lifecycle="replica"), "fail", PRIMARY),
    Case("NHS403", "both are replicas", both(lifecycle="replica"), "fail", PAIR),
    Case("NHS403", "one cluster", both(ids="cluster-id=c1"), "fail", PAIR, "one cluster"),
    Case("NHS403", "two clusters", both(p_ids="cluster-id=c1", b_ids="cluster-id=c2", lifecycle="unknown"), "pass"),
    Case("NHS403", "shared by design", shared(lifecycle="replica"), "pass"),
    Case("NHS403", "backup not seen", view(primary(), unseen("denied", lifecycle="replica")), None),
    Case("NHS404", "own lifecycles", both(), "pass"),
    Case("NHS404", "nothing known", both(lifecycle="unknown"), None),
    Case("NHS404", "one account", both(ids="login=db.example/app"), "fail", PAIR, "one account"),
    Case("NHS404", "two accounts", both(p_ids="login=db/app", b_ids="login=db/app2", lifecycle="unknown"), "pass"),
    Case("NHS404", "provider says shared", both(b_lifecycle="shared"), "fail", PAIR, "the provider"),
    Case("NHS404", "primary says shared", both(p_lifecycle="shared"), "fail", PAIR),
    Case("NHS404", "shared by design", shared(ids="login=db/app"), "pass"),
    Case("NHS404", "backup not seen", view(primary(), unseen("denied", lifecycle="shared")), None),
    Case("NHS405", "own", both(), "pass"),
    Case("NHS405", "static", both(b_lifecycle="static"), "fail", BACKUP, "nobody"),
    Case("NHS405", "the primary may be static", both(p_lifecycle="static"), "pass"),
    Case("NHS405", "class not known", both(b_lifecycle="unknown"), None),
    Case("NHS405", "static though shared by design", shared(lifecycle="static"), "fail", BACKUP),
    Case("NHS405", "primary silent", view(None, backup(lifecycle="static")), "fail", BACKUP),
    Case("NHS405", "backup denied", view(primary(), unseen("denied", lifecycle="static")), None),
    Case("NHS406", "not shared", both(), None),
    Case("NHS406", "in force", shared(), "pass"),
    Case("NHS406", "ended", view(primary(), backup(), shared_until=NOW - 1), "fail", PAIR, "2026-11-23T03:12:08Z"),
    Case("NHS406", "no owner", view(primary(), backup(), shared_until=FAR, shared_owner=" "), "fail", PAIR, "nobody"),
    Case("NHS406", "also without rows", view(None, None, shared_until=NOW - 1), "fail", PAIR),
    Case("NHS407", "counters", both(version="7"), None),
    Case("NHS407", "digests of public content", both(version="ab" * 32), None),
    Case("NHS407", "a token and a counter", both(p_version="7", b_version=TOKEN), None),
    Case("NHS407", "no version", both(version=None), None),
    Case("NHS407", "different tokens", both(p_version=TOKEN, b_version=TOKEN.replace("0", "1")), "pass"),
    Case("NHS407", "one token", both(version=TOKEN), "fail", PAIR, TOKEN),
    Case("NHS407", "same credential is NHS402's", both(version=TOKEN, ids=KEY), None),
    Case("NHS407", "shared by design", shared(version=TOKEN), "pass"),
    Case("NHS407", "backup not seen", view(primary(version=TOKEN), unseen("denied", version=TOKEN)), None),
    Case("NHS510", "nothing known", both(), None),
    Case("NHS510", "other details", both(**facts(attributes=(("a", "b"),))), None),
    Case("NHS510", "backup exposed", view(primary(), backup(**WORLD_READABLE)), "fail", BACKUP, "world-readable"),
    Case("NHS510", "primary exposed", view(primary(**WORLD_READABLE), backup()), "fail", PRIMARY),
    Case("NHS510", "both exposed", both(**WORLD_READABLE), "fail", PAIR),
    Case("NHS510", "unprintable", both(**facts(exposure="\x1b")), "fail", PAIR, "readable by others"),
    Case("NHS408", "nothing known", both(), None),
    Case("NHS408", "the backup's", both(b_detail=ENDLESS["detail"]), "fail", BACKUP, "a legacy token has no end"),
    Case("NHS408", "the primary's", both(p_detail=ENDLESS["detail"]), "fail", PRIMARY, "a legacy token has no end"),
    Case("NHS408", "both", both(**ENDLESS), "fail", PAIR, "backup: a legacy"),
    Case("NHS408", "shared by design is no excuse", shared(**ENDLESS), "fail", PAIR),
    Case("NHS408", "the word elsewhere", both(**facts(attributes=(("endless", "none"),))), None),
    Case("NHS408", "unprintable", both(**facts(endless="\x1b")), "fail", PAIR, "it can never end"),
    Case("NHS408", "facts unreadable", both(b_detail='{"endless":1}'), "unknown", PAIR),
    Case("NHS408", "primary silent", view(None, backup(**ENDLESS)), "fail", BACKUP),
    Case("NHS408", "backup denied", view(primary(), unseen("denied", **ENDLESS)), None),
    Case("NHS510", "the word elsewhere", both(**facts(attributes=(("exposure", "none"),))), None),
    Case("NHS510", "facts unreadable", both(b_detail='{"exposure":1}'), "unknown", PAIR),
    Case("NHS510", "primary silent", view(None, backup(**WORLD_READABLE)), "fail", BACKUP),
]


@pytest.mark.requirement("R31", "R42", "R44")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_reuse_rules(case: Case) -> None:
    """NHS401 to NHS408 and NHS510 answer as the table says; only a pair shared by design may share."""
    case.hold()


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("code", ["NHS401", "NHS402", "NHS403", "NHS404", "NHS407"])
def test_sharing_ends_with_its_term(code: str) -> None:
    """From the second after the end of a shared pair, what it was allowed to share fails."""
    rows = {
        "NHS401": {"group": "g"},
        "NHS402": {"ids": KEY},
        "NHS403": {"lifecycle": "replica"},
        "NHS404": {"lifecycle": "shared"},
        "NHS407": {"version": TOKEN},
    }[code]

    changes_at(
        code,
        lambda now: view(primary(**rows), backup(**rows), now=now, shared_until=NOW),
        NOW + 1,
        before=State.PASS,
        after=State.FAIL,
    )


@pytest.mark.requirement("R42")
@pytest.mark.parametrize("code", ["NHS402", "NHS404", "NHS401"])
def test_identifiers_and_groups_are_not_told(code: str) -> None:
    """A finding says that two sides are one, never by which identifier or equality class."""
    told = ask(code, both(ids="login=db/app-user\nrole-id=1f2e", group="class-77"))
    assert told is not None
    for hidden in ("app-user", "1f2e", "class-77"):
        assert hidden not in told.observed + told.expected
