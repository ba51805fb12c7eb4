"""What an endpoint serves: hierarchies, and chains with one named fault each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from nhisync_tls.emulator.pki import Issued, PrivateKey, Shape, issue

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """One certification authority: a root and the intermediate that signs its leaves.

    Attributes:
        root: the trust anchor.
        intermediate: the issuing authority under it.
    """

    root: Issued
    intermediate: Issued


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A leaf and what is sent after it.

    Attributes:
        leaf: the end-entity certificate and its key.
        others: certificates sent after the leaf, in this order.
    """

    leaf: Issued
    others: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafPlan:
    """How the leaf of a chain shall look.

    Attributes:
        names: subject alternative names; empty = no such extension.
        not_before: first instant of validity.
        not_after: last instant of validity.
        key: key kind as in `Shape.key`.
        reuse_key: an existing key (the copied key).
        serial: fixed serial number, or None.
        usages: extended key usages as in `Shape.usages`.
        chain: fault word, one of `CHAINS`.
    """

    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key: str = "ec-p256"
    reuse_key: PrivateKey | None = None
    serial: int | None = None
    usages: tuple[str, ...] = ("server_auth",)
    chain: str = "complete"


def make_hierarchy(
    label: str,
    now: datetime,
    *,
    root_expires: timedelta = 3650 * _DAY,
    intermediate_expires: timedelta = 1825 * _DAY,
    key: str = "ec-p384",
) -> Hierarchy:
    """A root and an intermediate named after `label`.

    Args:
        label: part of both common names.
        now: the world's instant, aware UTC.
        root_expires: time left for the root; negative = expired.
        intermediate_expires: time left for the intermediate; negative = expired.
        key: key kind of both.
    """
    started = now - 3650 * _DAY
    root = issue(
        Shape(
            subject=f"{label} Root",
            not_before=started,
            not_after=now + root_expires,
            key=key,
            is_ca=True,
            authority_key_id=False,
        )
    )
    return Hierarchy(root=root, intermediate=_intermediate(label, root, now + intermediate_expires, key=key))


def build_chain(hierarchy: Hierarchy, plan: LeafPlan, now: datetime) -> Chain:
    """The chain that `plan` asks for, signed under `hierarchy` unless the fault says otherwise.

    Raises:
        KeyError: the fault word, the key kind or a usage word is not known.
    """
    return CHAINS[plan.chain](hierarchy, plan, now)


def _intermediate(label: str, root: Issued, not_after: datetime, *, key: str = "ec-p256") -> Issued:
    shape = Shape(
        subject=f"{label} Issuing CA",
        not_before=root.certificate.not_valid_before_utc,
        not_after=not_after,
        key=key,
        is_ca=True,
        path_length=0,
    )
    return issue(shape, root)


def _leaf(plan: LeafPlan, issuer: Issued | None) -> Issued:
    shape = Shape(
        subject=plan.names[0] if plan.names else "nameless",
        not_before=plan.not_before,
        not_after=plan.not_after,
        names=plan.names,
        key=plan.key,
        reuse_key=plan.reuse_key,
        serial=plan.serial,
        usages=plan.usages,
    )
    return issue(shape, issuer)


def _complete(hierarchy: Hierarchy, plan: LeafPlan, _: datetime) -> Chain:
    others = (hierarchy.intermediate.certificate,)
    return Chain(leaf=_leaf(plan, hierarchy.intermediate), others=others)


def _missing_intermediate(hierarchy: Hierarchy, plan: LeafPlan, _: datetime) -> Chain:
    return Chain(leaf=_leaf(plan, hierarchy.intermediate), others=())


def _with_root(hierarchy: Hierarchy, plan: LeafPlan, _: datetime) -> Chain:
    others = (hierarchy.intermediate.certificate, hierarchy.root.certificate)
    return Chain(leaf=_leaf(plan, hierarchy.intermediate), others=others)


def _wrong_order(hierarchy: Hierarchy, plan: LeafPlan, _: datetime) -> Chain:
    others = (hierarchy.root.certificate, hierarchy.intermediate.certificate)
    return Chain(leaf=_leaf(plan, hierarchy.intermediate), others=others)


def _surplus(hierarchy: Hierarchy, plan: LeafPlan, now: datetime) -> Chain:
    stranger = make_hierarchy("Unrelated", now).intermediate.certificate
    others = (hierarchy.intermediate.certificate, stranger)
    return Chain(leaf=_leaf(plan, hierarchy.intermediate), others=others)


def _expired_intermediate(hierarchy: Hierarchy, plan: LeafPlan, now: datetime) -> Chain:
    expired = _intermediate("Expired", hierarchy.root, now - _DAY)
    return Chain(leaf=_leaf(plan, expired), others=(expired.certificate,))


def _expiring_intermediate(hierarchy: Hierarchy, plan: LeafPlan, now: datetime) -> Chain:
    ending = _intermediate("Ending", hierarchy.root, now + _DAY)
    return Chain(leaf=_leaf(plan, ending), others=(ending.certificate,))


def _untrusted(_: Hierarchy, plan: LeafPlan, now: datetime) -> Chain:
    return _complete(make_hierarchy("Unknown", now), plan, now)


def _self_signed(_: Hierarchy, plan: LeafPlan, __: datetime) -> Chain:
    return Chain(leaf=_leaf(plan, None), others=())


def _issued_by_root(hierarchy: Hierarchy, plan: LeafPlan, _: datetime) -> Chain:
    return Chain(leaf=_leaf(plan, hierarchy.root), others=())


CHAINS: Mapping[str, Callable[[Hierarchy, LeafPlan, datetime], Chain]] = {
    "complete": _complete,
    "missing_intermediate": _missing_intermediate,
    "with_root": _with_root,
    "wrong_order": _wrong_order,
    "surplus": _surplus,
    "expired_intermediate": _expired_intermediate,
    "expiring_intermediate": _expiring_intermediate,
    "untrusted": _untrusted,
    "self_signed": _self_signed,
    "issued_by_root": _issued_by_root,
}
"""Fault word → what builds the chain; ``expiring_intermediate`` ends one day from now."""
