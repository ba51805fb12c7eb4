"""Tokens and AppRole: what hvac sees of lifetimes, uses, accessors, trees and logins."""

from datetime import timedelta
from typing import Any

import hvac.exceptions
import pytest


@pytest.fixture
def approle(server: Any) -> str:
    """A fresh AppRole mount with one role, ``pay``."""
    mount: str = server.mount_approle()
    server.root.auth.approle.create_or_update_approle(
        "pay", token_policies=["default"], token_ttl="10m", mount_point=mount
    )
    return mount


def login(server: Any, mount: str, role_id: str, secret_id: str) -> dict[str, Any]:
    """Log in with a fresh, tokenless client."""
    answer = server.client("").auth.approle.login(role_id, secret_id, use_token=False, mount_point=mount)
    return dict(answer["auth"])


def test_lookup_self_describes_the_token(server: Any) -> None:
    """lookup-self shows policies, type, orphan, and no expiry for the root token."""
    data = server.root.auth.token.lookup_self()["data"]
    assert data["policies"] == ["root"]
    assert (data["type"], data["orphan"], data["expire_time"], data["ttl"]) == ("service", True, None, 0)


def test_a_child_token_has_its_policies_and_ttl(server: Any) -> None:
    """A child gets the asked policies and default, a lease, and an accessor that names it without its power."""
    made = server.root.auth.token.create(policies=["default"], ttl="1h", display_name="job", meta={"owner": "pay"})[
        "auth"
    ]
    assert made["token_policies"] == ["default"]
    assert made["orphan"] is False
    looked = server.root.auth.token.lookup_accessor(made["accessor"])["data"]
    assert looked["id"] == ""
    assert looked["display_name"] == "token-job"
    assert looked["meta"] == {"owner": "pay"}
    assert 3500 <= looked["ttl"] <= 3600
    assert made["client_token"] not in str(looked)


def test_unknown_tokens_and_accessors(server: Any) -> None:
    """An unknown token looks up as 403 "bad token", an unknown accessor as 400 "invalid accessor"."""
    answer = server.raw("POST", "auth/token/lookup", json={"token": "nonsense"})
    assert (answer.status_code, answer.json()["errors"]) == (403, ["bad token"])
    answer = server.raw("POST", "auth/token/lookup-accessor", json={"accessor": "nonsense"})
    assert (answer.status_code, "invalid accessor" in answer.text) == (400, True)


def test_requests_without_a_good_token_are_403(server: Any) -> None:
    """No token and a wrong token are both 403, before any routing."""
    assert server.raw("GET", "no-such-mount/x", token="").status_code == 403
    answer = server.raw("GET", "auth/token/lookup-self", token="nonsense")
    assert answer.status_code == 403
    assert "permission denied" in answer.text


def test_revoking_a_parent_revokes_its_children_but_not_orphans(server: Any) -> None:
    """Children die with their parent; an orphan lives on."""
    policy = server.policy('path "auth/token/*" { capabilities = ["create", "update", "sudo"] }')
    parent = server.root.auth.token.create(policies=[policy])["auth"]["client_token"]
    child = server.client(parent).auth.token.create()["auth"]["client_token"]
    orphan = server.client(parent).auth.token.create_orphan()["auth"]["client_token"]
    server.root.auth.token.revoke(parent)
    assert server.raw("GET", "auth/token/lookup-self", token=child).status_code == 403
    assert server.raw("GET", "auth/token/lookup-self", token=orphan).status_code == 200


def test_num_uses_run_out(server: Any) -> None:
    """A token with two uses answers twice."""
    token = server.root.auth.token.create(policies=["default"], num_uses=2)["auth"]["client_token"]
    codes = [server.raw("GET", "auth/token/lookup-self", token=token).status_code for _ in range(3)]
    assert codes == [200, 200, 403]


def test_a_periodic_token_renews_for_its_period(emulated: Any, clock: Any) -> None:
    """Renewal sets the lifetime back to the period; without it the token expires."""
    token = emulated.root.auth.token.create(policies=["default"], period="1h")["auth"]["client_token"]
    clock.advance(timedelta(minutes=50))
    renewed = emulated.client(token).auth.token.renew_self()["auth"]
    assert renewed["lease_duration"] == 3600
    clock.advance(timedelta(minutes=59))
    assert emulated.raw("GET", "auth/token/lookup-self", token=token).status_code == 200
    clock.advance(timedelta(minutes=2))
    assert emulated.raw("GET", "auth/token/lookup-self", token=token).status_code == 403


def test_explicit_max_ttl_ends_renewals(emulated: Any, clock: Any) -> None:
    """No renewal outlives explicit_max_ttl."""
    token = emulated.root.auth.token.create(policies=["default"], ttl="1h", explicit_max_ttl="90m")["auth"][
        "client_token"
    ]
    clock.advance(timedelta(minutes=50))
    assert emulated.client(token).auth.token.renew_self()["auth"]["lease_duration"] == 40 * 60


