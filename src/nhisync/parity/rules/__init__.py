"""All parity rules, ordered by code: one declaration and one pure function each.

Adding a rule: a `RuleInfo` and a function in the module of its family, a `Rule` in that module's ``RULES``, a table of
cases in ``tests/parity/rules``, and ``python docs/rules/write.py`` for its page.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nhisync.parity.rule import Rule
from nhisync.parity.rules import (
    attestation,
    authorization,
    blackout,
    certificate,
    chain,
    consumers,
    evidence,
    expiry,
    exposure,
    lifecycle,
    live,
    lockstep,
    opinion,
    own,
    presence,
    protection,
    region,
    replaced,
    reuse,
    rotators,
    sessions,
    trust,
    written,
)

_FAMILIES = (
    *(presence, lockstep, lifecycle, expiry, blackout, reuse, authorization, opinion, exposure, protection, chain),
    *(certificate, trust, region, rotators, live, sessions, consumers, replaced, written, evidence, attestation, own),
)

RULES: Final[tuple[Rule, ...]] = tuple(
    sorted((rule for family in _FAMILIES for rule in family.RULES), key=lambda rule: rule.info.code)
)
"""Every rule, ordered by code."""

BY_CODE: Final[Mapping[str, Rule]] = MappingProxyType({rule.info.code: rule for rule in RULES})
"""Every rule by its code."""


def codes() -> tuple[str, ...]:
    """All rule codes, in order."""
    return tuple(BY_CODE)


__all__ = ["BY_CODE", "RULES", "codes"]
