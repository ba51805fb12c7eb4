"""A whole world on loopback: every provider's emulators, seeded from one scenario, and the configuration that fits."""

import io
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Self

from ruamel.yaml import YAML

from nhisync.clock import Clock, SystemClock
from nhisync.errors import RegistryError
from nhisync.testing.judge import Judge
from nhisync.testing.scenario import PlannedPair, Plant, Scenario
from nhisync.testing.world import WorldPart

GROUP = "nhisync.worlds"
"""Entry-point group of world parts."""


class EmbeddedWorld:
    """Starts the emulators a scenario needs and writes ``nhisync.yaml`` with policies beside it.

    Args:
        scenario: what to plant.
        directory: private folder of the world.
        clock: the emulators' clock.
        parts: provider → world part class; None = the installed entry points.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        directory: Path,
        clock: Clock | None = None,
        parts: Mapping[str, type[WorldPart]] | None = None,
    ) -> None:
        self.scenario = scenario
        self.directory = directory
        self.clock: Clock = clock or SystemClock()
        self._classes = parts
        self._parts: dict[str, WorldPart] = {}
        self.judge: Judge | None = None

    @property
    def config_file(self) -> Path:
        """The configuration that reaches this world."""
        return self.directory / "nhisync.yaml"

    def part(self, provider: str) -> WorldPart:
        """The running emulators of one provider."""
        return self._parts[provider]

    def start(self) -> Path:
        """Start, plant, switch faults on, write the configuration; returns its file.

        Raises:
            RegistryError: a provider of the scenario ships no world here, or a package of it is not installed.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        paths: dict[str, dict[str, Any]] = {}
        for planned in self.scenario.sources:
            part = self._started(planned.provider)
            document = part.add_source(planned.path, planned.name, region=planned.region, options=planned.options)
            path = paths.setdefault(planned.path, {"region": planned.region, "sources": {}})
            same = {"region"} if document.get("region") == path["region"] else set()
            path["sources"][planned.name] = {k: v for k, v in document.items() if k not in same}
        if self.scenario.accounts:
            self.judge = Judge(clock=self.clock, directory=self.directory / "world" / "judge")
            self.judge.accounts.update(self.scenario.accounts)
            self.judge.start()
        apps = {app.name: self._app(app.pairs, app) for app in self.scenario.apps}
        for fault in self.scenario.faults:
            self._owner(fault.path, fault.source).fault(fault.path, fault.source, fault.name, **fault.options)
        self._write(paths, apps)
        return self.config_file

    def stop(self) -> None:
        """Close every emulator."""
        if self.judge is not None:
            self.judge.stop()
        while self._parts:
            self._parts.popitem()[1].stop()

    def __enter__(self) -> Self:
        """Start on entry."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        """Stop on exit."""
        self.stop()

    def _started(self, provider: str) -> WorldPart:
        if provider not in self._parts:
            try:  # some parts import their emulator when they are loaded, some when they start
                part = self._class(provider)(clock=self.clock, directory=self.directory / "world" / provider)
                self._parts[provider] = part
                part.start()
            except ModuleNotFoundError as missing:
                raise RegistryError(
                    f"the embedded world of `{provider}` needs `{missing.name}`, which is not installed",
                    fix="Install it: pip install 'nhisync[all,demo]'",
                ) from None
        return self._parts[provider]

    def _class(self, provider: str) -> type[WorldPart]:
        if self._classes is not None:
            return self._classes[provider]
        for point in entry_points(group=GROUP, name=provider):
            loaded: type[WorldPart] = point.load()
            return loaded
        raise RegistryError(
            f"no embedded world for the provider `{provider}` is installed",
            fix="Install nhisync from its wheel with the extras all and demo; the image holds no emulators.",
        )

    def _owner(self, path: str, source: str) -> WorldPart:
        for planned in self.scenario.sources:
            if (planned.path, planned.name) == (path, source):
                return self._parts[planned.provider]
        raise KeyError(f"{path}/{source}")

    def _app(self, pairs: tuple[PlannedPair, ...], app: Any) -> dict[str, Any]:
        document: dict[str, Any] = {"tier": app.tier, "owner": app.owner, "runbook": app.runbook, **app.document}
        explicit = []
        for pair in pairs:
            sides = {"primary": self._plant("primary", pair.primary), "backup": self._plant("backup", pair.backup)}
            for path, other in pair.others:
                self._plant(path, other)
            if pair.explicit:
                explicit.append({"name": pair.name, "kind": pair.kind, **sides, **self._filled(pair.document)})
        if explicit:
            document["pairs"] = explicit
        if app.matches:
            document["match"] = [self._filled(match) for match in app.matches]
        return document

    def _filled(self, value: Any) -> Any:
        """`value` with the judging service's words replaced."""
        if isinstance(value, Mapping):
            return {key: self._filled(inner) for key, inner in value.items()}
        if isinstance(value, str) and self.judge is not None:
            for word, meaning in self.judge.words.items():
                value = value.replace(word, meaning)
        return value

    def _plant(self, path: str, plant: Plant | None) -> str:
        if plant is None:
            return ""
        place = plant.locator
        if plant.seed is not None:
            place = self._owner(path, plant.source).seed(path, plant.source, plant.seed)
        field = f"#{plant.field}" if plant.field else ""
        return f"{plant.source}:{place}{field}"

    def _write(self, paths: Mapping[str, Any], apps: Mapping[str, Any]) -> None:
        document: dict[str, Any] = {"version": 1, "store": {"url": "sqlite:///nhisync.db"}}
        if self.scenario.policies:
            document["policies"] = "./policies"
            (self.directory / "policies").mkdir(exist_ok=True)
            for name, policy in self.scenario.policies.items():
                (self.directory / "policies" / name).write_text(_yaml(policy), encoding="utf-8")
        document |= {"paths": dict(paths), "apps": dict(apps)}
        if self.scenario.waivers:
            document["waivers"] = [dict(waiver) for waiver in self.scenario.waivers]
        document["listener"] = {"bind": "127.0.0.1:8443"}  # opened by `nhisync serve` alone, which can be tried here
        self.config_file.write_text(_yaml(document), encoding="utf-8")


def _yaml(document: Mapping[str, Any]) -> str:
    writer = YAML()
    writer.width = 4096
    text = io.StringIO()
    writer.dump(_plain(document), text)
    return text.getvalue()


def _plain(value: Any) -> Any:
    """Mappings and sequences of any type as dicts and lists, which is what the YAML writer knows."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value