def test_batch_tokens_have_no_accessor(server: Any) -> None:
    """A batch token cannot be named, renewed or revoked."""
    made = server.root.auth.token.create(policies=["default"], type="batch", ttl="1h")["auth"]
    assert made["accessor"] == ""
    with pytest.raises(hvac.exceptions.InvalidRequest, match="batch tokens cannot be revoked"):
        server.root.auth.token.revoke(made["client_token"])


def test_listing_accessors_needs_sudo(server: Any) -> None:
    """List alone is not enough for auth/token/accessors."""
    without = server.limited(
        'path "auth/token/accessors/*" { capabilities = ["list"] }\n'
        'path "auth/token/accessors" { capabilities = ["list"] }'
    )
    assert server.raw("LIST", "auth/token/accessors", token=without).status_code == 403
    with_sudo = server.limited(
        'path "auth/token/accessors" { capabilities = ["list", "sudo"] }\n'
        'path "auth/token/accessors/*" { capabilities = ["list", "sudo"] }'
    )
    accessor = server.root.auth.token.create(policies=["default"])["auth"]["accessor"]
    assert accessor in server.raw("LIST", "auth/token/accessors", token=with_sudo).json()["data"]["keys"]


def test_token_roles_shape_tokens(server: Any) -> None:
    """A role's orphan and period reach its tokens; policies outside the allowed ones are a 400."""
    server.root.auth.token.create_or_update_role(
        "nhisync-test", allowed_policies="default,ops", orphan=True, token_period="1h"
    )
    made = server.root.auth.token.create(role_name="nhisync-test", policies=["ops"])["auth"]
    data = server.root.auth.token.lookup_accessor(made["accessor"])["data"]
    assert (data["orphan"], data["period"], data["role"]) == (True, 3600, "nhisync-test")
    with pytest.raises(hvac.exceptions.InvalidRequest):
        server.root.auth.token.create(role_name="nhisync-test", policies=["admin"])
    server.root.auth.token.delete_role("nhisync-test")


def test_approle_login_gives_the_roles_token(server: Any, approle: str) -> None:
    """role_id and secret_id give a token with the role's policies and lifetime, and the role's name as metadata."""
    api = server.root.auth.approle
    role_id = api.read_role_id("pay", mount_point=approle)["data"]["role_id"]
    secret = api.generate_secret_id("pay", metadata={"op": "1"}, mount_point=approle)["data"]
    auth = login(server, approle, role_id, secret["secret_id"])
    assert auth["token_policies"] == ["default"]
    assert auth["lease_duration"] == 600
    assert auth["metadata"]["role_name"] == "pay"
    assert auth["metadata"]["op"] == "1"


def test_wrong_logins_are_400(server: Any, approle: str) -> None:
    """A wrong role id or secret id is a 400 in the same words."""
    role_id = server.root.auth.approle.read_role_id("pay", mount_point=approle)["data"]["role_id"]
    for pair in ((role_id, "wrong"), ("wrong", "wrong")):
        with pytest.raises(hvac.exceptions.InvalidRequest, match="invalid role or secret ID"):
            login(server, approle, *pair)


def test_secret_ids_run_out_of_uses(server: Any, approle: str) -> None:
    """The last use deletes the secret ID with its accessor."""
    api = server.root.auth.approle
    role_id = api.read_role_id("pay", mount_point=approle)["data"]["role_id"]
    secret = server.raw("POST", f"auth/{approle}/role/pay/secret-id", json={"num_uses": 2}).json()["data"]
    login(server, approle, role_id, secret["secret_id"])
    accessor = secret["secret_id_accessor"]
    left = api.read_secret_id_accessor("pay", accessor, mount_point=approle)["data"]
    assert left["secret_id_num_uses"] == 1
    login(server, approle, role_id, secret["secret_id"])
    with pytest.raises(hvac.exceptions.InvalidRequest):
        login(server, approle, role_id, secret["secret_id"])
    assert api_status(server, approle, accessor) == 404


def api_status(server: Any, mount: str, accessor: str) -> int:
    """Status of an accessor lookup."""
    body = {"secret_id_accessor": accessor}
    return int(server.raw("POST", f"auth/{mount}/role/pay/secret-id-accessor/lookup", json=body).status_code)


