"""Family 6: a certificate chain builds, keeps building, and does on the backup what it does on the primary."""

import pytest

from nhisync.model import Side, State
from nhisync.parity.row import instant
from nhisync.parity.rules.names import uncovered

from .builders import (
    DAY,
    NOW,
    Case,
    ask,
    backup,
    both,
    certificate,
    chain,
    chained,
    changes_at,
    primary,
    unseen,
    view,
)

BACKUP, PRIMARY, PAIR = Side.BACKUP, Side.PRIMARY, Side.PAIR
SERVER, CLIENT, ANY = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"
GARBAGE = {"detail": '{"chain":{"certificates":7}}'}
BROKEN = {"builds": False, "builds_with_known": False, "problem": "no path to a configured root"}
WISHES = {"asks_client_certificate": None, "wishes_client_certificate": True}
LACKING = {"builds": False, "builds_with_known": True}


def pair(b: dict[str, object] | None = None, p: dict[str, object] | None = None, now: int = NOW) -> object:
    """A view of two chains with these changes."""
    return view(primary(**chained(**(p or {}))), backup(**chained(**(b or {}))), now=now)


def leaf(**changes: object) -> dict[str, object]:
    """A chain whose leaf has `changes`."""
    return {"certificates": (certificate(**changes), chain().certificates[1])}


def issuer(**changes: object) -> dict[str, object]:
    """A chain whose intermediate has `changes`."""
    return {
        "certificates": (certificate(), certificate(**{"subject": "CN=Issuing CA", "issuer": "CN=Root", **changes}))
    }


CROSS_SIGNED = {
    "certificates": (
        certificate(),
        certificate(subject="CN=Issuing CA", issuer="CN=Old Root", ends=NOW),
        certificate(subject="CN=Issuing CA", issuer="CN=Root"),
        certificate(subject="CN=Stranger", issuer="CN=Nobody", ends=NOW),
    ),
    "surplus": 2,
}

