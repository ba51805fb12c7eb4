"""The system backend: health, mounts, ACL decisions, capabilities, leases, quotas."""

from datetime import timedelta
from typing import Any

import pytest


def test_health_shows_the_cluster(server: Any) -> None:
    """An active, unsealed node answers 200 with version, cluster name and id."""
    data = server.root.sys.read_health_status(method="GET")
    assert (data["initialized"], data["sealed"], data["standby"]) == (True, False, False)
    assert data["cluster_id"]
    assert data["replication_performance_mode"] in ("disabled", "unknown")
    assert server.raw("GET", "sys/health?activecode=299", token="").status_code == 299


def test_leader_and_seal_status_need_no_token(server: Any) -> None:
    """Both answer without a token; the active node is itself the leader."""
    leader = server.raw("GET", "sys/leader", token="").json()
    assert leader["ha_enabled"] in (True, False)
    if leader["ha_enabled"]:
        assert leader["leader_address"]
    assert server.raw("GET", "sys/seal-status", token="").json()["sealed"] is False


def test_mounts_show_type_version_and_accessor(server: Any) -> None:
    """sys/mounts names type, options and accessor, and repeats the data beside the envelope."""
    mount = server.mount_kv()
    body = server.raw("GET", "sys/mounts").json()
    entry = body["data"][f"{mount}/"]
    assert entry["type"] == "kv"
    assert entry["options"] == {"version": "2"}
    assert entry["accessor"].startswith("kv_")
    assert body[f"{mount}/"] == entry
    assert "token/" in server.raw("GET", "sys/auth").json()["data"]


def test_the_ui_mounts_show_only_what_a_token_can_reach(server: Any) -> None:
    """Without rights on a mount it is invisible; with any right below it, it is shown with its details."""
    seen, hidden = server.mount_kv(), server.mount_kv()
    token = server.limited(f'path "{seen}/metadata/a/*" {{ capabilities = ["list"] }}')
    data = server.raw("GET", "sys/internal/ui/mounts", token=token).json()["data"]
    assert data["secret"][f"{seen}/"]["accessor"]
    assert f"{hidden}/" not in data["secret"]
    assert server.raw("GET", f"sys/internal/ui/mounts/{seen}", token=token).json()["data"]["path"] == f"{seen}/"
    refused = server.raw("GET", f"sys/internal/ui/mounts/{hidden}", token=token)
    assert (refused.status_code, "preflight capability check returned 403" in refused.text) == (403, True)
    assert server.raw("GET", "sys/internal/ui/mounts", token="").json()["data"]["secret"].get(f"{seen}/") is None


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        ('path "{m}/data/a" {{ capabilities = ["read"] }}', "a", 404),
        ('path "{m}/data/*" {{ capabilities = ["read"] }}', "a", 404),
        ('path "{m}/data/*" {{ capabilities = ["read"] }}\npath "{m}/data/a" {{ capabilities = ["deny"] }}', "a", 403),
        ('path "{m}/data/*" {{ capabilities = ["deny"] }}\npath "{m}/data/a" {{ capabilities = ["read"] }}', "a", 404),
        ('path "{m}/data/a*" {{ capabilities = ["read"] }}\npath "{m}/*" {{ capabilities = ["deny"] }}', "ab", 404),
        ('path "{m}/+/a" {{ capabilities = ["read"] }}', "a", 404),
        ('path "{m}/+/a" {{ capabilities = ["read"] }}', "a/b", 403),
        ('path "{m}/+/a*" {{ capabilities = ["read"] }}', "a/b", 404),
        ('path "{m}/data/+" {{ capabilities = ["read"] }}\npath "{m}/data/*" {{ capabilities = ["deny"] }}', "a", 404),
        (
            'path "{m}/data/a/+" {{ capabilities = ["deny"] }}\npath "{m}/data/+/b" {{ capabilities = ["read"] }}',
            "a/b",
            403,
        ),
        ('path "{m}/data/a" {{ capabilities = ["list"] }}', "a", 403),
        ('path "{m}/data/a" {{ capabilities = ["create", "update", "sudo"] }}', "a", 403),
    ],
)
def test_the_most_specific_path_decides(server: Any, rules: str, path: str, expected: int) -> None:
    """Exact beats glob, longer globs beat shorter, ``+`` matches one segment, and the right capability is needed.

    404 means that the ACL let the request through to a key that does not exist.
    """
    mount = server.mount_kv()
    token = server.limited(rules.format(m=mount))
    assert server.raw("GET", f"{mount}/data/{path}", token=token).status_code == expected


