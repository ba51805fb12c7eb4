"""What the server itself would allow: asked through hvac, of living tokens only, with the printed policy."""

from datetime import timedelta
from typing import Any

import pytest

from nhisync.model import Effect, Right
from nhisync.parity.rights import Rights, decided, questions
from nhisync.spi import AccessMode, ErrorKind, Locator, OpinionFacts, Question, Said, Syntax
from nhisync_vault.emulator.policy_store import put_policy
from nhisync_vault.opinions import permissions_for
from nhisync_vault.settings import VaultSettings

from .test_rights import path

READ = Question("read", "secret/data/pay/x")
WRITE = Question("update", "secret/data/pay/x")
LISTING = Question("list", "secret/metadata/pay/")
DAY = timedelta(days=1)
CLOSED = path("secret/data/pay/*", "read") + path("secret/metadata/pay/*", "list") + path("secret/data/other", "deny")


def heard(site: Any, asked: dict[Locator, tuple[Question, ...]], **settings: Any) -> dict[Locator, OpinionFacts]:
    """What the adapter says of the questions."""
    return {one.locator: one for one in site.provider(**settings).opinions(asked, site.budget())}


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("flavour", ["openbao", "vault"])
def test_a_token_is_asked_about_by_its_accessor(make_site: Any, flavour: str) -> None:
    """All paths in one request; what the server would not decide so is unknown, and nothing is guessed."""
    site = make_site(flavour=flavour, opinions=True)
    token = site.seed("token", "job", policies=("pay",), texts={"pay": CLOSED}, expires=None)
    other = Question("read", "secret/data/other")
    odd = (Question("list", "secret/metadata/pay"), Question("read", "secret/data/pay/"))
    budget = site.budget()
    (facts,) = site.provider().opinions({token: (READ, WRITE, LISTING, other, *odd)}, budget)
    assert facts.error is None
    assert [said for _, said in facts.answers] == [
        Said.ALLOWED, Said.DENIED, Said.ALLOWED, Said.DENIED, Said.UNKNOWN, Said.UNKNOWN,
    ]  # fmt: skip
    list(site.provider().opinions({token: odd}, nothing := site.budget()))
    (plain,) = site.provider().opinions({token: (READ,)}, one := site.budget())
    assert (budget.spent, one.spent, nothing.spent) == (3, 3, 1), "health, login, one question; or nothing to ask"
    assert plain.answers == ((READ, Said.ALLOWED),)


def test_root_may_everything(make_site: Any) -> None:
    """The server answers with the word root alone."""
    site = make_site(opinions=True)
    token = site.seed("token", "job", policies=("root",), expires=None)
    assert heard(site, {token: (READ, WRITE)})[token].answers == ((READ, Said.ALLOWED), (WRITE, Said.ALLOWED))


@pytest.mark.requirement("R20")
def test_a_role_is_asked_about_by_its_newest_login(make_site: Any) -> None:
    """A token holds the policies of its login: what the role got since is denied to it."""
    site = make_site(opinions=True, census=True, listed=True)
    role = site.seed("approle", "approle/pay", policies=("now",), texts={"now": path("secret/data/pay/*", "update")})
    site.seed("approle", "approle/idle", policies=("now",))
    idle = Locator("vault", "approle", "approle/idle")
    login = {"login": "auth/approle/login", "tags": {"role_name": "pay"}, "texts": {"then": CLOSED}}
    site.seed("token", "old", policies=("root",), fields={}, created=5 * DAY, expires=DAY, **login)
    site.seed("token", "new", policies=("then",), fields={}, created=1 * DAY, expires=DAY, **login)
    found = heard(site, {role: (READ, WRITE), idle: (READ,)})
    assert found[role].answers == ((READ, Said.ALLOWED), (WRITE, Said.DENIED))
    assert found[idle].error.kind == ErrorKind.UNSUPPORTED.value
    assert "nobody is logged in" in found[idle].error.message


def test_without_a_census_no_login_is_known(make_site: Any) -> None:
    """That is no fault of the role: it has no opinion; a stored value never has one."""
    site = make_site(opinions=True)
    role = site.seed("approle", "approle/pay")
    secret = site.seed("kv", "secret/pay")
    found = heard(site, {role: (READ,), secret: (READ,)})
    assert {one.error.kind for one in found.values()} == {ErrorKind.UNSUPPORTED.value}
    assert "token_census" in found[role].error.message


