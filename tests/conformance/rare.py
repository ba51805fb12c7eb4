"""Broken adapters for what few providers can do: probes, minting, rights and second opinions."""

from collections.abc import Mapping

from . import mutants as m
from .mutants import Mutant

RARE_MUTANTS: Mapping[str, tuple[Mutant, ...]] = {
    "test_probe_answers_for_every_item": (Mutant(name="no reason", hooks=m.servant(accepted=False)),),
    "test_probe_keeps_the_budget": (Mutant(name="free", hooks=m.servant(probe=m.unspent("probe"))),),
    "test_issue_mints_or_says_why_not": (
        Mutant(name="nothing", hooks=m.servant(issue=lambda _s, _w, _b: iter(()))),
        Mutant(name="twice", hooks=m.servant(issue=m.minting(times=2))),
        Mutant(name="empty", hooks=m.servant(issue=m.minting(value=b""))),
    ),
    "test_previous_is_another_version_or_a_reason": (
        Mutant(name="nothing", hooks=m.servant(previous=lambda _s, _w, _b: iter(()))),
        Mutant(name="twice", hooks=m.servant(previous=m.minting(times=2))),
    ),
    "test_previous_keeps_the_budget": (Mutant(name="free", hooks=m.servant(previous=m.minting())),),
    "test_issue_keeps_the_budget": (Mutant(name="free", hooks=m.servant(issue=m.minting())),),
    "test_grants_answer_for_every_item": (
        Mutant(name="unsorted", hooks=m.servant(rights=m.Servant.rights[::-1])),
        Mutant(name="nobody's words", hooks=m.servant(scheme="")),
    ),
    "test_grants_keep_the_budget": (Mutant(name="spends nothing", hooks=m.servant(grants=m.unspent("grants"))),),
    "test_grant_permissions_stand_beside_the_read_document": (
        Mutant(name="no actions", hooks=m.servant(grant_permissions=m.document(actions=()))),
    ),
    "test_opinions_answer_what_was_asked": (
        Mutant(name="something else", hooks=m.servant(heard=lambda _s, named: [*named, *named])),
    ),
    "test_opinions_keep_the_budget": (Mutant(name="free", hooks=m.servant(opinions=m.unspent("opinions"))),),
    "test_opinion_permissions_stand_beside_those_of_rights": (
        Mutant(name="the same", hooks=m.servant(opinion_permissions=m.Servant.grant_permissions)),
    ),
}
"""Standard test → adapters that it must refuse."""
