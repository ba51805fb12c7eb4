"""What the API server itself says that service accounts may do: one SubjectAccessReview for each question.

It asks all authorizers of the server, of which RBAC may be one among several. Source: kubernetes.io/docs, Authorization
(SubjectAccessReview), ``k8s.io/api/authorization/v1``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from nhisync.spi import (
    ErrorFact,
    ErrorKind,
    Locator,
    OpinionFacts,
    ProviderError,
    Question,
    Said,
)
from nhisync_kubernetes.api import Api
from nhisync_kubernetes.granting import account_behind, literal, subjects_of
from nhisync_kubernetes.names import split
from nhisync_kubernetes.permissions import HOLDERS, MAY_OTHERS
from nhisync_kubernetes.resources import OTHERS_REVIEWS

EXAMPLES = ("create", "delete", "get", "list", "update")
"""What stands for any verb."""

_URL = "url:"
_PARTS = ("namespace", "group", "resource", "subresource", "name")
_PLAIN = {"group": "core", "subresource": "-"}
"""What a resource's text says of a part that is empty."""


class OpinionRun:
    """One round of questions.

    Args:
        api: of one cluster.
        now: the time of observation.
    """

    def __init__(self, api: Api, now: Callable[[], datetime]) -> None:
        self._api, self._now = api, now

    def facts(self, asked: Mapping[Locator, Sequence[Question]]) -> Iterator[OpinionFacts]:
        """What the server says of each account, or why it says nothing.

        Raises:
            ProviderError: nothing at all could be asked.
        """
        for locator, named in asked.items():
            if locator.kind not in HOLDERS:
                told = f"the kind {locator.kind} holds no rights at this cluster"
                error = ErrorFact(kind=ErrorKind.UNSUPPORTED.value, message=told)
                yield OpinionFacts(locator=locator, observed_at=self._now(), error=error)
                continue
            try:
                yield self._single(locator, named)
            except ProviderError as failure:
                if failure.kind in {ErrorKind.AUTH_FAILED, ErrorKind.THROTTLED}:
                    raise
                yield OpinionFacts(locator=locator, observed_at=self._now(), error=failure.fact)

    def _single(self, locator: Locator, asked: Sequence[Question]) -> OpinionFacts:
        namespace, account = split(locator.name)
        if locator.kind == "service-account-token":
            account = account_behind(self._api, namespace, account)
        subjects = sorted(subjects_of(namespace, account))
        who = {
            "user": next(name for kind, name in subjects if kind == "User"),
            "groups": [name for kind, name in subjects if kind == "Group"],
        }
        answers = tuple((one, self._said(who, one)) for one in asked)
        return OpinionFacts(locator=locator, observed_at=self._now(), answers=answers)

    def _said(self, who: Mapping[str, Any], asked: Question) -> Said:
        status = self._api.review(OTHERS_REVIEWS, {**who, **attributes_of(asked)}, MAY_OTHERS)
        allowed = status.get("allowed")
        if not isinstance(allowed, bool):
            raise ProviderError(ErrorKind.MALFORMED, "the server does not say whether the call would be allowed")
        if allowed:
            return Said.ALLOWED
        return Said.UNKNOWN if status.get("evaluationError") else Said.DENIED


def attributes_of(asked: Question) -> dict[str, dict[str, str]]:
    """A question in the words of a review."""
    verb = literal(asked.action)
    if asked.resource.startswith(_URL):
        return {"nonResourceAttributes": {"verb": verb, "path": literal(asked.resource.removeprefix(_URL))}}
    words = dict(zip(_PARTS, asked.resource.split("/"), strict=False))
    told = {part: literal(text) for part, text in words.items() if text != _PLAIN.get(part)}
    return {"resourceAttributes": {"verb": verb, **told}}