def test_deny_wins_across_policies_on_one_path(server: Any) -> None:
    """Two policies on the same path string merge, and deny beats every grant."""
    mount = server.mount_kv()
    allow = server.policy(f'path "{mount}/data/*" {{ capabilities = ["read"] }}')
    deny = server.policy(f'path "{mount}/data/*" {{ capabilities = ["deny"] }}')
    token = server.root.auth.token.create_orphan(policies=[allow, deny])["auth"]["client_token"]
    answer = server.raw("GET", f"{mount}/data/a", token=token)
    assert answer.status_code == 403
    assert answer.json()["errors"] == ["1 error occurred:\n\t* permission denied\n\n"]


def test_a_new_key_needs_create_and_an_old_one_update(server: Any) -> None:
    """The existence check turns a POST into create or update."""
    mount = server.mount_kv()
    creator = server.limited(f'path "{mount}/data/*" {{ capabilities = ["create"] }}')
    assert server.raw("POST", f"{mount}/data/a", token=creator, json={"data": {"k": "1"}}).status_code == 200
    assert server.raw("POST", f"{mount}/data/a", token=creator, json={"data": {"k": "2"}}).status_code == 403


def test_a_list_may_be_granted_with_or_without_the_trailing_slash(server: Any) -> None:
    """A LIST matches a rule on the path with and without its slash."""
    mount = server.mount_kv()
    for path in (f"{mount}/metadata/a", f"{mount}/metadata/a/"):
        token = server.limited(f'path "{path}" {{ capabilities = ["list"] }}')
        assert server.raw("LIST", f"{mount}/metadata/a", token=token).status_code == 404


def test_pagination_limits_cut_or_refuse(openbao: Any) -> None:
    """Without limit the page is cut silently; above the allowed size it is a 403; limit 0 gives the allowed size."""
    mount = openbao.mount_kv()
    for name in ("a", "b", "c"):
        openbao.raw("POST", f"{mount}/data/{name}", json={"data": {"k": "1"}})
    token = openbao.limited(f'path "{mount}/metadata/*" {{\n capabilities = ["list"]\n pagination_limit = 2\n}}')
    assert openbao.raw("LIST", f"{mount}/metadata/", token=token).json()["data"]["keys"] == ["a", "b"]
    assert openbao.raw("LIST", f"{mount}/metadata/?limit=3", token=token).status_code == 403
    page = openbao.raw("LIST", f"{mount}/metadata/?limit=0&after=a", token=token)
    assert page.json()["data"]["keys"] == ["b", "c"]


def test_parameters_can_be_allowed_denied_and_required(server: Any) -> None:
    """denied_parameters and required_parameters decide writes."""
    mount = server.mount_approle()
    server.root.auth.approle.create_or_update_approle("pay", mount_point=mount)
    path = f"auth/{mount}/role/pay/secret-id"
    token = server.limited(
        f'path "{path}" {{\n capabilities = ["update"]\n required_parameters = ["metadata"]\n'
        ' denied_parameters = { "num_uses" = [] }\n}'
    )
    assert server.raw("POST", path, token=token, json={}).status_code == 403
    assert server.raw("POST", path, token=token, json={"metadata": "{}", "num_uses": 1}).status_code == 403
    assert server.raw("POST", path, token=token, json={"metadata": "{}"}).status_code == 200


def test_policies_are_read_back_as_written(server: Any) -> None:
    """A policy's text comes back verbatim; a malformed one is a 400 and changes nothing."""
    text = '# a comment\npath "secret/*" { capabilities = ["read"] }\n'
    name = server.policy(text)
    assert server.root.sys.read_policy(name)["data"]["rules"] == text
    assert server.raw("GET", f"sys/policies/acl/{name}").json()["data"]["policy"] == text
    assert name in server.raw("LIST", "sys/policies/acl").json()["data"]["keys"]
    broken = server.raw("POST", f"sys/policies/acl/{name}", json={"policy": 'path "x" { capabilities = ["fly"] }'})
    assert broken.status_code == 400
    assert server.root.sys.read_policy(name)["data"]["rules"] == text
    server.root.sys.delete_policy(name)
    assert server.raw("GET", f"sys/policies/acl/{name}").status_code == 404


def test_capabilities_are_sorted_and_root_and_deny_are_words(server: Any) -> None:
    """The answer lists capabilities per path, sorted; root is ["root"], nothing is ["deny"]; one path repeats."""
    token = server.limited(
        'path "a/b" { capabilities = ["update", "read"] }\npath "sys/capabilities-self" { capabilities = ["update"] }'
    )
    many = server.raw("POST", "sys/capabilities-self", token=token, json={"paths": ["a/b", "a/c"]}).json()["data"]
    assert many == {"a/b": ["read", "update"], "a/c": ["deny"]}
    one = server.raw("POST", "sys/capabilities-self", token=token, json={"paths": ["a/b"]}).json()["data"]
    assert one["capabilities"] == one["a/b"] == ["read", "update"]
    root = server.raw("POST", "sys/capabilities-self", json={"paths": ["a/b"]}).json()["data"]
    assert root["a/b"] == ["root"]
    other = server.raw("POST", "sys/capabilities", json={"token": token, "paths": ["a/b"]}).json()["data"]
    assert other["a/b"] == ["read", "update"]


