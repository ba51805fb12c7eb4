"""How the read-only collections are listed and got."""

import re
from dataclasses import dataclass
from typing import Any

from nhisync_gcp.emulator.paging import Page, page
from nhisync_gcp.emulator.refusals import denied, invalid, not_found
from nhisync_gcp.emulator.rpc import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """How one collection is read.

    Attributes:
        key: in the catalogue.
        parent: pattern of parents' names.
        name: pattern of names.
        permissions: to list, and to get.
    """

    key: str
    parent: re.Pattern[str]
    name: re.Pattern[str]
    permissions: tuple[str, str]

    def list(self, call: Call) -> tuple[Page, list[str]]:
        """One page, and the locations that did not answer (fault ``location-down``)."""
        request = call.request
        where = self._known(call, request.parent, self.parent, self.permissions[0])
        call.require(self.permissions[0], where, _project(where))
        if request.filter or request.order_by:
            raise invalid("This emulator knows no filter and no order of this list.")
        down = [
            f"{_project(where)}/locations/{each}"
            for fault in call.node.faults.all_of("location-down")
            for each in fault.options.get("locations", ())
        ]
        rows = call.cloud.catalogue.below(self.key, where)
        kept = (entry for entry in rows if not entry.name.startswith(tuple(f"{each}/" for each in down)))
        return page(call, kept, default=100, cap=1000), down

    def get(self, call: Call) -> Any:
        """One resource.

        Raises:
            RefusedError: PERMISSION_DENIED before NOT_FOUND.
        """
        name = self._known(call, call.request.name, self.name, self.permissions[1])
        call.require(self.permissions[1], name, _project(name))
        found = call.cloud.catalogue.get(self.key, name)
        if found is None:
            raise not_found(f"Resource '{name}' was not found")
        return found

    def _known(self, call: Call, name: str, pattern: re.Pattern[str], permission: str) -> str:
        """The name with the project's id."""
        match = pattern.fullmatch(name)
        if match is None:
            raise invalid(f"Malformed name: '{name}'")
        project = call.cloud.find_project(match.group(1))
        if project is None:
            raise denied(permission, name)
        return name.replace(f"projects/{match.group(1)}", f"projects/{project.id}", 1)


def _project(name: str) -> str:
    """The project's part of a name."""
    return "/".join(name.split("/")[:2])
