"""Doctor on the running world: rights are read, and services asked, of every provider that can."""

from pathlib import Path

import pytest

from nhisync.app.doctor import examine
from nhisync.app.session import Session
from nhisync.spi import AccessMode, CheckState

pytestmark = [pytest.mark.xdist_group("world"), pytest.mark.timeout(300)]


@pytest.mark.requirement("R42")
def test_doctor_tries_what_rights_and_opinions_need(config: Path) -> None:
    """Through every SDK: what is granted is fine; the one permission that the world withholds is named and printed."""
    diagnosis = examine(Session.open(config), AccessMode.READ)
    found = {
        (source.provider, check.name): (source, check)
        for source in diagnosis.sources
        for check in source.checks
        if check.name.startswith(("rights:", "opinions:"))
    }
    read = {
        provider for (provider, name), (_, check) in found.items() if name.startswith("rights:") and not check.error
    }
    assert read >= {"aws", "gcp", "kubernetes", "vault"}
    failed = {where: one for where, one in found.items() if one[1].state is CheckState.FAILED}
    assert {provider for provider, _ in failed} == {"aws"}
    source, check = failed["aws", "opinions:role/ledger-notify-standby"]
    assert check.error is not None
    assert check.error.action == "iam:SimulatePrincipalPolicy"
    assert any("SimulatePrincipalPolicy" in one.text for one in source.grants)
    assert found["vault", "opinions:approle/approle/ledger-replay"][1].observed == "its service answers"