def test_accessors_are_listed_looked_up_and_destroyed(server: Any, approle: str) -> None:
    """Accessors list the live secret IDs; an unlimited one shows Go's zero time; destroy removes it."""
    api = server.root.auth.approle
    accessor = api.generate_secret_id("pay", mount_point=approle)["data"]["secret_id_accessor"]
    assert accessor in api.list_secret_id_accessors("pay", mount_point=approle)["data"]["keys"]
    data = api.read_secret_id_accessor("pay", accessor, mount_point=approle)["data"]
    assert data["expiration_time"] == "0001-01-01T00:00:00Z"
    assert data["secret_id_num_uses"] == 0
    api.destroy_secret_id_accessor("pay", accessor, mount_point=approle)
    assert api_status(server, approle, accessor) == 404


def test_unknown_accessors_answer_404_and_500(server: Any, approle: str) -> None:
    """Looking an unknown accessor up is a 404 with its text in data.error; destroying it a 500."""
    body = {"secret_id_accessor": "nonsense"}
    looked = server.raw("POST", f"auth/{approle}/role/pay/secret-id-accessor/lookup", json=body)
    assert looked.status_code == 404
    assert "failed to find accessor entry" in looked.json()["data"]["error"]
    destroyed = server.raw("POST", f"auth/{approle}/role/pay/secret-id-accessor/destroy", json=body)
    assert destroyed.status_code == 500


def test_unknown_roles_answer_404_and_500(server: Any, approle: str) -> None:
    """Creating a secret ID for an unknown role is a 404, accessor operations on it a 500, reading it a 404."""
    assert server.raw("POST", f"auth/{approle}/role/none/secret-id").status_code == 404
    body = {"secret_id_accessor": "nonsense"}
    assert server.raw("POST", f"auth/{approle}/role/none/secret-id-accessor/lookup", json=body).status_code == 500
    assert server.raw("GET", f"auth/{approle}/role/none").status_code == 404


def test_a_role_limits_its_secret_ids(server: Any, approle: str) -> None:
    """A secret ID cannot ask for more time or uses than its role gives."""
    server.root.auth.approle.create_or_update_approle(
        "pay", secret_id_ttl="1h", secret_id_num_uses=3, mount_point=approle
    )
    longer = server.raw("POST", f"auth/{approle}/role/pay/secret-id", json={"ttl": "2h"})
    assert (longer.status_code, "ttl cannot be longer" in longer.text) == (400, True)
    more = server.raw("POST", f"auth/{approle}/role/pay/secret-id", json={"num_uses": 4})
    assert (more.status_code, "num_uses cannot be higher" in more.text) == (400, True)


def test_expired_secret_ids_are_tidied_away(emulated: Any, clock: Any) -> None:
    """A minute after its end the periodic tidy has removed an expired secret ID."""
    mount = emulated.mount_approle()
    emulated.root.auth.approle.create_or_update_approle("pay", mount_point=mount)
    secret = emulated.raw("POST", f"auth/{mount}/role/pay/secret-id", json={"ttl": "1h"}).json()["data"]
    clock.advance(timedelta(hours=1, minutes=2))
    assert api_status(emulated, mount, secret["secret_id_accessor"]) == 404


def test_custom_secret_ids_keep_their_value(server: Any, approle: str) -> None:
    """custom-secret-id takes the caller's value (which is why nhisync never uses it)."""
    api = server.root.auth.approle
    role_id = api.read_role_id("pay", mount_point=approle)["data"]["role_id"]
    api.create_custom_secret_id("pay", "my-own-value", mount_point=approle)
    assert login(server, approle, role_id, "my-own-value")["token_policies"] == ["default"]


def test_roles_are_listed_and_deleted_with_their_secret_ids(server: Any, approle: str) -> None:
    """A deleted role is gone from the listing, and its secret IDs no longer log in."""
    api = server.root.auth.approle
    role_id = api.read_role_id("pay", mount_point=approle)["data"]["role_id"]
    secret = api.generate_secret_id("pay", mount_point=approle)["data"]["secret_id"]
    assert api.list_roles(mount_point=approle)["data"]["keys"] == ["pay"]
    api.delete_role("pay", mount_point=approle)
    with pytest.raises(hvac.exceptions.InvalidRequest):
        login(server, approle, role_id, secret)


def test_a_login_makes_an_identity_entity(server: Any, approle: str) -> None:
    """The first login of a role makes an entity whose alias is the role id."""
    api = server.root.auth.approle
    role_id = api.read_role_id("pay", mount_point=approle)["data"]["role_id"]
    secret = api.generate_secret_id("pay", mount_point=approle)["data"]["secret_id"]
    entity = login(server, approle, role_id, secret)["entity_id"]
    assert login(server, approle, role_id, secret)["entity_id"] == entity
    data = server.root.secrets.identity.read_entity(entity)["data"]
    assert [alias["name"] for alias in data["aliases"]] == [role_id]
    alias = server.root.secrets.identity.read_entity_alias(data["aliases"][0]["id"])["data"]
    assert alias["canonical_id"] == entity
