"""The contract of the API server, through bare httpx: the emulator keeps it, and a real server just the same."""

import base64
from typing import Any

import pytest

from nhisync_kubernetes.credentials import claims_of
from nhisync_kubernetes.transport import METADATA, METADATA_LIST

from .conftest import CANARY, RBAC, Target

V1 = "/api/v1/namespaces"


def status_of(answer: Any) -> tuple[int, str]:
    """Code and reason of a Status."""
    body = answer.json()
    assert body["kind"] == "Status"
    assert body["code"] == answer.status_code
    return answer.status_code, body["reason"]


def rule(resource: str, *verbs: str, names: tuple[str, ...] = (), group: str = "") -> dict[str, Any]:
    """One RBAC rule."""
    made: dict[str, Any] = {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
    return made | ({"resourceNames": list(names)} if names else {})


def limited(target: Target, namespace: str, *rules: dict[str, Any]) -> Any:
    """A client of an account with a Role of exactly these rules."""
    token = target.account(namespace)
    metadata = {"name": "limited", "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "limited"}
    subject = {"kind": "ServiceAccount", "namespace": namespace, "name": "nhisync"}
    version = "rbac.authorization.k8s.io/v1"
    target.apply(
        [
            {"apiVersion": version, "kind": "Role", "metadata": metadata, "rules": list(rules)},
            {
                "apiVersion": version,
                "kind": "RoleBinding",
                "metadata": metadata,
                "roleRef": reference,
                "subjects": [subject],
            },
        ]
    )
    return target.client(token)


def test_metadata_come_without_data(target: Target) -> None:
    """The conversion leaves out type and data, in a list and of one object; the book of fields stays."""
    namespace = target.namespace()
    target.secret(namespace, "one")
    listed = target.admin.get(f"{V1}/{namespace}/secrets", headers={"Accept": METADATA_LIST}).json()
    single = target.admin.get(f"{V1}/{namespace}/secrets/one", headers={"Accept": METADATA}).json()
    assert listed["kind"] == "PartialObjectMetadataList"
    assert single["kind"] == "PartialObjectMetadata"
    for found in (single, *listed["items"]):
        assert set(found) <= {"kind", "apiVersion", "metadata"}
    owned = [entry["fieldsV1"]["f:data"] for entry in single["metadata"]["managedFields"]]
    assert owned == [{".": {}, "f:api_key": {}}]
    assert CANARY not in str(listed)


def test_the_whole_object_holds_the_value(target: Target) -> None:
    """Without the conversion the very same right shows the value: RBAC cannot tell them apart."""
    namespace = target.namespace()
    target.secret(namespace, "one")
    client = limited(target, namespace, rule("secrets", "get", names=("one",)))
    found = client.get(f"{V1}/{namespace}/secrets/one").json()
    assert base64.b64decode(found["data"]["api_key"]).decode() == CANARY


def test_a_list_is_no_single_object(target: Target) -> None:
    """Asking for the wrong conversion is 406, and nothing else is sent instead."""
    namespace = target.namespace()
    answer = target.admin.get(f"{V1}/{namespace}/secrets", headers={"Accept": METADATA})
    assert status_of(answer) == (406, "NotAcceptable")


def test_pages_show_every_object_once(target: Target) -> None:
    """With limit and continue the pages of a listing hold each object once, although one is added meanwhile."""
    namespace = target.namespace()
    for number in range(5):
        target.secret(namespace, f"s-{number}")
    names, token = [], ""
    while True:
        query = {"limit": "2", **({"continue": token} if token else {})}
        page = target.admin.get(f"{V1}/{namespace}/secrets", params=query).json()
        names += [one["metadata"]["name"] for one in page["items"]]
        token = page["metadata"].get("continue", "")
        if not token:
            break
        if len(names) == 2:
            target.secret(namespace, "s-9")
    assert [name for name in names if name.startswith("s-")] == [f"s-{number}" for number in range(5)]


def test_a_broken_continuation_is_a_bad_request(target: Target) -> None:
    """A token that the server never gave out is 400, not the first page."""
    namespace = target.namespace()
    answer = target.admin.get(f"{V1}/{namespace}/secrets", params={"limit": "2", "continue": "!!"})
    assert answer.status_code == 400


def test_an_old_continuation_is_gone(emulated: Target, clock: Any) -> None:
    """After the server compacted its history, the token is 410 Expired, and says where one could go on."""
    namespace = emulated.namespace()
    for number in range(3):
        emulated.secret(namespace, f"s-{number}")
    first = emulated.admin.get(f"{V1}/{namespace}/secrets", params={"limit": "2"}).json()
    clock.sleep(301)
    query = {"limit": "2", "continue": first["metadata"]["continue"]}
    answer = emulated.admin.get(f"{V1}/{namespace}/secrets", params=query)
    assert status_of(answer) == (410, "Expired")
    resumed = {"limit": "2", "continue": answer.json()["metadata"]["continue"]}
    rest = emulated.admin.get(f"{V1}/{namespace}/secrets", params=resumed).json()
    assert [one["metadata"]["name"] for one in rest["items"]] == ["s-2"]


def test_types_can_be_selected(target: Target) -> None:
    """Field selectors know a Secret's type, equal and unequal; other fields are refused."""
    namespace = target.namespace()
    target.secret(namespace, "plain")
    target.secret(namespace, "typed", type="example.com/x")
    for selector, expected in (("type=example.com/x", ["typed"]), ("type!=example.com/x,type!=y", ["plain"])):
        found = target.admin.get(f"{V1}/{namespace}/secrets", params={"fieldSelector": selector}).json()
        assert [one["metadata"]["name"] for one in found["items"]] == expected
    answer = target.admin.get(f"{V1}/{namespace}/secrets", params={"fieldSelector": "data=x"})
    assert status_of(answer) == (400, "BadRequest")


def test_every_write_moves_the_version(target: Target) -> None:
    """A change of data moves resourceVersion and keeps the uid; whoever names an old version gets a conflict."""
    namespace = target.namespace()
    path = f"{V1}/{namespace}/secrets/one"
    before = target.secret(namespace, "one")["metadata"]
    headers = {"Content-Type": "application/merge-patch+json"}
    after = target.admin.patch(path, json={"stringData": {"api_key": "other"}}, headers=headers).json()["metadata"]
    assert after["uid"] == before["uid"]
    assert after["resourceVersion"] != before["resourceVersion"]
    stale = {"metadata": {"resourceVersion": before["resourceVersion"]}, "stringData": {"api_key": "third"}}
    assert status_of(target.admin.patch(path, json=stale, headers=headers)) == (409, "Conflict")


def test_a_second_one_of_a_name_is_refused(target: Target) -> None:
    """Creating what exists is 409 AlreadyExists."""
    namespace = target.namespace()
    target.secret(namespace, "one")
    answer = target.admin.post(f"{V1}/{namespace}/secrets", json={"metadata": {"name": "one"}})
    assert status_of(answer) == (409, "AlreadyExists")


def test_a_missing_object_is_named(target: Target) -> None:
    """404 names the object: that is what absence rests on."""
    namespace = target.namespace()
    answer = target.admin.get(f"{V1}/{namespace}/secrets/none", headers={"Accept": METADATA})
    assert status_of(answer) == (404, "NotFound")
    assert answer.json()["details"] == {"name": "none", "kind": "secrets"}


def test_a_missing_namespace_looks_like_a_missing_object(target: Target) -> None:
    """The same 404, and an empty list: neither says that the namespace is what is missing."""
    namespace = f"{target.namespace()}-not"
    answer = target.admin.get(f"{V1}/{namespace}/secrets/one")
    assert answer.json()["details"] == {"name": "one", "kind": "secrets"}
    listed = target.admin.get(f"{V1}/{namespace}/secrets")
    assert (listed.status_code, listed.json()["items"]) == (200, [])
    assert status_of(target.admin.get(f"{V1}/{namespace}")) == (404, "NotFound")


def test_an_unknown_path_is_plain_text(target: Target) -> None:
    """A group or version that is not served is a 404 without a Status."""
    answer = target.admin.get("/apis/not-installed.example/v1/namespaces/default/things")
    assert (answer.status_code, answer.text.strip()) == (404, "404 page not found")
    assert answer.headers["content-type"].startswith("text/plain")


def test_discovery_lists_groups(target: Target) -> None:
    """The list of groups tells what is installed."""
    found = target.admin.get("/apis").json()
    assert found["kind"] == "APIGroupList"
    assert "rbac.authorization.k8s.io" in {group["name"] for group in found["groups"]}


def test_a_role_opens_named_objects_only(target: Target) -> None:
    """``resourceNames`` open the named object; its neighbour, the list and other verbs stay closed."""
    namespace = target.namespace()
    target.secret(namespace, "one")
    target.secret(namespace, "two")
    client = limited(target, namespace, rule("secrets", "get", names=("one",)))
    assert client.get(f"{V1}/{namespace}/secrets/one").status_code == 200
    for path in ("secrets/two", "secrets", "serviceaccounts"):
        assert status_of(client.get(f"{V1}/{namespace}/{path}")) == (403, "Forbidden")
    assert status_of(client.delete(f"{V1}/{namespace}/secrets/one")) == (403, "Forbidden")
    assert status_of(client.get(f"{V1}/default/secrets/one")) == (403, "Forbidden")


def test_a_list_of_one_name_counts_as_that_name(target: Target) -> None:
    """A listing selected by name is allowed by ``resourceNames``."""
    namespace = target.namespace()
    target.secret(namespace, "one")
    client = limited(target, namespace, rule("secrets", "list", names=("one",)))
    selected = client.get(f"{V1}/{namespace}/secrets", params={"fieldSelector": "metadata.name=one"})
    assert selected.status_code == 200
    assert client.get(f"{V1}/{namespace}/secrets").status_code == 403


def test_a_namespace_lies_in_itself(target: Target) -> None:
    """A Role in a namespace may grant a look at that very namespace."""
    namespace = target.namespace()
    client = limited(target, namespace, rule("namespaces", "get"))
    assert client.get(f"{V1}/{namespace}").status_code == 200
    assert client.get(f"{V1}/default").status_code == 403


def test_a_denial_names_user_verb_and_place(target: Target) -> None:
    """403 says who was denied what; an unknown resource is denied before it is missing."""
    namespace = target.namespace()
    client = limited(target, namespace)
    message = client.get(f"{V1}/{namespace}/secrets/one").json()["message"]
    assert f'User "system:serviceaccount:{namespace}:nhisync" cannot get resource "secrets"' in message
    assert f'in the namespace "{namespace}"' in message
    path = f"/apis/not-installed.example/v1/namespaces/{namespace}/things"
    assert status_of(client.get(path)) == (403, "Forbidden")


def test_a_foreign_token_is_unauthorized(target: Target) -> None:
    """A token that the server did not sign is 401, not a stranger's 403."""
    client = target.client("eyJhbGciOiJFUzI1NiJ9.e30.AAAA")
    assert status_of(client.get("/version")) == (401, "Unauthorized")


def test_bound_tokens_end(target: Target) -> None:
    """TokenRequest gives out a token with an end, not shorter than ten minutes, that says whose it is."""
    namespace = target.namespace()
    token = target.account(namespace, "one")
    claims = claims_of(token)
    assert claims.subject == f"system:serviceaccount:{namespace}:one"
    assert claims.expires is not None
    path = f"{V1}/{namespace}/serviceaccounts/one/token"
    assert status_of(target.admin.post(path, json={"spec": {"expirationSeconds": 60}}))[0] == 422


def test_bound_tokens_die_with_their_time_and_account(emulated: Target, clock: Any) -> None:
    """After its end, and after its account is gone, a token is 401."""
    namespace = emulated.namespace()
    first = emulated.account(namespace, "one")
    assert emulated.client(first).get("/version").status_code == 200
    clock.sleep(172_801)
    assert emulated.client(first).get("/version").status_code == 401
    second = emulated.token(namespace, "one")
    emulated.admin.delete(f"{V1}/{namespace}/serviceaccounts/one")
    assert emulated.client(second).get("/version").status_code == 401


def test_legacy_tokens_have_no_end(target: Target) -> None:
    """A Secret of the token type is filled by a controller, with a token without an end that works until it is gone."""
    import time

    namespace = target.namespace()
    target.account(namespace, "one")
    annotations = {"kubernetes.io/service-account.name": "one"}
    body = {
        "metadata": {"name": "legacy", "annotations": annotations},
        "type": "kubernetes.io/service-account-token",
    }
    target.create(f"{V1}/{namespace}/secrets", body)
    path = f"{V1}/{namespace}/secrets/legacy"
    found: dict[str, Any] = {}
    for _ in range(1 if target.emulated else 100):
        found = target.admin.get(path).json()
        if found.get("data"):
            break
        time.sleep(0.1)
    token = base64.b64decode(found["data"]["token"]).decode()
    claims = claims_of(token)
    assert claims.readable
    assert claims.expires is None
    assert found["metadata"]["annotations"]["kubernetes.io/service-account.uid"]
    client = target.client(token)
    assert client.get("/version").status_code == 200
    target.admin.delete(path)
    if target.emulated:  # a real server remembers a verdict for a few seconds
        assert client.get("/version").status_code == 401


def test_reviews_tell_who_and_what(target: Target) -> None:
    """Who we are, whether we may, and all that we may in a namespace; nobody has to grant these questions."""
    namespace = target.namespace()
    client = limited(target, namespace, rule("secrets", "get", names=("one",)))
    me = client.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={}).json()["status"]["userInfo"]
    assert me["username"] == f"system:serviceaccount:{namespace}:nhisync"
    assert "system:serviceaccounts" in me["groups"]
    about = {"namespace": namespace, "verb": "get", "resource": "secrets"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answers = [
        client.post(path, json={"spec": {"resourceAttributes": {**about, "name": name}}}).json()["status"]["allowed"]
        for name in ("one", "two")
    ]
    assert answers == [True, False]
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    rules = client.post(path, json={"spec": {"namespace": namespace}}).json()["status"]["resourceRules"]
    assert {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"]} in rules


def test_patches_need_their_media_type(target: Target) -> None:
    """A patch without a patch's media type is 415."""
    namespace = target.namespace()
    target.secret(namespace, "one")
    answer = target.admin.patch(
        f"{V1}/{namespace}/secrets/one", content=b"{}", headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 415


def test_roles_are_objects_like_others(target: Target) -> None:
    """Roles can be read back as they were written."""
    namespace = target.namespace()
    limited(target, namespace, rule("secrets", "get", names=("one",)))
    found = target.admin.get(f"{RBAC}/namespaces/{namespace}/roles/limited").json()
    assert found["rules"][0]["resourceNames"] == ["one"]


def test_answers_carry_an_audit_id(emulated: Target) -> None:
    """Every answer has the id under which the server's audit log knows the call (a real one may keep no log)."""
    first, second = emulated.admin.get("/version"), emulated.admin.get("/nowhere")
    assert first.headers["audit-id"] != second.headers["audit-id"]


@pytest.mark.parametrize("name", ["token", "status"])
def test_subresources_are_known(target: Target, name: str) -> None:
    """What is no subresource of a Secret is not found."""
    namespace = target.namespace()
    target.secret(namespace, "one")
    assert target.admin.get(f"{V1}/{namespace}/secrets/one/{name}").status_code == 404


def test_a_full_store_refuses_writes_alone(emulated: Target, world: Any) -> None:
    """With ``read-only`` nothing is stored or removed, everything is read, and tokens are still minted."""
    namespace = emulated.namespace()
    emulated.secret(namespace, "one")
    emulated.account(namespace, "minter")
    path = f"{V1}/{namespace}/secrets"
    world.fault("primary", "admin", "read-only")
    for answer in (
        emulated.admin.post(path, json={"metadata": {"name": "two"}}),
        emulated.admin.delete(f"{path}/one"),
        emulated.admin.patch(
            f"{path}/one", json={"data": {}}, headers={"Content-Type": "application/merge-patch+json"}
        ),
    ):
        assert status_of(answer) == (500, "InternalError")
    assert [one["metadata"]["name"] for one in emulated.admin.get(path).json()["items"]] == ["one"]
    assert emulated.token(namespace, "minter")
    world.fault("primary", "admin", "read-only", off=True)
    assert emulated.admin.delete(f"{path}/one").status_code == 200


def test_new_bindings_spread_slowly(emulated: Target, world: Any, clock: Any) -> None:
    """With ``role-lag`` a binding of the last seconds opens nothing yet; older ones hold."""
    namespace = emulated.namespace()
    world.fault("primary", "admin", "role-lag", seconds=30)
    client = limited(emulated, namespace, rule("secrets", "list"))
    path = f"{V1}/{namespace}/secrets"
    assert status_of(client.get(path)) == (403, "Forbidden")
    clock.sleep(31)
    assert client.get(path).status_code == 200
