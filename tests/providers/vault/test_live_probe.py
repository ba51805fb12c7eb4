"""Live authentication at Vault and OpenBao: tokens that look themselves up, AppRoles that log in and tidy up."""

from pathlib import Path
from typing import Any

import pytest

from nhisync.clock import SystemClock
from nhisync.probes import KINDS, Order, Presented, Shown
from nhisync.probes.order import Patience
from nhisync.spi import ProviderError, SecretBytes
from nhisync.testing.judge import Account, Judge


def tried(server: Any, kind: str, value: str, user: str = "", **changes: Any) -> Shown:
    """What a probe shows."""
    order = Order(target=server.address, auth="login", ca_file=Path(server.verify), **changes)
    return KINDS[kind](order, Presented(user, SecretBytes(value.encode())), Patience(SystemClock(), 10))


@pytest.fixture
def approle(server: Any) -> dict[str, str]:
    """An AppRole with a secret ID that lasts."""
    mount = server.mount_approle()
    api = server.root.auth.approle
    api.create_or_update_approle("pay", token_policies=["default"], mount_point=mount)
    role = api.read_role_id("pay", mount_point=mount)["data"]["role_id"]
    secret = api.generate_secret_id("pay", mount_point=mount)["data"]["secret_id"]
    return {"mount": mount, "role": role, "secret": secret}


@pytest.mark.requirement("R17", "R22")
def test_a_token_is_accepted_and_a_revoked_one_refused(server: Any) -> None:
    """The lookup changes nothing; once revoked the token is unknown, which both products tell in their own words."""
    token = server.root.auth.token.create_orphan(policies=["default"], display_name="payments")["auth"]["client_token"]
    good = tried(server, "vault-token", token)
    assert (good.depth, good.accepted, good.error) == ("auth", True, None)
    assert good.seen_as.startswith("token-payments at ")
    server.root.auth.token.revoke(token)
    bad = tried(server, "vault-token", token)
    assert bad.accepted is not True
    assert bad.error is not None
    assert bad.accepted is False or bad.error.kind == "denied"


def test_a_token_that_may_not_look_itself_up_is_not_called_wrong(server: Any) -> None:
    """403 alone does not tell a wrong token from a narrow one."""
    shown = tried(server, "vault-token", server.limited('path "secret/*" { capabilities = ["read"] }'))
    assert (shown.depth, shown.accepted) == ("tls", None)
    assert shown.error is not None
    assert (shown.error.kind, shown.error.action) == ("denied", "read auth/token/lookup-self")


@pytest.mark.requirement("R17", "R22")
def test_an_approle_logs_in_and_gives_the_token_back(server: Any, approle: dict[str, str]) -> None:
    """After the probe there are as many tokens as before."""
    before = len(server.root.list("auth/token/accessors")["data"]["keys"])
    shown = tried(server, "vault-approle", approle["secret"], approle["role"], mount=approle["mount"])
    assert (shown.depth, shown.accepted, shown.error) == ("auth", True, None)
    assert shown.seen_as
    assert len(server.root.list("auth/token/accessors")["data"]["keys"]) == before


@pytest.mark.requirement("R17", "R22")
def test_a_role_that_takes_every_secret_id_proves_none(server: Any, approle: dict[str, str]) -> None:
    """Without `bind_secret_id` nobody looks at it; the token of the made-up login is given back as well."""
    options = {"bind_secret_id": False, "token_bound_cidrs": ["127.0.0.0/8", "::1/128"]}
    server.root.auth.approle.create_or_update_approle(
        "pay", token_policies=["default"], mount_point=approle["mount"], **options
    )
    before = len(server.root.list("auth/token/accessors")["data"]["keys"])
    shown = tried(server, "vault-approle", approle["secret"], approle["role"], mount=approle["mount"])
    assert (shown.depth, shown.accepted) == ("tls", None)
    assert shown.error is not None
    assert shown.error.message == "the service lets a made-up credential in, too: it judges none"
    assert len(server.root.list("auth/token/accessors")["data"]["keys"]) == before


@pytest.mark.requirement("R17")
@pytest.mark.parametrize("wrong", ["role", "secret"])
def test_a_wrong_half_of_an_approle_is_refused(server: Any, approle: dict[str, str], wrong: str) -> None:
    """A role ID and a secret ID belong together."""
    values = {**approle, wrong: "canary-of-nobody"}
    shown = tried(server, "vault-approle", values["secret"], values["role"], mount=approle["mount"])
    assert shown.accepted is False
    assert shown.error is not None
    assert shown.error.message == "the service refuses role ID and secret ID"


def test_a_mount_that_is_not_there_judges_nothing(server: Any, approle: dict[str, str]) -> None:
    """No such auth method is no refused credential."""
    shown = tried(server, "vault-approle", approle["secret"], approle["role"], mount="nowhere")
    assert shown.accepted is None


def test_a_sealed_server_judges_nothing(emulated: Any) -> None:
    """Sealed is a fault of the service."""
    emulated.world.fault("primary", "vault", "sealed")
    shown = tried(emulated, "vault-token", emulated.token)
    assert shown.accepted is None
    assert shown.error is not None
    assert shown.error.kind == "unreachable"


def test_a_portal_that_answers_200_is_no_vault(tmp_path: Path) -> None:
    """A page of somebody else accepts nothing."""
    judge = Judge(clock=SystemClock(), directory=tmp_path)
    judge.accounts["/v1/auth/token/lookup-self"] = Account("portal", "", open=True)
    judge.start()
    try:
        order = Order(target=f"https://{judge.address}", auth="login", ca_file=judge.authority)
        with pytest.raises(ProviderError) as told:
            KINDS["vault-token"](order, Presented("", SecretBytes(b"canary-4c1f9e")), Patience(SystemClock(), 10))
        assert told.value.kind.value == "malformed"
        assert "canary" not in str(told.value)
    finally:
        judge.stop()


def test_a_secret_id_without_counted_uses_is_not_used_up(server: Any, approle: dict[str, str]) -> None:
    """It works for the next probe as for this one."""
    for _ in range(3):
        shown = tried(server, "vault-approle", approle["secret"], approle["role"], mount=approle["mount"])
        assert shown.accepted is True
