"""The second opinion of the kit's own provider."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nhisync.spi import Budget, Locator, OpinionFacts, PermissionDocument, Question, Said


class Asked:
    """`SecondOpinion` that allows everything."""

    _context: Any

    def opinions(self, asked: Mapping[Locator, Sequence[Question]], budget: Budget) -> Iterator[OpinionFacts]:
        """Everything is allowed to everybody."""
        for locator, named in asked.items():
            budget.spend()
            answers = tuple((one, Said.ALLOWED) for one in self.heard(named))
            yield OpinionFacts(locator=locator, answers=answers, observed_at=self._context.clock.now())

    @staticmethod
    def heard(named: Sequence[Question]) -> Sequence[Question]:
        """What of the questions is answered."""
        return named

    def opinion_permissions(self, wanted: Sequence[Locator], kinds: frozenset[str]) -> tuple[PermissionDocument, ...]:
        """One document, whatever is wanted."""
        del wanted, kinds
        return (PermissionDocument(title="opinions", language="json", text="{}", actions=("fake:opinions",)),)
