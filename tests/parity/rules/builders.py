"""A tiny builder for rule tests: healthy rows, views of them, and tables of cases."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from nhisync.model import CertificateFacts, Chain, ErrorFact, Item, Locator, Side, State
from nhisync.parity.row import Row, digest_of, instant, row_of
from nhisync.parity.rule import PASS, Outcome, PairView
from nhisync.parity.rules import BY_CODE
from nhisync.parity.thresholds import thresholds_of
from nhisync.policy import BUILTIN
from nhisync.testing.rows import NOW, row

FAR = 1 << 62
HOUR, DAY = 3_600, 86_400
PRIMARY_DOMAIN, BACKUP_DOMAIN = "vault/eu-west-1", "aws/eu-north-1"


def primary(**changes: Any) -> Row:
    """A healthy row of the primary."""
    return row(**{"domain": PRIMARY_DOMAIN, **changes})


def backup(**changes: Any) -> Row:
    """A healthy row of the backup."""
    return row(**{"domain": BACKUP_DOMAIN, "locator": "aws:secret/payments/stripe-api", "version": "v-2", **changes})


def facts(**fields: Any) -> dict[str, Any]:
    """The columns `detail` and `bound` that an item with these fields gets."""
    item = Item(locator=Locator.parse("aws:secret/x"), observed_at=instant(NOW), **fields)
    made = row_of(item, key="payments/x", domain=BACKUP_DOMAIN)
    return {"detail": made.detail, "bound": made.bound}


def chained(**changes: Any) -> dict[str, Any]:
    """The columns of a row with this chain; healthy unless changed."""
    return facts(chain=chain(**changes))


def chain(**changes: Any) -> Chain:
    """A chain of leaf and intermediate that builds to a root."""
    values: dict[str, Any] = {
        "certificates": (certificate(), certificate(subject="CN=Issuing CA", issuer="CN=Root", is_ca=True)),
        "builds": True,
        "builds_with_known": True,
        "anchor": "CN=Root",
        "anchor_not_after": instant(NOW + 3650 * DAY),
        "name": "api.example.com",
        "covers_name": True,
        "asks_client_certificate": False,
    }
    return Chain(**{**values, **changes})


def certificate(*, ends: int = NOW + 300 * DAY, **changes: Any) -> CertificateFacts:
    """A healthy leaf certificate; `ends` in epoch seconds."""
    values: dict[str, Any] = {
        "subject": "CN=api.example.com",
        "issuer": "CN=Issuing CA",
        "serial": "0a1b",
        "not_before": instant(NOW - 30 * DAY),
        "not_after": instant(ends),
        "spki_sha256": "00" * 32,
        "key_type": "ec",
        "key_bits": 256,
        "signature": "ecdsa-with-sha256",
        "names": ("api.example.com",),
        "extended_key_usage": ("1.3.6.1.5.5.7.3.1",),
    }
    return CertificateFacts(**{**values, **changes})


def error(**changes: Any) -> ErrorFact:
    """Why something is not known."""
    return ErrorFact(**{"kind": "denied", "message": "may not read metadata of 1 secret", **changes})


def view(
    p: Row | None,
    b: Row | None,
    *,
    now: int = NOW,
    tier: str = "critical",
    shared_until: int | None = None,
    **changes: Any,
) -> PairView:
    """A view as the engine aims it."""
    made = PairView()
    made.key, made.primary, made.backup, made.now, made.recheck = "payments/stripe-api", p, b, now, FAR
    made.present = p is not None and b is not None and p.presence == b.presence == "present"
    made.thresholds = thresholds_of(BUILTIN[tier])
    made.missing_primary, made.missing_backup = "", ""
    made.ahead_primary, made.ahead_backup = None, None
    made.field_primary, made.field_backup, made.declared_end = None, None, None
    made.signing, made.lost_until, made.needs = False, None, ()
    made.consumers_primary, made.consumers_backup = None, None
    made.shared_owner, made.shared_until = "payments-oncall", shared_until
    made.shared = shared_until is not None and not made.passed(shared_until + 1)
    made.primary_domains, made.common_domains = frozenset({PRIMARY_DOMAIN}), frozenset()
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def both(now: int = NOW, **changes: Any) -> PairView:
    """A view of two healthy rows that both carry `changes`; keys ``p_…`` and ``b_…`` change one side only."""
    common = {k: v for k, v in changes.items() if not k.startswith(("p_", "b_"))}
    p = {k[2:]: v for k, v in changes.items() if k.startswith("p_")}
    b = {k[2:]: v for k, v in changes.items() if k.startswith("b_")}
    return view(primary(**{**common, **p}), backup(**{**common, **b}), now=now)


def unseen(presence: str, **changes: Any) -> Row:
    """A row of which nothing is known but why."""
    blank: dict[str, Any] = dict.fromkeys(Row._fields)
    blank.update(
        key="payments/stripe-api",
        locator="aws:secret/payments/stripe-api",
        presence=presence,
        lifecycle="unknown",
        marker="",
        observed=NOW - 10,
        digest=0,
    )
    made = Row(**{**blank, **changes})
    return made._replace(digest=digest_of(made))


@dataclass(frozen=True)
class Case:
    """One line of a rule's table: `state` None = the rule does not apply."""

    code: str
    story: str
    view: PairView
    state: str | None
    side: Side = Side.PAIR
    says: str = ""

    def __str__(self) -> str:
        """The id of the test."""
        return f"{self.code} {self.story}"

    def hold(self) -> None:
        """Assert what the line says, and what every outcome must be."""
        outcome = ask(self.code, self.view)
        if self.state is None:
            assert outcome is None
            return
        assert outcome is not None, "the rule said that it does not apply"
        assert outcome.state.value == self.state, outcome
        if self.state == "pass":
            assert outcome is PASS
            return
        assert outcome.side is self.side, outcome
        assert outcome.observed
        assert self.says in outcome.observed, outcome.observed


def ask(code: str, asked: PairView) -> Outcome | None:
    """What the rule says."""
    return BY_CODE[code].check(asked)


def changes_at(code: str, make: Any, instant_: int, *, before: State | None, after: State | None) -> None:
    """Assert that the rule's answer changes exactly at `instant_` and that `recheck` announces it.

    Args:
        code: the rule.
        make: present in epoch seconds → view.
        instant_: the first second of the new answer.
        before: state until then, None = does not apply.
        after: state from then on.
    """
    early, late = make(instant_ - 1), make(instant_)
    assert _state(ask(code, early)) is before
    assert early.recheck == instant_
    assert _state(ask(code, late)) is after


def _state(outcome: Outcome | None) -> State | None:
    return None if outcome is None else outcome.state


def seconds(**parts: float) -> int:
    """Seconds of a span."""
    return int(timedelta(**parts).total_seconds())
