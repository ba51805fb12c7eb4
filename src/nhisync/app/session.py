"""One invocation: the configuration, the providers it names, the clock. Nothing is contacted here."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from nhisync.clock import Clock, Randomness, SystemClock, SystemRandomness
from nhisync.config import Configuration, Declared, load, source_settings
from nhisync.errors import UsageError
from nhisync.model import App, Side
from nhisync.parity.pairing import role_of
from nhisync.parity.rules import codes
from nhisync.registry import Registry
from nhisync.spi import Budget, Limits, Provider, ProviderInfo, Rate, Remainder, SourceContext, SourceSettings

KEY_LOG = "SSLKEYLOGFILE"
"""Python and the SDKs write the keys of every TLS connection into the file that this variable names."""


class Session:
    """What every use case starts from.

    Args:
        configuration: the loaded configuration.
        registry: installed providers.
        clock: the only time.
        randomness: the only randomness.
        timeout: ends every source's cycle earlier than its own deadline, seconds; None = the configured deadlines.
        rests: what another process left of the cycle's budgets, by (path, source); None = a whole cycle.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        registry: Registry | None = None,
        clock: Clock | None = None,
        randomness: Randomness | None = None,
        timeout: float | None = None,
        rests: Mapping[tuple[str, str], Remainder] | None = None,
    ) -> None:
        self.configuration = configuration
        self.registry = registry or Registry(configuration.allow)
        self.clock: Clock = clock or SystemClock()
        self.randomness: Randomness = randomness or SystemRandomness()
        self.timeout = timeout
        self._rests = dict(rests or {})
        self._settings: dict[tuple[str, str], SourceSettings] = {}
        self._budgets: dict[tuple[str, str], Budget] = {}

    @classmethod
    def open(
        cls, file: Path, *, policies: Path | None = None, registry: Registry | None = None, **parts: Any
    ) -> "Session":
        """Load `file` and check it whole: also what only the named providers know of their settings and kinds.

        Raises:
            ConfigurationError: with all problems at once; a provider that cannot be loaded is one of them.
        """

        def offered(allow: Collection[str]) -> Declared:
            chosen = registry or Registry(allow)
            return lambda name: chosen.load(name).info

        configuration = load(file, policies=policies, offered=offered, codes=codes())
        return cls(configuration, registry=registry, **parts)

    def info(self, provider: str) -> ProviderInfo:
        """The declaration of a provider; imports it, contacts nothing."""
        return self.registry.load(provider).info

    def source_info(self, path: str, source: str) -> ProviderInfo:
        """The declaration of the provider behind one source."""
        return self.info(self.configuration.paths[path].sources[source].provider)

    def settings(self, path: str, source: str) -> SourceSettings:
        """The validated settings of one source."""
        key = (path, source)
        if key not in self._settings:
            settings_class = self.source_info(path, source).settings
            self._settings[key] = source_settings(self.configuration, path, source, settings_class)
        return self._settings[key]

    def provider(self, path: str, source: str) -> Provider:
        """A new adapter instance; close it after use.

        A forgotten `KEY_LOG` is taken out of the environment first: with its file, whoever recorded the connections
        reads tokens and values from them later (Python docs, ``ssl.SSLContext.keylog_filename``).

        Raises:
            RegistryError: its SDK is not installed.
        """
        os.environ.pop(KEY_LOG, None)
        entry = self.configuration.paths[path].sources[source]
        loaded = self.registry.load(entry.provider)
        self.registry.require_sdk(loaded.info)
        context = SourceContext(
            path=path,
            source=source,
            region=self.region(path, source),
            base=self.configuration.base,
            clock=self.clock,
            randomness=self.randomness,
        )
        return loaded(self.settings(path, source), context)

    def region(self, path: str, source: str) -> str | None:
        """The source's own region, or its path's."""
        return self.settings(path, source).region or self.configuration.paths[path].region

    def begin(self) -> None:
        """Begin a cycle: every source has its whole budget again."""
        self._budgets = {}

    def budget(self, path: str, source: str) -> Budget:
        """The budget of this cycle, from the source's limits and the invocation's timeout.

        One for all passes over the source (sweep, second look, comparison of values), running from the first of them.
        """
        key = (path, source)
        if key not in self._budgets:
            self._budgets[key] = self._new_budget(path, source)
        return self._budgets[key]

    def _new_budget(self, path: str, source: str) -> Budget:
        limits: Limits = self.settings(path, source).limits
        seconds, calls = limits.deadline.total_seconds(), limits.calls
        rest = self._rests.get((path, source), Remainder(seconds=seconds, calls=calls))
        return Budget(
            self.clock,
            seconds=min(seconds, rest.seconds, *(() if self.timeout is None else (self.timeout,))),
            calls=min(calls, rest.calls),
            rates={family: Rate(per_second=rate, burst=max(1.0, rate)) for family, rate in limits.rates.items()},
            tokens=rest.tokens,
        )

    def domain_of(self, path: str, source: str) -> Callable[[str | None], str | None]:
        """Region of an item (None = the source's own) → its fault domain, ``<provider>/<region>``."""
        provider = self.configuration.paths[path].sources[source].provider
        own = self.region(path, source)
        return lambda region: f"{provider}/{region or own}" if region or own else None

    def domains(self, path: str) -> frozenset[str]:
        """The fault domains of a path: declared ones, or ``<provider>/<region>`` of its sources."""
        declared = self.configuration.paths[path].fault_domains
        if declared:
            return frozenset(declared)
        found = (self.domain_of(path, source)(None) for source in self.configuration.paths[path].sources)
        return frozenset(domain for domain in found if domain)

    def common_domains(self, primary: str, backup: str) -> frozenset[str]:
        """The fault domains that both paths have, but for those of the backup's sources: their items tell these."""
        own = (self.domain_of(backup, source)(None) for source in self.configuration.paths[backup].sources)
        return self.domains(primary) & self.domains(backup) - frozenset(own)

    def resolve(self, primary: str, backup: str, names: Iterable[str] = ()) -> tuple[tuple[App, str, str], ...]:
        """(app, primary path, backup path) for two path names, or for the role words resolved per app.

        Raises:
            UsageError: no such path or app, or no app uses the two paths in these roles.
        """
        apps = self.apps(names)
        roles = (primary, backup) == ("primary", "backup")
        known = self.configuration.paths
        if not roles or {primary, backup} <= set(known):
            for path in (primary, backup):
                self._known_path(path)
        found: list[tuple[App, str, str]] = []
        for app in apps:
            if roles:
                found.extend((app, app.primary, name) for name in app.backups)
            elif role_of(app, primary) is Side.PRIMARY and role_of(app, backup) is Side.BACKUP:
                found.append((app, primary, backup))
        if not found:
            raise UsageError(
                f"no app uses `{primary}` as its primary and `{backup}` as its backup path",
                fix="Look at `roles:` of the apps, or name the paths in the other order.",
            )
        return tuple(found)

    def apps(self, names: Iterable[str] = ()) -> tuple[App, ...]:
        """The named apps, or all.

        Raises:
            UsageError: an app is not configured.
        """
        wanted = set(names)
        unknown = wanted - {app.name for app in self.configuration.apps}
        if unknown:
            have = ", ".join(app.name for app in self.configuration.apps) or "none"
            raise UsageError(f"no app is called `{min(unknown)}`", fix=f"Configured apps: {have}.")
        return tuple(app for app in self.configuration.apps if not wanted or app.name in wanted)

    def _known_path(self, path: str) -> None:
        if path not in self.configuration.paths:
            have = ", ".join(self.configuration.paths)
            raise UsageError(f"no path is called `{path}`", fix=f"Configured paths: {have}.")