CASES = [
    Case("NHS601", "builds", pair(), "pass"),
    Case("NHS601", "no chain", both(), None),
    Case("NHS601", "does not build", pair(BROKEN), "fail", BACKUP, "no path"),
    Case("NHS601", "known intermediates not tried", pair({**BROKEN, "builds_with_known": None}), "fail", BACKUP),
    Case("NHS601", "no reason given", pair({**BROKEN, "problem": ""}), "fail", BACKUP, "trusted root"),
    Case("NHS601", "nothing served", pair({**BROKEN, "certificates": ()}), "fail", BACKUP),
    Case("NHS601", "the primary's", pair(p=BROKEN), "fail", PRIMARY),
    Case("NHS601", "both", pair(BROKEN, BROKEN), "fail", PAIR),
    Case("NHS601", "builds with known is NHS602's", pair(LACKING), "pass"),
    Case("NHS601", "not verified is NHS609's", both(**chained(builds=None)), None),
    Case("NHS601", "leaf ended is NHS301's", both(**chained(**{**BROKEN, **leaf(ends=NOW)})), None),
    Case(
        "NHS601", "leaf not begun is NHS306's", both(**chained(**{**BROKEN, **leaf(not_before=instant(NOW + 1))})), None
    ),
    Case("NHS601", "primary silent", view(None, backup(**chained(**BROKEN))), "fail", BACKUP),
    Case("NHS602", "builds", pair(), "pass"),
    Case("NHS602", "no chain", both(), None),
    Case("NHS602", "intermediate missing", pair(LACKING), "fail", BACKUP, "not served"),
    Case("NHS602", "the primary's", pair(p=LACKING), "fail", PRIMARY),
    Case("NHS602", "both", pair(LACKING, LACKING), "fail", PAIR),
    Case("NHS602", "does not build at all", pair(BROKEN), "pass"),
    Case("NHS602", "not verified is NHS609's", both(**chained(builds=None)), None),
    Case("NHS603", "in order", pair(), "pass"),
    Case("NHS603", "no chain", both(), None),
    Case("NHS603", "nothing served", both(**chained(certificates=())), None),
    Case("NHS603", "out of order", pair({"ordered": False}), "fail", BACKUP, "out of order"),
    Case("NHS603", "surplus", pair({"surplus": 2}), "fail", BACKUP, "2 surplus"),
    Case("NHS603", "the primary's", pair(p={"ordered": False}), "fail", PRIMARY),
    Case("NHS604", "far away", pair(), "pass"),
    Case("NHS604", "no chain", both(), None),
    Case(
        "NHS604",
        "leaf alone, no root known",
        both(**chained(certificates=(certificate(),), anchor_not_after=None)),
        None,
    ),
    Case("NHS604", "leaf's end is family 3's", pair(leaf(ends=NOW)), "pass"),
    Case("NHS604", "issuer outlives the horizon", pair(issuer(ends=NOW + 2 * DAY + 1)), "pass"),
    Case(
        "NHS604",
        "issuer ends inside",
        pair(issuer(ends=NOW + 2 * DAY)),
        "fail",
        BACKUP,
        "CN=Issuing CA ends 2026-11-25",
    ),
    Case("NHS604", "root ends inside", pair({"anchor_not_after": instant(NOW)}), "fail", BACKUP, "CN=Root"),
    Case("NHS604", "the primary's", pair(p=issuer(ends=NOW)), "fail", PRIMARY),
    Case("NHS604", "both", pair(issuer(ends=NOW), issuer(ends=NOW)), "fail", PAIR),
    Case("NHS604", "surplus and cross-signed issuers", pair(CROSS_SIGNED), "pass"),
    Case("NHS605", "same names", pair(), "pass"),
    Case("NHS605", "no chain", both(), None),
    Case("NHS605", "no name asked, no names", both(**chained(covers_name=None, **leaf(names=()))), None),
    Case("NHS605", "asked name not covered", pair({"covers_name": False}), "fail", BACKUP, "api.example.com"),
    Case("NHS605", "primary's own", pair(p={"covers_name": False}), "fail", PRIMARY),
    Case(
        "NHS605", "name lost", pair(p=leaf(names=("api.example.com", "pay.example.com"))), "fail", BACKUP, "pay.example"
    ),
    Case("NHS605", "wildcard covers", pair(leaf(names=("*.example.com",))), "pass"),
    Case("NHS605", "superset", pair(leaf(names=("a.example.com", "api.example.com"))), "pass"),
    Case("NHS605", "addresses stay", pair(p=leaf(names=("192.0.2.10", "2001:db8::1", "api.example.com"))), "pass"),
    Case("NHS605", "other side has no chain", view(primary(), backup(**chained(covers_name=None))), None),
    Case("NHS605", "primary silent", view(None, backup(**chained(covers_name=False))), "fail", BACKUP),
    Case("NHS606", "strong", pair(), "pass"),
    Case("NHS606", "no chain", both(), None),
    Case("NHS606", "nothing served", both(**chained(certificates=())), None),
    Case("NHS606", "RSA of the least size", pair(leaf(key_type="rsa", key_bits=2048)), "pass"),
    Case("NHS606", "RSA below", pair(leaf(key_type="rsa", key_bits=2047)), "fail", BACKUP, "rsa-2047 of CN=api"),
    Case("NHS606", "EC below", pair(leaf(key_bits=255)), "fail", BACKUP, "ec-255"),
    Case("NHS606", "weak issuer", pair(issuer(key_type="rsa", key_bits=1024)), "fail", BACKUP, "CN=Issuing CA"),
    Case("NHS606", "weak stranger is not used", pair({**CROSS_SIGNED, "weak": ()}), "pass"),
    Case("NHS606", "DSA of any size", pair(leaf(key_type="dsa", key_bits=3072)), "fail", BACKUP, "dsa"),
    Case("NHS606", "Edwards curves", pair(leaf(key_type="ed25519", key_bits=0)), "pass"),
    Case("NHS606", "what the adapter found", pair({"weak": ("no-eku",)}), "fail", BACKUP, "no-eku"),
    Case("NHS606", "the primary's", pair(p={"weak": ("no-eku",)}), "fail", PRIMARY),
    Case("NHS606", "size not known", pair(leaf(key_bits=0)), "unknown", BACKUP, "not known"),
    Case("NHS606", "type not known", pair(leaf(key_type="unknown", key_bits=256)), "unknown", BACKUP),
    Case("NHS606", "weak outranks not known", pair(leaf(key_bits=0), {"weak": ("x",)}), "fail", PRIMARY),
    Case("NHS607", "equal", pair(), "pass"),
    Case("NHS607", "no chain", both(), None),
    Case("NHS607", "one chain", view(primary(), backup(**chained())), None),
    Case("NHS607", "stronger", pair(leaf(key_bits=384)), "pass"),
    Case("NHS607", "weaker", pair(p=leaf(key_bits=384)), "fail", BACKUP, "ec-256 is weaker than ec-384"),
    Case("NHS607", "RSA 2048 for P-256", pair(leaf(key_type="rsa", key_bits=2048)), "fail", BACKUP, "rsa-2048"),
    Case("NHS607", "RSA 3072 for P-256", pair(leaf(key_type="rsa", key_bits=3072)), "pass"),
    Case("NHS607", "Ed25519 for P-256", pair(leaf(key_type="ed25519", key_bits=0)), "pass"),
    Case("NHS607", "other root", pair({"anchor": "CN=Other"}), "fail", BACKUP, "CN=Other"),
    Case("NHS607", "nothing served", pair({"certificates": (), "anchor": ""}), None),
    Case("NHS607", "nothing comparable", pair({**leaf(key_bits=0), "anchor": ""}), None),
    Case("NHS608", "equal", pair(), "pass"),
    Case("NHS608", "no chain", both(), None),
    Case("NHS608", "primary names none", pair(p=leaf(extended_key_usage=())), None),
    Case(
        "NHS608",
        "client lost",
        pair(p=leaf(extended_key_usage=(SERVER, CLIENT))),
        "fail",
        BACKUP,
        "client authentication",
    ),
    Case("NHS608", "unheard-of purpose lost", pair(p=leaf(extended_key_usage=("1.2.3",))), "fail", BACKUP, "1.2.3"),
    Case("NHS608", "more purposes", pair(leaf(extended_key_usage=(SERVER, CLIENT))), "pass"),
    Case("NHS608", "no extension means every purpose", pair(leaf(extended_key_usage=())), "pass"),
    Case("NHS608", "any means every purpose", pair(leaf(extended_key_usage=(ANY,))), "pass"),
    Case("NHS608", "primary's any is no purpose", pair(p=leaf(extended_key_usage=(ANY, SERVER))), "pass"),
    Case("NHS609", "verified", pair(), "pass"),
    Case("NHS609", "no chain", both(), None),
    Case("NHS609", "backup's not verified", pair({"builds": None}), "unknown", BACKUP, "not verified"),
    Case(
        "NHS609",
        "with the reason",
        pair({"builds": None, "problem": "no root is configured"}),
        "unknown",
        BACKUP,
        "no root",
    ),
    Case("NHS609", "primary's not verified", pair(p={"builds": None}), "unknown", PRIMARY),
    Case("NHS609", "neither", pair({"builds": None}, {"builds": None}), "unknown", PAIR),
    Case("NHS609", "backup has none", view(primary(**chained()), backup()), "unknown", BACKUP, "other side"),
    Case("NHS609", "primary has none", view(primary(), backup(**chained())), "unknown", PRIMARY),
    Case("NHS609", "primary silent", view(None, backup(**chained())), "pass"),
    Case(
        "NHS609",
        "primary denied, not verified",
        view(unseen("denied"), backup(**chained(builds=None))),
        "unknown",
        BACKUP,
    ),
    Case(
        "NHS609", "facts unreadable", view(primary(**chained()), backup(**GARBAGE)), "unknown", BACKUP, "cannot be read"
    ),
    Case("NHS609", "builds out of nothing", pair({"certificates": ()}), "unknown", BACKUP),
    Case("NHS609", "does not build is NHS601's", pair(BROKEN), "pass"),
    Case("NHS610", "neither demands", pair(), "pass"),
    Case("NHS610", "both demand", both(**chained(asks_client_certificate=True)), "pass"),
    Case("NHS610", "backup lets everyone in", pair(p={"asks_client_certificate": True}), "fail", BACKUP, "demands no"),
    Case("NHS610", "backup refuses", pair({"asks_client_certificate": True}), "fail", BACKUP, "demands a client"),
    Case("NHS610", "not tested", pair({"asks_client_certificate": None}), None),
    Case("NHS610", "backup only asks", pair(WISHES, {"asks_client_certificate": True}), "unknown", BACKUP, "goes on"),
    Case("NHS610", "primary only asks", pair({"asks_client_certificate": True}, WISHES), "unknown", PRIMARY, "goes on"),
    Case("NHS610", "both only ask", pair(WISHES, WISHES), None),
    Case("NHS610", "backup only asks, primary does not", pair(WISHES), None),
    Case("NHS610", "no chain", both(), None),
]