def test_capabilities_of_an_accessor(server: Any) -> None:
    """capabilities-accessor answers for another token; an unknown accessor is a 400."""
    made = server.root.auth.token.create(policies=["default"])["auth"]
    body = {"accessor": made["accessor"], "paths": ["auth/token/lookup-self"]}
    data = server.raw("POST", "sys/capabilities-accessor", json=body).json()["data"]
    assert data["auth/token/lookup-self"] == ["read"]
    body["accessor"] = "nonsense"
    assert server.raw("POST", "sys/capabilities-accessor", json=body).status_code == 400


def test_unknown_operations_and_paths(server: Any) -> None:
    """A known path with another operation is a 405, an unknown path of a mount a 404."""
    mount = server.mount("transit")
    assert server.raw("DELETE", f"{mount}/keys/x/rotate").status_code == 405
    assert server.raw("GET", f"{mount}/nonsense/x").status_code == 404


def test_expired_policies_grant_nothing(emulated: Any, clock: Any) -> None:
    """OpenBao policies may have an end; after it the token is denied."""
    emulated.raw(
        "POST", "sys/policies/acl/short", json={"policy": 'path "a/*" { capabilities = ["read"] }', "ttl": "1h"}
    )
    token = emulated.root.auth.token.create_orphan(policies=["short"])["auth"]["client_token"]
    body = {"paths": ["a/b"]}
    assert emulated.raw("POST", "sys/capabilities-self", token=token, json=body).json()["data"]["a/b"] == ["read"]
    clock.advance(timedelta(hours=2))
    assert emulated.raw("POST", "sys/capabilities-self", token=token, json=body).json()["data"]["a/b"] == ["deny"]


def test_rate_limits_answer_429_with_retry_after(server: Any) -> None:
    """A quota of one request per minute refuses the second with Retry-After."""
    mount = server.mount_kv()
    path = f"sys/quotas/rate-limit/nhisync-{mount}"
    created = server.raw("POST", path, json={"path": f"{mount}/", "rate": 1, "interval": "1m"})
    assert created.status_code == 204
    assert server.raw("GET", path).json()["data"]["rate"] == 1
    codes = [server.raw("GET", f"{mount}/metadata/x").status_code for _ in range(2)]
    refused = server.raw("GET", f"{mount}/metadata/x")
    assert codes[0] == 404
    assert refused.status_code == 429
    assert "rate limit quota exceeded" in refused.text
    assert refused.headers["Retry-After"].isdigit()
    server.raw("DELETE", path)


def test_a_quota_window_opens_again(emulated: Any, clock: Any) -> None:
    """After the interval the requests pass again."""
    mount = emulated.mount_kv()
    emulated.raw("POST", "sys/quotas/rate-limit/q", json={"path": f"{mount}/", "rate": 1, "interval": "1m"})
    codes = [emulated.raw("GET", f"{mount}/metadata/x").status_code for _ in range(2)]
    clock.advance(timedelta(minutes=1))
    assert [*codes, emulated.raw("GET", f"{mount}/metadata/x").status_code] == [404, 429, 404]


def test_an_unknown_lease_is_invalid(server: Any) -> None:
    """Looking up a lease that does not exist is a 400 "invalid lease"; listing leases needs sudo."""
    answer = server.raw("PUT", "sys/leases/lookup", json={"lease_id": "database/creds/x/none"})
    assert (answer.status_code, answer.json()["errors"]) == (400, ["invalid lease"])
    token = server.limited('path "sys/leases/lookup/*" { capabilities = ["list"] }')
    assert server.raw("LIST", "sys/leases/lookup/database/creds/x", token=token).status_code == 403


def test_bad_bodies_are_400(server: Any) -> None:
    """A body that is no JSON object is a 400."""
    mount = server.mount_kv()
    assert server.raw("POST", f"{mount}/data/x", data="{not json").status_code == 400


def test_bearer_tokens_count(server: Any) -> None:
    """Authorization: Bearer is as good as X-Vault-Token."""
    answer = server.raw("GET", "auth/token/lookup-self", token="", headers={"Authorization": f"Bearer {server.token}"})
    assert answer.status_code == 200
