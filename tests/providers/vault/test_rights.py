"""Rights of AppRoles and tokens: compiled as the ACL decides, read through hvac with the printed policy."""

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhisync.parity.rights import Rights, compare
from nhisync.spi import TTL, AccessMode, Effect, ErrorKind, GrantFacts, Limit, Locator, Right, Syntax
from nhisync_vault import VaultProvider
from nhisync_vault.emulator.acl import Acl, parse_policy
from nhisync_vault.emulator.policy_store import put_policy
from nhisync_vault.emulator.wire import Operation, Request
from nhisync_vault.granting import UNSET, permissions_for
from nhisync_vault.rights import rights_of
from nhisync_vault.settings import VaultSettings

NOW = datetime(2026, 11, 28, 2, tzinfo=UTC)
SEGMENTS = ("a", "b", "ab")
REQUESTS = [
    "/".join(parts) + tail
    for size in (1, 2, 3)
    for parts in itertools.product((*SEGMENTS, "x", "ax", "abx"), repeat=size)
    for tail in ("", "/")
]
OPERATIONS = (Operation.READ, Operation.UPDATE, Operation.DELETE, Operation.LIST)


def diff(primary: str, backup: str) -> Any:
    """The difference of two policies."""
    return compare(_rights(primary), _rights(backup))


def _rights(policy: str) -> Rights:
    found, gaps = rights_of([("p", policy)], NOW)
    return Rights(0, "vault", Syntax.PATH, found, gaps=gaps)


def path(name: str, *words: str, more: str = "") -> str:
    """One block."""
    return f'path "{name}" {{ capabilities = [{", ".join(f"{chr(34)}{w}{chr(34)}" for w in words)}] {more} }}\n'


def asked(site: Any, *wanted: Locator) -> list[GrantFacts]:
    """What the adapter says of the rights of `wanted`."""
    return list(site.provider().grants(wanted, site.budget()))


def decided(policy: str) -> dict[tuple[str, str], bool]:
    """What the emulator's ACL, which shares no code with the compiler, says of every request."""
    acl = Acl(parse_policy(policy), root=False, now=NOW)
    return {
        (op.value, one): acl.allows(Request(operation=op, path=one))
        for op in OPERATIONS
        for one in REQUESTS
        if op is not Operation.LIST or one.endswith("/")
    }


_PATHS = st.lists(st.sampled_from((*SEGMENTS, "+")), min_size=1, max_size=2).map("/".join)
_ENDS = st.sampled_from(("", "", "/", "*", "/*"))
_WORDS = st.lists(st.sampled_from(("read", "update", "delete", "list", "deny")), min_size=1, max_size=3, unique=True)


@st.composite
def policies(draw: st.DrawFn) -> str:
    """Policies over a small alphabet: every request they can tell apart is in `REQUESTS`, or like one that is.

    A listing's path ends with a slash, which the comparison does not know: patterns that differ in other paths only
    count as different, so none of them lists here.
    """
    blocks = draw(st.lists(st.tuples(_PATHS, _ENDS, _WORDS), min_size=1, max_size=5))
    found = []
    for p, end, words in blocks:
        kept = [one for one in words if one != "list" or end in {"/", "/*"}]
        if kept and not f"{p}{end}".endswith("+*"):
            found.append(path(f"{p}{end}", *kept))
    return "".join(found)


@pytest.mark.requirement("R20")
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(policies(), policies())
def test_the_difference_is_what_the_acl_decides(primary: str, backup: str) -> None:
    """A request that only one side's ACL allows shows in that direction; equal policies differ in nothing."""
    here, there = decided(primary), decided(backup)
    found = diff(primary, backup)
    assert any(here[one] and not there[one] for one in here) == bool(found.lacks)
    assert any(there[one] and not here[one] for one in here) == bool(found.surplus)
    assert diff(primary, primary) == ((), (), (), ())


def test_the_most_exact_path_decides() -> None:
    """A deny on a part of a prefix, an exact path beside a pattern, and + before * mean what they do to the server."""
    assert diff(path("secret/data/*", "read"), path("secret/data/*", "read") + path("secret/data/x/*", "deny")).lacks
    closed = path("secret/data/*", "read") + path("secret/data/x", "deny")
    assert [one.words for one in diff(closed, path("secret/data/*", "read")).surplus] == ["read on secret/data/*"]
    assert diff(path("a/+/x", "read"), path("a/*", "read")).lacks == ()
    assert diff(path("a/*", "read"), path("a/+/x", "read")).lacks[0].part


def test_parameters_and_wrapping_are_conditions() -> None:
    """The same capability with other parameters is the same right under another condition; listings have none."""
    limited = path("auth/token/create", "update", more='allowed_parameters = { "ttl" = ["1h"] }')
    (changed,) = diff(limited, path("auth/token/create", "update")).changed
    assert (changed.words, changed.backup) == ("update on auth/token/create", "always")
    assert "ttl" in changed.primary
    wrapped = path("a", "read", more='min_wrapping_ttl = "60s"')
    assert diff(wrapped, path("a", "read")).changed
    assert not diff(path("a", "list", more='required_parameters = ["x"]'), path("a", "list")).changed


