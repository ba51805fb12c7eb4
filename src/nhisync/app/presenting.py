"""Which probe a row has: its pair's own, or that of the template which paired it."""

from typing import NamedTuple

from nhisync.config import AppDetails, Probe
from nhisync.config.probe_templates import filled
from nhisync.model import App, Side
from nhisync.parity.pairing import Template, role_of


class Asked(NamedTuple):
    """A probe, and the field of the item that the pair or the template names."""

    probe: Probe
    field: str | None


class Presenting:
    """The probes of one app on one path.

    A pair that is named explicitly has what it says itself. Templates that name one item with different probes have
    none to offer: which of them is right would be a guess.

    Args:
        app: the app.
        details: what else is configured of it.
        path: a path that has a role for it.
    """

    def __init__(self, app: App, details: AppDetails, path: str) -> None:
        primary = role_of(app, path) is Side.PRIMARY
        side = "primary" if primary else "backup"
        self._explicit: dict[str, Asked | None] = {}
        for pair in app.pairs:
            probe = details.probes.get(pair.name, {}).get(side)
            field = (pair.primary if primary else pair.backup).field
            self._explicit[pair.name] = None if probe is None else Asked(probe, field)
        # Whoever built the details without templates' probes has none.
        self._templates = [
            (Template.parse(rule.primary if primary else rule.backup), rule.tagged, probes[side])
            for rule, probes in zip(app.matches, details.matched, strict=False)
            if side in probes
        ]

    def __bool__(self) -> bool:
        """Whether anything may have a probe."""
        return bool(self._templates) or any(self._explicit.values())

    def asked(self, pair: str, locator: str) -> Asked | None:
        """The probe of the pair called `pair` whose item is `locator`; None = it has none."""
        if pair in self._explicit:
            return self._explicit[pair]
        found: set[Asked] = set()
        for template, tagged, probe in self._templates:
            name = template.name_in(locator)
            made = filled(probe, pair) if name is not None and (tagged or name == pair) else None
            if made is not None:
                found.add(Asked(made, template.field))
        return found.pop() if len(found) == 1 else None