@pytest.mark.requirement("R30", "R33")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_chain_rules(case: Case) -> None:
    """NHS601 to NHS610 answer as the table says; a chain that nobody verified is unknown."""
    case.hold()


@pytest.mark.requirement("R30")
def test_chain_ends_to_the_second() -> None:
    """An issuer is too near its end in the very second in which the horizon reaches it."""
    rows = issuer(ends=NOW + 10 * DAY)
    changes_at("NHS604", lambda now: pair(rows, now=now), NOW + 8 * DAY, before=State.PASS, after=State.FAIL)


@pytest.mark.requirement("R30")
def test_weakness_is_told_once() -> None:
    """A small key that the adapter reports in its own word is not told a second time."""
    told = ask("NHS606", pair({**leaf(key_type="rsa", key_bits=1024), "weak": ("rsa-1024-leaf",)}))
    assert told is not None
    assert told.observed == "rsa-1024-leaf"


@pytest.mark.requirement("R30")
def test_hostile_names_stay_on_one_line() -> None:
    """Names from a certificate reach a finding without control characters, cut to a bearable length."""
    told = ask("NHS604", pair(issuer(subject="CN=Issuing CA\x1b[2J\n" + "x" * 500, ends=NOW)))
    assert told is not None
    assert told.observed.isprintable()
    assert len(told.observed) < 200


@pytest.mark.parametrize(
    ("wanted", "offered", "lost"),
    [
        ("api.example.com", "api.example.com", False),
        ("API.Example.com.", "api.example.com", False),
        ("api.example.com", "*.example.com", False),
        ("example.com", "*.example.com", True),
        ("a.b.example.com", "*.example.com", True),
        ("*.example.com", "*.example.com", False),
        ("*.example.com", "api.example.com", True),
        ("*.api.example.com", "*.example.com", True),
        ("api.example.com", "a*.example.com", True),
        ("api.example.com", "*", True),
        ("com", "*.", True),
        (".example.com", "*.example.com", True),
        ("192.0.2.1", "*.0.2.1", True),
        ("192.0.2.1", "192.0.2.1", False),
        ("2001:db8::1", "2001:0db8:0:0:0:0:0:1", False),
    ],
)
def test_names_are_covered_as_rfc_9525_says(wanted: str, offered: str, lost: bool) -> None:
    """A wildcard is the whole left-most label and stands for one label; addresses are only equal to themselves."""
    assert uncovered([wanted], [offered]) == ([wanted] if lost else [])
