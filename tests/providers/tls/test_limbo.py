"""The x509-limbo suite: the parser and the verifier against 208 cases made to break them."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nhisync.model import Revocation
from nhisync.spi.x509 import (
    MalformedError,
    Purpose,
    RevocationLists,
    Trust,
    Views,
    chain_facts,
    decode_lists,
    decode_pem,
)

from .limbo_deviations import CLOSED, DEVIATIONS

SUITE = Path(__file__).parents[4] / "shared" / "data" / "x509-limbo" / "limbo.json"
SLOWEST = 5.0
"""Seconds of CPU one case may take; the worst one takes about one, and a hang meets the suite's timeout."""


@pytest.fixture(scope="module")
def cases() -> dict[str, dict[str, Any]]:
    """All cases by id."""
    if not SUITE.is_file():
        pytest.skip("the x509-limbo data is not present beside the project: 208 conformance cases are NOT run")
    return {case["id"]: case for case in json.loads(SUITE.read_text())["testcases"]}


def verdict(case: dict[str, Any]) -> bool:
    """Whether nhisync would call this endpoint good: it builds, covers its name, and nothing about it is weak."""
    try:
        roots = [root for text in case["trusted_certs"] for root in decode_pem(text.encode())]
        served = [case["peer_certificate"], *case["untrusted_intermediates"]]
        certificates = [one for text in served for one in decode_pem(text.encode())]
    except MalformedError:
        return False
    instant = case["validation_time"]
    now = datetime.fromisoformat(instant) if instant else datetime(2026, 11, 23, tzinfo=UTC)
    name = (case["expected_peer_name"] or {}).get("value", "")
    purpose = Purpose.SERVER if case["validation_kind"] == "SERVER" else Purpose.CLIENT
    name = name if purpose is Purpose.SERVER else ""
    lists = [one for text in case["crls"] for one in decode_lists(text.encode())]
    views = Views(revocation=RevocationLists(lists=tuple(lists)) if lists else None)
    chain = chain_facts(certificates, Trust(roots=tuple(roots)), name=name, now=now, purpose=purpose, views=views)
    status = chain.revocation or Revocation()
    good = not (chain.weak or status.revoked or status.unknown)
    return bool(chain.builds and chain.covers_name is not False and good)


@pytest.mark.requirement("R30")
def test_every_deviation_is_listed_with_its_reason(cases: dict[str, dict[str, Any]]) -> None:
    """No case may crash or hang, and the verdict may differ from the expected one exactly where a reason is listed."""
    differing, slow = set(), {}
    for name, case in cases.items():
        begun = time.process_time()
        if verdict(case) != (case["expected_result"] == "SUCCESS"):
            differing.add(name)
        if (taken := time.process_time() - begun) > SLOWEST:
            slow[name] = taken
    assert differing == set(DEVIATIONS)
    assert slow == {}


@pytest.mark.parametrize("name", CLOSED)
def test_the_security_relevant_gaps_of_the_library_are_closed(cases: dict[str, dict[str, Any]], name: str) -> None:
    """Weak leaves and unlimited usages must not pass, whatever the path verifier says."""
    assert cases[name]["expected_result"] == "FAILURE"
    assert not verdict(cases[name])


def test_no_security_relevant_case_hides_among_the_deviations() -> None:
    """The closed list and the list of deviations must not overlap."""
    assert not set(CLOSED) & set(DEVIATIONS)