def test_templates_are_equal_or_unknown() -> None:
    """What a template stands for is known to the server alone: against the same template nothing differs."""
    own = path("secret/data/{{identity.entity.name}}/*", "read")
    assert diff(own, own) == ((), (), (), ())
    found = diff(own, path("secret/data/svc/*", "read"))
    assert (found.lacks, found.surplus) == ((), ())
    assert "identity.entity.name" in found.undecided[0]


def test_what_has_no_meaning_is_a_gap() -> None:
    """Unknown words and unreadable texts are said; paths whose time is over grant nothing."""
    assert rights_of([("p", 'path "a" { magic = 1 }'), ("q", "path {")], NOW)[1] == (
        "policy p: magic has no meaning here",
        "policy q: line 1 has no name where one belongs",
    )
    old = path("a", "read", more='expiration = "2026-01-01T00:00:00Z"')
    assert rights_of([("p", old)], NOW) == ((), ())
    as_json = '{"path": {"a": {"policy": "write"}}}'
    assert {word for right in rights_of([("p", as_json)], NOW)[0] for word in right.actions} == {
        "create", "delete", "list", "read", "update",
    }  # fmt: skip


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("flavour", ["openbao", "vault"])
def test_an_approle_is_read_through_the_sdk(make_site: Any, flavour: str) -> None:
    """Policies of the role, the default one, the entity behind its logins, and limits of its tokens."""
    site = make_site(flavour=flavour, rights=True)
    role = site.seed(
        "approle",
        "approle/pay",
        policies=("pay",),
        texts={"pay": path("secret/data/pay/*", "read")},
        bound_cidrs=("10.0.0.0/8",),
    )
    (facts,) = asked(site, role)
    assert facts.error is None
    assert facts.scheme == "vault"
    assert any(right.resources == ("secret/data/pay/*",) for right in facts.rights)
    assert any("cubbyhole/*" in right.resources for right in facts.rights)
    assert facts.limits == (Limit("secret_id_bound_cidrs", "10.0.0.0/8"), Limit(TTL, UNSET))
    assert facts.gaps == ()


def test_a_token_and_kinds_without_rights(make_site: Any) -> None:
    """A root token may do everything; a stored secret holds no rights here."""
    site = make_site(rights=True)
    token = site.seed("token", "job", policies=("root",), expires=None)
    secret = site.seed("kv", "secret/pay", fields={"key": "canary-rights-1"})
    found = {one.locator: one for one in asked(site, token, secret)}
    assert found[token].rights == (Right(Effect.ALLOW, ("*",), ("*",)),)
    assert found[secret].error.kind == ErrorKind.UNSUPPORTED.value
    (silent,) = site.provider().grants((secret,), site.budget(calls=0))
    assert silent.error == found[secret].error


def test_without_the_policy_nothing_is_known(site: Any) -> None:
    """The READ policy reads no policy texts: the answer names what is missing."""
    role = site.seed("approle", "approle/pay", policies=("pay",))
    (facts,) = asked(site, role)
    assert facts.error.kind == ErrorKind.DENIED.value
    assert facts.rights == ()


def test_the_document_holds_only_what_rights_need() -> None:
    """It is a document of its own, and there is none for items without rights."""
    settings = VaultSettings.model_validate(
        {"provider": "vault", "address": "https://v.example", "auth": {"method": "token", "token_file": "t"}}
    )
    (document,) = permissions_for(settings, frozenset({"approle"}))
    assert document.actions == ("update identity/lookup/entity", "read sys/policies/acl/*")
    assert permissions_for(settings, frozenset({"kv"})) == ()
    assert VaultProvider.info.capabilities >= {"grants"}


@pytest.mark.requirement("R42")
@pytest.mark.parametrize(
    ("lost", "kinds"),
    [("", set()), ("sys/policies/acl/*", {"approle", "token"}), ("identity/lookup/entity", {"approle"})],
)
def test_the_printed_policies_suffice_line_by_line(make_site: Any, lost: str, kinds: set[str]) -> None:
    """With both printed policies all rights are known; with one line less the denial names its path."""
    site = make_site()
    wanted = (site.seed("approle", "approle/pay"), site.seed("token", "job", expires=None))
    provider = site.provider()
    printed = (
        *provider.permissions(AccessMode.READ, wanted, frozenset()),
        *provider.grant_permissions(wanted, frozenset()),
    )
    lines = [line for one in printed for line in one.text.splitlines() if not lost or f'"{lost}"' not in line]
    place = site.world.source(site.path, "vault")
    with place.core.lock:
        put_policy(place.core.policies(), place.policy, "\n".join(lines), now=site.clock.now())
        place.core.storage.commit()
    denied = {one.locator.kind: one.error for one in asked(site, *wanted) if one.error is not None}
    assert denied.keys() == kinds
    assert all(error.kind == ErrorKind.DENIED.value for error in denied.values())
    assert all(error.resource.startswith(lost.removesuffix("*")) for error in denied.values())
