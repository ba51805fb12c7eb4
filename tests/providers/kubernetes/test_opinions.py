"""What the API server itself would allow: asked about accounts by SubjectAccessReview, with the printed manifest.

The first tests run against a real API server, too (see conftest).
"""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhisync.model import Effect, Right
from nhisync.parity.rights import Rights, decided, questions
from nhisync.spi import ErrorKind, Locator, OpinionFacts, Question, Said, Syntax
from nhisync_kubernetes.emulator import KubernetesWorld
from nhisync_kubernetes.granting import rights_of
from nhisync_kubernetes.grants import Grant
from nhisync_kubernetes.opinions import EXAMPLES, attributes_of
from nhisync_kubernetes.permissions import MAY_OTHERS, objects

from .conftest import Target
from .test_rights import SUBJECT, Stage


class Asking(Stage):
    """A stage on which the reader may ask about others."""

    def allow(self) -> None:
        """Give the reader both printed manifests."""
        super().allow()
        subject = SUBJECT.format(self.place)
        (document,) = self.reader().provider().opinion_permissions((self.api,), frozenset())
        assert document.actions == (MAY_OTHERS.action,)
        self.target.apply(list(objects(f"opinions-{self.place}", subject, [MAY_OTHERS])))

    def heard(self, asked: Sequence[Question], *items: Locator) -> list[OpinionFacts]:
        """What the adapter says of the same questions about each item."""
        reader = self.reader()
        return list(reader.provider().opinions(dict.fromkeys(items or (self.api,), tuple(asked)), reader.budget()))


@pytest.fixture
def stage(target: Target) -> Asking:
    """A stage."""
    return Asking(target)


def secret(name: str, verb: str = "get", place: str = "") -> Question:
    """A question about one Secret."""
    return Question(verb, f"{place}/core/secrets/-/{name}")


@pytest.mark.requirement("R20")
def test_the_server_is_asked_about_the_account(stage: Asking) -> None:
    """Its own role opens one Secret, and no other account's does."""
    stage.allow()
    api = f"system:serviceaccount:{stage.place}:api"
    stage.target.apply(list(objects(f"api-{stage.place}", api, [Grant(stage.place, "", "secrets", "get", ("one",))])))
    asked = [secret(name, verb, stage.place) for name in ("one", "two") for verb in ("get", "delete")]
    (facts,) = stage.heard(asked)
    assert facts.error is None
    assert [said for _, said in facts.answers] == [Said.ALLOWED, Said.DENIED, Said.DENIED, Said.DENIED]


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("seed", range(3))
def test_documents_and_server_agree(stage: Asking, seed: int) -> None:
    """Whatever is bound to the account or its groups: every question has the answer that follows from the roles."""
    stage.allow()
    stage.bind(random.Random(seed))
    (facts,) = stage.rights()
    rights = Rights(0, facts.scheme, facts.syntax, facts.rights)
    other = Right(Effect.ALLOW, ("update",), ("+/apps/deployments/scale/one", "url:/metrics/*"))
    asked = [own for own, _ in questions(rights, Rights(0, "kubernetes", Syntax.PATH, (other,)), EXAMPLES)]
    (opinion,) = stage.heard(asked)
    assert len(opinion.answers) == len(asked) > 0
    assert {one: decided(rights, one) for one in asked} == dict(opinion.answers)


@pytest.mark.requirement("R42")
def test_without_the_manifest_the_denial_names_the_right(stage: Asking) -> None:
    """Asking about others is a right of its own."""
    Stage.allow(stage)
    (facts,) = stage.heard([secret("one")])
    assert facts.error is not None
    assert (facts.error.kind, facts.error.action) == (ErrorKind.DENIED.value, MAY_OTHERS.action)
    assert "subjectaccessreviews" in facts.error.action


def test_another_authorizer_is_heard(emulated: Target, world: KubernetesWorld) -> None:
    """A webhook's denial is the server's; where it fails, the server cannot tell."""
    stage = Asking(emulated)
    stage.allow()
    api = f"system:serviceaccount:{stage.place}:api"
    emulated.apply(list(objects(f"api-{stage.place}", api, [Grant(stage.place, "", "secrets", "get", ("one",))])))
    asked = [secret("one", place=stage.place), secret("two", place=stage.place)]
    world.fault("primary", "admin", "authorizer", user=api, verbs=("get",))
    assert [said for _, said in stage.heard(asked)[0].answers] == [Said.DENIED, Said.DENIED]
    world.fault("primary", "admin", "authorizer", failing=True)
    assert [said for _, said in stage.heard(asked)[0].answers] == [Said.ALLOWED, Said.UNKNOWN]


def test_other_kinds_are_not_asked_about(stage: Asking) -> None:
    """A Secret is no identity; asking costs nothing."""
    (facts,) = stage.heard([secret("one")], Locator.parse(f"cluster:secret/{stage.place}/stripe"))
    assert facts.error is not None
    assert facts.error.kind == ErrorKind.UNSUPPORTED.value


_WORDS = st.text(alphabet="ab*+/%-", min_size=1, max_size=4)


@given(_WORDS, _WORDS, _WORDS)
def test_what_was_escaped_is_asked_as_it_is(verb: str, kind: str, name: str) -> None:
    """Words that look like wildcards reach the server as they stand in the role."""
    if verb == "*" or kind.startswith("*") or "/" in kind:
        return
    rule = {"verbs": [verb], "apiGroups": [""], "resources": [kind], "resourceNames": [name]}
    (right,) = rights_of([rule], "shop")
    told = attributes_of(Question(right.actions[0], right.resources[0]))["resourceAttributes"]
    assert told == {"verb": verb, "namespace": "shop", "resource": kind, "name": name}


def test_paths_that_are_no_resources() -> None:
    """They are asked about as paths."""
    asked = attributes_of(Question("get", "url:/metrics/%2B"))
    assert asked == {"nonResourceAttributes": {"verb": "get", "path": "/metrics/+"}}
