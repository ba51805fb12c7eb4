"""Apps from documents to model values, with everything that only the whole file can tell: roles, sources, templates."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nhisync.config.app_parts import SIDES, health, lost, readable
from nhisync.config.consumers import build_consumers
from nhisync.config.dependencies import needs_of
from nhisync.config.documents import (
    AppDocument,
    MatchDocument,
    PairDocument,
    RolesDocument,
    RotateDocument,
)
from nhisync.config.probes import build_probes
from nhisync.config.problems import Loc, Mark, Report, dotted, nearest
from nhisync.config.secrecy import shown
from nhisync.config.settings import Kinds
from nhisync.config.tree import Node
from nhisync.config.validation import validate
from nhisync.config.values import AppDetails, Consumer, Probe, Rotate, Serving
from nhisync.model import OWN, App, Locator, MatchRule, Mode, Pair, PairClass

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an app may name.

    Attributes:
        sources: path → source → its document with the effective region ({} = unreadable); None = unreadable path.
        kinds: (path, source) → kinds of its provider, where they are known.
        tiers: names of tiers, unusable ones included.
        alone: readable paths that have no runner.
        report: takes the problems.
    """

    sources: Mapping[str, Mapping[str, Mapping[str, Any]] | None]
    kinds: Mapping[tuple[str, str], Kinds]
    tiers: frozenset[str]
    alone: frozenset[str]
    report: Report


def build_app(name: str, node: Node, known: Known) -> tuple[App, AppDetails] | None:
    """The app at ``apps.<name>``, or None after its problems were reported."""
    return _AppBuilder(name, node, known).build()


