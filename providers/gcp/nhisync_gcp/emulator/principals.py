"""Whom the members of allow and deny policies mean: accounts, groups, everybody, all of a project or of what is above.

Source: IAM documentation, "Principal identifiers". Both notations are known, that of allow policies (``group:g@…``) and
that of deny policies (``principalSet://goog/group/g@…``).
"""

from collections.abc import Iterable, Mapping

_EVERYBODY = ("allUsers", "allAuthenticatedUsers", "principalSet://goog/public:all")
_NOTATIONS = (
    ("principal://iam.googleapis.com/projects/-/serviceAccounts/", "serviceAccount:"),
    ("principal://goog/subject/", "user:"),
    ("principalSet://goog/group/", "group:"),
)
_ALL_OF = "principalSet://cloudresourcemanager.googleapis.com/"
_ACCOUNT = "serviceAccount:"


class Principals:
    """Groups, and where accounts are at home.

    Attributes:
        groups: address of a group → its members, groups among them.
        numbers: ``projects/<id>`` → ``projects/<number>``.
        parents: ``projects/<id>`` or folder → the folder or organisation above it.
    """

    def __init__(self) -> None:
        self.groups: dict[str, set[str]] = {}
        self.numbers: dict[str, str] = {}
        self.parents: dict[str, str] = {}

    def above(self, place: str) -> list[str]:
        """Folders and organisation above a project or folder, the nearest first."""
        found = []
        while place := self.parents.get(place, ""):
            found.append(place)
        return found

    def among(self, member: str, named: Iterable[str]) -> bool:
        """Whether a principal is one of those that a policy names."""
        return any(self._is(member, each) for each in named)

    def _is(self, member: str, named: str) -> bool:
        if named in _EVERYBODY or named == member:
            return True
        if named.startswith(_ALL_OF):
            return self._lives_in(member, named.removeprefix(_ALL_OF))
        plain = _plain(named, dict(_NOTATIONS))
        if plain == member:
            return True
        return plain.startswith("group:") and self.among(member, self.groups.get(plain.partition(":")[2], ()))

    def _lives_in(self, member: str, place: str) -> bool:
        """Whether an account belongs to a project, or to one below a folder or organisation."""
        place, _, kind = place.partition("/type/")
        if not member.startswith(_ACCOUNT) or kind not in ("", "ServiceAccount"):
            return False
        project = f"projects/{member.partition('@')[2].partition('.')[0]}"
        return place in (self.numbers.get(project), *self.above(project))


def _plain(named: str, notations: Mapping[str, str]) -> str:
    """A member of a deny policy as allow policies write it."""
    for long, short in notations.items():
        if named.startswith(long):
            return short + named[len(long) :]
    return named