def test_more_tokens_than_may_be_looked_up_are_unknown(make_site: Any) -> None:
    """A role's login may be among those that were not looked at: nobody says that there is none."""
    site = make_site(opinions=True, census=True)
    role = site.seed("approle", "approle/pay")
    for name in ("a", "b", "c"):
        site.seed("token", name, fields={}, expires=None)
    facts = heard(site, {role: (READ,)}, token_census={"limit": 2})[role]
    assert (facts.error.kind, facts.error.message) == (ErrorKind.THROTTLED.value, "more than 2 tokens exist")


def test_a_dead_token_says_nothing(make_site: Any) -> None:
    """What ended since the sweep is not found, and not denied."""
    site = make_site(opinions=True)
    gone = Locator("vault", "token", "no-such-accessor")
    assert heard(site, {gone: (READ,)})[gone].error.kind == ErrorKind.NOT_FOUND.value


@pytest.mark.requirement("R42")
@pytest.mark.parametrize(
    ("lost", "kinds"),
    [
        ("", set()),
        ("sys/capabilities-accessor", {"approle", "token"}),
        ("auth/token/accessors/", {"approle"}),
        ("auth/token/lookup-accessor", {"approle"}),
    ],
)
def test_the_printed_policies_suffice_line_by_line(make_site: Any, lost: str, kinds: set[str]) -> None:
    """With the printed policies every question is answered; with one line less the denial names its path."""
    site = make_site(listed=True)
    role = site.seed("approle", "approle/pay", policies=("now",), texts={"now": CLOSED})
    tags = {"role_name": "pay"}
    site.seed("token", "new", policies=("now",), fields={}, expires=DAY, login="auth/approle/login", tags=tags)
    token = site.seed("token", "job", policies=("now",), expires=None)
    provider = site.provider()
    wanted = (role, token)
    printed = (
        *provider.permissions(AccessMode.READ, wanted, frozenset()),
        *provider.opinion_permissions(wanted, frozenset()),
    )
    lines = [line for one in printed for line in one.text.splitlines() if not lost or f'"{lost}"' not in line]
    place = site.world.source(site.path, "vault")
    with place.core.lock:
        put_policy(place.core.policies(), place.policy, "\n".join(lines), now=site.clock.now())
        place.core.storage.commit()
    found = heard(site, {role: (READ,), token: (READ,)})
    denied = {at.kind: one.error for at, one in found.items() if one.error is not None}
    assert denied.keys() == kinds, denied
    assert all(error.kind == ErrorKind.DENIED.value for error in denied.values())
    assert all(error.resource.startswith(lost.rstrip("/")) for error in denied.values())


def test_the_document_holds_only_what_questions_need() -> None:
    """Without a census no token is listed for a role; items without rights need nothing."""
    told = {"provider": "vault", "address": "https://v.example", "auth": {"method": "token", "token_file": "t"}}
    plain = VaultSettings.model_validate(told)
    listing = VaultSettings.model_validate({**told, "token_census": {}})
    assert permissions_for(plain, frozenset({"approle", "kv"})) == ()
    (one,) = permissions_for(plain, frozenset({"token"}))
    assert one.actions == ("update sys/capabilities-accessor",)
    (all_of_it,) = permissions_for(listing, frozenset({"approle"}))
    assert all_of_it.actions == (
        "list,sudo auth/token/accessors/",
        "update auth/token/lookup-accessor",
        "update sys/capabilities-accessor",
    )


@pytest.mark.requirement("R20")
def test_documents_and_server_agree(make_site: Any) -> None:
    """Every question that its own documents answer is answered alike by the server, or not at all."""
    site = make_site(opinions=True, rights=True)
    policy = CLOSED + path("secret/data/+/x/*", "update", "read") + path("auth/token/create", "update")
    token = site.seed("token", "job", policies=("pay",), texts={"pay": policy}, expires=None)
    (facts,) = site.provider().grants((token,), site.budget())
    rights = Rights(0, facts.scheme, facts.syntax, facts.rights)
    elsewhere = Rights(0, "vault", Syntax.PATH, (Right(Effect.ALLOW, ("delete",), ("secret/data/pay/*",)),))
    asked = tuple(own for own, _ in questions(rights, elsewhere, site.provider().info.examples))
    answers = dict(heard(site, {token: asked})[token].answers)
    assert Question("delete", "secret/data/pay/000000000000") in answers
    told = {one: (decided(rights, one), said) for one, said in answers.items() if said is not Said.UNKNOWN}
    assert {documents is said for documents, said in told.values()} == {True}
    assert {said for _, said in told.values()} == {Said.ALLOWED, Said.DENIED}