class _AppBuilder:
    def __init__(self, name: str, node: Node, known: Known) -> None:
        self._name, self._node, self._known = name, node, known
        self._report = known.report
        self._loc: Loc = ("apps", name)
        self._roles: dict[str, tuple[str, ...]] = {"primary": (), "backup": ()}
        self._pairs: dict[str, Pair] = {}
        self._probes: dict[str, Mapping[str, Probe]] = {}
        self._rotate: dict[str, Rotate] = {}
        self._consumers: dict[str, Mapping[str, tuple[Consumer, ...]]] = {}
        self._matched: tuple[Mapping[str, Probe], ...] = ()
        self._taken: dict[tuple[str, str], Loc] = {}

    def build(self) -> tuple[App, AppDetails] | None:
        """Check everything, then build; a wrong part does not hide the others."""
        head = validate(AppDocument, self._node, self._loc, self._report)
        self._check_tier()
        self._assign_roles()
        for index, node in self._listed("pairs"):
            self._pair(node, (*self._loc, "pairs", index))
        matches = [self._match(node, (*self._loc, "match", index)) for index, node in self._listed("match")]
        self._matched = tuple(
            self._template_probes(node, (*self._loc, "match", index)) for index, node in self._listed("match")
        )
        if head is None:
            return None
        app = App(
            name=self._name,
            tier=head.tier,
            mode=Mode(head.mode),
            owner=head.owner,
            runbook=head.runbook or "",
            primary=self._roles["primary"][0],
            backups=self._roles["backup"],
            pairs=tuple(self._pairs.values()),
            matches=tuple(match for match in matches if match),
            lost=lost(head.sessions),
        )
        return app, self._details(head)

    def _listed(self, key: str) -> list[tuple[int, Node]]:
        node = self._node.get(key)
        return list(enumerate(node.items())) if node else []

    def _note(self, mark: Mark, loc: Loc, text: str, suggestion: str = "") -> None:
        self._report.add(mark, dotted(loc), f"{dotted(loc)}: {text}", suggestion=suggestion)

    def _check_tier(self) -> None:
        node = self._node.get("tier")
        tiers = self._known.tiers
        if node is None or not isinstance(node.value, str) or node.value.strip() in tiers:
            return
        text = f"`{shown(node.value)}` is not one of {', '.join(sorted(tiers))}"
        self._note(node.mark, (*self._loc, "tier"), text, nearest(node.value, tiers))

    def _assign_roles(self) -> None:
        """Resolve the roles; each names paths of this file, none twice."""
        node = self._node.get("roles") or Node({}, self._node.mark)
        roles = validate(RolesDocument, node, (*self._loc, "roles"), Report(""))
        if roles is None:
            return  # reported with the app; no role is assumed
        self._roles = {"primary": (roles.primary,), "backup": tuple(roles.backup)}
        taken: set[str] = set()
        for side, names in self._roles.items():
            for index, name in enumerate(names):
                mark, loc = self._role_place(side, index)
                self._role(name, mark, loc, taken)
                taken.add(name)

    def _role_place(self, side: str, index: int) -> tuple[Mark, Loc]:
        node = self._node.get("roles", side)
        if node is None:
            return (self._node.get("roles") or self._node).mark, (*self._loc, "roles", side)
        item = node.get(index)
        return (item.mark, (*self._loc, "roles", side, index)) if item else (node.mark, (*self._loc, "roles", side))

    def _role(self, name: str, mark: Mark, loc: Loc, taken: set[str]) -> None:
        paths = self._known.sources
        if name not in paths:
            text = f"there is no path `{shown(name)}`; paths are {', '.join(paths) or 'none'}"
            self._note(mark, loc, text, nearest(name, paths))
        elif name in taken:
            self._note(mark, loc, f"path `{name}` has a role already; one path cannot stand in for itself")

    def _pair(self, node: Node, loc: Loc) -> None:
        document = validate(PairDocument, node, loc, self._report)
        if document is None:
            for side, text in readable(node):
                self._locator(side, text, node, loc)
            if (probe := node.get("probe")) is not None:
                build_probes(probe, (*loc, "probe"), self._report)
            if (named := node.get("consumers")) is not None:
                build_consumers(named, (*loc, "consumers"), self._report)
            return
        if document.name in self._pairs:
            first = self._pairs[document.name].line
            self._note(self._place(node, "name"), (*loc, "name"), f"`{document.name}` stands on line {first} already")
        self._check_class(document, node, loc)
        self._check_own(document.authenticates or (), node, loc)
        self._probe(document.name, node.get("probe"), (*loc, "probe"))
        self._rotation(document.name, node.get("rotate"), (*loc, "rotate"))
        consumers = self._used(document.name, node.get("consumers"), (*loc, "consumers"))
        locators = {side: self._locator(side, getattr(document, side), node, loc) for side in SIDES}
        primary, backup = locators["primary"], locators["backup"]
        if primary is None or backup is None:
            return
        self._check_distinct(str(primary), str(backup), primary.source, node, loc)
        pair = Pair(
            app=self._name,
            name=document.name,
            kind=document.kind,
            primary=primary,
            backup=backup,
            pair_class=PairClass(document.pair_class),
            owner=document.owner,
            until=document.until,
            reason=document.reason,
            ends=document.ends,
            consumers_primary=consumers.get("primary"),
            consumers_backup=consumers.get("backup"),
            needs=needs_of(document.depends_on),
            authenticates=tuple(document.authenticates or ()),
            line=node.mark.line,
        )
        self._pairs.setdefault(document.name, pair)

    @staticmethod
    def _place(node: Node, key: str) -> Mark:
        return (node.get(key) or node).mark

    def _check_class(self, document: PairDocument, node: Node, loc: Loc) -> None:
        if document.pair_class == "independent":
            return
        missing = [key for key in ("owner", "until", "reason") if not getattr(document, key)]
        if missing:
            text = (
                f"a pair of class {document.pair_class} needs {', '.join(missing)}: someone answers for it until a day"
            )
            self._note(self._place(node, "class"), (*loc, "class"), text)

    def _check_own(self, sources: Iterable[str], node: Node, loc: Loc) -> None:
        """What nhisync's own credential opens must be there; other apps' credentials are not nhisync's."""
        for source in sources:
            mark, place = self._place(node, "authenticates"), (*loc, "authenticates")
            if self._name != OWN:
                self._note(mark, place, f"only pairs of the app `{OWN}` are nhisync's own")
                return
            for path in self._roles["backup"]:
                known = self._known.sources.get(path)
                if known is not None and source not in known:
                    text = f"path `{path}` has no source `{shown(source)}`; it has {', '.join(known) or 'none'}"
                    self._note(mark, place, text, nearest(source, known))

    def _probe(self, name: str, node: Node | None, loc: Loc) -> None:
        if node is None or not (probes := build_probes(node, loc, self._report)):
            return
        self._probes[name] = probes
        self._check_runners(probes.values(), node, loc)

    def _check_runners(self, probes: Iterable[Probe], node: Node, loc: Loc) -> None:
        for role in sorted({probe.run_from for probe in probes} & self._roles.keys()):
            for path in self._known.alone.intersection(self._roles[role]):
                self._note(node.mark, loc, f"`run_from: {role}` needs a runner: paths.{path}.runner")

    def _used(self, name: str, node: Node | None, loc: Loc) -> Mapping[str, tuple[str, ...]]:
        """Role word → names of the consumers that the pair states."""
        if node is None or not (found := build_consumers(node, loc, self._report)):
            return {}
        self._consumers[name] = found
        self._check_runners([one.probe for side in found.values() for one in side if one.probe], node, loc)
        return {side: tuple(one.name for one in named) for side, named in found.items()}

    def _rotation(self, name: str, node: Node | None, loc: Loc) -> None:
        rotate = validate(RotateDocument, node, loc, self._report) if node else None
        if rotate is not None:
            self._rotate[name] = Rotate(primary=rotate.primary, backup=rotate.backup)

    def _check_target(self, kind: str, url: str | None, address: str | None, node: Node, loc: Loc) -> None:
        wanted = {"http": "url", "tls": "address", "tcp": "address"}.get(kind, "")
        have = {key for key, value in (("url", url), ("address", address)) if value is not None}
        if wanted and wanted not in have:
            self._note(node.mark, loc, f"a check of type {kind} needs `{wanted}`")
        for key in sorted(have - {wanted}):
            self._note(self._place(node, key), (*loc, key), f"a check of type {kind} takes no `{key}`")

    def _locator(self, side: str, text: str, node: Node, loc: Loc) -> Locator | None:
        """A side's locator with ``{app}`` filled in; its source must exist on every path of the role."""
        locator = Locator.parse(text.replace("{app}", self._name))
        mark, place = self._place(node, side), (*loc, side)
        if not self._known_place(side, locator, mark, place):
            return None
        first = self._taken.setdefault((side, str(locator)), loc)
        if first != loc:
            self._note(mark, place, f"{dotted(first)} names the same {side} already")
        return locator

    def _known_place(self, side: str, locator: Locator, mark: Mark, loc: Loc) -> bool:
        """Whether every path of the role has the source, and its provider the kind: else nothing could be known."""
        for path in self._roles[side]:
            sources, source = self._known.sources.get(path), locator.source
            if sources is not None and source not in sources:
                text = f"path `{path}` has no source `{shown(source)}`; it has {', '.join(sources) or 'none'}"
                self._note(mark, loc, text, nearest(source, sources))
                return False
            kinds = self._known.kinds.get((path, source))
            if kinds is not None and locator.kind not in kinds.names:
                text = f"provider `{kinds.provider}` has no kind `{shown(locator.kind)}`; it has "
                self._note(mark, loc, text + ", ".join(kinds.names), nearest(locator.kind, kinds.names))
                return False
            if kinds is not None and not self._sound(locator, kinds, mark, loc):
                return False
        return True

    def _sound(self, locator: Locator, kinds: Kinds, mark: Mark, loc: Loc) -> bool:
        """Whether the provider accepts the name as it is written; a template's is known only when it is filled."""
        check = kinds.checks.get(locator.kind)
        if check is None or "{name}" in locator.name:
            return True
        try:
            check(locator.name)
        except ValueError as wrong:
            self._note(mark, loc, f"`{shown(locator.kind)}/{shown(locator.name)}` cannot be right: {wrong}")
            return False
        return True

    def _check_distinct(self, primary: str, backup: str, source: str, node: Node, loc: Loc) -> None:
        """The same locator on two sources that are configured alike is one credential, not a pair."""
        if primary != backup:
            return
        own = [self._known.sources.get(path) for path in self._roles["primary"]]
        other = [self._known.sources.get(path) for path in self._roles["backup"]]
        if any(a and b and a.get(source) and a.get(source) == b.get(source) for a in own for b in other):
            text = "primary and backup are the same item of the same source; a pair needs two identities"
            self._note(self._place(node, "backup"), (*loc, "backup"), text)

    def _match(self, node: Node, loc: Loc) -> MatchRule | None:
        document = validate(MatchDocument, node, loc, self._report)
        if document is None:
            for side, text in readable(node):
                self._template(side, text, node, loc)
            return None
        templates = {side: self._template(side, getattr(document, side), node, loc) for side in SIDES}
        primary, backup = templates["primary"], templates["backup"]
        if primary is None or backup is None:
            return None
        if document.by == "tag":
            self._check_open({"primary": primary, "backup": backup}, node, loc)
        self._check_distinct(primary, backup, primary.partition(":")[0], node, loc)
        return MatchRule(
            app=self._name,
            kind=document.kind,
            primary=primary,
            backup=backup,
            tagged=document.by == "tag",
            pair_class=PairClass(document.pair_class),
            line=node.mark.line,
        )

    def _template_probes(self, node: Node, loc: Loc) -> Mapping[str, Probe]:
        """Role word → probe of the pairs that this template makes."""
        probe, place = node.get("probe"), (*loc, "probe")
        probes = {} if probe is None else build_probes(probe, place, self._report, self._name)
        self._check_runners(probes.values(), probe or node, place)
        return probes

    def _check_open(self, templates: Mapping[str, str], node: Node, loc: Loc) -> None:
        """Whoever looks for tags looks at all names of a beginning; what stands behind ``{name}`` would choose some."""
        for side, template in templates.items():
            if not template.endswith("{name}"):
                text = "with `by: tag` a template ends with {name}: it says where to look, and the tag says which pair"
                self._note(self._place(node, side), (*loc, side), text)

    def _template(self, side: str, text: str, node: Node, loc: Loc) -> str | None:
        """A template with ``{app}`` filled in and exactly one ``{name}`` in its name part."""
        mark, place = self._place(node, side), (*loc, side)
        template = text.replace("{app}", self._name)
        unknown = [found for found in _PLACEHOLDER.findall(template) if found != "name"]
        if unknown:
            self._note(mark, place, f"`{{{shown(unknown[0])}}}` stands for nothing; known are {{app}} and {{name}}")
            return None
        locator = Locator.parse(template)
        if template.count("{name}") != 1 or "{name}" not in locator.name:
            self._note(mark, place, "a template needs {name} exactly once, after <kind>/ and before #")
            return None
        if not self._known_place(side, locator, mark, place):
            return None
        first = self._taken.setdefault((side, template), loc)
        if first != loc:
            self._note(mark, place, f"{dotted(first)} has the same template already")
        return template

    def _details(self, head: AppDocument) -> AppDetails:
        serving = head.serving
        addresses = self._by_path(serving.addresses if serving else {}, ("serving", "addresses"))
        healths = self._by_path(head.health, ("health",))
        for key, check in head.health.items():
            node = self._node.get("health", key)
            if node:
                self._check_target(check.type, check.url, check.address, node, (*self._loc, "health", key))
        return AppDetails(
            serving=None
            if serving is None
            else Serving(
                name=serving.name,
                addresses={path: tuple(found) for path, found in addresses.items()},
                resolvers={group: tuple(found) for group, found in serving.resolvers.items()},
            ),
            health={path: health(found) for path, found in healths.items()},
            probes=self._probes,
            matched=self._matched,
            rotate=self._rotate,
            consumers=self._consumers,
        )

    def _by_path(self, found: Mapping[str, Any], below: Loc) -> dict[str, Any]:
        """Keys that are role words or path names → path names; a role word stands for every path of the role."""
        names: dict[str, Any] = {}
        for key, value in found.items():
            paths = tuple(self._paths_of(key))
            if not paths:
                parent = self._node.get(*below)
                mark = parent.keys[key] if parent else self._node.mark
                have = dict.fromkeys((*SIDES, *self._roles["primary"], *self._roles["backup"]))
                text = f"`{shown(key)}` is neither a role nor a path of this app; known are {', '.join(have)}"
                self._note(mark, (*self._loc, *below), text, nearest(key, have))
            names.update(dict.fromkeys(paths, value))
        return names

    def _paths_of(self, key: str) -> Iterator[str]:
        if key in self._roles:
            yield from self._roles[key]
        elif any(key in names for names in self._roles.values()):
            yield key
