"""Rows that were read together with how they are guarded: what a kind without a value is, and when they hold."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.model import Locator
from nhisync.parity.rules.facts import protection_of
from nhisync.spi import InventoryRequest, Observation
from nhisync.testing.provider import SCRIPTS, FakeProvider

from .test_cycle import complete, plan, present, run, script


@pytest.mark.requirement("R33")
def test_kinds_without_a_value_are_told_apart_from_silence() -> None:
    """Of a kind that keeps no value the core knows that there is nothing to guard; of others an adapter must tell."""
    asked = replace(plan(script("bare", present("a"), complete()), "a"), protection=True)
    kinds = tuple(replace(kind, valued=kind.name != "kv") for kind in FakeProvider.info.kinds)
    silent = asked.provider
    bare = type("Bare", (FakeProvider,), {"info": replace(FakeProvider.info, kinds=kinds)})(
        silent._settings, silent._context
    )
    for provider, kept in ((silent, None), (bare, False)):
        desk, _ = run(replace(asked, provider=provider))
        (row,) = desk.rows("primary")
        found = protection_of(row)
        assert (None if found is None else found.kept) is kept


@pytest.mark.requirement("R33")
@given(st.booleans(), st.text("ab+", min_size=1, max_size=4))
def test_a_marker_is_known_only_to_the_same_question(asked: bool, marker: str) -> None:
    """A row that was read without the question answers less; markers come back as the adapter gave them."""
    seen: list[InventoryRequest] = []

    def observe(request: InventoryRequest) -> Iterator[Observation]:
        seen.append(request)
        yield replace(present("a"), marker=marker)

    SCRIPTS["marking"] = observe
    here = Locator.parse("one:kv/a")
    first = replace(plan("marking", "a"), protection=asked)
    (row,) = run(first)[0].rows("primary")
    for again in (asked, not asked):
        run(replace(first, known={here: row.marker}, protection=again))
    same, other = seen[1].known, seen[2].known
    assert (same, other) == ({here: marker}, {})
